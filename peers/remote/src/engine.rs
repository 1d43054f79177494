//! One container engine as a source.

pub(crate) mod archive;
pub(crate) mod containerd;
mod current;
mod docker;
pub(crate) mod driver;
mod ground;
mod kind;
mod load;
mod manifest;
pub(crate) mod name;
mod recent;
mod saves;
mod settings;
mod socket;
mod spool;
mod statistics;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dockless_oci::{Digest, Reference, RepositoryName, Tag};
use dockless_registry::access::Access;
use dockless_registry::{
    Asked, Manifest, Principal, Source, SourceBlob, SourceError, SourceKind, SourceStatus, SourceTraits,
};
use dockless_runtime::{BoxFuture, Runtime};

use current::Current;
use driver::{Driver, EngineTraits, Image};
use ground::Ground;
use name::{EngineName, Version, candidates, listed};
use recent::Recent;

pub use load::{Load, LoadError, LoadManifest};
pub use settings::{EngineAddress, EngineAddressError, EngineSettings, Share};
pub use statistics::EngineMetrics;

/// A container engine of this machine as a source: docker, containerd or podman, whichever answers at the socket.
///
/// Nothing of it is ever taken for granted: which engine it is is asked again after it was down, a name is looked up
/// at each request, and a blob is answered only while an image of the asked repository has it.
pub struct Engine {
    traits: SourceTraits,
    share: Share,
    access: Arc<Access>,
    current: Arc<Current>,
    /// Under which name of the engine a digest was last found. A hint: it is asked for anew.
    places: Recent<(RepositoryName, Option<Box<str>>, Digest), String>,
}

/// The driver in use, and the engine's repositories that a request may mean.
struct Search {
    driver: Arc<dyn Driver>,
    repositories: Vec<String>,
}

impl Engine {
    /// The engine behind the socket that `settings` name. Asks nothing yet: it may be down, or start later. It answers a
    /// repository to those who by `access` may pull what lists call it, by whatever name they ask for it.
    #[must_use]
    pub fn new(
        runtime: Runtime,
        settings: EngineSettings,
        access: Arc<Access>,
        metrics: &EngineMetrics,
    ) -> Self {
        let ground = Arc::new(Ground::new(runtime, &settings, metrics));
        let traits = SourceTraits {
            label: format!("engine {}", settings.address),
            kind: SourceKind::Engine,
            absence_holds: Duration::ZERO,
            private: access.has_rules(),
        };
        let current = Arc::new(Current::new(ground));
        Self { traits, share: settings.share, access, current, places: Recent::default() }
    }

    /// Puts an image into the engine under the name that a pull of its repository and tag looks for first, in place of
    /// an image that has it. The engine checks every byte; nothing of it is kept here. One that keeps manifests gets
    /// all of them as they were pushed; another one the image that runs on this machine.
    ///
    /// # Errors
    /// [`LoadError`]; the name then stands for what it stood for. After half an hour at the latest.
    pub async fn load(&self, image: &Load) -> Result<(), LoadError> {
        let search = self.search(&image.asked).await;
        let search = search.map_err(|error| LoadError::Unavailable(error.to_string()))?;
        let meant = search.as_ref().and_then(|search| Some((search, search.repositories.first()?)));
        let Some((search, repository)) = meant else {
            let repository = &image.asked.repository;
            return Err(LoadError::NotShared(format!("{} does not share {repository}", self.traits.label)));
        };
        let loaded = search.driver.load(&format!("{repository}:{}", image.tag), image).await;
        if let Err(LoadError::Unavailable(_)) = &loaded {
            self.current.lost(&search.driver);
        }
        loaded
    }

    /// Where to look for what is asked; `None` when none of it is shared, or for the one who asks. The door looked at
    /// the name in the request alone, of which the engine's repositories have several.
    async fn search(&self, asked: &Asked) -> Result<Option<Search>, SourceError> {
        if self.share == Share::None {
            return Ok(None);
        }
        let driver = self.current.driver().await?;
        let local = driver.traits().names_local;
        let mut repositories = candidates(asked, local);
        repositories.retain(|repository| {
            let name = ruled(repository, local);
            self.share.allows(&name) && self.access.may_pull(&asked.principal, &name)
        });
        Ok((!repositories.is_empty()).then_some(Search { driver, repositories }))
    }

    /// How many of these images have a name that is shared.
    fn count_shared(&self, images: &[Image], local: bool) -> u64 {
        let is_shared = |image: &&Image| {
            self.share == Share::All
                || image.parsed_names().any(|name| self.share.allows(&ruled(&name.repository, local)))
        };
        images.iter().filter(is_shared).count() as u64
    }

    /// Notes when an engine is lost.
    fn noted<T>(&self, search: &Search, result: Result<T, SourceError>) -> Result<T, SourceError> {
        if let Err(SourceError::Unavailable(_)) = &result {
            self.current.lost(&search.driver);
        }
        result
    }

    /// The first of the images that may be meant in which `look` finds the digest.
    async fn first<'a, T>(
        &'a self,
        search: &'a Search,
        asked: &Asked,
        digest: &Digest,
        look: impl Fn(Image) -> BoxFuture<'a, Result<Option<T>, SourceError>> + Send + Sync,
    ) -> Result<Option<T>, SourceError> {
        let key = (asked.repository.clone(), asked.namespace.clone(), digest.clone());
        // Who found it there may have been allowed more than the one who asks now.
        let is_meant = |name: &String| {
            let name = EngineName::parse(name);
            name.is_some_and(|name| search.repositories.contains(&name.repository))
        };
        if let Some(name) = self.places.get(&key).filter(is_meant)
            && let Some(image) = search.driver.image(&name).await?
            && let Some(found) = look(image).await?
        {
            return Ok(Some(found));
        }
        let images = search.driver.images().await?;
        for repository in &search.repositories {
            for image in &images {
                let Some(name) = image.name_in(repository) else { continue };
                if let Some(found) = look(image.clone()).await? {
                    self.places.insert(key, name.to_string());
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }
}

impl Search {
    async fn tagged(&self, tag: &Tag) -> Result<Option<Manifest>, SourceError> {
        for repository in &self.repositories {
            if let Some(image) = self.driver.image(&format!("{repository}:{tag}")).await? {
                return self.driver.manifest(&image).await;
            }
        }
        Ok(None)
    }

    async fn tags(&self) -> Result<Option<Vec<Tag>>, SourceError> {
        let images = self.driver.images().await?;
        let names = images.iter().flat_map(Image::parsed_names);
        let tags: BTreeSet<_> = names
            .filter(|name| self.repositories.contains(&name.repository))
            .filter_map(EngineName::tag)
            .collect();
        Ok((!tags.is_empty()).then(|| tags.into_iter().collect()))
    }
}

impl Image {
    fn parsed_names(&self) -> impl Iterator<Item = EngineName> {
        self.names.iter().filter_map(|name| EngineName::parse(name))
    }

    /// A name of this image in a completed repository.
    fn name_in(&self, repository: &str) -> Option<EngineName> {
        self.parsed_names().find(|name| name.repository == repository)
    }
}

impl EngineName {
    fn tag(self) -> Option<Tag> {
        match self.version {
            Version::Tag(tag) => Some(tag),
            Version::Digest(_) => None,
        }
    }
}

#[async_trait]
impl Source for Engine {
    fn traits(&self) -> &SourceTraits {
        &self.traits
    }

    async fn manifest(&self, asked: &Asked, reference: &Reference) -> Result<Option<Manifest>, SourceError> {
        let Some(search) = self.search(asked).await? else { return Ok(None) };
        let found = match reference {
            Reference::Tag(tag) => search.tagged(tag).await,
            Reference::Digest(digest) => {
                let (driver, wanted) = (&search.driver, digest.clone());
                let look = |image| child(driver.clone(), image, wanted.clone());
                self.first(&search, asked, digest, look).await
            }
        };
        self.noted(&search, found)
    }

    async fn blob(&self, asked: &Asked, digest: &Digest) -> Result<Option<SourceBlob>, SourceError> {
        let Some(search) = self.search(asked).await? else { return Ok(None) };
        let look = |image| blob(search.driver.clone(), image, digest.clone());
        let found = self.first(&search, asked, digest, look).await;
        self.noted(&search, found)
    }

    async fn tags(&self, asked: &Asked) -> Result<Option<Vec<Tag>>, SourceError> {
        let Some(search) = self.search(asked).await? else { return Ok(None) };
        let tags = search.tags().await;
        self.noted(&search, tags)
    }

    async fn repositories(&self, _principal: &Principal) -> Result<Vec<RepositoryName>, SourceError> {
        if self.share == Share::None {
            return Ok(Vec::new());
        }
        let driver = self.current.driver().await?;
        let search = Search { driver, repositories: Vec::new() };
        let images = search.driver.images().await;
        let images = self.noted(&search, images)?;
        let local = search.driver.traits().names_local;
        let names = images
            .iter()
            .flat_map(Image::parsed_names)
            .filter(|name| matches!(name.version, Version::Tag(_)));
        let listed = names.filter_map(|name| listed(&name.repository, local));
        let shared: BTreeSet<_> =
            listed.filter(|repository| self.share.allows(repository.as_str())).collect();
        Ok(shared.into_iter().collect())
    }

    async fn status(&self) -> SourceStatus {
        let driver = match self.current.driver().await {
            Ok(driver) => driver,
            Err(error) => {
                let description = self.traits.label.clone();
                return SourceStatus {
                    description,
                    images: None,
                    problem: Some(error.to_string()),
                    note: None,
                };
            }
        };
        let images = driver.images().await;
        if images.is_err() {
            self.current.lost(&driver);
        }
        let EngineTraits { description, note, names_local } = driver.traits().clone();
        SourceStatus {
            description,
            images: images.as_ref().ok().map(|images| self.count_shared(images, names_local)),
            problem: images.err().map(|error| error.to_string()),
            note,
        }
    }
}

/// The name of an engine's repository by which it is shared and rules speak of it: that of lists.
fn ruled(repository: &str, local: bool) -> String {
    listed(repository, local).map_or_else(|| repository.to_owned(), |name| name.to_string())
}

/// [`Driver::child`] as a future of its own.
fn child<'a>(
    driver: Arc<dyn Driver>,
    image: Image,
    digest: Digest,
) -> BoxFuture<'a, Result<Option<Manifest>, SourceError>> {
    Box::pin(async move { driver.child(&image, &digest).await })
}

/// [`Driver::blob`] as a future of its own.
fn blob<'a>(
    driver: Arc<dyn Driver>,
    image: Image,
    digest: Digest,
) -> BoxFuture<'a, Result<Option<SourceBlob>, SourceError>> {
    Box::pin(async move { Ok(driver.blob(&image, &digest).await?.map(SourceBlob::InPlace)) })
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Engine").field("label", &self.traits.label).finish_non_exhaustive()
    }
}
