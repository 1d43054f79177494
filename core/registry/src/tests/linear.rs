//! Whether what concurrent callers saw of one value can be put in one order (Wing and Gong's search, with memory).

use std::collections::HashSet;

/// One call on the value, between two moments of a clock that counts calls and returns.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) called: u64,
    pub(super) returned: u64,
    pub(super) effect: Effect,
}

/// What a call did to, or saw of, the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Set(usize),
    SetIfAbsent(usize),
    SetIf { expected: usize, to: usize },
    Is(Option<usize>),
    IsNot(usize),
    IsSome,
    Clear,
    ClearIf(usize),
}

impl Effect {
    /// The value after the call; `None` if the call cannot have happened at this value.
    fn after(&self, value: Option<usize>) -> Option<Option<usize>> {
        let unless = |holds: bool, next: Option<usize>| holds.then_some(next);
        match *self {
            Self::Set(to) => Some(Some(to)),
            Self::SetIfAbsent(to) => unless(value.is_none(), Some(to)),
            Self::SetIf { expected, to } => unless(value == Some(expected), Some(to)),
            Self::Is(expected) => unless(value == expected, value),
            Self::IsNot(other) => unless(value != Some(other), value),
            Self::IsSome => unless(value.is_some(), value),
            Self::Clear => unless(value.is_some(), None),
            Self::ClearIf(victim) => Some(if value == Some(victim) { None } else { value }),
        }
    }
}

/// Whether some order of the calls, each between its call and its return, explains every effect on a value that
/// is absent at first.
pub(super) fn is_linearizable(calls: &[Call]) -> bool {
    assert!(calls.len() <= 128, "the set of done calls is an integer");
    let all = if calls.len() == 128 { u128::MAX } else { (1 << calls.len()) - 1 };
    let mut seen = HashSet::new();
    let mut open = vec![(0u128, None)];
    while let Some((done, value)) = open.pop() {
        if done == all {
            return true;
        }
        if !seen.insert((done, value)) {
            continue;
        }
        let waiting = || calls.iter().enumerate().filter(|(index, _)| done & (1 << index) == 0);
        let first_return = waiting().map(|(_, call)| call.returned).min().unwrap_or(u64::MAX);
        for (index, call) in waiting().filter(|(_, call)| call.called < first_return) {
            if let Some(next) = call.effect.after(value) {
                open.push((done | (1 << index), next));
            }
        }
    }
    false
}

#[test]
fn the_search_finds_an_order_where_there_is_one_and_none_where_there_is_none() {
    let check = |calls: &[(u64, u64, Effect)], expected: bool| {
        let calls: Vec<Call> = calls
            .iter()
            .map(|(called, returned, effect)| Call {
                called: *called,
                returned: *returned,
                effect: effect.clone(),
            })
            .collect();
        assert_eq!(is_linearizable(&calls), expected, "{calls:?}");
    };
    use Effect::{Clear, ClearIf, Is, Set, SetIf, SetIfAbsent};
    check(&[(0, 1, Is(None)), (2, 3, Set(1)), (4, 5, Is(Some(1)))], true);
    check(&[(0, 1, Set(1)), (2, 3, Is(None))], false);
    check(&[(0, 3, Set(1)), (1, 2, Is(None))], true);
    check(&[(0, 3, Set(1)), (1, 2, Is(Some(1)))], true);
    check(&[(0, 9, Set(1)), (1, 2, Is(Some(1))), (3, 4, Is(None))], false);
    check(&[(0, 9, Set(1)), (0, 9, Clear), (3, 4, Is(None))], true);
    check(&[(0, 1, SetIfAbsent(1)), (2, 3, SetIfAbsent(2))], false);
    check(
        &[(0, 1, Set(1)), (2, 5, SetIf { expected: 1, to: 2 }), (3, 4, SetIf { expected: 1, to: 3 })],
        false,
    );
    check(
        &[(0, 1, Set(1)), (2, 3, ClearIf(2)), (4, 5, Is(Some(1))), (6, 7, ClearIf(1)), (8, 9, Is(None))],
        true,
    );
}
