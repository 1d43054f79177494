//! Images by docker's API: what its names stand for now.

use dockless_oci::Digest;
use dockless_registry::SourceError;
use http::StatusCode;

use super::super::driver::Image;
use super::super::name::EngineName;
use super::super::socket::{Socket, SocketError};
use super::api::{IMAGE_BYTES_MAX, Inspected, LIST_BYTES_MAX, Row};
use crate::layer::storage::LAYERS_MAX;

/// The names of one engine.
pub(crate) struct Names {
    socket: Socket,
    /// Whether a digest in a name is that of the image itself. Where the engine keeps no manifests it is what the image
    /// once had elsewhere.
    by_digest: bool,
}

impl Names {
    pub(crate) fn new(socket: Socket, by_digest: bool) -> Self {
        Self { socket, by_digest }
    }

    /// All images that have a name.
    ///
    /// # Errors
    /// [`SourceError`]: the engine gave no answer.
    pub(crate) async fn images(&self) -> Result<Vec<Image>, SourceError> {
        let rows: Option<Vec<Row>> = self.socket.json("/images/json", LIST_BYTES_MAX).await?;
        let images = rows.into_iter().flatten().filter_map(|row| row.image(self.by_digest));
        Ok(images.filter(|image| !image.names.is_empty()).collect())
    }

    /// The image that has this name, and its diffIDs.
    ///
    /// # Errors
    /// [`SourceError`]: the engine gave no answer.
    pub(crate) async fn image(&self, name: &str) -> Result<Option<(Image, Vec<Digest>)>, SourceError> {
        let asked = EngineName::parse(name);
        // An engine also finds by the beginning of an id, and by half a name.
        let named = |image: &Image| {
            asked.is_some() && image.names.iter().any(|name| EngineName::parse(name) == asked)
        };
        Ok(self.found(name).await?.filter(|(image, _)| named(image)))
    }

    /// The diffIDs of the image with this id, bottom first.
    ///
    /// # Errors
    /// [`SourceError`]: the engine gave no answer.
    pub(crate) async fn layers(&self, id: &Digest) -> Result<Option<Vec<Digest>>, SourceError> {
        let found = self.found(id.as_str()).await?;
        Ok(found.filter(|(image, _)| image.id == *id).map(|(_, layers)| layers))
    }

    async fn found(&self, text: &str) -> Result<Option<(Image, Vec<Digest>)>, SourceError> {
        let inspected = self.socket.json::<Inspected>(&format!("/images/{text}/json"), IMAGE_BYTES_MAX).await;
        let inspected = match inspected {
            // It has nothing under what it does not take for a name.
            Err(SocketError::Refused { status: StatusCode::BAD_REQUEST, .. }) => None,
            inspected => inspected?,
        };
        let Some(Inspected { row, root }) = inspected else { return Ok(None) };
        let layers = root.layers.unwrap_or_default();
        if layers.len() > LAYERS_MAX {
            let said = format!("an image of {} layers: {LAYERS_MAX} are taken", layers.len());
            return Err(SourceError::Refused(said));
        }
        Ok(row.image(self.by_digest).map(|image| (image, layers)))
    }
}
