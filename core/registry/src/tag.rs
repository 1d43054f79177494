//! Tags: listed in byte order, and set to manifests that are there.

use dockless_meta::command::Command;
use dockless_oci::{Digest, RepositoryName, Tag};

use crate::error::Error;
use crate::page::{PAGE_ITEMS_MAX, Page};
use crate::registry::Registry;
use crate::source::Asked;
use crate::statistics::Content;

impl Registry {
    /// One page of the tags of a repository, in byte order, after `last` (which need not exist). At most `n`, and
    /// at most [`PAGE_ITEMS_MAX`]; without `n` as many as that. What sources have is listed with them.
    pub async fn tags(
        &self,
        asked: &Asked,
        n: Option<usize>,
        last: Option<&str>,
    ) -> Result<Page<Tag>, Error> {
        let limit = n.unwrap_or(PAGE_ITEMS_MAX).min(PAGE_ITEMS_MAX);
        let here = self.tags_here(&asked.repository, limit, last);
        if self.mirror.is_empty() {
            return here;
        }
        match (here, self.mirror.tags(asked).await) {
            (Ok(here), elsewhere) => Ok(here.merged(elsewhere.unwrap_or_default(), last, limit)),
            (Err(Error::NameUnknown), elsewhere) => Ok(Page::default().merged(elsewhere?, last, limit)),
            (Err(error), _) => Err(error),
        }
    }

    fn tags_here(
        &self,
        repository: &RepositoryName,
        limit: usize,
        last: Option<&str>,
    ) -> Result<Page<Tag>, Error> {
        let view = self.inner.view()?;
        if !view.repository_exists(repository)? {
            return Err(Error::NameUnknown);
        }
        if limit == 0 {
            return Ok(Page::default());
        }
        let items: Vec<Tag> = view.tags(repository, last, limit)?.into_iter().map(|(tag, _)| tag).collect();
        let next = match items.last().filter(|_| items.len() == limit) {
            Some(last) if !view.tags(repository, Some(last.as_str()), 1)?.is_empty() => {
                Some(last.to_string())
            }
            _ => None,
        };
        Ok(Page { items, next })
    }

    /// Points a tag at a manifest that the repository holds.
    pub async fn set_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), Error> {
        self.inner.writable()?;
        let immutable = self.settings().is_immutable(repository, tag);
        let (tag, digest) = (tag.clone(), digest.clone());
        let command = Command::SetTag { repository: repository.clone(), tag, digest, immutable };
        if immutable {
            // The ledger decides, but whoever deletes the manifest looks for such tags before.
            self.submit_after_look("tag set", repository.clone(), command, |_, _| Ok(())).await?;
        } else {
            self.inner.submit(command).await??;
        }
        self.inner.statistics.push(Content::Tag);
        Ok(())
    }
}
