//! Images that are put into an engine.

use dockless_registry::access::Pattern;
use dockless_runtime::simulation::Simulation;

use super::super::archive::{Archive, Event};
use super::*;

async fn part(store: &dyn dockless_store::BlobStore, bytes: &[u8]) -> LoadPart {
    let digest = Digest::sha256(bytes);
    let repository = RepositoryName::parse("a").unwrap();
    let upload = dockless_store::NewUpload { repository, subject: String::new(), hint: None };
    let id = store.begin(upload).await.unwrap();
    let mut writer = store.append(&id, None).await.unwrap();
    writer.write(Bytes::copy_from_slice(bytes)).await.unwrap();
    writer.close().await.unwrap();
    store.seal(&id, &digest).await.unwrap();
    store.publish(&id, &digest).await.unwrap();
    LoadPart { blob: store.open(&digest).await.unwrap().unwrap(), digest }
}

async fn image(repository: &str) -> (Picture, Load) {
    let image = app();
    let runtime = Simulation::new(1).runtime();
    let store = dockless_store::MemoryStore::new(runtime, dockless_store::Settings::default());
    let config = part(&*store, &image.config).await;
    let mut layers = Vec::new();
    for layer in &image.layers {
        layers.push(part(&*store, layer).await);
    }
    let load = Load { asked: asked(repository), tag: Tag::parse("1").unwrap(), config, layers };
    (image, load)
}

fn files(archive: Vec<u8>) -> Vec<Vec<u8>> {
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
    let row =
        serde_json::json!({"Config": config, "Layers": layers, "RepoTags": ["docker.io/library/app:1"]});
    assert_eq!(manifest, serde_json::json!([row]));
}

#[tokio::test]
async fn an_engine_that_refuses_an_image_is_heard_though_it_answers_200() {
    let place = Place::new(Vec::new());
    place.fake.behave(Manner::Lacks);
    let refused = place.engine.load(&image("app").await.1).await;
    let words = "the engine did not load docker.io/library/app:1: invalid diffID";
    assert_eq!(refused, Err(SourceError::Damaged(words.to_owned())));
}

#[tokio::test]
async fn what_is_not_shared_is_not_loaded() {
    let share = Share::Patterns(vec![Pattern::parse("team/**").unwrap()]);
    let place = Place::with(Fake::new(Vec::new()), share);
    assert!(matches!(place.engine.load(&image("app").await.1).await, Err(SourceError::Denied(_))));
    assert!(place.fake.loaded.lock().unwrap().is_empty());
    place.engine.load(&image("team/app").await.1).await.unwrap();
}
