//! The writer of one request: receives while a job writes and hashes what came before.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tokio::sync::oneshot;

use super::ground::Ground;
use super::session::Session;
use super::work::WRITE_BYTES;
use crate::error::StoreError;
use crate::upload::UploadWriter;

/// Smaller pieces are copied together, so that a slow sender cannot make a job of a million writes, nor hold a
/// large receive buffer by each byte of it.
const COPY_BELOW_BYTES: usize = 8 * 1024;

/// Holds up to 1 MiB that waits and up to 1 MiB that is being written.
pub(crate) struct FilesystemWriter {
    ground: Arc<Ground>,
    session: Arc<Session>,
    generation: u64,
    /// Bytes held and taken.
    offset: u64,
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    /// Small pieces that belong behind `waiting`.
    small: BytesMut,
    running: Option<oneshot::Receiver<Result<(), StoreError>>>,
    /// Bytes went out that no record at the end has covered yet.
    unrecorded: bool,
    failed: Option<StoreError>,
    /// When dropped, a task writes what waits. False in that task itself.
    keeps_rest: bool,
}

impl FilesystemWriter {
    pub(crate) fn new(ground: Arc<Ground>, session: Arc<Session>, generation: u64) -> Self {
        let offset = session.standing.offset();
        Self {
            ground,
            session,
            generation,
            offset,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            small: BytesMut::new(),
            running: None,
            unrecorded: false,
            failed: None,
            keeps_rest: true,
        }
    }

    fn push(&mut self, bytes: Bytes) {
        self.waiting_bytes += bytes.len();
        if bytes.len() < COPY_BELOW_BYTES {
            self.small.extend_from_slice(&bytes);
            if self.small.len() < COPY_BELOW_BYTES {
                return;
            }
        }
        self.gather();
        if bytes.len() >= COPY_BELOW_BYTES {
            self.waiting.push_back(bytes);
        }
    }

    fn gather(&mut self) {
        if !self.small.is_empty() {
            self.waiting.push_back(self.small.split().freeze());
        }
    }

    /// Takes what the next job writes off the queue.
    fn next_batch(&mut self) -> Vec<Bytes> {
        self.gather();
        let (mut batch, mut room) = (Vec::with_capacity(self.waiting.len()), WRITE_BYTES);
        while room > 0 {
            let Some(mut bytes) = self.waiting.pop_front() else { break };
            if bytes.len() > room {
                self.waiting.push_front(bytes.split_off(room));
            }
            room -= bytes.len();
            batch.push(bytes);
        }
        self.waiting_bytes -= WRITE_BYTES - room;
        batch
    }

    /// Waits for the job before, then starts the next one.
    async fn start(&mut self, last: bool) -> Result<(), StoreError> {
        self.finish().await?;
        let mut stage = self.session.lock().await;
        let batch = self.next_batch();
        let (done, running) = oneshot::channel();
        let (ground, session, generation) = (self.ground.clone(), self.session.clone(), self.generation);
        let work = move || {
            let result = if session.standing.is_fenced(generation) {
                Err(StoreError::Fenced)
            } else {
                session
                    .work(&ground, &mut stage)
                    .and_then(|work| work.take(&ground, &session.standing, &batch, last))
            };
            drop(stage);
            // A writer that is gone does not ask; the upload stands where it stands.
            let _ = done.send(result);
        };
        self.ground.runtime.spawn.spawn_blocking("write an upload", Box::new(work));
        self.running = Some(running);
        self.unrecorded = !last;
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        match &mut self.running {
            None => Ok(()),
            Some(running) => {
                let result = running.await;
                self.running = None;
                result.unwrap_or_else(|_| Err(StoreError::Io("the node is stopping".into())))
            }
        }
    }

    /// Writes all that waits, and where the upload then stands.
    async fn drain(&mut self) -> Result<(), StoreError> {
        while self.waiting_bytes > 0 || self.unrecorded {
            self.start(self.waiting_bytes <= WRITE_BYTES).await?;
        }
        self.finish().await
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.session.standing.is_fenced(self.generation) {
            return Err(StoreError::Fenced);
        }
        self.failed.clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl UploadWriter for FilesystemWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.check()?;
        let limit = self.ground.settings.upload_bytes_max;
        let offset = self.offset.saturating_add(bytes.len() as u64);
        if offset > limit {
            return Err(StoreError::TooLarge { limit });
        }
        self.offset = offset;
        if !bytes.is_empty() {
            self.push(bytes);
        }
        while self.waiting_bytes >= WRITE_BYTES {
            let started = self.start(false).await;
            started.inspect_err(|error| self.failed = Some(error.clone()))?;
        }
        Ok(())
    }

    async fn close(mut self: Box<Self>) -> Result<u64, StoreError> {
        self.check()?;
        let drained = self.drain().await;
        drained.inspect_err(|error| self.failed = Some(error.clone()))?;
        Ok(self.session.standing.offset())
    }
}

impl Drop for FilesystemWriter {
    /// Keeps what a client sent before it vanished, unless the upload was taken over.
    fn drop(&mut self) {
        let has_rest = self.waiting_bytes > 0 || self.unrecorded;
        if !self.keeps_rest || !has_rest || self.check().is_err() {
            return;
        }
        let mut rest = Self::new(self.ground.clone(), self.session.clone(), self.generation);
        rest.keeps_rest = false;
        rest.waiting = std::mem::take(&mut self.waiting);
        rest.small = std::mem::take(&mut self.small);
        rest.waiting_bytes = self.waiting_bytes;
        rest.unrecorded = self.unrecorded;
        rest.running = self.running.take();
        self.ground.runtime.spawn("keep the rest of an upload", async move {
            if let Err(error) = rest.drain().await {
                tracing::debug!(%error, "the rest of an upload was not kept");
            }
        });
    }
}
