//! What was learned of a layer.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::LayerError;
use super::content::Fault;

/// How long a layer whose files may not be read is left to the engine.
const FORBIDDEN_TIME: Duration = Duration::from_secs(60);
/// How long a layer that was found damaged is left to the engine: longer than anybody remembers the answer that was cut.
const DAMAGED_TIME: Duration = Duration::from_secs(600);

/// What was learned of a layer.
#[derive(Clone)]
pub(crate) struct Known {
    size: u64,
    /// All of it was found right.
    pub(crate) genuine: bool,
    /// What was in the way when it was read last.
    refused: Option<Refused>,
}

#[derive(Clone)]
struct Refused {
    why: LayerError,
    /// Until then it is left to the engine.
    until: Duration,
    /// The file below the layer's directory that may not be read; that directory itself when empty.
    forbidden: Option<PathBuf>,
}

impl Known {
    /// A layer of so many bytes, all of which were found right.
    pub(crate) fn genuine(size: u64) -> Self {
        Self { size, genuine: true, refused: None }
    }

    /// A layer of which the metadata was read, maybe not for the first time.
    pub(crate) fn of_size(size: u64, before: Option<Self>) -> Self {
        Self { size, ..before.unwrap_or(Self { size, genuine: false, refused: None }) }
    }

    /// What a fault says of a layer for a while; `None` when that is nothing.
    pub(crate) fn of_fault(size: u64, fault: &Fault, now: Duration) -> Option<Self> {
        let (why, time, forbidden) = match fault {
            Fault::Changed(why) => (LayerError::Damaged(why.clone()), DAMAGED_TIME, None),
            Fault::Forbidden { file, why } => {
                (LayerError::Unsupported(why.clone()), FORBIDDEN_TIME, Some(file.clone()))
            }
            Fault::Gone(_) | Fault::Io(_) => return None,
        };
        let refused = Refused { why, until: now + time, forbidden };
        Some(Self { size, genuine: false, refused: Some(refused) })
    }

    /// The size, if the layer can be read at all.
    pub(crate) fn usable(self, now: Duration) -> Result<u64, LayerError> {
        match self.refused {
            Some(refused) if now < refused.until => Err(refused.why),
            _ => Ok(self.size),
        }
    }

    /// The file that might not be read, when it is time to try that again.
    pub(crate) fn forbidden(&self, now: Duration) -> Option<PathBuf> {
        let refused = self.refused.as_ref().filter(|refused| now >= refused.until)?;
        refused.forbidden.clone()
    }

    /// What is known when that file cannot be read still, and why the layer is left to the engine.
    pub(crate) fn forbidden_still(&self, error: &io::Error, now: Duration) -> (Self, LayerError) {
        let forbidden = self.refused.as_ref().and_then(|refused| refused.forbidden.clone());
        let shown = forbidden.as_deref().unwrap_or(Path::new("")).display();
        let why = LayerError::Unsupported(format!("{shown}: {error}"));
        let refused = Refused { why: why.clone(), until: now + FORBIDDEN_TIME, forbidden };
        (Self { refused: Some(refused), ..self.clone() }, why)
    }

    /// Whether something was in the way when it was read last.
    pub(crate) fn was_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Whether it was found damaged lately.
    pub(crate) fn is_damaged(&self, now: Duration) -> bool {
        let refused = self.refused.as_ref().filter(|refused| now < refused.until);
        refused.is_some_and(|refused| matches!(refused.why, LayerError::Damaged(_)))
    }
}
