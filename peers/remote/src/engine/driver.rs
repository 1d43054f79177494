//! The seam [`Driver`]: what each kind of container engine does for [`Engine`](super::Engine).

use async_trait::async_trait;
use dockless_oci::Digest;
use dockless_registry::{Blob, Manifest, SourceError};

use super::load::{Load, LoadError};

/// An image as an engine lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    /// As the engine names it: the digest of the config, or of the manifest or index where the engine keeps those.
    pub(crate) id: Digest,
    /// Every name it has, as the engine spells them: `app:1`, `ghcr.io/x/y:2`, and `app@sha256:...` for an image that
    /// can be asked for by its repository and digest alone. An image without a name is not offered.
    pub(crate) names: Vec<String>,
}

/// What is known of an engine without asking it again.
#[derive(Clone, Debug)]
pub(crate) struct EngineTraits {
    /// Which engine it is, in which version.
    pub(crate) description: String,
    /// What an operator should know of it though it works.
    pub(crate) note: Option<String>,
    /// Whether it puts names that its user gave without a host under `localhost/`, as podman does.
    pub(crate) names_local: bool,
}

/// One kind of engine. Names that are passed in are fully qualified (`docker.io/library/app:1`).
///
/// Every call asks the engine anew for what may change (names), may remember what cannot (what an id or a digest
/// stands for), may be dropped at any await and then leaves nothing behind, and ends within a limit of its own. An
/// engine that cannot be reached or says something that cannot be read is [`SourceError::Unavailable`]: its kind is
/// then found out anew before the next call. One that refuses something in words, or fails with one image, is
/// [`SourceError::Refused`].
#[async_trait]
pub(crate) trait Driver: Send + Sync {
    /// What it says of itself; always the same.
    fn traits(&self) -> &EngineTraits;

    /// All images that have a name, in any order, each once.
    async fn images(&self) -> Result<Vec<Image>, SourceError>;

    /// The image that has this name now, with all of its names.
    async fn image(&self, name: &str) -> Result<Option<Image>, SourceError>;

    /// What a tag of the image answers: its manifest or index. `None` when the engine does not have all that it needs.
    /// May be costly: the image may have to be exported.
    async fn manifest(&self, image: &Image) -> Result<Option<Manifest>, SourceError>;

    /// The manifest of this digest among those that make up the image: what [`Driver::manifest`] answers, or one
    /// within its index. Asked for each image of a repository, so it never exports one to find out: only one that
    /// is the digest's own.
    async fn child(&self, image: &Image, digest: &Digest) -> Result<Option<Manifest>, SourceError>;

    /// The config or layer of this digest, when the image has it. Asked for each image of a repository: only an image
    /// that has it may cost something.
    async fn blob(&self, image: &Image, digest: &Digest) -> Result<Option<Blob>, SourceError>;

    /// Gives the engine an image under this name, in place of one that has it.
    async fn load(&self, name: &str, load: &Load) -> Result<(), LoadError>;
}
