//! One upload in memory: what others may see of it, and the work that one job at a time does on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::ground::Ground;
use super::restore;
use super::state_file::{Record, SLOTS};
use super::work::Work;
use crate::error::StoreError;
use crate::upload::{UploadId, UploadStatus};

pub(crate) struct Session {
    /// As the upload was when it came into memory; offset and time of the last touch are beside it.
    begun: UploadStatus,
    /// Counts those who took the upload over: a writer with an earlier number is fenced.
    generation: AtomicU64,
    offset: AtomicU64,
    touched_ms: AtomicU64,
    /// The offset is one that the data was found to have.
    awake: AtomicBool,
    /// A tokio mutex: its guard moves into the blocking job that works, and the next one waits without a thread.
    stage: Arc<Mutex<Stage>>,
}

pub(crate) enum Stage {
    /// Found at start; its data was not looked at yet.
    Dormant(Box<[Option<Record>; SLOTS]>),
    /// Being worked on.
    Live(Box<Work>),
    /// Published or cancelled.
    Gone,
}

impl Session {
    /// An upload that begins.
    pub(crate) fn live(status: UploadStatus, work: Work) -> Self {
        Self::new(status, true, Stage::Live(Box::new(work)))
    }

    /// An upload that was found at start.
    pub(crate) fn dormant(status: UploadStatus, slots: [Option<Record>; SLOTS]) -> Self {
        Self::new(status, false, Stage::Dormant(Box::new(slots)))
    }

    fn new(status: UploadStatus, awake: bool, stage: Stage) -> Self {
        Self {
            generation: AtomicU64::new(0),
            offset: AtomicU64::new(status.offset),
            touched_ms: AtomicU64::new(status.touched_ms),
            awake: AtomicBool::new(awake),
            stage: Arc::new(Mutex::new(stage)),
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

    /// Shuts out all writers so far; the number of the next one.
    pub(crate) fn fence(&self) -> u64 {
        self.generation.fetch_add(1, Ordering::AcqRel) + 1
    }

    pub(crate) fn is_fenced(&self, generation: u64) -> bool {
        self.generation.load(Ordering::Acquire) != generation
    }

    /// Waits for the job that works now.
    pub(crate) async fn lock(&self) -> OwnedMutexGuard<Stage> {
        self.stage.clone().lock_owned().await
    }

    /// The work of this upload, its data looked at first where that was not done yet. Blocks.
    pub(crate) fn work<'a>(&self, ground: &Ground, stage: &'a mut Stage) -> Result<&'a mut Work, StoreError> {
        if let Stage::Dormant(slots) = stage {
            let restored = restore::restore(ground, self, slots)?;
            *stage = restored.map_or(Stage::Gone, |work| {
                self.offset.store(work.offset(), Ordering::Release);
                Stage::Live(Box::new(work))
            });
            self.awake.store(true, Ordering::Release);
        }
        match stage {
            Stage::Live(work) => work.check().map(|()| work.as_mut()),
            Stage::Dormant(_) | Stage::Gone => Err(StoreError::UploadUnknown),
        }
    }
}
