//! The decisions of an asking: a table of what happens and what follows, and laws that hold for any course.

use std::collections::BTreeSet;

use dockless_runtime::simulation::Random;

use super::Answer::{Good, No, Nothing, Promise};
use super::Input::{Answer, Start, Time};
use super::Outcome::{Absent, Unanswered, Won};
use super::Output::{Ask, Cancel, Done, WaitUntil};
use super::*;

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Sources 0, 1, ... that are waited for alone for 10, 20, ... milliseconds.
fn candidates(count: usize) -> Vec<Candidate> {
    let candidate = |source| Candidate { source, alone_for: at(10 * (source as u64 + 1)) };
    (0..count).map(candidate).collect()
}

/// Runs `(time in ms, input, outputs)` of an asking of `count` sources.
fn check(title: &str, count: usize, absent: bool, course: &[(u64, Input, &[Output])]) {
    let mut decision = Decision::new(candidates(count), absent);
    for (step, (now, input, expected)) in course.iter().enumerate() {
        assert_eq!(decision.handle(at(*now), *input), *expected, "{title}, step {step}");
    }
}

#[test]
fn sources_are_asked_in_order_and_the_first_good_answer_wins() {
    check("nobody to ask", 0, false, &[(0, Start, &[Done(Unanswered)])]);
    check("nobody to ask, and one is known to lack it", 0, true, &[(0, Start, &[Done(Absent)])]);
    check("one says yes", 1, false, &[(5, Start, &[Ask(0)]), (9, Answer(0, Good), &[Done(Won(0))])]);
    check(
        "the first is quick",
        3,
        false,
        &[(5, Start, &[Ask(0), WaitUntil(at(15))]), (9, Answer(0, Good), &[Done(Won(0))])],
    );
    check(
        "a no brings the next at once",
        3,
        false,
        &[
            (0, Start, &[Ask(0), WaitUntil(at(10))]),
            (3, Answer(0, No), &[Ask(1), WaitUntil(at(23))]),
            (4, Answer(1, No), &[Ask(2)]),
            (5, Answer(2, No), &[Done(Absent)]),
        ],
    );
    check(
        "so does a failure",
        2,
        false,
        &[
            (0, Start, &[Ask(0), WaitUntil(at(10))]),
            (3, Answer(0, Nothing), &[Ask(1)]),
            (4, Answer(1, Nothing), &[Done(Unanswered)]),
        ],
    );
    check(
        "one no among failures is a no",
        2,
        false,
        &[
            (0, Start, &[Ask(0), WaitUntil(at(10))]),
            (3, Answer(0, No), &[Ask(1)]),
            (4, Answer(1, Nothing), &[Done(Absent)]),
        ],
    );
}

#[test]
fn the_next_starts_when_the_one_before_takes_longer_than_usual() {
    check(
        "the second wins",
        3,
        false,
        &[
            (0, Start, &[Ask(0), WaitUntil(at(10))]),
            (10, Time, &[Ask(1), WaitUntil(at(30))]),
            (12, Answer(1, Good), &[Cancel(0), Done(Won(1))]),
        ],
    );
    check(
        "the first wins all the same",
        3,
        false,
        &[
            (0, Start, &[Ask(0), WaitUntil(at(10))]),
            (10, Time, &[Ask(1), WaitUntil(at(30))]),
            (31, Time, &[Ask(2)]),
            (32, Answer(0, Good), &[Cancel(1), Cancel(2), Done(Won(0))]),
        ],
    );
    check(
        "a timer that comes early is set again",
        2,
        false,
        &[
            (0, Start, &[Ask(0), WaitUntil(at(10))]),
            (9, Time, &[WaitUntil(at(10))]),
            (10, Time, &[Ask(1)]),
            (11, Time, &[]),
            (12, Answer(0, Nothing), &[]),
            (13, Answer(1, No), &[Done(Absent)]),
        ],
    );
    check(
        "a no while another is under way",
        3,
        false,
        &[
            (0, Start, &[Ask(0), WaitUntil(at(10))]),
            (10, Time, &[Ask(1), WaitUntil(at(30))]),
            (11, Answer(0, No), &[Ask(2)]),
            (12, Answer(2, Good), &[Cancel(1), Done(Won(2))]),
        ],
    );
}

#[test]
fn while_a_promise_is_taken_in_nobody_else_is_asked() {
    check(
        "kept",
        3,
        false,
        &[
            (0, Start, &[Ask(0), WaitUntil(at(10))]),
            (10, Time, &[Ask(1), WaitUntil(at(30))]),
            (12, Answer(1, Promise), &[Cancel(0)]),
            (99, Time, &[]),
            (500, Answer(1, Good), &[Done(Won(1))]),
        ],
    );
    check(
        "broken: those who were cancelled for it come next",
        4,
        false,
        &[
            (0, Start, &[Ask(0), WaitUntil(at(10))]),
            (10, Time, &[Ask(1), WaitUntil(at(30))]),
            (30, Time, &[Ask(2), WaitUntil(at(60))]),
            (40, Answer(1, Promise), &[Cancel(2), Cancel(0)]),
            (99, Answer(1, Nothing), &[Ask(0), WaitUntil(at(109))]),
            (100, Answer(0, Promise), &[]),
            (101, Answer(0, Nothing), &[Ask(2), WaitUntil(at(131))]),
            (131, Time, &[Ask(3)]),
            (132, Answer(3, Good), &[Cancel(2), Done(Won(3))]),
        ],
    );
}

#[test]
fn whatever_happens_an_asking_ends_and_nobody_is_left_out() {
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let count = random.below(6);
        let known_absent = random.one_in(4);
        let mut decision = Decision::new(candidates(count), known_absent);
        let (mut now, mut input) = (Duration::ZERO, Start);
        let mut under_way: BTreeSet<usize> = BTreeSet::new();
        let (mut promised, mut refused, mut said_no) = (BTreeSet::new(), BTreeSet::new(), known_absent);
        for step in 0.. {
            assert!(step < 100, "seed {seed} does not end");
            let (mut wait, mut done) = (None, None);
            for output in decision.handle(now, input) {
                assert_eq!(done, None, "seed {seed}: nothing follows the end");
                match output {
                    Ask(source) => {
                        assert!(promised.is_empty(), "seed {seed}: nobody is asked beside a promise");
                        assert!(under_way.insert(source) && !refused.contains(&source), "seed {seed}");
                    }
                    Cancel(source) => assert!(under_way.remove(&source), "seed {seed}"),
                    WaitUntil(time) => wait = Some(time),
                    Done(outcome) => done = Some(outcome),
                }
            }
            if let Some(outcome) = done {
                let good = matches!(input, Answer(_, Good));
                match outcome {
                    Won(source) => assert_eq!(input, Answer(source, Good), "seed {seed}"),
                    Absent => assert!(said_no && refused.len() == count && !good, "seed {seed}"),
                    Unanswered => assert!(!said_no && refused.len() == count && !good, "seed {seed}"),
                }
                assert!(under_way.is_empty() || good, "seed {seed}: {under_way:?}");
                break;
            }
            assert!(!under_way.is_empty(), "seed {seed}: somebody is asked until the end");
            now += at(random.below(12) as u64);
            let all: Vec<usize> = under_way.iter().copied().collect();
            let source = *random.pick(&all);
            input = match random.below(6) {
                0 | 1 if wait.is_some() => {
                    now = now.max(wait.unwrap());
                    Time
                }
                0 | 1 => Answer(source, Nothing),
                2 if promised.is_empty() => {
                    promised.insert(source);
                    Answer(source, Promise)
                }
                3 => Answer(source, Good),
                4 if !promised.contains(&source) => Answer(source, No),
                _ => Answer(source, Nothing),
            };
            if let Answer(source, Good | No | Nothing) = input {
                under_way.remove(&source);
                promised.remove(&source);
                refused.insert(source);
                said_no |= matches!(input, Answer(_, No));
            }
        }
    }
}
