//! What sources said that they do not have, for as long as that holds.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::question::Question;

/// Most things remembered of one source; some 300 bytes each. Past it the oldest is forgotten, which costs asking
/// for it again.
const ABSENCES_MAX: usize = 10_000;

/// What one source does not have, and until when that holds. All of its answers hold equally long, so the order in
/// which they came is that in which they end.
#[derive(Debug, Default)]
pub(super) struct Absences {
    until: HashMap<Question, Duration>,
    order: VecDeque<Question>,
}

impl Absences {
    /// Whether the source is known at `now` not to have this.
    pub(super) fn holds(&self, question: &Question, now: Duration) -> bool {
        self.until.get(question).is_some_and(|until| now < *until)
    }

    /// Notes a "no" of `now` that holds for some time; for none, nothing is noted.
    pub(super) fn note(&mut self, question: Question, now: Duration, holds: Duration) {
        if holds.is_zero() {
            return;
        }
        while let Some(oldest) = self.order.front() {
            let ended = self.until.get(oldest).is_none_or(|until| *until <= now);
            if !ended && self.order.len() < ABSENCES_MAX {
                break;
            }
            self.until.remove(oldest);
            self.order.pop_front();
        }
        if !self.until.contains_key(&question) {
            self.until.insert(question.clone(), now + holds);
            self.order.push_back(question);
        }
    }
}

#[cfg(test)]
mod tests {
    use dockless_oci::{Digest, Reference, RepositoryName};

    use super::*;
    use crate::source::Asked;

    fn question(tag: &str) -> Question {
        let asked = Asked::anonymous(&RepositoryName::parse("a").unwrap());
        Question::manifest(&asked, &Reference::parse(tag).unwrap())
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_no_holds_for_its_time_and_no_longer() {
        let mut absences = Absences::default();
        absences.note(question("a"), at(10), at(5));
        for (now, holds) in [(10, true), (14, true), (15, false), (99, false)] {
            assert_eq!(absences.holds(&question("a"), at(now)), holds, "{now}");
        }
        assert!(!absences.holds(&question("b"), at(10)));
        assert!(!absences.holds(&Question::blob(&question("a").asked, &Digest::sha256(b"a")), at(10)));
        absences.note(question("a"), at(15), at(5));
        assert!(absences.holds(&question("a"), at(19)), "noted anew once it ended");
    }

    #[test]
    fn a_no_that_does_not_hold_is_not_noted() {
        let mut absences = Absences::default();
        absences.note(question("a"), at(0), Duration::ZERO);
        assert!(!absences.holds(&question("a"), at(0)) && absences.order.is_empty());
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_the_oldest() {
        let mut absences = Absences::default();
        for number in 0..=ABSENCES_MAX {
            absences.note(question(&number.to_string()), at(0), at(5));
        }
        assert_eq!((absences.order.len(), absences.until.len()), (ABSENCES_MAX, ABSENCES_MAX));
        assert!(!absences.holds(&question("0"), at(0)) && absences.holds(&question("1"), at(0)));
        absences.note(question("x"), at(6), at(5));
        assert_eq!(absences.order.len(), 1, "what has ended goes");
    }
}
