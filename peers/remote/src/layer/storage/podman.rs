//! The storage of podman, buildah and others (containers/storage).
//!
//! `overlay-layers/layers.json` lists the layers with their diffIDs and parents, `overlay-layers/<id>.tar-split.gz`
//! is the metadata of one and `overlay/<id>/diff` its files. `overlay-images/<image id>/` holds manifest and config
//! of an image, each in a file named by `=` and the base64 of its key; that of a config is its digest.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use dockless_oci::Digest;
use dockless_runtime::{Disk, Stat};
use serde::Deserialize;
use tokio::sync::Mutex as Turn;

use super::{NotOpen, OPEN_TIME_MAX, check_count, check_readable, is_one_name, read_config, read_error};
use crate::layer::bounded::{Bounded, LOOK_TIME_MAX};
use crate::layer::file::EngineFile;
use crate::layer::{LayerError, LayerPlace};

/// Bytes of `layers.json`: about a kilobyte for each layer, and podman itself becomes slow with some thousands.
const LAYERS_BYTES_MAX: usize = 64 << 20;

/// Parents of one layer. The kernel mounts at most 500 as one.
const PARENTS_MAX: usize = 500;

/// The images and layers of one storage.
#[derive(Clone)]
pub(crate) struct PodmanStorage {
    bounded: Bounded,
    graph_root: EngineFile,
    driver: Driver,
    /// What was read last, as long as nobody writes it anew.
    table: Arc<Mutex<Option<Seen>>>,
    /// Held while it is read: whoever comes meanwhile finds it read.
    reading: Arc<Turn<()>>,
}

/// A table, and the state of the file that it was read from.
#[derive(Clone)]
struct Seen {
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
    /// [`NotOpen`].
    pub(crate) async fn open(bounded: Bounded, graph_root: &Path) -> Result<Self, NotOpen> {
        let (disk, root) = (bounded.runtime.disk.clone(), EngineFile::root(graph_root));
        let graph_root = root.clone();
        let look = move || Driver::of(&*disk, &root);
        let driver = bounded.open("look into podman's storage", OPEN_TIME_MAX, look).await??;
        Ok(Self { bounded, graph_root, driver, table: Arc::default(), reading: Arc::default() })
    }

    /// Where the layers of these diffIDs, lowest first, lie; in the same order.
    ///
    /// # Errors
    /// [`LayerError`].
    pub(crate) async fn layers(&self, diff_ids: &[Digest]) -> Result<Vec<LayerPlace>, LayerError> {
        check_count(diff_ids)?;
        let table = self.table().await?;
        let (storage, diff_ids) = (self.clone(), diff_ids.to_vec());
        let find = move || storage.find(&table, &diff_ids);
        self.bounded.look("find layers of podman", LOOK_TIME_MAX, find).await?
    }

    /// The bytes of the image's config, checked against its id; `None` when there is no such image.
    ///
    /// # Errors
    /// [`LayerError`]; [`LayerError::Unsupported`] for an image whose id is not the digest of its config.
    pub(crate) async fn config(&self, image_id: &Digest) -> Result<Option<Bytes>, LayerError> {
        let images = self.graph_root.join(format!("{}-images", self.driver.name()));
        let id = image_id.clone();
        let read = move || {
            let image = images.join(id.hex());
            match read_config(&image.join(big_data_file(id.as_str())), &id)? {
                None if image.exists().unwrap_or(false) => Err(LayerError::Unsupported(format!(
                    "the id of the image {id} is not the digest of its config"
                ))),
                config => Ok(config),
            }
        };
        self.bounded.look("read a config of podman", LOOK_TIME_MAX, read).await?
    }

    fn find(&self, table: &Table, diff_ids: &[Digest]) -> Result<Vec<LayerPlace>, LayerError> {
        let Some(top) = diff_ids.last() else { return Ok(Vec::new()) };
        let mut found = Err(LayerError::Unsupported(format!(
            "{} has no layer {top} on the layers below it",
            self.graph_root
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
        let id = &layer.id;
        if !is_one_name(id) {
            return Err(LayerError::Damaged(format!("a layer has the id {}", id.escape_default())));
        }
        let exists = |file: &EngineFile| file.exists().map_err(|error| read_error(file, &error));
        let split = self.graph_root.join(format!("{}-layers/{id}.tar-split.gz", self.driver.name()));
        if !exists(&split)? {
            return Err(LayerError::Unsupported(format!(
                "podman kept no tar-split metadata of the layer {id}"
            )));
        }
        let (root, composed) = match self.driver {
            Driver::Vfs => (self.graph_root.join("vfs/dir").join(id), false),
            Driver::Overlay => {
                let layer = self.graph_root.join("overlay").join(id);
                (layer.join("diff"), exists(&layer.join("composefs-data"))?)
            }
        };
        if composed {
            return Err(LayerError::Unsupported(format!(
                "the layer {id} is kept by composefs, not as files"
            )));
        }
        Ok(LayerPlace { diff_id: diff_id.clone(), split, root: root.path() })
    }

    /// The table as it is now.
    async fn table(&self) -> Result<Arc<Table>, LayerError> {
        let file = self.graph_root.join(format!("{0}-layers/layers.json", self.driver.name()));
        let looked = file.clone();
        let look = move || looked.stat().map_err(|error| read_error(&looked, &error));
        let stat = self.bounded.look("look at the layers of podman", LOOK_TIME_MAX, look).await??;
        if let Some(table) = self.held(&stat) {
            return Ok(table);
        }
        let name = "wait for the layers of podman";
        let turn = self.bounded.within(name, LOOK_TIME_MAX, self.reading.clone().lock_owned()).await?;
        if let Some(table) = self.held(&stat) {
            return Ok(table);
        }
        let held = self.table.clone();
        let read = move || {
            let _turn = turn;
            let read = Seen::read(&file)?;
            // Here, where it comes to be though nobody waits any more: the next one finds it.
            *held.lock().unwrap_or_else(PoisonError::into_inner) = Some(read.clone());
            Ok(read.table)
        };
        self.bounded.look("read the layers of podman", LOOK_TIME_MAX, read).await?
    }

    /// The table that was read out of a file in this state.
    fn held(&self, stat: &Stat) -> Option<Arc<Table>> {
        let held = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().filter(|read| read.of == *stat).map(|read| read.table.clone())
    }
}

impl Seen {
    fn read(file: &EngineFile) -> Result<Self, LayerError> {
        let open = file.open().and_then(|open| Ok((open.stat()?, open.read(LAYERS_BYTES_MAX)?)));
        let (of, bytes) = open.map_err(|error| read_error(file, &error))?;
        let table = Table::read(&bytes).map_err(|error| LayerError::Damaged(format!("{file}: {error}")))?;
        Ok(Self { of, table: Arc::new(table) })
    }
}

impl Driver {
    fn of(disk: &dyn Disk, graph_root: &EngineFile) -> Result<Self, String> {
        let mut found = Err(format!(
            "{graph_root} has the layers of neither overlay nor vfs, so they cannot be read in place"
        ));
        for driver in [Self::Vfs, Self::Overlay] {
            let layers = graph_root.join(format!("{}-layers", driver.name()));
            if layers.exists().map_err(|error| format!("{layers}: {error}"))? {
                found = Ok(driver);
            }
        }
        let driver = found?;
        check_readable(disk, &graph_root.path().join(driver.name()))?;
        check_readable(disk, &graph_root.path().join(format!("{}-layers", driver.name())))?;
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
