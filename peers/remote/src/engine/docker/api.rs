//! What docker's API answers, as far as it is looked at. podman answers the same.

use dockless_oci::Digest;
use serde::Deserialize;

use super::super::driver::Image;
use super::super::name::{EngineName, is_nameless};

/// Longest answer about the engine itself: some KiB, and a line for each warning, plugin and registry.
pub(crate) const ABOUT_BYTES_MAX: usize = 1 << 20;
/// Longest list of images: 40,000 of them with some labels each.
pub(crate) const LIST_BYTES_MAX: usize = 64 << 20;
/// Longest answer about one image: the engine takes configs of 4 MiB at most, and repeats some of it.
pub(crate) const IMAGE_BYTES_MAX: usize = 16 << 20;

/// `GET /version`.
#[derive(Debug, Deserialize)]
pub(crate) struct Version {
    #[serde(rename = "Version", default)]
    pub(crate) version: String,
    #[serde(rename = "Components", default)]
    pub(crate) components: Vec<Component>,
}

/// A part of the engine.
#[derive(Debug, Deserialize)]
pub(crate) struct Component {
    #[serde(rename = "Name", default)]
    pub(crate) name: String,
}

/// `GET /info`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct About {
    #[serde(rename = "ID", default)]
    pub(crate) id: String,
    #[serde(rename = "ServerVersion", default)]
    pub(crate) version: String,
    #[serde(rename = "Driver", default)]
    pub(crate) driver: String,
    #[serde(rename = "DriverStatus", default)]
    pub(crate) driver_status: Option<Vec<Vec<String>>>,
    #[serde(rename = "DockerRootDir", default)]
    pub(crate) root: String,
}

/// One row of `GET /images/json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    #[serde(rename = "Id")]
    pub(crate) id: String,
    #[serde(rename = "RepoTags", default)]
    pub(crate) tags: Option<Vec<String>>,
    #[serde(rename = "RepoDigests", default)]
    pub(crate) digests: Option<Vec<String>>,
}

/// `GET /images/{name}/json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Inspected {
    #[serde(flatten)]
    pub(crate) row: Row,
    #[serde(rename = "RootFS", default)]
    pub(crate) root: RootFs,
}

/// The layers of an image.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct RootFs {
    /// Their diffIDs, bottom first; absent for an image without layers.
    #[serde(rename = "Layers", default)]
    pub(crate) layers: Option<Vec<Digest>>,
}

impl Version {
    /// Whether this is podman.
    pub(crate) fn is_podman(&self) -> bool {
        self.components.iter().any(|component| component.name == "Podman Engine")
    }
}

impl About {
    /// Whether the same engine says this, run in the same way.
    pub(crate) fn is_same(&self, other: &Self, podman: bool) -> bool {
        // podman makes up another id for each answer.
        let same_id = podman || self.id == other.id;
        let said = |about: &Self| {
            let Self { version, driver, root, .. } = about.clone();
            (version, driver, root, about.has_containerd_store())
        };
        same_id && said(self) == said(other)
    }

    /// Whether docker keeps its images in containerd's store.
    pub(crate) fn has_containerd_store(&self) -> bool {
        let status = self.driver_status.iter().flatten();
        status.into_iter().any(|row| row.iter().eq(["driver-type", "io.containerd.snapshotter.v1"]))
    }
}

impl Row {
    /// The image with the names that name something, those by digest too if `by_digest`; `None` when its id is none.
    pub(crate) fn image(self, by_digest: bool) -> Option<Image> {
        // Old podmans leave the algorithm out.
        let id = Digest::parse(&self.id).or_else(|_| Digest::parse(&format!("sha256:{}", self.id))).ok()?;
        let digests = self.digests.filter(|_| by_digest).into_iter().flatten();
        let names = self.tags.into_iter().flatten().chain(digests);
        let names = names.filter(|name| !is_nameless(name) && EngineName::parse(name).is_some()).collect();
        Some(Image { id, names })
    }
}
