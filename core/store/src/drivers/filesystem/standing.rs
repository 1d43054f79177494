//! Where one upload stands, as everyone may see it while a job works on it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::upload::{UploadId, UploadStatus};

pub(crate) struct Standing {
    /// As the upload was when it came into memory; offset and time of the last touch are beside it.
    begun: UploadStatus,
    /// Counts those who took the upload over: a writer with an earlier number is fenced.
    generation: AtomicU64,
    offset: AtomicU64,
    touched_ms: AtomicU64,
    /// The offset is one that the data was found to have.
    awake: AtomicBool,
}

impl Standing {
    pub(crate) fn new(status: UploadStatus, awake: bool) -> Self {
        Self {
            generation: AtomicU64::new(0),
            offset: AtomicU64::new(status.offset),
            touched_ms: AtomicU64::new(status.touched_ms),
            awake: AtomicBool::new(awake),
            begun: status,
        }
    }

    pub(crate) fn id(&self) -> &UploadId {
        &self.begun.id
    }

    pub(crate) fn status(&self) -> UploadStatus {
        UploadStatus {
            offset: self.offset(),
            touched_ms: self.touched_ms.load(Ordering::Acquire),
            ..self.begun.clone()
        }
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset.load(Ordering::Acquire)
    }

    /// The upload holds `offset` bytes since now.
    pub(crate) fn touch(&self, offset: u64, now_ms: u64) {
        self.offset.store(offset, Ordering::Release);
        self.touched_ms.store(now_ms, Ordering::Release);
    }

    pub(crate) fn is_awake(&self) -> bool {
        self.awake.load(Ordering::Acquire)
    }

    /// The data was looked at, and `offset` bytes of it are good.
    pub(crate) fn wake(&self, offset: u64) {
        self.offset.store(offset, Ordering::Release);
        self.awake.store(true, Ordering::Release);
    }

    /// Shuts out all writers so far; the number of the next one.
    pub(crate) fn fence(&self) -> u64 {
        self.generation.fetch_add(1, Ordering::AcqRel) + 1
    }

    pub(crate) fn is_fenced(&self, generation: u64) -> bool {
        self.generation.load(Ordering::Acquire) != generation
    }
}
