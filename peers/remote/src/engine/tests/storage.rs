//! A docker whose directory can be read, and what lies wrong in it.
#![expect(clippy::disallowed_methods, reason = "plants what an engine has, and damages it")]

use std::fs;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dockless_store::StoreError;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// A layer without files.
const LAYER: &[u8] = &[0; 1024];

/// Writes what docker has of an image of one layer; that layer's metadata makes these bytes.
fn plant(root: &Path, image: &Picture, made: &[u8]) {
    let hex = Digest::sha256(LAYER).hex().to_owned();
    let layer = root.join("image/overlay2/layerdb/sha256").join(&hex);
    let content = root.join("image/overlay2/imagedb/content/sha256");
    for directory in [&layer, &content, &root.join("overlay2/cache/diff")] {
        fs::create_dir_all(directory).unwrap();
    }
    fs::write(content.join(image.id().hex()), &image.config).unwrap();
    fs::write(layer.join("diff"), format!("sha256:{hex}")).unwrap();
    fs::write(layer.join("cache-id"), "cache").unwrap();
    let line = format!(r#"{{"type":2,"payload":"{}","position":0}}"#, BASE64.encode(made));
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(line.as_bytes()).unwrap();
    fs::write(layer.join("tar-split.json.gz"), packed.finish().unwrap()).unwrap();
}

/// The size of the image's layer as its manifest states it.
async fn stated(place: &Place) -> u64 {
    let manifest = place.tagged("app", "1").await.unwrap().unwrap();
    let digest = Digest::sha256(LAYER);
    parts(&manifest).into_iter().find(|(of, _)| *of == digest).unwrap().1
}

#[tokio::test]
async fn what_is_found_damaged_in_place_is_exported_with_its_manifest() {
    let root = tempfile::tempdir().unwrap();
    let image = Picture::new(&[LAYER], &["app:1"]);
    plant(root.path(), &image, &[LAYER, LAYER].concat());
    let place = Place::with(Fake { root: root.path().to_owned(), ..Fake::new(vec![image]) }, Share::All);
    let digest = Digest::sha256(LAYER);
    assert_eq!(stated(&place).await, 2048);
    let blob = place.engine.blob(&asked("app"), &digest).await.unwrap();
    let Some(SourceBlob::InPlace(blob)) = blob else { panic!("it lies there") };
    assert_eq!(blob.read(0, usize::MAX).await, Err(StoreError::Damaged(digest.clone())));
    assert_eq!(place.fake.saves(), 0);
    // Nothing of what was made by the metadata holds.
    assert_eq!(stated(&place).await, 1024);
    assert_eq!(place.read("app", &digest).await.unwrap(), LAYER);
    assert_eq!(place.fake.saves(), 1);
    // Later, what the export brought goes before what lies there: nobody else is cut.
    place.clock.advance(Duration::from_secs(600));
    assert_eq!(place.read("app", &digest).await.unwrap(), LAYER);
    assert_eq!(place.fake.saves(), 1);
    // Written anew, the metadata is looked at anew.
    plant(root.path(), &place.fake.images.lock().unwrap()[0], LAYER);
    assert_eq!(place.read("app", &digest).await.unwrap(), LAYER);
    assert_eq!(stated(&place).await, 1024);
}
