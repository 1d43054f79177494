//! The services of containerd that are called, and what of their answers is looked at.

use std::path::PathBuf;

use bytes::Bytes;
use dockless_oci::Digest;

use super::answers::Answers;
use super::grpc::{ANSWER_BYTES_MAX, CallError, Channel, Scope, whole};
use super::message::{Fields, Message, MessageError, Value, bytes_in, number_in, text_in};

/// Longest list of images: containerd itself sends 16 MiB at most, unless it was told otherwise.
const LIST_BYTES_MAX: usize = 64 << 20;
/// Longest piece of a blob; containerd sends 1 MiB at once.
const PIECE_BYTES_MAX: usize = 16 << 20;
/// The most images of one namespace: as many as docker's list has room for.
const IMAGES_MAX: usize = 40_000;

/// A name that an image has, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// As containerd spells it.
    pub(crate) name: String,
    /// The digest of a manifest or an index.
    pub(crate) target: Digest,
}

/// The bytes of a blob on their way, in order. Nobody has verified them.
pub(crate) struct Pieces(Answers, Channel);

/// The services. Cloning is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Services(pub(super) Channel);

impl Services {
    pub(crate) fn new(channel: Channel) -> Self {
        Self(channel)
    }

    /// Which version answers.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn version(&self) -> Result<String, CallError> {
        let path = "/containerd.services.version.v1.Version/Version";
        let answer = self.0.call(Scope::default(), path, &Message::default(), ANSWER_BYTES_MAX).await?;
        self.read(text_in(&answer, 1))
    }

    /// The directory in which it keeps blobs, as the machine that it runs on names it.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn content_directory(&self) -> Result<Option<PathBuf>, CallError> {
        let path = "/containerd.services.introspection.v1.Introspection/Plugins";
        let request = Message::default().bytes(1, "type==io.containerd.content.v1");
        let answer = self.0.call(Scope::default(), path, &request, ANSWER_BYTES_MAX).await?;
        self.read(content_directory(answer))
    }

    /// All names of a namespace.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn images(&self, namespace: &str) -> Result<Vec<Named>, CallError> {
        let path = "/containerd.services.images.v1.Images/List";
        let answer = self.0.call(namespace.into(), path, &Message::default(), LIST_BYTES_MAX).await?;
        let images = self.read(images(answer))?;
        images.ok_or_else(|| self.0.broken(&format!("has more than {IMAGES_MAX} images in {namespace}")))
    }

    /// What a name stands for; `None` for one that the namespace does not have.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn image(&self, namespace: &str, name: &str) -> Result<Option<Named>, CallError> {
        let path = "/containerd.services.images.v1.Images/Get";
        let request = Message::default().bytes(1, name);
        let answer = self.0.call(namespace.into(), path, &request, ANSWER_BYTES_MAX).await;
        let Some(answer) = found(answer)? else { return Ok(None) };
        self.read(bytes_in(&answer, 1).and_then(|image| named(&image)))
    }

    /// Bytes of a blob; `None` when the namespace does not have it.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn size(&self, namespace: &str, digest: &Digest) -> Result<Option<u64>, CallError> {
        let path = "/containerd.services.content.v1.Content/Info";
        let request = Message::default().bytes(1, digest.as_str());
        let answer = self.0.call(namespace.into(), path, &request, ANSWER_BYTES_MAX).await;
        let Some(answer) = found(answer)? else { return Ok(None) };
        self.read(bytes_in(&answer, 1).and_then(|info| number_in(&info, 2))).map(Some)
    }

    /// The bytes of a blob, from its start.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn pieces(&self, namespace: &str, digest: &Digest) -> Result<Pieces, CallError> {
        let path = "/containerd.services.content.v1.Content/Read";
        let request = whole(&Message::default().bytes(1, digest.as_str()));
        let answers = self.0.stream(namespace.into(), path, request, PIECE_BYTES_MAX).await?;
        Ok(Pieces(answers, self.0.clone()))
    }

    pub(super) fn read<T>(&self, read: Result<T, MessageError>) -> Result<T, CallError> {
        read.map_err(|error| self.0.unreadable(error))
    }
}

impl Pieces {
    /// The next bytes; `None` after the last ones.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, CallError>> {
        let answer = self.0.next().await?;
        Some(answer.and_then(|answer| bytes_in(&answer, 2).map_err(|error| self.1.unreadable(error))))
    }
}

/// `None` for what the engine does not have.
fn found(answer: Result<Bytes, CallError>) -> Result<Option<Bytes>, CallError> {
    match answer {
        Err(CallError::NotFound(_)) => Ok(None),
        answer => answer.map(Some),
    }
}

/// An image, if it stands for what can be asked for.
fn named(image: &Bytes) -> Result<Option<Named>, MessageError> {
    let name = text_in(image, 1)?;
    let target = text_in(&bytes_in(image, 3)?, 2)?;
    Ok(Digest::parse(&target).ok().map(|target| Named { name, target }))
}

/// The images of a list; `None` when it has too many.
pub(crate) fn images(list: Bytes) -> Result<Option<Vec<Named>>, MessageError> {
    let mut images = Vec::new();
    for field in Fields::new(list) {
        let (1, Value::Bytes(image)) = field? else { continue };
        if images.len() == IMAGES_MAX {
            return Ok(None);
        }
        images.extend(named(&image)?);
    }
    Ok(Some(images))
}

/// What the first of the plugins says where it keeps what.
fn content_directory(plugins: Bytes) -> Result<Option<PathBuf>, MessageError> {
    let plugin = bytes_in(&plugins, 1)?;
    for field in Fields::new(plugin) {
        let (5, Value::Bytes(export)) = field? else { continue };
        if text_in(&export, 1)? == "root" {
            return text_in(&export, 2).map(|path| Some(path.into()));
        }
    }
    Ok(None)
}
