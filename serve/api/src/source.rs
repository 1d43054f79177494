//! Where the bytes of a body come from, and why it may end early.

use bytes::Bytes;
use dockless_registry::Registry;
use dockless_store::{Blob, StoreError};

/// The content of a blob could not be read to its end. The connection is cut: a body is never ended well that is
/// not whole.
#[derive(Debug, thiserror::Error)]
#[error("the body cannot be completed: {0}")]
pub(crate) struct OutboundError(String);

/// A blob that is being sent.
#[derive(Clone)]
pub(crate) struct Source {
    /// Told when the blob turns out to be damaged.
    registry: Registry,
    pub(crate) blob: Blob,
}

impl Source {
    /// From `blob`, whose damage `registry` is told of.
    pub(crate) fn new(registry: Registry, blob: Blob) -> Self {
        Self { registry, blob }
    }

    /// At least one and at most `max` bytes from `offset`.
    pub(crate) async fn read(&self, offset: u64, max: usize) -> Result<Bytes, OutboundError> {
        self.check(self.blob.read(offset, max).await)
    }

    /// What was read, or why the body ends.
    pub(crate) fn check(&self, read: Result<Bytes, StoreError>) -> Result<Bytes, OutboundError> {
        let bytes = read.map_err(|error| {
            if let StoreError::Damaged(digest) = &error {
                self.registry.report_damaged(digest);
            }
            OutboundError(error.to_string())
        })?;
        if bytes.is_empty() {
            return Err(OutboundError("the blob is shorter than its size".to_owned()));
        }
        Ok(bytes)
    }
}
