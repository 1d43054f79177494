//! Where pulls come from, and that they are remembered.

use std::time::Duration;

use dockless_oci::Digest;
use dockless_runtime::Clock as _;

use super::fixture::{app, as_user, get_blob, machine, memory, tagged, true_bytes};
use crate::conformance::Bring;
use crate::tests::fixture::{asked, image_of};
use crate::{Error, PULLS_MAX, Principal, PulledContent};

#[test]
fn what_is_here_comes_before_what_a_source_has() {
    let machine = machine(|runtime| [memory(runtime, "peer", Bring::InPlace)]);
    let own = machine.put("app", "1", &image_of("own")).unwrap().digest;
    let pulled = machine.run(machine.registry.manifest(&asked("app"), &tagged("1"))).unwrap();
    assert_eq!(pulled.digest, own);
    let theirs = machine.run(machine.registry.manifest(&asked("app"), &tagged("empty"))).unwrap();
    assert_ne!(theirs.digest, own);
    let by_digest = machine.run(machine.registry.manifest(&asked("app"), &tagged(app().0.as_str()))).unwrap();
    assert_eq!(by_digest.digest, app().0, "what the tag hides can be asked for by digest");
    let nowhere = machine.run(machine.registry.manifest(&asked("other"), &tagged("1")));
    assert_eq!(nowhere, Err(Error::ManifestUnknown));
}

#[test]
fn each_pull_is_remembered_with_where_it_came_from() {
    let mut source = None;
    let machine = machine(|runtime| {
        let made = memory(runtime, "peer", Bring::InPlace);
        source = Some(made.clone());
        [made]
    });
    let source = source.unwrap();
    source.slow_down(Duration::from_millis(15));
    let (manifest, blobs) = app();
    let own = machine.push_blob("own", &blobs[1].1);
    machine.put("own", "v1", &image_of("own")).unwrap();
    let registry = &machine.registry;
    machine.run(async {
        registry.manifest_head(&as_user("app", "alice"), &tagged("1")).await.unwrap();
        registry.manifest(&as_user("app", "alice"), &tagged("1")).await.unwrap();
        registry.blob_size(&asked("app"), &blobs[1].0).await.unwrap();
        let bytes = get_blob(registry, &asked("app"), &blobs[1].0).await.unwrap();
        assert_eq!(bytes, true_bytes(&*source, &asked("app"), &blobs[1].0).await);
        registry.manifest(&asked("own"), &tagged("v1")).await.unwrap();
        registry.manifest(&asked("own"), &tagged(Digest::sha256(&image_of("own")).as_str())).await.unwrap();
        registry.blob(&asked("own"), &own).await.unwrap();
        registry.blob(&asked("own"), &blobs[0].0).await.unwrap_err();
    });
    let pulls = registry.pulls();
    let seen: Vec<_> =
        pulls.iter().rev().map(|pull| (pull.repository.as_str(), pull.from.as_ref(), pull.bytes)).collect();
    let image = image_of("own").len() as u64;
    let size = source_manifest_size(&manifest);
    let layer = blobs[1].1.len() as u64;
    assert_eq!(
        seen,
        [
            ("app", "peer", size),
            ("app", "peer", layer),
            ("own", "store", image),
            ("own", "memory", image),
            ("own", "store", layer),
        ]
    );
    let first = &pulls[4];
    assert_eq!(first.content, PulledContent::Manifest(Some("1".parse().unwrap())));
    assert_eq!((&first.digest, &first.principal), (&manifest, &Principal::User("alice".into())));
    assert_eq!(first.took, Duration::from_millis(15));
    assert_eq!((&pulls[0].content, &pulls[0].principal), (&PulledContent::Blob, &Principal::Anonymous));
    assert_eq!(pulls[1].content, PulledContent::Manifest(None));
    for (line, expected) in [
        ("dockless_pulls_total{source=\"peer\"}", 2),
        ("dockless_pulls_bytes_total{source=\"peer\"}", size + layer),
        ("dockless_pulls_total{source=\"store\"}", 2),
        ("dockless_pulls_total{source=\"memory\"}", 1),
        ("dockless_pulls_bytes_total{source=\"memory\"}", image),
        ("dockless_pulled_total{content=\"manifest\"}", 3),
    ] {
        assert_eq!(machine.metric(&format!("{line} ")), expected, "{line}");
    }
}

#[test]
fn a_source_may_take_as_long_as_its_own_limits_let_it_and_not_for_ever() {
    let pull = |latency: Duration| {
        let machine = machine(|runtime| {
            let source = memory(runtime, "engine", Bring::InPlace);
            source.slow_down(latency);
            [source]
        });
        let pulled = machine.run(machine.registry.manifest(&asked("app"), &tagged("1")));
        (pulled.map(|manifest| manifest.digest), machine.simulation.clock().monotonic())
    };
    // An export that waits for its turn and for its first byte, and brings 45 GB.
    let export = Duration::from_secs((10 + 15 + 15) * 60);
    assert_eq!(pull(export), (Ok(app().0), export));
    let (given_up, took) = pull(Duration::from_secs(24 * 3600));
    assert_eq!(took, Duration::from_secs(2 * 3600));
    let given_up = given_up.unwrap_err();
    assert!(given_up.to_string().contains("engine: said nothing for 7200 seconds"), "{given_up}");
}

fn source_manifest_size(digest: &Digest) -> u64 {
    super::fixture::offers()[0].manifests[digest].bytes.len() as u64
}

#[test]
fn only_the_latest_pulls_are_remembered() {
    let machine = machine(|_| []);
    machine.put("a", "old", &image_of("old")).unwrap();
    machine.put("a", "new", &image_of("new")).unwrap();
    machine.manifest("a", "old").unwrap();
    for _ in 0..PULLS_MAX {
        machine.manifest("a", "new").unwrap();
    }
    let pulls = machine.registry.pulls();
    assert_eq!(pulls.len(), PULLS_MAX);
    assert!(pulls.iter().all(|pull| pull.digest == Digest::sha256(&image_of("new"))));
}
