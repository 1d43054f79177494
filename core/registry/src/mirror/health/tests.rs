//! What is learnt from the answers of a source.

use super::*;

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn remote() -> Health {
    Health::of(SourceKind::Remote)
}

fn unreachable() -> SourceError {
    SourceError::Unavailable("connection refused".into())
}

#[test]
fn a_source_is_waited_for_as_long_as_nineteen_of_twenty_answers_take() {
    let mut health = remote();
    assert_eq!((health.alone_for(), health.usual()), (ALONE_UNKNOWN, None));
    for took in 1..=100 {
        health.answered(ms(took));
    }
    assert_eq!(health.usual(), Some(ms(97)), "the 61st of the last 64: 37 to 100");
    assert_eq!(health.alone_for(), ms(97));
    for (took, alone) in [(1, ALONE_MIN), (60_000, ALONE_MAX), (300, ms(300))] {
        (0..SAMPLES_MAX).for_each(|_| health.answered(ms(took)));
        assert_eq!(health.alone_for(), alone);
        assert!(health.samples.len() <= SAMPLES_MAX);
    }
    let mut new = remote();
    new.answered(ms(50));
    assert_eq!(new.alone_for(), ms(50));
}

#[test]
fn one_that_cannot_be_reached_rests_and_is_then_asked_by_one_alone() {
    let mut health = remote();
    for _ in 1..FAILURES_MAX {
        health.failed(ms(0), ms(1), &unreachable());
        assert_eq!(health.standing(ms(0)), Standing::Well);
    }
    health.failed(ms(1_000), ms(500), &unreachable());
    assert_eq!(health.standing(ms(2_999)), Standing::Rests);
    assert_eq!(health.standing(ms(3_000)), Standing::Probe);
    health.probe(true);
    assert_eq!(health.standing(ms(3_000)), Standing::Rests);
    health.probe(false);
    health.failed(ms(3_000), ms(1), &unreachable());
    assert_eq!(health.standing(ms(3_249)), Standing::Rests, "at least a quarter of a second");
    health.failed(ms(4_000), ms(60_000), &unreachable());
    assert_eq!(health.standing(ms(33_999)), Standing::Rests);
    assert_eq!(health.standing(ms(34_000)), Standing::Probe, "at most half a minute");
    assert_eq!((health.failures(), health.problem()), (5, Some("connection refused")));
    health.answered(ms(3));
    assert_eq!(health.standing(ms(34_000)), Standing::Well);
    assert_eq!((health.failures(), health.problem()), (0, None));
}

#[test]
fn an_engine_that_hangs_rests_shortly() {
    let mut health = Health::of(SourceKind::Engine);
    for _ in 0..FAILURES_MAX {
        health.failed(ms(0), ms(10_000), &unreachable());
    }
    assert_eq!(health.standing(ms(2_999)), Standing::Rests);
    assert_eq!(health.standing(ms(3_000)), Standing::Probe);
}

#[test]
fn one_with_damaged_content_is_asked_last_and_never_rests() {
    let mut health = remote();
    for _ in 0..FAILURES_MAX {
        health.failed(ms(0), ms(1), &SourceError::Damaged("layer".into()));
    }
    assert_eq!(health.standing(ms(0)), Standing::Doubtful);
    health.kept();
    assert_eq!(health.standing(ms(0)), Standing::Well);
}

#[test]
fn to_refuse_somebody_is_an_answer() {
    let mut health = remote();
    for _ in 0..10 {
        health.failed(ms(0), ms(5), &SourceError::Denied("not you".into()));
    }
    assert_eq!((health.standing(ms(0)), health.usual()), (Standing::Well, Some(ms(5))));
}

#[test]
fn to_refuse_one_thing_is_no_failure() {
    let mut health = remote();
    let refused = SourceError::Refused("it does not fit".into());
    for _ in 0..10 {
        health.failed(ms(0), ms(60_000), &refused);
    }
    assert_eq!((health.standing(ms(0)), health.usual(), health.failures()), (Standing::Well, None, 0));
    for _ in 1..FAILURES_MAX {
        health.failed(ms(0), ms(1), &unreachable());
    }
    health.failed(ms(0), ms(1), &refused);
    health.failed(ms(0), ms(1), &unreachable());
    assert_eq!((health.standing(ms(0)), health.failures()), (Standing::Well, 1), "it answered in between");
}

#[test]
fn of_a_long_problem_the_beginning_is_kept() {
    let mut health = remote();
    health.failed(ms(0), ms(0), &SourceError::Unavailable("é".repeat(1_000)));
    assert_eq!(health.problem().unwrap().chars().count(), PROBLEM_CHARS_MAX);
}
