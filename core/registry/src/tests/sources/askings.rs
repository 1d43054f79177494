//! Who is asked, how often, and what comes of it when nobody has it.

use std::sync::Arc;
use std::time::Duration;

use dockless_oci::{Digest, Reference};
use dockless_runtime::Clock as _;
use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::fixture::{app, as_user, check_nothing_is_left, get_blob, liar, machine, memory, offers, tagged};
use crate::conformance::{Bring, Lie, LyingSource, MemorySource, PrivateSource};
use crate::tests::fixture::{Machine, asked};
use crate::{Error, Principal};

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// What a pull of a manifest and one of a blob say, with two sources that lie like this.
fn outcomes(first: Lie, second: Lie) -> (Error, Error) {
    let machine = machine(|runtime| {
        [liar(runtime, "first", Bring::Foreign, first), liar(runtime, "second", Bring::Foreign, second)]
    });
    let (_, blobs) = app();
    let manifest = machine.run(machine.registry.manifest(&asked("app"), &tagged("1"))).unwrap_err();
    let head = machine.run(machine.registry.manifest_head(&asked("app"), &tagged("1"))).unwrap_err();
    assert_eq!(std::mem::discriminant(&manifest), std::mem::discriminant(&head), "HEAD and GET agree");
    let blob = machine.run(get_blob(&machine.registry, &asked("app"), &blobs[1].0)).unwrap_err();
    let size = machine.run(machine.registry.blob_size(&asked("app"), &blobs[1].0));
    if [first, second].iter().all(|lie| lie_about_size(*lie)) {
        assert_eq!(size, Err(Error::BlobUnknown), "who asks before a push is told to push");
    }
    check_nothing_is_left(&machine);
    (manifest, blob)
}

/// Whether one who lies like this does not state a size.
fn lie_about_size(lie: Lie) -> bool {
    matches!(lie, Lie::Absent | Lie::Denied | Lie::Unreachable | Lie::Refused | Lie::Silence | Lie::Damaged)
}

#[test]
fn one_no_makes_it_unknown() {
    let others = [Lie::Absent, Lie::Denied, Lie::Unreachable, Lie::Refused];
    for other in others.into_iter().chain([Lie::WrongBytes, Lie::Silence, Lie::Damaged]) {
        assert_eq!(outcomes(Lie::Absent, other), (Error::ManifestUnknown, Error::BlobUnknown), "{other:?}");
        assert_eq!(outcomes(other, Lie::Absent), (Error::ManifestUnknown, Error::BlobUnknown), "{other:?}");
    }
}

#[test]
fn when_nobody_says_anything_the_answer_names_each_and_why() {
    for (lie, why) in [
        (Lie::Unreachable, "connection refused"),
        (Lie::Silence, "no answer in time"),
        (Lie::Refused, "it does not fit"),
        (Lie::Damaged, "a file is missing"),
        (Lie::WrongBytes, "sha256:"),
        (Lie::Short, "sha256:"),
        (Lie::Long, "sha256:"),
        (Lie::Stall, "sha256:"),
        (Lie::Break, "sha256:"),
    ] {
        let (manifest, blob) = outcomes(lie, Lie::Unreachable);
        for error in [&manifest, &blob] {
            let Error::Unavailable(message) = error else { panic!("{lie:?}: {error:?}") };
            assert!(message.contains("second: connection refused"), "{message}");
            assert!(message.contains("first: "), "{message}");
        }
        assert!(manifest.to_string().contains(why), "{lie:?}: {manifest}");
    }
    let (manifest, blob) = outcomes(Lie::Denied, Lie::Denied);
    for error in [manifest, blob] {
        let Error::Denied(message) = error else { panic!("{error:?}") };
        assert!(message.contains("first: 401") && message.contains("second: 401"), "{message}");
    }
    assert!(matches!(outcomes(Lie::Denied, Lie::Unreachable).0, Error::Unavailable(_)));
}

/// A machine with one source of which a "no" holds, and the source.
fn forgetful(holds: Duration) -> (Machine, Arc<MemorySource>) {
    bringing(Bring::InPlace, holds)
}

fn bringing(bring: Bring, holds: Duration) -> (Machine, Arc<MemorySource>) {
    let mut source = None;
    let machine = machine(|runtime| {
        let made = MemorySource::with_absence(runtime.clone(), "peer", bring, Vec::new(), holds);
        source = Some(made.clone());
        [made]
    });
    (machine, source.unwrap())
}

#[test]
fn a_no_is_believed_for_as_long_as_it_holds() {
    let (machine, source) = forgetful(seconds(60));
    let pull = || machine.run(machine.registry.manifest(&asked("app"), &tagged("1")));
    assert_eq!(pull(), Err(Error::ManifestUnknown));
    source.offer(offers());
    machine.simulation.run_for(seconds(59));
    assert_eq!(pull(), Err(Error::ManifestUnknown));
    assert_eq!(source.calls(), 1, "it was asked once");
    machine.simulation.run_for(seconds(1));
    assert_eq!(pull().unwrap().digest, app().0);
    source.offer(Vec::new());
    assert_eq!(pull(), Err(Error::ManifestUnknown), "a yes is asked for anew each time");
}

#[test]
fn where_names_come_and_go_at_any_moment_a_no_is_never_believed() {
    let (machine, source) = forgetful(Duration::ZERO);
    for number in 1..5 {
        source.offer(Vec::new());
        let pull = || machine.run(machine.registry.manifest(&asked("app"), &tagged("1")));
        assert_eq!(pull(), Err(Error::ManifestUnknown));
        source.offer(offers());
        assert!(pull().is_ok());
        assert_eq!(source.calls(), 2 * number);
    }
}

#[test]
fn many_who_want_the_same_cost_one_asking() {
    let (machine, source) = bringing(Bring::Foreign, Duration::ZERO);
    source.offer(offers());
    source.slow_down(seconds(5));
    let (manifest, blobs) = app();
    let (registry, app, reference) = (&machine.registry, asked("app"), Reference::Digest(manifest));
    machine.run(async {
        let manifests = (0..20).map(|_| registry.manifest(&app, &reference));
        let all = (0..20).map(|_| get_blob(registry, &app, &blobs[1].0));
        let (manifests, all) = futures_util::future::join(join_all(manifests), join_all(all)).await;
        assert!(manifests.into_iter().all(|manifest| manifest.is_ok()));
        assert!(all.into_iter().all(|bytes| bytes.as_ref() == Ok(&blobs[1].1)));
    });
    assert_eq!((source.calls(), source.at_once_max()), (2, 1));
    let other = as_user("app", "alice");
    machine.run(async {
        let one = registry.manifest(&app, &reference);
        let two = registry.manifest(&other, &reference);
        let (one, two) = futures_util::future::join(one, two).await;
        assert_eq!(one, two);
    });
    assert_eq!(source.calls(), 3, "one who answers everybody alike is asked once for everybody");
}

#[test]
fn an_asking_ends_when_nobody_waits_for_it() {
    let (machine, source) = forgetful(Duration::ZERO);
    source.offer(offers());
    source.slow_down(seconds(5));
    let (registry, reference) = (&machine.registry, Reference::Digest(app().0));
    let app = asked("app");
    machine.run(async {
        let mut one = registry.manifest(&app, &reference).boxed();
        let mut two = registry.manifest(&app, &reference).boxed();
        assert!((&mut one).now_or_never().is_none() && (&mut two).now_or_never().is_none());
        assert_eq!(source.under_way(), 1);
        drop(one);
        assert_eq!(source.under_way(), 1, "another one waits");
        drop(two);
        assert_eq!(source.under_way(), 0);
        assert!(registry.manifest(&app, &reference).await.is_ok());
    });
    assert_eq!(source.calls(), 2);
}

#[test]
fn that_one_is_refused_says_nothing_about_others() {
    for says_so in [true, false] {
        let owner = Principal::User("owner".into());
        let machine = machine(|runtime| {
            let source = memory(runtime, "private", Bring::InPlace);
            source.slow_down(seconds(5));
            [PrivateSource::new(source, owner.clone(), says_so)]
        });
        let registry = &machine.registry;
        let (own, others) = (as_user("app", "owner"), asked("app"));
        let reference = Reference::Digest(app().0);
        machine.run(async {
            // The stranger asks first, and the owner finds that asking under way.
            let refused = registry.manifest(&others, &reference);
            let given = registry.manifest(&own, &reference);
            let (refused, given) = futures_util::future::join(refused, given).await;
            assert!(matches!(refused, Err(Error::Denied(_))), "{refused:?}");
            assert_eq!(given.unwrap().digest, app().0);
        });
    }
}

#[test]
fn one_that_takes_longer_than_usual_is_not_waited_for() {
    let mut slow = None;
    let machine = machine(|runtime| {
        let first = memory(runtime, "first", Bring::InPlace);
        slow = Some(first.clone());
        [first, memory(runtime, "second", Bring::InPlace)]
    });
    let slow = slow.unwrap();
    let clock = machine.simulation.clock();
    let pull = || {
        let began = clock.monotonic();
        machine.run(machine.registry.manifest(&asked("app"), &tagged("1"))).unwrap();
        clock.monotonic() - began
    };
    for _ in 0..20 {
        assert_eq!(pull(), Duration::ZERO);
    }
    assert_eq!(machine.registry.pulls()[0].from.as_ref(), "first");
    slow.slow_down(seconds(60));
    assert_eq!(pull(), Duration::from_millis(20), "it usually answers at once");
    assert_eq!(machine.registry.pulls()[0].from.as_ref(), "second");
    assert_eq!(slow.under_way(), 0, "the loser is cancelled");
}

#[test]
fn engines_are_asked_before_other_machines_and_each_kind_in_the_given_order() {
    let machine = machine(|runtime| {
        [
            memory(runtime, "peer", Bring::Foreign),
            memory(runtime, "engine one", Bring::InPlace),
            memory(runtime, "engine two", Bring::InPlace),
        ]
    });
    machine.run(machine.registry.manifest(&asked("app"), &tagged("1"))).unwrap();
    let sources = machine.run(machine.registry.sources());
    let labels: Vec<&str> = sources.iter().map(|report| report.traits.label.as_str()).collect();
    assert_eq!(labels, ["peer", "engine one", "engine two"]);
    assert_eq!(machine.registry.pulls()[0].from.as_ref(), "engine one");
}

#[test]
fn one_that_cannot_be_reached_rests_and_is_found_to_be_back() {
    let lie = Arc::new(std::sync::Mutex::new(Lie::Silence));
    let machine = machine(|runtime| {
        let lie = lie.clone();
        [LyingSource::new(memory(runtime, "peer", Bring::Foreign), runtime.clone(), move || {
            *lie.lock().unwrap()
        })]
    });
    let clock = machine.simulation.clock();
    let pull = || {
        let began = clock.monotonic();
        let pulled = machine.run(machine.registry.manifest(&asked("app"), &tagged("1")));
        (pulled.map(|manifest| manifest.digest), clock.monotonic() - began)
    };
    for _ in 0..3 {
        assert_eq!(pull().1, seconds(30));
    }
    let (refused, took) = pull();
    assert_eq!(took, Duration::ZERO, "nobody waits for it while it rests");
    assert!(refused.unwrap_err().to_string().contains("peer: no answer in time (asked again"), "why");
    let report = machine.run(machine.registry.sources()).remove(0);
    assert!(report.rests && report.failures == 3, "{report:?}");
    assert_eq!(report.last_problem.as_deref(), Some("no answer in time"));
    assert_eq!(report.status.problem.as_deref(), Some("it did not say how it is within 10s"));
    machine.simulation.run_for(seconds(20));
    machine.run(async {
        let (registry, app, one, two) = (&machine.registry, asked("app"), tagged("1"), tagged("empty"));
        let mut probe = registry.manifest(&app, &one).boxed();
        assert!((&mut probe).now_or_never().is_none(), "one request finds out");
        let other = registry.manifest(&app, &two).now_or_never();
        assert!(matches!(other, Some(Err(Error::Unavailable(_)))), "the others do not wait");
        drop(probe);
        *lie.lock().unwrap() = Lie::None;
        assert!(registry.manifest(&app, &two).await.is_ok(), "a probe that was given up leaves the way free");
    });
    assert_eq!(pull(), (Ok(app().0), Duration::ZERO));
    let report = machine.run(machine.registry.sources()).remove(0);
    assert_eq!(
        (report.rests, report.failures, report.last_problem, report.status.problem),
        (false, 0, None, None)
    );
    assert_eq!(report.answers_within, Some(Duration::ZERO));
}

#[test]
fn answers_of_sources_are_counted() {
    let machine = machine(|runtime| {
        [liar(runtime, "liar", Bring::Foreign, Lie::WrongBytes), memory(runtime, "peer", Bring::Foreign)]
    });
    machine.run(machine.registry.manifest(&asked("app"), &tagged("1"))).unwrap();
    machine.run(machine.registry.manifest(&asked("app"), &tagged("none"))).unwrap_err();
    let digest = Digest::sha256(b"none");
    machine.run(machine.registry.blob(&asked("app"), &digest)).unwrap_err();
    for (line, expected) in [
        ("dockless_source_answers_total{source=\"liar\",answer=\"damaged\"}", 1),
        ("dockless_source_answers_total{source=\"liar\",answer=\"no\"}", 2),
        ("dockless_source_answers_total{source=\"peer\",answer=\"yes\"}", 1),
        ("dockless_source_answers_total{source=\"peer\",answer=\"no\"}", 2),
        ("dockless_pulls_total{source=\"peer\"}", 1),
        ("dockless_pulls_total{source=\"liar\"}", 0),
        ("dockless_pulls_total{source=\"store\"}", 0),
    ] {
        assert_eq!(machine.metric(&format!("{line} ")), expected, "{line}");
    }
}
