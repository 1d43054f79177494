//! A blob that is read where a source has it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use dockless_oci::Digest;
use dockless_runtime::Clock;
use dockless_store::{Blob, BlobRead, StoreError};

use super::member::Member;
use super::question::Question;
use super::verify;

/// Passes reads on. What fails is told of the source: it is no matter of the store that pushing the blob again would
/// mend.
pub(super) struct InPlace {
    pub(super) blob: Blob,
    pub(super) digest: Digest,
    pub(super) question: Question,
    pub(super) member: Arc<Member>,
    pub(super) clock: Arc<dyn Clock>,
}

impl InPlace {
    pub(super) fn watched(self) -> Blob {
        Blob::new(self.blob.size, Arc::new(self))
    }

    fn told(&self, error: StoreError) -> StoreError {
        let problem = verify::of_read(error, &self.digest);
        let label = &self.member.traits.label;
        let message = format!("{label}: {problem}");
        self.member.failed_in_place(&self.question, self.clock.monotonic(), &problem);
        StoreError::Io(message)
    }
}

#[async_trait]
impl BlobRead for InPlace {
    fn try_read(&self, offset: u64, max: usize) -> Option<Result<Bytes, StoreError>> {
        Some(self.blob.try_read(offset, max)?.map_err(|error| self.told(error)))
    }

    async fn read(&self, offset: u64, max: usize) -> Result<Bytes, StoreError> {
        self.blob.read(offset, max).await.map_err(|error| self.told(error))
    }
}
