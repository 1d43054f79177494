//! Words that mean "not finished": they belong in an issue, not in the code.

use super::finding::Finding;
use super::source::{Source, words};

/// Refused in comments and in code.
const NOTES: [&str; 3] = [concat!("FIX", "ME"), concat!("TO", "DO"), concat!("XX", "X")];
/// Refused in code; text may speak of them.
const CALLS: [&str; 3] = [concat!("db", "g!("), concat!("to", "do!("), concat!("un", "implemented!(")];

/// Notes and calls that were left behind.
pub(crate) fn check(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let place = |number: usize| format!("{}:{}", source.path, number + 1);
    for (number, line) in source.text.lines().enumerate() {
        if let Some(word) = NOTES.iter().find(|word| !words(line, word).is_empty()) {
            findings.push(Finding::refuse(place(number), format!("{word}: finish it, or write an issue")));
        }
    }
    for (number, line) in source.code.lines().enumerate() {
        if let Some(call) = CALLS.iter().find(|call| line.contains(**call)) {
            findings.push(Finding::refuse(place(number), format!("{call}..) does not stay")));
        }
    }
    findings
}
