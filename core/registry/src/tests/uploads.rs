//! Uploads: whole, in parts, resumed, wrong, expired, and durable once acknowledged.

use std::time::Duration;

use dockless_meta::LedgerError;
use futures_util::future::join;

use super::fixture::{Machine, asked, blob_file, name, on_both, push_blob};
use crate::access::Action;
use crate::tests::fixture::image;
use crate::*;
use dockless_oci::{Algorithm, Digest};
use dockless_runtime::Disk as _;
use dockless_runtime::simulation::{Fault, Simulation};

fn anyone() -> Caller {
    Caller::anonymous()
}

#[test]
fn a_finished_upload_is_a_blob_of_its_repository_only() {
    on_both(|machine| {
        for size in [0, 1, 5_000, 65_536, 65_537, 3_000_000] {
            let bytes: Vec<u8> =
                (0..size).map(|index: u32| index.to_le_bytes()[0] ^ index.to_le_bytes()[1]).collect();
            let digest = machine.push_blob("a/b", &bytes);
            assert_eq!(machine.blob("a/b", &digest).unwrap(), bytes, "{size}");
            assert_eq!(machine.blob("a/b", &digest).unwrap(), bytes, "{size} again");
            assert_eq!(machine.blob("a/c", &digest), Err(Error::BlobUnknown));
            assert_eq!(machine.blob_size("a/c", &digest), Err(Error::BlobUnknown));
        }
    });
}

#[test]
fn every_algorithm_names_its_own_blob() {
    on_both(|machine| {
        for algorithm in Algorithm::ALL {
            let digest = Digest::of(algorithm, b"the same bytes");
            let pushed = machine.run(push_blob(&machine.registry, "a", b"the same bytes", &digest));
            assert_eq!(pushed, Ok(14));
            assert_eq!(machine.blob("a", &digest).unwrap(), &b"the same bytes"[..]);
        }
        let without_hint = machine.begin(&anyone(), "a", b"other");
        let digest = Digest::of(Algorithm::Sha512, b"other");
        assert_eq!(machine.finish(&anyone(), "a", &without_hint.id, &digest), Ok(5));
    });
}

#[test]
fn wrong_bytes_are_refused_and_dropped() {
    on_both(|machine| {
        let upload = machine.begin(&anyone(), "a", b"bytes and more");
        let error = machine.finish(&anyone(), "a", &upload.id, &Digest::sha256(b"bytes")).unwrap_err();
        let Error::DigestInvalid(message) = error else { panic!("{error:?}") };
        assert!(message.contains(Digest::sha256(b"bytes and more").as_str()), "{message}");
        assert_eq!(machine.blob("a", &Digest::sha256(b"bytes")), Err(Error::BlobUnknown));
        let gone = machine.run(machine.registry.upload(&anyone(), &name("a"), &upload.id));
        assert_eq!(gone, Err(Error::BlobUploadUnknown));
        assert_eq!(machine.metric("dockless_uploads_total{step=\"mismatched\"}"), 1);
    });
}

#[test]
fn an_upload_goes_on_where_it_stands_and_nowhere_else() {
    on_both(|machine| {
        let upload = machine.begin(&anyone(), "a", b"0123456789");
        for wrong in [0, 5, 11] {
            let refused = machine.append(&anyone(), &upload, wrong, b"x");
            let Err(Error::RangeInvalid { status }) = refused else { panic!("{wrong} was accepted") };
            assert_eq!((status.offset, &status.id), (10, &upload.id));
        }
        assert_eq!(machine.append(&anyone(), &upload, 10, b"abc"), Ok(13));
        assert_eq!(machine.finish(&anyone(), "a", &upload.id, &Digest::sha256(b"0123456789abc")), Ok(13));
        assert_eq!(
            machine.finish(&anyone(), "a", &upload.id, &Digest::sha256(b"x")),
            Err(Error::BlobUploadUnknown)
        );
    });
}

#[test]
fn an_upload_is_known_to_who_began_it_in_its_repository_only() {
    let machine = Machine::memory(Settings::default());
    let all = Rule {
        users: vec!["*".into()],
        repositories: vec!["**".parse().unwrap()],
        actions: Action::ALL.to_vec(),
    };
    let caller = |user: &str| Caller::with_rules(Some(user), vec![all.clone()]);
    let (alice, bob) = (caller("alice"), caller("bob"));
    let upload = machine.begin(&alice, "a", b"x");
    let digest = Digest::sha256(b"x");
    for (caller, repository) in [(&bob, "a"), (&alice, "b"), (&anyone(), "a")] {
        let repository_name = name(repository);
        let asked = machine.run(machine.registry.upload(caller, &repository_name, &upload.id));
        assert_eq!(asked, Err(Error::BlobUploadUnknown));
        assert_eq!(machine.finish(caller, repository, &upload.id, &digest), Err(Error::BlobUploadUnknown));
        let append = machine.run(machine.registry.append(caller, &repository_name, &upload.id, None));
        assert_eq!(append.err(), Some(Error::BlobUploadUnknown));
        let cancel = machine.run(machine.registry.cancel_upload(caller, &repository_name, &upload.id));
        assert_eq!(cancel, Err(Error::BlobUploadUnknown));
    }
    assert_eq!(machine.finish(&alice, "a", &upload.id, &digest), Ok(1));
    let reader = Caller::with_rules(Some("carol"), vec![Rule { actions: vec![Action::Pull], ..all }]);
    let refused = machine.run(machine.registry.begin_upload(&reader, &name("a"), None));
    assert!(matches!(refused, Err(Error::Denied(message)) if message.contains("carol may not push to a")));
}

#[test]
fn an_expired_token_goes_on_with_its_upload_and_is_asked_to_renew_for_any_other() {
    let machine = Machine::memory(Settings::default());
    let push = |times| Caller::with_push_token("alice", "a", times);
    let now = machine.simulation.runtime().clock.unix_ms();
    let upload = machine.begin(&push((now, now + 1_000, false)), "a", b"x");
    let later = push((now + 500, now + 1_500, true));
    let denied = Err(Error::Denied("the token has expired: ask for a new one".into()));
    let ask = |caller: &Caller, id: &UploadId| {
        machine.run(machine.registry.upload(caller, &name("a"), id)).map(|status| status.offset)
    };
    assert_eq!(ask(&later, &upload.id), denied, "made after the upload began");
    assert_eq!(ask(&later, &UploadId::random(&*machine.simulation.runtime().entropy)), denied);
    let in_time = push((now, now + 1_000, true));
    assert_eq!(ask(&in_time, &upload.id), Ok(1));
    let begun = machine.run(machine.registry.begin_upload(&in_time, &name("a"), None));
    assert!(matches!(begun, Err(Error::Denied(_))), "an expired token begins nothing");
    assert_eq!(machine.append(&in_time, &upload, 1, b"y"), Ok(2));
    assert_eq!(machine.finish(&in_time, "a", &upload.id, &Digest::sha256(b"xy")), Ok(2));
}

#[test]
fn a_cancelled_upload_is_gone() {
    on_both(|machine| {
        let upload = machine.begin(&anyone(), "a", b"x");
        machine.run(machine.registry.cancel_upload(&anyone(), &name("a"), &upload.id)).unwrap();
        assert_eq!(
            machine.finish(&anyone(), "a", &upload.id, &Digest::sha256(b"x")),
            Err(Error::BlobUploadUnknown)
        );
    });
}

#[test]
fn two_uploads_of_one_digest_may_finish_at_once() {
    for seed in 0..50 {
        let machine = Machine::durable(Simulation::new(seed), Settings::default());
        let bytes = vec![7; 200_000];
        let digest = Digest::sha256(&bytes);
        let (first, second) = (machine.begin(&anyone(), "a", &bytes), machine.begin(&anyone(), "b", &bytes));
        let (caller, (a, b)) = (anyone(), (name("a"), name("b")));
        let both = join(
            machine.registry.finish(&caller, &a, &first.id, &digest),
            machine.registry.finish(&caller, &b, &second.id, &digest),
        );
        assert_eq!(machine.run(both), (Ok(200_000), Ok(200_000)));
        assert_eq!(machine.blob("a", &digest).unwrap(), bytes);
        assert_eq!(machine.blob("b", &digest).unwrap(), bytes);
    }
}

#[test]
fn pushing_what_is_there_already_is_fine_and_mends_a_lost_file() {
    let machine = Machine::durable(Simulation::new(1), Settings::default());
    let bytes = vec![9; 100_000];
    let digest = machine.push_blob("a", &bytes);
    machine.push_blob("a", &bytes);
    assert_eq!(machine.blob("a", &digest).unwrap(), bytes);
    machine.lose_file(&digest);
    assert_eq!(machine.blob_size("a", &digest), Ok(100_000), "nobody has looked yet");
    assert_eq!(machine.run(machine.registry.blob(&asked("a"), &digest)).err(), Some(Error::BlobUnknown));
    assert_eq!(machine.blob_size("a", &digest), Err(Error::BlobUnknown), "so that clients push again");
    assert_eq!(
        machine.run(machine.registry.mount(&anyone(), &name("b"), &digest, Some(&name("a")))),
        Ok(false)
    );
    assert_eq!(machine.metric("dockless_blobs_missing_total"), 1);
    machine.push_blob("b", &bytes);
    assert_eq!(machine.blob("a", &digest).unwrap(), bytes);
}

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    for seed in 0..30 {
        let machine = Machine::durable(Simulation::new(seed), Settings::default());
        let small = machine.push_blob("a", b"small");
        let large = machine.push_blob("a", &vec![3; 700_000]);
        let manifest = image(&[b"small"], serde_json::json!({}));
        machine.push_blob("a", b"{}");
        machine.put("a", "v1", &manifest).unwrap();
        let machine = machine.power_cycle(seed, Settings::default());
        assert_eq!(machine.blob("a", &small).unwrap(), &b"small"[..]);
        assert_eq!(machine.blob("a", &large).unwrap(), vec![3; 700_000]);
        assert_eq!(machine.manifest("a", "v1").unwrap(), manifest);
    }
}

#[test]
fn a_power_cut_at_any_moment_of_a_push_leaves_no_file_that_nobody_knows() {
    let bytes = vec![5; 10_000];
    let digest = Digest::sha256(&bytes);
    let prepare = |seed| {
        let machine = Machine::durable(Simulation::new(seed), Settings::default());
        machine.push_blob("other", b"before");
        machine
    };
    let operations = {
        let machine = prepare(1);
        let before = machine.simulation.disk().operations();
        machine.push_blob("a", &bytes);
        before..machine.simulation.disk().operations() + 2
    };
    assert!(operations.clone().count() > 5);
    for cut in operations {
        let machine = prepare(1);
        machine.simulation.disk().fail_from(cut);
        let pushed = machine.run(push_blob(&machine.registry, "a", &bytes, &digest));
        let machine = machine.power_cycle(cut + 2, Settings::default());
        let view = machine.registry.inner.view().unwrap();
        let linked = view.blob(&name("a"), &digest).unwrap();
        assert!(pushed.is_err() || linked.is_some(), "cut at {cut}: acknowledged, but not linked");
        let file = machine.simulation.disk().stat(&blob_file(&digest)).is_ok();
        assert!(linked.is_none() || file, "cut at {cut}: linked without a file");
        let doomed = view.doomed(None, 10).unwrap().into_iter().any(|doomed| doomed.digest == digest);
        assert!(!file || linked.is_some() || doomed, "cut at {cut}: a file that nobody knows");
        assert_eq!(machine.blob("other", &Digest::sha256(b"before")).unwrap(), &b"before"[..]);
        machine.push_blob("a", &bytes);
        assert_eq!(machine.blob("a", &digest).unwrap(), bytes, "cut at {cut}: pushed again");
    }
}

#[test]
fn a_ledger_that_expects_nothing_lets_nothing_become_visible() {
    let machine = Machine::memory(Settings::default());
    let digest = Digest::sha256(b"bytes");
    let upload = machine.begin(&anyone(), "a", b"bytes");
    let ledger = machine.memory.clone().unwrap();
    for (refusal, expected) in [
        (LedgerError::Full, Error::DiskFull),
        (LedgerError::Stopped, Error::Unavailable("the registry is stopping: try again in a moment".into())),
    ] {
        ledger.refuse(Some(refusal));
        assert_eq!(machine.finish(&anyone(), "a", &upload.id, &digest), Err(expected));
        assert!(machine.run(machine.registry.inner.blobs.open(&digest)).unwrap().is_none());
    }
    ledger.refuse(None);
    assert_eq!(machine.finish(&anyone(), "a", &upload.id, &digest), Ok(5), "the upload was not lost");
}

#[test]
fn uploads_that_receive_nothing_expire_and_others_do_not() {
    for machine in
        [Machine::memory(Settings::default()), Machine::durable(Simulation::new(3), Settings::default())]
    {
        let old = machine.begin(&anyone(), "a", b"old");
        machine.simulation.run_for(Duration::from_secs(20 * 3600));
        let young = machine.begin(&anyone(), "a", b"young");
        let known = |upload: &UploadStatus| {
            machine.run(machine.registry.upload(&anyone(), &name("a"), &upload.id)).is_ok()
        };
        assert!(known(&old) && known(&young));
        machine.simulation.run_for(Duration::from_secs(5 * 3600));
        assert!(!known(&old) && known(&young), "dropped without being asked to");
        assert_eq!(machine.metric("dockless_uploads_total{step=\"expired\"}"), 1);
        assert_eq!(machine.run(machine.registry.inner.sweep_uploads()), Ok(0));
    }
}

#[test]
fn an_upload_goes_on_after_a_restart() {
    let machine = Machine::durable(Simulation::new(1), Settings::default());
    let upload = machine.begin(&anyone(), "a", b"first ");
    machine.simulation.kill();
    let machine = Machine::durable(Simulation::with_disk(2, machine.simulation.disk()), Settings::default());
    let status = machine.run(machine.registry.upload(&anyone(), &name("a"), &upload.id)).unwrap();
    let rest = &b"first second"[usize::try_from(status.offset).unwrap()..];
    assert_eq!(machine.append(&anyone(), &upload, status.offset, rest), Ok(12));
    assert_eq!(machine.finish(&anyone(), "a", &upload.id, &Digest::sha256(b"first second")), Ok(12));
}

#[test]
fn an_upload_that_cannot_be_dropped_does_not_keep_the_others() {
    let machine = Machine::durable(Simulation::new(3), Settings::default());
    let uploads = [b"1", b"2", b"3"].map(|bytes| machine.begin(&anyone(), "a", bytes));
    // Until just before the sweep that drops them; its first step is a removal.
    machine.simulation.run_for(Duration::from_secs(24 * 3600 - 1));
    let disk = machine.simulation.disk();
    disk.fail_with(disk.operations(), Fault::Eio);
    machine.simulation.run_for(Duration::from_secs(600));
    let known = |upload: &UploadStatus| {
        machine.run(machine.registry.upload(&anyone(), &name("a"), &upload.id)).is_ok()
    };
    assert_eq!(uploads.iter().filter(|upload| known(upload)).count(), 1);
    machine.simulation.run_for(Duration::from_secs(600));
    assert_eq!(uploads.iter().filter(|upload| known(upload)).count(), 0, "dropped by the next sweep");
}
