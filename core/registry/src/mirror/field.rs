//! Who may be asked now, in order.

use std::sync::Arc;
use std::time::Duration;

use super::decision::Candidate;
use super::health::Standing;
use super::member::{Member, Probe};
use super::question::Question;
use crate::source::SourceError;

/// The sources that one asking has to do with.
pub(super) struct Field {
    /// Those that are asked.
    pub(super) candidates: Vec<Candidate>,
    /// Whether one that is not among them is known not to have it.
    pub(super) absent: bool,
    /// Why the others are not among them.
    pub(super) left_out: Vec<(String, SourceError)>,
    /// To be held as long as the asking goes on.
    pub(super) probes: Vec<Probe>,
}

impl Field {
    /// Those who are asked at `now`: by standing, then by kind, then as they were given.
    pub(super) fn of(members: &[Arc<Member>], question: &Question, now: Duration) -> Self {
        let mut field =
            Self { candidates: Vec::new(), absent: false, left_out: Vec::new(), probes: Vec::new() };
        let mut order = Vec::with_capacity(members.len());
        for (source, member) in members.iter().enumerate() {
            if member.is_known_to_lack(question, now) {
                field.absent = true;
            } else if member.is_known_to_be_damaged(question, now) {
                let what = format!("it turned out to be damaged: {}", question.reference);
                field.left_out.push((member.traits.label.clone(), SourceError::Damaged(what)));
            } else {
                match member.admit(now) {
                    (Standing::Rests, _) => field.left_out.push(member.resting()),
                    (standing, probe) => {
                        field.probes.extend(probe);
                        let unreadable = member.is_known_to_be_unreadable(question, now);
                        let standing = if unreadable { standing.max(Standing::Doubtful) } else { standing };
                        order.push((standing, member.traits.kind, source));
                    }
                }
            }
        }
        order.sort_unstable();
        let candidates = order
            .into_iter()
            .map(|(_, _, source)| Candidate { source, alone_for: members[source].health().alone_for() });
        field.candidates.extend(candidates);
        field
    }
}
