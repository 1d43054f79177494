//! The data root of dockerd, where it keeps images in a graph driver.
//!
//! `image/<driver>/imagedb/content/sha256/<image id>` is a config. A layer is named by its chain: the diffID of the
//! lowest, then the digest of `<chain below> <diffID>`. `image/<driver>/layerdb/sha256/<chain>/` has `diff` (its
//! diffID), `cache-id` (under which the driver keeps the files) and `tar-split.json.gz`.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use dockless_oci::Digest;

use super::{
    NotOpen, OPEN_TIME_MAX, check_count, check_readable, is_one_name, read_config, read_error, read_word,
};
use crate::layer::bounded::{Bounded, LOOK_TIME_MAX};
use crate::layer::file::EngineFile;
use crate::layer::{LayerError, LayerPlace};

/// The images and layers of one data root.
#[derive(Clone)]
pub(crate) struct DockerStorage {
    bounded: Bounded,
    /// `image/<driver>`.
    images: EngineFile,
    files: Files,
}

/// Where a driver keeps the files of a layer.
#[derive(Clone)]
struct Files {
    directory: PathBuf,
    below: &'static str,
}

impl DockerStorage {
    /// Looks whether layers can be read in place in the data root of a dockerd that uses this driver.
    ///
    /// # Errors
    /// [`NotOpen`].
    pub(crate) async fn open(bounded: Bounded, docker_root: &Path, driver: &str) -> Result<Self, NotOpen> {
        let files = Files::of(docker_root, driver)?;
        let images = docker_root.join("image").join(driver);
        let disk = bounded.runtime.disk.clone();
        let places = [images.clone(), files.directory.clone()];
        let look = move || places.iter().try_for_each(|place| check_readable(&*disk, place));
        bounded.open("look into docker's data root", OPEN_TIME_MAX, look).await??;
        Ok(Self { bounded, images: EngineFile::root(&images), files })
    }

    /// Where the layers of these diffIDs, lowest first, lie; in the same order.
    ///
    /// # Errors
    /// [`LayerError`].
    pub(crate) async fn layers(&self, diff_ids: &[Digest]) -> Result<Vec<LayerPlace>, LayerError> {
        check_count(diff_ids)?;
        let (storage, diff_ids) = (self.clone(), diff_ids.to_vec());
        let find = move || storage.find(&diff_ids);
        self.bounded.look("find layers of docker", LOOK_TIME_MAX, find).await?
    }

    /// The bytes of the image's config, checked against its id; `None` when there is no such image.
    ///
    /// # Errors
    /// [`LayerError`].
    pub(crate) async fn config(&self, image_id: &Digest) -> Result<Option<Bytes>, LayerError> {
        let content = self.images.join("imagedb/content");
        let file = content.join(image_id.algorithm().as_str()).join(image_id.hex());
        let id = image_id.clone();
        let read = move || read_config(&file, &id);
        self.bounded.look("read a config of docker", LOOK_TIME_MAX, read).await?
    }

    fn find(&self, diff_ids: &[Digest]) -> Result<Vec<LayerPlace>, LayerError> {
        let mut chain: Option<Digest> = None;
        let mut places = Vec::with_capacity(diff_ids.len());
        for diff_id in diff_ids {
            let here = match &chain {
                None => diff_id.clone(),
                Some(below) => Digest::sha256(format!("{below} {diff_id}").as_bytes()),
            };
            places.push(self.place(&here, diff_id)?);
            chain = Some(here);
        }
        Ok(places)
    }

    fn place(&self, chain: &Digest, diff_id: &Digest) -> Result<LayerPlace, LayerError> {
        let layer = self.images.join("layerdb").join(chain.algorithm().as_str()).join(chain.hex());
        let said = |what: &str| format!("{layer}: {what}");
        let recorded = read_word(&layer.join("diff"))?;
        if recorded != diff_id.as_str() {
            return Err(LayerError::Damaged(said("it is another layer than its name says")));
        }
        let cache_id = read_word(&layer.join("cache-id"))?;
        if !is_one_name(&cache_id) {
            return Err(LayerError::Damaged(said("its cache-id is not a name")));
        }
        let split = layer.join("tar-split.json.gz");
        if !split.exists().map_err(|error| read_error(&split, &error))? {
            return Err(LayerError::Unsupported(said("docker kept no tar-split metadata of it")));
        }
        let root = self.files.directory.join(cache_id).join(self.files.below);
        Ok(LayerPlace { diff_id: diff_id.clone(), split, root })
    }
}

impl Files {
    fn of(docker_root: &Path, driver: &str) -> Result<Self, String> {
        let (directory, below) = match driver {
            "overlay2" | "fuse-overlayfs" => (driver, "diff"),
            // Each directory is a whole image, in which every file of its top layer stands as that layer has it.
            "vfs" => ("vfs/dir", ""),
            "overlayfs" | "stargz" | "nydus" => {
                return Err(format!(
                    "{driver} belongs to the containerd image store, which has the original layers"
                ));
            }
            "windowsfilter" => return Err("layers of Windows are not files that can be read here".into()),
            other => {
                return Err(format!(
                    "the files of the driver {other} lie in volumes that only dockerd can mount"
                ));
            }
        };
        Ok(Self { directory: docker_root.join(directory), below })
    }
}
