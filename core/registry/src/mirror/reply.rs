//! What comes back from one source, and from all of them.

use dockless_runtime::BoxFuture;

use super::health::shortened;
use crate::error::Error;
use crate::source::{Principal, SourceError};

/// What one source came back with.
pub(super) enum Reply<T> {
    /// The content, verified.
    Good(T),
    /// It has the content; this takes it in.
    Promise(BoxFuture<'static, Reply<T>>),
    /// It does not have it.
    No,
    /// It gave no answer, or wrong bytes.
    Failed(SourceError),
    /// We failed, so that no source can help.
    Broken(Error),
}

/// What a source gave, verified.
#[derive(Clone, Debug)]
pub(crate) struct Won<T> {
    pub(crate) content: T,
    /// The number of the source.
    pub(crate) source: usize,
}

/// Why nothing came of an asking.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) error: Error,
    /// The one for whom it was asked, if a source refused just that one.
    pub(super) refused: Option<Principal>,
}

impl Refused {
    /// Whether this may be different for `principal`.
    pub(super) fn is_of_another(&self, principal: &Principal) -> bool {
        self.refused.as_ref().is_some_and(|refused| refused != principal)
    }
}

/// That no source said anything about it, and why, by the name of each. Where all of them refuse the one who asks,
/// other credentials may help; otherwise time may.
pub(super) fn unanswered(problems: &[(String, SourceError)]) -> Error {
    let each = problems.iter().map(|(label, error)| format!("{label}: {}", shortened(&error.to_string())));
    let each = each.collect::<Vec<_>>().join("; ");
    if problems.iter().all(|(_, error)| matches!(error, SourceError::Denied(_))) {
        Error::Denied(format!("refused by {each}"))
    } else {
        Error::Unavailable(format!("it is not here, and who may have it does not give it: {each}"))
    }
}
