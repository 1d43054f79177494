//! One upload in memory: where it stands, and the work that one job at a time does on it.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::ground::Ground;
use super::restore;
use super::standing::Standing;
use super::state_file::{Record, SLOTS};
use super::work::Work;
use crate::error::StoreError;
use crate::upload::UploadStatus;

pub(crate) struct Session {
    pub(crate) standing: Standing,
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
        let stage = Arc::new(Mutex::new(Stage::Live(Box::new(work))));
        Self { standing: Standing::new(status, true), stage }
    }

    /// An upload that was found at start.
    pub(crate) fn dormant(status: UploadStatus, slots: [Option<Record>; SLOTS]) -> Self {
        let stage = Arc::new(Mutex::new(Stage::Dormant(Box::new(slots))));
        Self { standing: Standing::new(status, false), stage }
    }

    /// Waits for the job that works now.
    pub(crate) async fn lock(&self) -> OwnedMutexGuard<Stage> {
        self.stage.clone().lock_owned().await
    }

    /// The work of this upload, its data looked at first where that was not done yet. Blocks.
    pub(crate) fn work<'a>(&self, ground: &Ground, stage: &'a mut Stage) -> Result<&'a mut Work, StoreError> {
        if let Stage::Dormant(slots) = stage {
            let restored = restore::restore(ground, &self.standing, slots)?;
            self.standing.wake(restored.as_ref().map_or(0, Work::offset));
            *stage = restored.map_or(Stage::Gone, |work| Stage::Live(Box::new(work)));
        }
        match stage {
            Stage::Live(work) => work.check().map(|()| work.as_mut()),
            Stage::Dormant(_) | Stage::Gone => Err(StoreError::UploadUnknown),
        }
    }
}
