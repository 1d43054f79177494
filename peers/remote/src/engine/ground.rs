//! What the drivers of one engine stand on; it outlives the engine's restarts.

use std::sync::Arc;
use std::time::Duration;

use dockless_oci::Digest;
use dockless_registry::Manifest;
use dockless_runtime::Runtime;

use super::containerd::directory::Files;
use super::containerd::walk::Remembered;
use super::docker::storage::LastOpen;
use super::recent::Recent;
use super::saves::Saves;
use super::settings::{EngineAddress, EngineSettings};
use super::socket::Socket;
use super::spool::Spool;
use super::statistics::EngineMetrics;
use crate::layer::Layers;

/// The socket, and what is remembered of what cannot change.
pub(crate) struct Ground {
    pub(crate) runtime: Runtime,
    pub(crate) address: EngineAddress,
    pub(crate) socket: Socket,
    pub(crate) layers: Layers,
    pub(crate) storage: LastOpen,
    pub(crate) saves: Saves,
    /// The diffIDs of an image by its id.
    pub(crate) layers_of: Recent<Digest, Arc<[Digest]>>,
    /// The manifest that was made for an image, by its id.
    pub(crate) manifests: Recent<Digest, Manifest>,
    /// What an export of an image did not bring though the image needs it: the image's id, the digest of what was asked
    /// for, and when it was.
    pub(crate) lacking: Recent<(Digest, Digest), Duration>,
    /// Blobs of containerd that were read in place.
    pub(crate) files: Arc<Files>,
    /// Manifests that containerd keeps.
    pub(crate) facts: Remembered,
}

impl Ground {
    pub(crate) fn new(runtime: Runtime, settings: &EngineSettings, metrics: &EngineMetrics) -> Self {
        let label = [("engine", settings.address.to_string())];
        let gauge = metrics.spool_bytes.get_or_create(&label).clone();
        let spool = Spool::new(runtime.clone(), settings.spool.clone(), settings.spool_bytes_max, gauge);
        let begun = metrics.saves.get_or_create(&label).clone();
        let failed = metrics.saves_failed.get_or_create(&label).clone();
        Self {
            address: settings.address.clone(),
            socket: Socket::new(runtime.clone(), settings.address.clone()),
            layers: Layers::new(runtime.clone()),
            storage: LastOpen::default(),
            saves: Saves::new(runtime.clone(), spool, begun, failed),
            layers_of: Recent::default(),
            manifests: Recent::default(),
            lacking: Recent::default(),
            files: Arc::default(),
            facts: Recent::default(),
            runtime,
        }
    }
}
