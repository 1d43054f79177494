//! Expired uploads are dropped: those that received nothing for a long time.

use std::sync::Weak;
use std::time::Duration;

use dockless_runtime::{Runtime, Shutdown};
use dockless_store::StoreError;

use crate::error::Error;
use crate::inner::Inner;
use crate::statistics::UploadStep;

/// Longest time between two sweeps: uploads are few (the store bounds them), so looking costs next to nothing.
const INTERVAL_MAX: Duration = Duration::from_secs(10 * 60);

/// Shortest time between two sweeps, whatever is set.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Sweeps at once and then again and again, until the shutdown or until the registry is gone.
pub(crate) async fn run(registry: Weak<Inner>, runtime: Runtime, stopping: Shutdown) {
    while !stopping.is_requested() {
        let Some(inner) = registry.upgrade() else { return };
        let interval = (inner.settings.upload_expires_after / 4).clamp(INTERVAL_MIN, INTERVAL_MAX);
        match inner.sweep_uploads().await {
            Ok(0) => {}
            Ok(dropped) => tracing::info!(dropped, "uploads expired"),
            Err(error) => tracing::warn!(%error, "expired uploads were not all dropped"),
        }
        drop(inner);
        let pause = runtime.clock.sleep(interval);
        futures_util::future::select(pause, std::pin::pin!(stopping.requested())).await;
    }
}

impl Inner {
    /// Drops every upload that received nothing for as long as the settings say; how many.
    pub(crate) async fn sweep_uploads(&self) -> Result<usize, Error> {
        let expires_after = u64::try_from(self.settings.upload_expires_after.as_millis()).unwrap_or(u64::MAX);
        let now = self.runtime.clock.unix_ms();
        let (mut dropped, mut failed) = (0, None);
        for upload in self.blobs.uploads().await? {
            if now.saturating_sub(upload.touched_ms) < expires_after {
                continue;
            }
            match self.blobs.cancel(&upload.id).await {
                Ok(()) => {
                    dropped += 1;
                    self.statistics.upload(UploadStep::Expired);
                    tracing::debug!(id = %upload.id, repository = %upload.repository, "an upload expired");
                }
                // Finished or cancelled a moment ago.
                Err(StoreError::UploadUnknown) => {}
                Err(error) => failed = Some(error),
            }
        }
        // One that stays does not keep the others.
        failed.map_or(Ok(dropped), |error| Err(error.into()))
    }
}
