//! What becomes of foreign bytes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dockless_oci::Digest;
use dockless_runtime::simulation::Simulation;
use futures_util::FutureExt as _;

use super::fixture::{
    app, as_user, check_nothing_is_left, get_blob, is_linked, is_stored, liar, machine, memory, offers,
};
use crate::conformance::{Bring, Lie, MemorySource, PrivateSource};
use crate::tests::fixture::{Machine, asked, name};
use crate::{Error, Principal, Registry, Settings, Source};

/// A registry with one source in memory, and the source.
fn with_peer(bring: Bring) -> (Machine, Arc<MemorySource>) {
    let mut source = None;
    let machine = machine(|runtime| {
        let made = memory(runtime, "peer", bring);
        source = Some(made.clone());
        [made]
    });
    (machine, source.unwrap())
}

fn pull(machine: &Machine, digest: &Digest) -> Result<Bytes, Error> {
    machine.run(get_blob(&machine.registry, &asked("app"), digest))
}

#[test]
fn what_was_sent_is_kept_and_what_lies_in_place_is_not() {
    let (_, blobs) = app();
    for bring in [Bring::Foreign, Bring::ForeignWithoutSize, Bring::InPlace] {
        let (machine, source) = with_peer(bring);
        for (digest, bytes) in &blobs {
            assert_eq!(
                machine.run(machine.registry.blob_size(&asked("app"), digest)),
                Ok(bytes.len() as u64)
            );
            assert_eq!(pull(&machine, digest).as_ref(), Ok(bytes), "{bring:?}");
        }
        source.offer(Vec::new());
        for (digest, bytes) in &blobs {
            let kept = bring != Bring::InPlace;
            assert_eq!((is_linked(&machine, "app", digest), is_stored(&machine, digest)), (kept, kept));
            let expected = if kept { Ok(bytes.clone()) } else { Err(Error::BlobUnknown) };
            assert_eq!(pull(&machine, digest), expected);
            let elsewhere = machine.run(machine.registry.blob(&asked("team/tool"), digest));
            assert_eq!(elsewhere.err(), Some(Error::BlobUnknown), "another repository does not have it");
        }
        check_nothing_is_left(&machine);
    }
}

#[test]
fn nothing_of_a_source_can_be_deleted_here() {
    let (machine, _) = with_peer(Bring::InPlace);
    let (manifest, blobs) = app();
    assert!(pull(&machine, &blobs[0].0).is_ok());
    let (registry, app) = (&machine.registry, name("app"));
    machine.run(async {
        assert_eq!(registry.delete_tag(&app, &"1".parse().unwrap()).await, Err(Error::ManifestUnknown));
        assert_eq!(registry.delete_manifest(&app, &manifest).await, Err(Error::ManifestUnknown));
        assert_eq!(registry.delete_blob(&app, &blobs[0].0).await, Err(Error::BlobUnknown));
    });
    assert!(!registry.snapshot().unwrap().repository_exists(&app).unwrap());
}

#[test]
fn a_private_blob_is_for_the_one_who_asked() {
    let owner = Principal::User("owner".into());
    for bring in [Bring::Foreign, Bring::InPlace] {
        let machine =
            machine(|runtime| [PrivateSource::new(memory(runtime, "private", bring), owner.clone(), true)]);
        let (_, blobs) = app();
        for (digest, bytes) in &blobs {
            for _ in 0..2 {
                let own = machine.run(get_blob(&machine.registry, &as_user("app", "owner"), digest));
                assert_eq!(own.as_ref(), Ok(bytes));
                for other in [asked("app"), as_user("app", "other")] {
                    let refused = machine.run(get_blob(&machine.registry, &other, digest));
                    assert!(matches!(refused, Err(Error::Denied(_))), "{refused:?}");
                    let size = machine.run(machine.registry.blob_size(&other, digest));
                    assert_eq!(size, Err(Error::BlobUnknown));
                }
            }
            assert!(!is_linked(&machine, "app", digest), "nobody holds it");
            let doomed = machine.registry.snapshot().unwrap().doomed(None, 10).unwrap();
            let collectable = doomed.iter().any(|doomed| doomed.digest == *digest);
            assert_eq!(collectable, bring == Bring::Foreign, "its file may be collected");
        }
        check_nothing_is_left(&machine);
    }
}

#[test]
fn what_the_store_has_is_given_to_nobody_on_the_word_of_a_source() {
    let (machine, source) = with_peer(Bring::Foreign);
    let secret = machine.push_blob("secret", b"of one repository alone");
    // It says that it has the blob, and has other bytes.
    let mut offer = offers().remove(0);
    offer.blobs.insert(secret.clone(), Bytes::from_static(b"wrong"));
    source.offer(vec![offer]);
    assert!(matches!(pull(&machine, &secret), Err(Error::Unavailable(_))));
    assert!(!is_linked(&machine, "app", &secret));
    assert_eq!(machine.blob("secret", &secret).unwrap(), &b"of one repository alone"[..]);
    check_nothing_is_left(&machine);
}

#[test]
fn wrong_bytes_never_get_out_and_leave_nothing() {
    let lies = [
        Lie::WrongBytes,
        Lie::Short,
        Lie::Long,
        Lie::Endless,
        Lie::WrongSize,
        Lie::Stall,
        Lie::Trickle,
        Lie::Break,
    ];
    for lie in lies {
        for durable in [false, true] {
            let simulation = Simulation::new(1);
            let sources: Vec<Arc<dyn Source>> =
                vec![liar(&simulation.runtime(), "liar", Bring::Foreign, lie)];
            let machine = if durable {
                Machine::durable_with_sources(simulation, Settings::default(), sources)
            } else {
                Machine::with_sources(simulation, Settings::default(), sources)
            };
            for (digest, _) in app().1 {
                let refused = pull(&machine, &digest);
                assert!(matches!(refused, Err(Error::Unavailable(_))), "{lie:?}: {refused:?}");
                assert!(!is_linked(&machine, "app", &digest) && !is_stored(&machine, &digest), "{lie:?}");
            }
            check_nothing_is_left(&machine);
        }
    }
}

#[test]
fn a_transfer_that_nobody_waits_for_leaves_nothing() {
    let simulation = Simulation::new(3);
    let sources: Vec<Arc<dyn Source>> = vec![liar(&simulation.runtime(), "liar", Bring::Foreign, Lie::Stall)];
    let machine = Machine::durable_with_sources(simulation, Settings::default(), sources);
    let (digest, _) = &app().1[1];
    let uploads = |registry: &Registry| {
        let blobs = registry.inner.blobs.clone();
        async move { blobs.uploads().await.unwrap().len() }
    };
    for wait_ms in [0, 1, 1_000] {
        machine.run(async {
            let registry = machine.registry.clone();
            let question = asked("app");
            let mut pull = registry.blob(&question, digest).boxed();
            assert!((&mut pull).now_or_never().is_none());
            let pause = registry.inner.runtime.clock.sleep(Duration::from_millis(wait_ms));
            let futures_util::future::Either::Right(_) = futures_util::future::select(pull, pause).await
            else {
                panic!("the transfer stalls for longer");
            };
            if wait_ms == 1_000 {
                assert_eq!(uploads(&registry).await, 1, "it was under way");
            }
        });
        check_nothing_is_left(&machine);
    }
}

#[test]
fn a_read_only_registry_serves_what_lies_in_place_and_takes_nothing_in() {
    let read_only = || Settings { read_only: true, ..Settings::default() };
    let with = |sources: fn(&dockless_runtime::Runtime) -> Vec<Arc<dyn Source>>| {
        let simulation = Simulation::new(1);
        let sources = sources(&simulation.runtime());
        Machine::with_sources(simulation, read_only(), sources)
    };
    let (digest, bytes) = app().1.remove(1);
    let machine = with(|runtime| vec![memory(runtime, "peer", Bring::Foreign)]);
    let refused = pull(&machine, &digest).unwrap_err();
    assert!(refused.to_string().contains("read-only"), "{refused}");
    let machine = with(|runtime| {
        let engine = memory(runtime, "engine", Bring::InPlace);
        vec![PrivateSource::new(memory(runtime, "peer", Bring::Foreign), Principal::Anonymous, false), engine]
    });
    assert_eq!(pull(&machine, &digest), Ok(bytes));
    check_nothing_is_left(&machine);
}

#[test]
fn what_is_damaged_in_place_is_cut_and_told_of_the_source_alone() {
    let machine = machine(|runtime| {
        [
            liar(runtime, "engine", Bring::InPlace, Lie::DamagedInPlace),
            memory(runtime, "peer", Bring::Foreign),
        ]
    });
    let (small, large) = (&app().1[0].0, &app().1[1].0);
    assert_eq!(
        pull(&machine, small).as_ref(),
        Ok(&app().1[0].1),
        "a small one is read before it is promised"
    );
    machine.run(async {
        let content = machine.registry.blob(&asked("app"), large).await.unwrap();
        let crate::BlobBody::File(blob) = content.body else { panic!("a large one is not read at once") };
        let error = loop {
            match blob.read(blob.size / 2 - 10, 1_000).await {
                Ok(part) => assert_eq!(part.len(), 10),
                Err(error) => break error,
            }
            if let Err(error) = blob.read(blob.size / 2, 1_000).await {
                break error;
            }
        };
        assert!(matches!(&error, crate::StoreError::Io(why) if why.contains("engine")), "{error:?}");
    });
    assert_eq!(machine.metric("dockless_blobs_missing_total "), 0, "nothing is wrong with the store");
    assert_eq!(machine.run(machine.registry.sources())[0].failures, 1);
    assert_eq!(pull(&machine, large).as_ref(), Ok(&app().1[1].1), "who comes back is served by the next");
}

#[test]
fn a_source_heals_what_the_disk_lost() {
    let simulation = Simulation::new(5);
    let sources: Vec<Arc<dyn Source>> = vec![memory(&simulation.runtime(), "peer", Bring::Foreign)];
    let machine = Machine::durable_with_sources(simulation, Settings::default(), sources);
    let (digest, bytes) = app().1.remove(1);
    assert_eq!(machine.push_blob("app", &bytes), digest);
    machine.lose_file(&digest);
    assert_eq!(pull(&machine, &digest), Ok(bytes.clone()));
    assert_eq!(machine.registry.pulls()[0].from.as_ref(), "peer");
    assert_eq!(machine.blob("app", &digest), Ok(bytes));
    assert_eq!(machine.registry.pulls()[0].from.as_ref(), "store");
}
