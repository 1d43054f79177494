//! Finds what is asked for among the images of an engine.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use dockless_oci::{Digest, Tag};
use dockless_registry::{Asked, Manifest, SourceError};
use dockless_runtime::BoxFuture;

use super::Engine;
use super::driver::{Driver, Image};
use super::name::{EngineName, Version};

/// How long a digest is looked for in one image after the other.
const SEARCH_TIME_MAX: Duration = Duration::from_secs(30);
/// How much of that one image takes at most: that one had to be exported says nothing about the next ones.
const LOOK_COUNTS_MAX: Duration = Duration::from_secs(5);

/// The driver in use, and the engine's repositories that a request may mean.
pub(super) struct Search {
    pub(super) driver: Arc<dyn Driver>,
    pub(super) repositories: Vec<String>,
}

/// Which images were looked at for one digest.
#[derive(Default)]
struct Looked {
    images: HashSet<Digest>,
    /// How long that took, as far as it counts.
    counted: Duration,
    /// What is wrong with one of them; another one may have the digest all the same.
    problem: Option<SourceError>,
}

impl Engine {
    /// What a tag stands for, in the first repository that has it.
    pub(super) async fn tagged(
        &self,
        search: &Search,
        asked: &Asked,
        tag: &Tag,
    ) -> Result<Option<Manifest>, SourceError> {
        for repository in &search.repositories {
            let name = format!("{repository}:{tag}");
            let Some(image) = search.driver.image(&name).await? else { continue };
            let manifest = search.driver.manifest(&image).await?;
            if manifest.is_some() {
                self.pulled.insert((asked.repository.clone(), asked.namespace.clone()), name);
            } else {
                // It may be an image of another kind of engine.
                self.current.doubt(&search.driver);
            }
            return Ok(manifest);
        }
        Ok(None)
    }

    fn too_slow(&self, digest: &Digest) -> SourceError {
        let (label, seconds) = (&self.traits.label, SEARCH_TIME_MAX.as_secs());
        SourceError::Refused(format!("{label} did not say within {seconds} s which image has {digest}"))
    }

    /// The first of the images that may be meant in which `look` finds the digest.
    pub(super) async fn first<'a, T>(
        &'a self,
        search: &'a Search,
        asked: &Asked,
        digest: &Digest,
        look: impl Fn(Image) -> BoxFuture<'a, Result<Option<T>, SourceError>> + Send + Sync,
    ) -> Result<Option<T>, SourceError> {
        let mut looked = Looked::default();
        let key = (asked.repository.clone(), asked.namespace.clone(), digest.clone());
        let pulled = self.pulled.get(&(asked.repository.clone(), asked.namespace.clone()));
        // Who found it there may have been allowed more than the one who asks now.
        let is_meant = |name: &String| {
            let name = EngineName::parse(name);
            name.is_some_and(|name| search.repositories.contains(&name.repository))
        };
        for name in self.places.get(&key).into_iter().chain(pulled).filter(is_meant) {
            if let Some(image) = search.driver.image(&name).await?
                && let Some(found) = self.look_once(&mut looked, image, digest, &look).await?
            {
                self.places.insert(key, name);
                return Ok(Some(found));
            }
        }
        let images = search.driver.images().await?;
        for repository in &search.repositories {
            for image in &images {
                let Some(name) = image.name_in(repository) else { continue };
                if let Some(found) = self.look_once(&mut looked, image.clone(), digest, &look).await? {
                    self.places.insert(key, name.to_string());
                    return Ok(Some(found));
                }
            }
        }
        looked.problem.map_or(Ok(None), Err)
    }

    /// What `look` finds in an image that it did not look at before.
    async fn look_once<'a, T>(
        &self,
        looked: &mut Looked,
        image: Image,
        digest: &Digest,
        look: &impl Fn(Image) -> BoxFuture<'a, Result<Option<T>, SourceError>>,
    ) -> Result<Option<T>, SourceError> {
        if !looked.images.insert(image.id.clone()) {
            return Ok(None);
        }
        if looked.counted >= SEARCH_TIME_MAX {
            return Err(looked.problem.take().unwrap_or_else(|| self.too_slow(digest)));
        }
        let begun = self.current.now();
        let found = look(image).await;
        looked.counted += (self.current.now() - begun).min(LOOK_COUNTS_MAX);
        match found {
            Err(error @ (SourceError::Damaged(_) | SourceError::Refused(_))) => {
                looked.problem = Some(error);
                Ok(None)
            }
            found => found,
        }
    }
}

impl Search {
    /// The tags of the first repository that has any: others are listed by another name.
    pub(super) async fn tags(&self) -> Result<Option<Vec<Tag>>, SourceError> {
        let images = self.driver.images().await?;
        let tags_of = |repository: &String| -> BTreeSet<Tag> {
            let names = images.iter().flat_map(Image::parsed_names);
            names.filter(|name| name.repository == *repository).filter_map(EngineName::tag).collect()
        };
        let mut tags = self.repositories.iter().map(tags_of);
        Ok(tags.find(|tags| !tags.is_empty()).map(|tags| tags.into_iter().collect()))
    }
}

impl Image {
    pub(super) fn parsed_names(&self) -> impl Iterator<Item = EngineName> {
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
