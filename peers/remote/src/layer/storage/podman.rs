//! The storage of podman, buildah and others (containers/storage).
//!
//! `overlay-layers/layers.json` lists the layers with their diffIDs and parents, `overlay-layers/<id>.tar-split.gz`
//! is the metadata of one and `overlay/<id>/diff` its files. `overlay-images/<image id>/` holds manifest and config
//! of an image, each in a file named by `=` and the base64 of its key; that of a config is its digest.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use dockless_oci::Digest;
use dockless_runtime::disk::read_file;
use dockless_runtime::{Disk, Runtime, Stat};
use serde::Deserialize;

use super::{check_readable, is_one_name, read_config, read_error};
use crate::layer::{LayerError, LayerPlace};

/// Bytes of `layers.json`: about a kilobyte for each layer, and podman itself becomes slow with some thousands.
const LAYERS_BYTES_MAX: usize = 64 << 20;

/// Parents of one layer. The kernel mounts at most 500 as one.
const PARENTS_MAX: usize = 500;

/// The images and layers of one storage.
#[derive(Clone)]
pub(crate) struct PodmanStorage {
    runtime: Runtime,
    graph_root: PathBuf,
    driver: Driver,
    /// What was read last, as long as nobody writes it anew.
    table: Arc<Mutex<Option<Read>>>,
}

/// A table, and the state of the file that it was read from.
struct Read {
    of: Stat,
    table: Arc<Table>,
}

#[derive(Clone, Copy)]
enum Driver {
    Overlay,
    Vfs,
}

/// One layer of `layers.json`.
#[derive(Deserialize)]
struct Layer {
    id: String,
    #[serde(default)]
    parent: String,
    #[serde(default, rename = "diff-digest")]
    diff_id: String,
}

struct Table {
    layers: Vec<Layer>,
    by_id: HashMap<String, usize>,
    by_diff_id: HashMap<String, Vec<usize>>,
}

impl PodmanStorage {
    /// Looks whether layers can be read in place in the storage at `graph_root`.
    ///
    /// # Errors
    /// Why they cannot, in words for the operator.
    pub(crate) async fn open(runtime: Runtime, graph_root: &Path) -> Result<Self, String> {
        let (disk, root) = (runtime.disk.clone(), graph_root.to_owned());
        let look = move || Driver::of(&*disk, &root);
        let looked = runtime.blocking("look into podman's storage", look).await;
        let driver = looked.map_err(|lost| lost.to_string())??;
        Ok(Self { runtime, graph_root: graph_root.to_owned(), driver, table: Arc::default() })
    }

    /// Where the layers of these diffIDs, lowest first, lie; in the same order.
    ///
    /// # Errors
    /// [`LayerError`].
    pub(crate) async fn layers(&self, diff_ids: &[Digest]) -> Result<Vec<LayerPlace>, LayerError> {
        let (storage, diff_ids) = (self.clone(), diff_ids.to_vec());
        let find = move || storage.find(&diff_ids);
        self.runtime.blocking("find layers of podman", find).await?
    }

    /// The bytes of the image's config, checked against its id; `None` when there is no such image.
    ///
    /// # Errors
    /// [`LayerError`]; [`LayerError::Unsupported`] for an image whose id is not the digest of its config.
    pub(crate) async fn config(&self, image_id: &Digest) -> Result<Option<Bytes>, LayerError> {
        let images = self.graph_root.join(format!("{}-images", self.driver.name()));
        let (disk, id) = (self.runtime.disk.clone(), image_id.clone());
        let read = move || {
            let image = images.join(id.hex());
            match read_config(&*disk, &image.join(big_data_file(id.as_str())), &id)? {
                None if disk.stat(&image).is_ok() => Err(LayerError::Unsupported(format!(
                    "the id of the image {id} is not the digest of its config"
                ))),
                config => Ok(config),
            }
        };
        self.runtime.blocking("read a config of podman", read).await?
    }

    fn find(&self, diff_ids: &[Digest]) -> Result<Vec<LayerPlace>, LayerError> {
        let Some(top) = diff_ids.last() else { return Ok(Vec::new()) };
        let table = self.table()?;
        let mut found = Err(LayerError::Unsupported(format!(
            "{} has no layer {top} on the layers below it",
            self.graph_root.display()
        )));
        // An image that was built and one that was pulled may have the same layers twice.
        for layer in table.by_diff_id.get(top.as_str()).into_iter().flatten() {
            if let Some(chain) = table.chain(*layer, diff_ids) {
                found =
                    chain.iter().zip(diff_ids).map(|(layer, diff_id)| self.place(layer, diff_id)).collect();
                if found.is_ok() {
                    break;
                }
            }
        }
        found
    }

    fn place(&self, layer: &Layer, diff_id: &Digest) -> Result<LayerPlace, LayerError> {
        let disk = &*self.runtime.disk;
        let id = &layer.id;
        if !is_one_name(id) {
            return Err(LayerError::Damaged(format!("a layer has the id {}", id.escape_default())));
        }
        let split = self.graph_root.join(format!("{}-layers/{id}.tar-split.gz", self.driver.name()));
        match disk.stat(&split) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(LayerError::Unsupported(format!(
                    "podman kept no tar-split metadata of the layer {id}"
                )));
            }
            Err(error) => return Err(read_error(&split, &error)),
        }
        let (root, composed) = match self.driver {
            Driver::Vfs => (self.graph_root.join("vfs/dir").join(id), false),
            Driver::Overlay => {
                let layer = self.graph_root.join("overlay").join(id);
                (layer.join("diff"), disk.stat(&layer.join("composefs-data")).is_ok())
            }
        };
        if composed {
            return Err(LayerError::Unsupported(format!(
                "the layer {id} is kept by composefs, not as files"
            )));
        }
        Ok(LayerPlace { diff_id: diff_id.clone(), split, root })
    }

    fn table(&self) -> Result<Arc<Table>, LayerError> {
        let path = self.graph_root.join(format!("{0}-layers/layers.json", self.driver.name()));
        let disk = &*self.runtime.disk;
        let stat = disk.stat(&path).map_err(|error| read_error(&path, &error))?;
        // Whoever comes meanwhile waits: it is read once.
        let mut held = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = &*held
            && read.of == stat
        {
            return Ok(read.table.clone());
        }
        let bytes = read_file(disk, &path, LAYERS_BYTES_MAX).map_err(|error| read_error(&path, &error))?;
        let table = Arc::new(
            Table::read(&bytes)
                .map_err(|error| LayerError::Damaged(format!("{}: {error}", path.display())))?,
        );
        *held = Some(Read { of: stat, table: table.clone() });
        Ok(table)
    }
}

impl Driver {
    fn of(disk: &dyn Disk, graph_root: &Path) -> Result<Self, String> {
        let mut found = Err(format!(
            "{} has the layers of neither overlay nor vfs, so they cannot be read in place",
            graph_root.display()
        ));
        for driver in [Self::Vfs, Self::Overlay] {
            let layers = graph_root.join(format!("{}-layers", driver.name()));
            match disk.stat(&layers) {
                Ok(_) => found = Ok(driver),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("{}: {error}", layers.display())),
            }
        }
        let driver = found?;
        check_readable(disk, &graph_root.join(driver.name()))?;
        check_readable(disk, &graph_root.join(format!("{}-layers", driver.name())))?;
        Ok(driver)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Vfs => "vfs",
        }
    }
}

impl Table {
    fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        let layers: Vec<Layer> = serde_json::from_slice(json)?;
        let by_id = layers.iter().enumerate().map(|(at, layer)| (layer.id.clone(), at)).collect();
        let mut by_diff_id: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, layer) in layers.iter().enumerate() {
            by_diff_id.entry(layer.diff_id.clone()).or_default().push(at);
        }
        Ok(Self { layers, by_id, by_diff_id })
    }

    /// The layers from the lowest to `top`, if they have these diffIDs and there is none below.
    fn chain(&self, top: usize, diff_ids: &[Digest]) -> Option<Vec<&Layer>> {
        if diff_ids.len() > PARENTS_MAX {
            return None;
        }
        let mut chain = Vec::with_capacity(diff_ids.len());
        let mut next = Some(top);
        for diff_id in diff_ids.iter().rev() {
            let layer = &self.layers[next?];
            if layer.diff_id != diff_id.as_str() {
                return None;
            }
            next = self.by_id.get(&layer.parent).copied();
            chain.push(layer);
        }
        chain.reverse();
        chain.first().is_some_and(|lowest| lowest.parent.is_empty()).then_some(chain)
    }
}

/// The name of the file for a key. Keys of lower case letters, digits and dots stand for themselves.
fn big_data_file(key: &str) -> String {
    let plain = |byte: u8| byte == b'.' || byte.is_ascii_digit() || byte.is_ascii_lowercase();
    if key.bytes().all(plain) { key.to_owned() } else { format!("={}", BASE64.encode(key)) }
}
