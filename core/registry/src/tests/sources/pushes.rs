//! A push of what a source has: the repository takes it over, because the client was told that it need not send it.

use std::sync::Arc;

use dockless_oci::media_type::{OCI_INDEX, OCI_MANIFEST};
use dockless_oci::{Digest, Reference};
use dockless_runtime::simulation::Simulation;
use futures_util::future::join_all;
use serde_json::json;

use super::fixture::{
    app, as_user, check_nothing_is_left, get_blob, is_linked, liar, machine, memory, offers, tagged,
};
use crate::conformance::{Bring, Lie, MemorySource, PrivateSource};
use crate::tests::fixture::{Machine, asked, image};
use crate::{Asked, Error, Manifest, Principal, PutDone, PutRequest, Registry, Settings, Source};

fn request(reference: &str, bytes: &[u8]) -> PutRequest {
    PutRequest {
        reference: Reference::parse(reference).unwrap(),
        tags: Vec::new(),
        content_type: None,
        bytes: bytes.to_vec().into(),
        if_match: None,
    }
}

/// As a client pushes an image: asks for each blob, and sends the manifest alone if all are there.
async fn push(registry: &Registry, asked: &Asked, manifest: &Manifest) -> Result<PutDone, Error> {
    for (digest, bytes) in &offers()[0].blobs {
        assert_eq!(registry.blob_size(asked, digest).await, Ok(bytes.len() as u64));
    }
    registry.put_manifest(asked, request("mine", &manifest.bytes)).await
}

fn app_manifest() -> Manifest {
    offers()[0].manifests[&app().0].clone()
}

#[test]
fn a_push_of_what_a_source_has_makes_the_repository_whole_without_it() {
    for bring in [Bring::InPlace, Bring::Foreign, Bring::ForeignWithoutSize] {
        let simulation = Simulation::new(4);
        let source = memory(&simulation.runtime(), "engine", bring);
        let sources: Vec<Arc<dyn Source>> = vec![source.clone()];
        let machine = Machine::durable_with_sources(simulation, Settings::default(), sources);
        let (manifest, registry) = (app_manifest(), machine.registry.clone());
        let done = machine.run(push(&registry, &asked("app"), &manifest)).unwrap();
        assert_eq!((done.missing, &done.digest), (0, &manifest.digest));
        source.offer(Vec::new());
        assert_eq!(machine.manifest("app", "mine").unwrap(), manifest.bytes);
        for (digest, bytes) in app().1 {
            assert_eq!(machine.blob("app", &digest).unwrap(), bytes);
            assert_eq!(machine.registry.pulls()[0].from.as_ref(), "store");
        }
        check_nothing_is_left(&machine);
    }
}

#[test]
fn what_no_source_has_stays_missing() {
    let missing = image(&[b"nowhere"], json!({}));
    let machine = machine(|runtime| [memory(runtime, "engine", Bring::InPlace)]);
    assert_eq!(machine.put("app", "v1", &missing).unwrap().missing, 2);
    let strict = Settings { require_blobs: true, ..Settings::default() };
    let simulation = Simulation::new(1);
    let sources: Vec<Arc<dyn Source>> = vec![memory(&simulation.runtime(), "engine", Bring::InPlace)];
    let machine = Machine::with_sources(simulation, strict, sources);
    assert!(matches!(machine.put("app", "v1", &missing), Err(Error::ManifestBlobUnknown(_))));
    machine.put("app", "v2", &app_manifest().bytes).expect("required blobs may come from a source");
}

#[test]
fn a_push_fails_when_those_who_may_have_the_content_do_not_answer() {
    for lie in [Lie::Unreachable, Lie::WrongBytes, Lie::Stall, Lie::DamagedInPlace] {
        let machine = machine(|runtime| [liar(runtime, "engine", Bring::InPlace, lie)]);
        let refused = machine.put("app", "v1", &app_manifest().bytes);
        assert!(
            matches!(&refused, Err(Error::Unavailable(why)) if why.contains("engine")),
            "{lie:?}: {refused:?}"
        );
        assert_eq!(machine.registry.snapshot().unwrap().totals().unwrap().manifests, 0, "nothing was put");
        check_nothing_is_left(&machine);
    }
    let machine = machine(|runtime| {
        [
            liar(runtime, "liar", Bring::InPlace, Lie::DamagedInPlace),
            memory(runtime, "engine", Bring::InPlace),
        ]
    });
    assert_eq!(machine.put("app", "v1", &app_manifest().bytes).unwrap().missing, 0, "the next one has it");
}

#[test]
fn an_index_is_taken_over_with_the_manifests_in_it() {
    let mut source = None;
    let machine = machine(|runtime| {
        let made = memory(runtime, "engine", Bring::InPlace);
        source = Some(made.clone());
        [made]
    });
    let source: Arc<MemorySource> = source.unwrap();
    let offer = offers().remove(1);
    let multi = &offer.manifests[&offer.tags[&"multi".parse().unwrap()]];
    assert_eq!(multi.media_type, OCI_INDEX);
    let outer = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [
            {"mediaType": OCI_INDEX, "digest": multi.digest.as_str(), "size": multi.bytes.len()},
            {"mediaType": OCI_MANIFEST, "digest": Digest::sha256(b"nowhere").as_str(), "size": 7},
        ],
    });
    let done = machine.put("team/tool", "outer", outer.to_string().as_bytes()).unwrap();
    assert_eq!(done.missing, 1);
    source.offer(Vec::new());
    assert_eq!(machine.manifest("team/tool", multi.digest.as_str()).unwrap(), multi.bytes);
    let children = offer.manifests.values().filter(|manifest| {
        manifest.media_type == OCI_MANIFEST && !offer.tags.values().any(|tagged| *tagged == manifest.digest)
    });
    for child in children {
        assert_eq!(machine.manifest("team/tool", child.digest.as_str()).unwrap(), child.bytes);
        let parsed = dockless_oci::manifest::ParsedManifest::parse(&child.bytes, None).unwrap();
        for reference in parsed.facts.references {
            assert_eq!(machine.blob("team/tool", &reference.digest).unwrap(), offer.blobs[&reference.digest]);
        }
    }
    let unknown = machine.run(machine.registry.manifest(&asked("team/tool"), &tagged("multi")));
    assert_eq!(unknown, Err(Error::ManifestUnknown), "no tag came with it");
}

#[test]
fn pushes_at_once_copy_each_blob_once() {
    let mut source = None;
    let machine = machine(|runtime| {
        let made = memory(runtime, "engine", Bring::InPlace);
        made.slow_down(std::time::Duration::from_secs(1));
        source = Some(made.clone());
        [made]
    });
    let source = source.unwrap();
    let registry = &machine.registry;
    machine.run(async {
        let bytes = app_manifest().bytes;
        let app = asked("app");
        let puts = (0..5).map(|number| registry.put_manifest(&app, request(&format!("t{number}"), &bytes)));
        assert!(join_all(puts).await.into_iter().all(|done| done.unwrap().missing == 0));
    });
    assert_eq!(source.calls(), 3, "a config and two layers");
    check_nothing_is_left(&machine);
}

#[test]
fn who_pushes_what_only_he_can_see_publishes_it() {
    let owner = Principal::User("owner".into());
    let machine =
        machine(|runtime| [PrivateSource::new(memory(runtime, "private", Bring::Foreign), owner, true)]);
    let registry = machine.registry.clone();
    let (manifest, blobs) = app();
    let others =
        machine.run(registry.put_manifest(&as_user("app", "other"), request("x", &app_manifest().bytes)));
    assert_eq!(others.unwrap().missing, 3, "a mention grants nothing");
    assert!(!is_linked(&machine, "app", &blobs[1].0));
    let own = machine.run(push(&registry, &as_user("app", "owner"), &app_manifest())).unwrap();
    assert_eq!((own.missing, own.digest), (0, manifest));
    let public = machine.run(get_blob(&registry, &asked("app"), &blobs[1].0));
    assert_eq!(public.as_ref(), Ok(&blobs[1].1));
}
