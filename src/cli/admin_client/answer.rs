//! What the admin API answers, and its lists read page by page.

use dockless_oci::{Digest, RepositoryName, Tag};
use serde::{Deserialize, Serialize};

use super::AdminClient;
use crate::failure::Failure;

/// Items asked for at once when a list is read.
const PAGE_ITEMS: usize = 1000;

/// What a repository holds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Manifests.
    pub(crate) manifests: u64,
    /// Tags.
    pub(crate) tags: u64,
    /// Blobs it may serve.
    pub(crate) blobs: u64,
    /// Bytes of those blobs and manifests.
    pub(crate) bytes: u64,
}

/// One repository.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Repository {
    /// Its name.
    pub(crate) name: RepositoryName,
    /// Whether the node holds anything of it; else an engine does.
    pub(crate) held: bool,
    /// What it holds.
    #[serde(flatten)]
    pub(crate) usage: Usage,
}

/// One tag.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct TagRow {
    /// Its name.
    pub(crate) tag: Tag,
    /// What it points to; absent for the tag of an engine.
    pub(crate) digest: Option<Digest>,
}

/// What the node holds, each blob counted once.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Totals {
    /// Repositories.
    pub(crate) repositories: u64,
    /// Manifests.
    pub(crate) manifests: u64,
    /// Tags.
    pub(crate) tags: u64,
    /// Blobs.
    pub(crate) blobs: u64,
    /// Bytes of those blobs and manifests.
    pub(crate) bytes: u64,
}

/// A page of repositories.
#[derive(Deserialize)]
struct RepositoryPage {
    repositories: Vec<Repository>,
}

/// A page of tags.
#[derive(Deserialize)]
struct TagPage {
    tags: Vec<TagRow>,
}

/// Names and tags stand in paths and queries as they are: their grammar has nothing that needs an escape.
impl AdminClient {
    /// Every repository whose name begins with `prefix`, in the order of names.
    pub(crate) async fn repositories(&mut self, prefix: &str) -> Result<Vec<Repository>, Failure> {
        let mut all: Vec<Repository> = Vec::new();
        let mut after = String::new();
        loop {
            let page: RepositoryPage =
                self.get(&format!("repositories?n={PAGE_ITEMS}&after={after}")).await?;
            let Some(last) = page.repositories.last() else { return Ok(all) };
            after = last.name.to_string();
            let whole = page.repositories.len() < PAGE_ITEMS;
            all.extend(
                page.repositories
                    .into_iter()
                    .filter(|repository| repository.name.as_str().starts_with(prefix)),
            );
            if whole {
                return Ok(all);
            }
        }
    }

    /// Every tag of a repository, in the order of names.
    pub(crate) async fn tags(&mut self, repository: &RepositoryName) -> Result<Vec<TagRow>, Failure> {
        let mut all: Vec<TagRow> = Vec::new();
        loop {
            let after = all.last().map(|row| row.tag.to_string()).unwrap_or_default();
            let path = format!("repositories/{repository}/tags?n={PAGE_ITEMS}&after={after}");
            let page: TagPage = self.get(&path).await?;
            let whole = page.tags.len() < PAGE_ITEMS;
            all.extend(page.tags);
            if whole {
                return Ok(all);
            }
        }
    }

    /// What a repository holds.
    pub(crate) async fn usage(&mut self, repository: &RepositoryName) -> Result<Repository, Failure> {
        self.get(&format!("usage?repository={repository}")).await
    }

    /// What the node holds.
    pub(crate) async fn totals(&mut self) -> Result<Totals, Failure> {
        self.get("usage").await
    }
}
