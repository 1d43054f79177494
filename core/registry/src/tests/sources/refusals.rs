//! A source that refuses one thing, and is well.

use std::sync::Arc;

use dockless_runtime::Clock as _;

use super::fixture::{app, liar, machine, memory, tagged};
use crate::Error;
use crate::conformance::{Bring, Lie, LyingSource};
use crate::tests::fixture::asked;

#[test]
fn a_source_that_refuses_one_thing_for_ever_goes_on_to_answer_the_others() {
    let lie = Arc::new(std::sync::Mutex::new(Lie::None));
    let machine = machine(|runtime| {
        let lie = lie.clone();
        let choose = move || *lie.lock().unwrap();
        [LyingSource::new(memory(runtime, "engine", Bring::InPlace), runtime.clone(), choose)]
    });
    let pull = |tag: &str, says: Lie| {
        *lie.lock().unwrap() = says;
        machine.run(machine.registry.manifest(&asked("app"), &tagged(tag)))
    };
    for _ in 0..20 {
        let refused = pull("1", Lie::Refused).unwrap_err();
        assert!(matches!(&refused, Error::Unavailable(why) if why.contains("engine: it does not fit")));
        assert!(pull("empty", Lie::None).is_ok());
    }
    assert_eq!(pull("1", Lie::None).unwrap().digest, app().0, "that it was refused is not remembered");
    for _ in 0..20 {
        assert!(pull("1", Lie::Refused).is_err());
    }
    let report = machine.run(machine.registry.sources()).remove(0);
    assert_eq!((report.rests, report.failures, report.last_problem), (false, 0, None));
    assert_eq!(machine.metric("dockless_source_answers_total{source=\"engine\",answer=\"refused\"} "), 40);
}

#[test]
fn what_one_refuses_is_asked_of_the_next_at_once() {
    let machine = machine(|runtime| {
        [liar(runtime, "first", Bring::InPlace, Lie::Refused), memory(runtime, "second", Bring::InPlace)]
    });
    let clock = machine.simulation.clock();
    let began = clock.monotonic();
    assert!(machine.run(machine.registry.manifest(&asked("app"), &tagged("1"))).is_ok());
    assert_eq!(clock.monotonic(), began);
    assert_eq!(machine.registry.pulls()[0].from.as_ref(), "second");
}
