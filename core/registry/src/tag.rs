//! Tags: listed in byte order, and set to manifests that are there.

use dockless_meta::command::PutManifest;
use dockless_oci::{Digest, RepositoryName, Tag};

use crate::error::Error;
use crate::page::{PAGE_ITEMS_MAX, Page};
use crate::registry::Registry;
use crate::source::Asked;

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
        let next = items.last().filter(|_| items.len() == limit).map(Tag::to_string);
        let more = match &next {
            Some(last) => !view.tags(repository, Some(last), 1)?.is_empty(),
            None => false,
        };
        Ok(Page { items, more, next: next.filter(|_| more) })
    }

    /// Points a tag at a manifest that the repository holds.
    pub async fn set_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), Error> {
        self.inner.writable()?;
        let record = self.inner.view()?.manifest(repository, digest)?.ok_or(Error::ManifestUnknown)?;
        self.commit(PutManifest {
            repository: repository.clone(),
            digest: record.digest,
            media_type: record.media_type,
            bytes: record.bytes,
            facts: record.facts,
            tags: vec![tag.clone()],
            only_if: None,
            immutable_tags: false,
        })
        .await
    }
}
