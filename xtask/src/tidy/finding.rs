//! What a check finds.

/// One broken rule, at a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path from the root of the checkout, with `:line` when a line is to blame.
    pub(crate) place: String,
    /// The rule that is broken, and what to do instead.
    pub(crate) rule: String,
    /// Whether it fails the check, or is only said.
    pub(crate) fatal: bool,
}

impl Finding {
    /// What fails the check.
    pub(crate) fn refuse(place: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { place: place.into(), rule: rule.into(), fatal: true }
    }

    /// What is only said.
    pub(crate) fn warn(place: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { place: place.into(), rule: rule.into(), fatal: false }
    }
}
