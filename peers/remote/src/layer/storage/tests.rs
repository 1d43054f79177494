//! Storages as docker and podman lay them out, whole and damaged.
#![expect(clippy::disallowed_methods, reason = "plants what an engine has, and damages it")]

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dockless_runtime::Runtime;
use dockless_store::READ_BYTES_MAX;
use futures_util::future::join_all;
use serde_json::json;

use super::*;
use crate::layer::bounded::{Bounded, Calls};
use crate::layer::tests::archive::{Archive, Planted};
use crate::layer::{LayerPlace, Layers};

/// A directory of an engine that is being filled.
struct Plant {
    root: tempfile::TempDir,
}

impl Plant {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Brings the files of a layer and its metadata to where an engine has them.
    fn bring(&self, layer: &Planted, split: &str, files: &str) {
        for (from, to) in [(layer.place.split.path(), split), (layer.place.root.clone(), files)] {
            let to = self.path(to);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::rename(from, to).unwrap();
        }
    }
}

fn bounded() -> Bounded {
    Bounded::new(Runtime::real(), Calls::default())
}

fn layer(content: &str) -> Planted {
    let mut archive = Archive::default();
    archive.file("file", content.as_bytes());
    archive.raw(&[0; 1024]);
    archive.plant()
}

/// Two layers, the second one on the first.
fn two() -> (Vec<Planted>, Vec<Digest>) {
    let layers = vec![layer("below"), layer("above")];
    let diff_ids = layers.iter().map(|layer| layer.place.diff_id.clone()).collect();
    (layers, diff_ids)
}

/// Every place gives the tar of its layer.
async fn check_readable_places(places: &[LayerPlace], layers: &[Planted]) {
    assert_eq!(places.len(), layers.len());
    let reader = Layers::new(Runtime::real());
    for (place, layer) in places.iter().zip(layers) {
        let blob = reader.open(place).await.unwrap();
        assert_eq!(blob.read(0, READ_BYTES_MAX).await.unwrap(), layer.tar);
    }
}

const CONFIG: &[u8] = br#"{"rootfs":{}}"#;

fn docker(driver: &str, files: impl Fn(&str) -> String) -> (Plant, Vec<Planted>, Vec<Digest>, [String; 2]) {
    let plant = Plant::new();
    let (layers, diff_ids) = two();
    let chain = Digest::sha256(format!("{} {}", diff_ids[0], diff_ids[1]).as_bytes());
    let names =
        [diff_ids[0].hex(), chain.hex()].map(|chain| format!("image/{driver}/layerdb/sha256/{chain}"));
    for (number, (layer, name)) in layers.iter().zip(&names).enumerate() {
        plant.write(&format!("{name}/diff"), layer.place.diff_id.as_str());
        plant.write(&format!("{name}/cache-id"), format!("cache{number}"));
        plant.bring(layer, &format!("{name}/tar-split.json.gz"), &files(&format!("cache{number}")));
    }
    let id = Digest::sha256(CONFIG);
    plant.write(&format!("image/{driver}/imagedb/content/sha256/{}", id.hex()), CONFIG);
    (plant, layers, diff_ids, names)
}

async fn open_docker(plant: &Plant, driver: &str) -> Result<DockerStorage, String> {
    DockerStorage::open(bounded(), plant.root.path(), driver).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn layers_and_configs_of_docker_are_found() {
    for (driver, below) in
        [("overlay2", "overlay2/*/diff"), ("fuse-overlayfs", "fuse-overlayfs/*/diff"), ("vfs", "vfs/dir/*")]
    {
        let (plant, layers, diff_ids, _) = docker(driver, |cache_id| below.replace('*', cache_id));
        let storage = open_docker(&plant, driver).await.unwrap();
        check_readable_places(&storage.layers(&diff_ids).await.unwrap(), &layers).await;
        check_readable_places(&storage.layers(&diff_ids[..1]).await.unwrap(), &layers[..1]).await;
        assert_eq!(storage.layers(&[]).await.unwrap(), []);
        assert_eq!(storage.config(&Digest::sha256(CONFIG)).await.unwrap().unwrap(), CONFIG);
        assert_eq!(storage.config(&Digest::sha256(b"none")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_docker_removed_or_damaged_is_said() {
    let (plant, _, diff_ids, names) = docker("overlay2", |cache_id| format!("overlay2/{cache_id}/diff"));
    let storage = open_docker(&plant, "overlay2").await.unwrap();
    let other_order = [diff_ids[1].clone(), diff_ids[0].clone()];
    assert!(matches!(storage.layers(&other_order).await, Err(LayerError::Gone(_))));
    plant.write(&format!("{}/cache-id", names[1]), "../../../etc");
    assert!(matches!(storage.layers(&diff_ids).await, Err(LayerError::Damaged(_))));
    plant.write(&format!("{}/diff", names[1]), diff_ids[0].as_str());
    assert!(matches!(storage.layers(&diff_ids).await, Err(LayerError::Damaged(_))));
    plant.write(&format!("{}/diff", names[1]), [0xff; 10]);
    assert!(matches!(storage.layers(&diff_ids).await, Err(LayerError::Damaged(_))));
    std::fs::remove_file(plant.path(&names[0]).join("tar-split.json.gz")).unwrap();
    assert!(matches!(storage.layers(&diff_ids).await, Err(LayerError::Unsupported(_))));
    std::fs::remove_dir_all(plant.path(&names[0])).unwrap();
    assert!(matches!(storage.layers(&diff_ids).await, Err(LayerError::Gone(_))));
    let id = Digest::sha256(CONFIG);
    plant.write(&format!("image/overlay2/imagedb/content/sha256/{}", id.hex()), "{}");
    assert!(matches!(storage.config(&id).await, Err(LayerError::Damaged(_))));
}

#[tokio::test]
async fn a_data_root_that_cannot_be_read_says_why() {
    let (plant, ..) = docker("overlay2", |cache_id| format!("overlay2/{cache_id}/diff"));
    let refused = async |driver| open_docker(&plant, driver).await.err().unwrap();
    for (driver, why) in [
        ("overlayfs", "containerd image store"),
        ("btrfs", "volumes that only dockerd can mount"),
        ("windowsfilter", "Windows"),
        ("vfs", "image/vfs"),
    ] {
        let said = refused(driver).await;
        assert!(said.contains(why), "{driver}: {said}");
    }
}

/// The id of a layer in podman's storage is not its digest.
fn podman(driver: &str, files: &str) -> (Plant, Vec<Planted>, Vec<Digest>) {
    let plant = Plant::new();
    let (layers, diff_ids) = two();
    for (id, layer) in ["aa", "bb"].iter().zip(&layers) {
        plant.bring(layer, &format!("{driver}-layers/{id}.tar-split.gz"), &files.replace('*', id));
    }
    let table = json!([
        // One without digest, as a container has, and one that another image has on other layers.
        {"id": "ee", "parent": "bb", "created": "2024-01-01T00:00:00Z"},
        {"id": "dd", "parent": "ee", "diff-digest": diff_ids[1].as_str()},
        {"id": "bb", "parent": "aa", "diff-digest": diff_ids[1].as_str(), "flags": {"x": 1}},
        {"id": "aa", "diff-digest": diff_ids[0].as_str(), "diff-size": 1, "compression": 2},
    ]);
    plant.write(&format!("{driver}-layers/layers.json"), table.to_string());
    let id = Digest::sha256(CONFIG);
    let file = format!("={}", BASE64.encode(id.as_str()));
    plant.write(&format!("{driver}-images/{}/{file}", id.hex()), CONFIG);
    (plant, layers, diff_ids)
}

async fn open_podman(plant: &Plant) -> Result<PodmanStorage, String> {
    PodmanStorage::open(bounded(), plant.root.path()).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn layers_and_configs_of_podman_are_found() {
    for (driver, files) in [("overlay", "overlay/*/diff"), ("vfs", "vfs/dir/*")] {
        let (plant, layers, diff_ids) = podman(driver, files);
        let storage = open_podman(&plant).await.unwrap();
        check_readable_places(&storage.layers(&diff_ids).await.unwrap(), &layers).await;
        check_readable_places(&storage.layers(&diff_ids[..1]).await.unwrap(), &layers[..1]).await;
        assert_eq!(storage.layers(&[]).await.unwrap(), []);
        // The upper one alone stands on nothing in no image.
        assert!(matches!(storage.layers(&diff_ids[1..]).await, Err(LayerError::Unsupported(_))));
        assert_eq!(storage.config(&Digest::sha256(CONFIG)).await.unwrap().unwrap(), CONFIG);
        assert_eq!(storage.config(&Digest::sha256(b"none")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_podman_writes_anew_is_read_anew() {
    let (plant, layers, diff_ids) = podman("overlay", "overlay/*/diff");
    let storage = open_podman(&plant).await.unwrap();
    let table = std::fs::read_to_string(plant.path("overlay-layers/layers.json")).unwrap();
    plant.write("overlay-layers/layers.json", "[]");
    assert!(matches!(storage.layers(&diff_ids).await, Err(LayerError::Unsupported(_))));
    plant.write("overlay-layers/layers.json", "[");
    assert!(matches!(storage.layers(&diff_ids).await, Err(LayerError::Damaged(_))));
    plant.write("overlay-layers/layers.json", table);
    check_readable_places(&storage.layers(&diff_ids).await.unwrap(), &layers).await;
}

#[tokio::test]
async fn layers_that_podman_keeps_otherwise_are_refused() {
    let (plant, _, diff_ids) = podman("overlay", "overlay/*/diff");
    let storage = open_podman(&plant).await.unwrap();
    std::fs::create_dir(plant.path("overlay/bb/composefs-data")).unwrap();
    let composed = storage.layers(&diff_ids).await.unwrap_err();
    assert!(matches!(&composed, LayerError::Unsupported(why) if why.contains("composefs")), "{composed}");
    std::fs::remove_file(plant.path("overlay-layers/aa.tar-split.gz")).unwrap();
    assert!(matches!(storage.layers(&diff_ids[..1]).await, Err(LayerError::Unsupported(_))));
    let evil = json!([{"id": "../x", "diff-digest": diff_ids[0].as_str()}]);
    plant.write("overlay-layers/layers.json", evil.to_string());
    assert!(matches!(storage.layers(&diff_ids[..1]).await, Err(LayerError::Damaged(_))));
    // An image whose id is not the digest of its config, as one that was pulled in parts has.
    let id = Digest::sha256(b"in parts");
    plant.write(&format!("overlay-images/{}/manifest", id.hex()), "{}");
    assert!(matches!(storage.config(&id).await, Err(LayerError::Unsupported(_))));
    let empty = Plant::new();
    assert!(open_podman(&empty).await.err().unwrap().contains("neither overlay nor vfs"));
}

/// Puts a pipe in place of a file: whoever opens it waits for somebody who writes.
fn pipe(path: &Path) {
    std::fs::remove_file(path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Many ask for the layers at once, and all of them are told that something is wrong.
async fn check_damaged(layers: impl AsyncFn() -> Result<Vec<LayerPlace>, LayerError>) {
    let reader = Layers::new(Runtime::real());
    let asked = async || reader.size(&layers().await?[0]).await;
    let many = join_all((0..600).map(|_| asked()));
    let answers = dockless_runtime::timeout(&*Runtime::real().clock, Duration::from_secs(9), many).await;
    for answer in answers.expect("nobody waits for a pipe") {
        assert!(matches!(answer, Err(LayerError::Damaged(_))), "{answer:?}");
    }
    assert_eq!(Runtime::real().blocking("other work", || 7).await, Ok(7));
}

#[tokio::test]
async fn pipes_in_place_of_metadata_hold_nothing_up() {
    for file in ["diff", "cache-id", "tar-split.json.gz"] {
        let (plant, _, diff_ids, names) = docker("overlay2", |cache_id| format!("overlay2/{cache_id}/diff"));
        let storage = open_docker(&plant, "overlay2").await.unwrap();
        pipe(&plant.path(&names[0]).join(file));
        check_damaged(async || storage.layers(&diff_ids).await).await;
    }
    for file in ["layers.json", "aa.tar-split.gz"] {
        let (plant, _, diff_ids) = podman("overlay", "overlay/*/diff");
        let storage = open_podman(&plant).await.unwrap();
        pipe(&plant.path("overlay-layers").join(file));
        check_damaged(async || storage.layers(&diff_ids).await).await;
    }
}

#[tokio::test]
async fn links_in_place_of_metadata_lead_nowhere() {
    let (plant, _, diff_ids, names) = docker("overlay2", |cache_id| format!("overlay2/{cache_id}/diff"));
    let storage = open_docker(&plant, "overlay2").await.unwrap();
    let diff = plant.path(&names[0]).join("diff");
    std::fs::rename(&diff, plant.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(plant.path("elsewhere"), &diff).unwrap();
    assert!(matches!(storage.layers(&diff_ids).await, Err(LayerError::Damaged(_))));
    let id = Digest::sha256(CONFIG);
    let config = plant.path(&format!("image/overlay2/imagedb/content/sha256/{}", id.hex()));
    std::fs::rename(&config, plant.path("config")).unwrap();
    std::os::unix::fs::symlink(plant.path("config"), &config).unwrap();
    assert!(matches!(storage.config(&id).await, Err(LayerError::Damaged(_))));
}
