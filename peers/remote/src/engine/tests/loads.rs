//! Images that are put into an engine.

use dockless_oci::manifest::ParsedManifest;
use dockless_registry::access::Pattern;
use dockless_runtime::simulation::Simulation;
use dockless_store::{BlobStore, MemoryStore};
use serde_json::json;

use super::super::archive::{Archive, Event};
use super::*;

/// A store with these blobs.
pub(super) async fn store_of<'a>(blobs: impl IntoIterator<Item = &'a [u8]>) -> Arc<dyn BlobStore> {
    let store = MemoryStore::new(Simulation::new(1).runtime(), dockless_store::Settings::default());
    for bytes in blobs {
        put(&*store, bytes).await;
    }
    store
}

async fn put(store: &dyn BlobStore, bytes: &[u8]) {
    let digest = Digest::sha256(bytes);
    let repository = RepositoryName::parse("a").unwrap();
    let upload = dockless_store::NewUpload { repository, subject: String::new(), hint: None };
    let id = store.begin(upload).await.unwrap();
    let mut writer = store.append(&id, None).await.unwrap();
    writer.write(Bytes::copy_from_slice(bytes)).await.unwrap();
    writer.close().await.unwrap();
    store.seal(&id, &digest).await.unwrap();
    store.publish(&id, &digest).await.unwrap();
}

/// A manifest as it was pushed.
pub(super) fn pushed(bytes: &[u8]) -> LoadManifest {
    let parsed = ParsedManifest::parse(bytes, None).unwrap();
    let (digest, media_type) = (Digest::sha256(bytes), parsed.media_type);
    let manifest = Manifest { digest, media_type, bytes: Bytes::copy_from_slice(bytes) };
    LoadManifest { manifest, references: parsed.facts.references }
}

async fn image(repository: &str) -> (Picture, Load) {
    let image = app();
    let blobs = store_of([&image.config].into_iter().chain(&image.layers).map(Vec::as_slice)).await;
    let descriptor =
        |bytes: &Vec<u8>| json!({"digest": Digest::sha256(bytes), "size": bytes.len(), "mediaType": "a/b"});
    let layers: Vec<_> = image.layers.iter().map(descriptor).collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor(&image.config), "layers": layers,
    });
    let load = Load {
        asked: Asked::by_owner(&RepositoryName::parse(repository).unwrap()),
        tag: Tag::parse("1").unwrap(),
        target: pushed(manifest.to_string().as_bytes()),
        listed: Vec::new(),
        config: image.id(),
        layers: image.digests(),
        blobs,
    };
    (image, load)
}

pub(super) fn files(archive: Vec<u8>) -> Vec<Vec<u8>> {
    let (mut reader, mut input, mut files) = (Archive::new(), Bytes::from(archive), Vec::new());
    while let Some(event) = reader.next(&mut input).unwrap() {
        match event {
            Event::Begin(_) => files.push(Vec::new()),
            Event::Data(data) => files.last_mut().unwrap().extend_from_slice(&data),
            Event::End => {}
        }
    }
    reader.finish().unwrap();
    files
}

#[tokio::test]
async fn a_loaded_image_has_its_own_bytes_and_the_name_that_a_pull_looks_for() {
    let place = Place::new(Vec::new());
    let (image, load) = image("app").await;
    place.engine.load(&load).await.unwrap();
    let files = files(place.fake.loaded.lock().unwrap().clone());
    let mut expected = vec![image.config.clone()];
    expected.extend(image.layers.iter().take(2).chain(image.layers.last()).cloned());
    assert_eq!(files[..4], expected, "a repeated layer is sent once");
    let manifest: serde_json::Value = serde_json::from_slice(&files[4]).unwrap();
    let layers: Vec<_> = image.digests().iter().map(|digest| digest.hex().to_owned()).collect();
    let config = image.id().hex().to_owned();
    let row = json!({"Config": config, "Layers": layers, "RepoTags": ["docker.io/library/app:1"]});
    assert_eq!(manifest, json!([row]));
}

#[tokio::test]
async fn an_engine_that_refuses_an_image_is_heard_though_it_answers_200() {
    let place = Place::new(Vec::new());
    place.fake.behave(Manner::Lacks);
    let refused = place.engine.load(&image("app").await.1).await;
    let words = "the engine did not load docker.io/library/app:1: invalid diffID";
    assert_eq!(refused, Err(LoadError::Refused(words.to_owned())));
}

#[tokio::test]
async fn an_image_that_cannot_be_read_is_not_loaded() {
    let place = Place::new(Vec::new());
    let (image, mut load) = image("app").await;
    load.blobs = store_of([image.config.as_slice()]).await;
    let refused = place.engine.load(&load).await;
    assert!(matches!(&refused, Err(LoadError::Unavailable(_))), "{refused:?}");
    let refused = refused.unwrap_err().to_string();
    let words = format!("{} is not here any more", image.digests()[0]);
    assert!(refused.contains(&words), "{refused}");
}

#[tokio::test]
async fn what_is_not_shared_is_not_loaded() {
    let share = Share::Patterns(vec![Pattern::parse("team/**").unwrap()]);
    let place = Place::with(Fake::new(Vec::new()), share);
    assert!(matches!(place.engine.load(&image("app").await.1).await, Err(LoadError::NotShared(_))));
    assert!(place.fake.loaded.lock().unwrap().is_empty());
    place.engine.load(&image("team/app").await.1).await.unwrap();
}

#[tokio::test]
async fn where_there_are_rules_an_image_is_loaded_by_the_name_that_lists_show() {
    let place = access::guarded(Fake::new(Vec::new()), &[("alice", "library/**")]);
    for pushed in ["library/app", "docker.io/app", "docker.io/library/app", "index.docker.io/library/app"] {
        let refused = place.engine.load(&image(pushed).await.1).await;
        let Err(LoadError::OtherName(words)) = refused else { panic!("{pushed}: {refused:?}") };
        assert!(words.contains(pushed) && words.contains("lists show as app:"), "{words}");
        assert!(place.fake.loaded.lock().unwrap().is_empty());
    }
    for pushed in ["app", "team/app", "ghcr.io/x/y", "localhost_5000/app"] {
        place.engine.load(&image(pushed).await.1).await.unwrap();
    }
    // Where all may the same, every spelling is as good.
    let place = Place::new(Vec::new());
    place.engine.load(&image("library/app").await.1).await.unwrap();
}

#[tokio::test]
async fn where_there_are_rules_podman_is_given_what_lists_show_by_that_name_now() {
    let fake = Fake { podman: true, ..Fake::new(vec![Picture::new(&[b"1"], &["localhost/app:1"])]) };
    let place = access::guarded(fake, &[("alice", "localhost/**")]);
    let refused = place.engine.load(&image("localhost/app").await.1).await;
    assert!(matches!(refused, Err(LoadError::OtherName(_))), "it is what others pull as `app`: {refused:?}");
    place.fake.images.lock().unwrap().push(Picture::new(&[b"2"], &["docker.io/library/app:1"]));
    place.engine.load(&image("localhost/app").await.1).await.unwrap();
}
