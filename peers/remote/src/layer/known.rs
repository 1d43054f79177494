//! What was learned of a layer.

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
    /// Why it is left to the engine, and until when.
    refused: Option<(LayerError, Duration)>,
}

impl Known {
    /// A layer of so many bytes that can be read.
    pub(crate) fn of(size: u64, genuine: bool) -> Self {
        Self { size, genuine, refused: None }
    }

    /// What a fault says of a layer for a while; `None` when that is nothing.
    pub(crate) fn of_fault(size: u64, fault: &Fault, now: Duration) -> Option<Self> {
        let refused = match fault {
            Fault::Changed(why) => (LayerError::Damaged(why.clone()), now + DAMAGED_TIME),
            Fault::Forbidden(why) => (LayerError::Unsupported(why.clone()), now + FORBIDDEN_TIME),
            Fault::Gone(_) | Fault::Io(_) => return None,
        };
        Some(Self { size, genuine: false, refused: Some(refused) })
    }

    /// The size, if the layer can be read at all.
    pub(crate) fn usable(self, now: Duration) -> Result<u64, LayerError> {
        match self.refused {
            Some((why, until)) if now < until => Err(why),
            _ => Ok(self.size),
        }
    }

    /// Whether it was found damaged lately.
    pub(crate) fn is_damaged(&self, now: Duration) -> bool {
        matches!(&self.refused, Some((LayerError::Damaged(_), until)) if now < *until)
    }
}
