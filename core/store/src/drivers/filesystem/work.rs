//! What jobs do with an upload's files. Everything here blocks.

use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;

use bytes::Bytes;
use dockless_oci::digest::{Algorithm, Digest, Hasher};
use dockless_runtime::disk::{remove_tree, write_all_vectored_at};
use dockless_runtime::{DiskFile, OpenMode};

use super::ground::Ground;
use super::marks::Marks;
use super::reading::each_chunk;
use super::standing::Standing;
use super::state_file::{self, Record};
use crate::chain::{ChainList, STATE_BYTES};
use crate::error::StoreError;
use crate::progress::Progress;
use crate::upload::UploadId;

/// The most bytes that one job writes and hashes: some milliseconds of work, after which a fence is noticed.
pub(crate) const WRITE_BYTES: usize = 1 << 20;

/// The files of one upload, and the hashes of what they hold.
pub(crate) struct Work {
    pub(crate) progress: Progress,
    pub(crate) marks: Marks,
    /// Mid-states that the state file does not have yet.
    pub(crate) fresh: Vec<[u8; STATE_BYTES]>,
    /// Open while a request writes, so that idle uploads hold no file.
    data: Option<Arc<dyn DiskFile>>,
    sealed: Option<Digest>,
    /// Why nothing more can be done with this upload.
    failed: Option<StoreError>,
}

impl Work {
    pub(crate) fn new(progress: Progress, marks: Marks, fresh: Vec<[u8; STATE_BYTES]>) -> Self {
        Self { progress, marks, fresh, data: None, sealed: None, failed: None }
    }

    /// Bytes held.
    pub(crate) fn offset(&self) -> u64 {
        self.progress.length()
    }

    /// # Errors
    /// What made this upload useless.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn is_sealed_as(&self, digest: &Digest) -> bool {
        self.sealed.as_ref() == Some(digest)
    }

    /// The chain list of what was sealed as `digest`.
    pub(crate) fn chain(&self, digest: &Digest) -> Option<ChainList> {
        if digest.algorithm() == Algorithm::Sha256 { self.progress.chain() } else { None }
    }

    /// More bytes may come: what was sealed is no longer the whole.
    pub(crate) fn unseal(&mut self) {
        self.sealed = None;
    }

    /// Makes the files of a new upload. None of it is durable.
    pub(crate) fn begin(&mut self, ground: &Ground, standing: &Standing) -> Result<(), StoreError> {
        let disk = ground.disk();
        disk.create_dir_all(&ground.layout.upload(standing.id()))?;
        disk.open(&ground.layout.state(standing.id()), OpenMode::CreateNewPrivate)?;
        self.record(ground, standing, false, None)
    }

    /// Writes and hashes the next bytes; `last` when the writer is closed after them.
    pub(crate) fn take(
        &mut self,
        ground: &Ground,
        standing: &Standing,
        bytes: &[Bytes],
        last: bool,
    ) -> Result<(), StoreError> {
        let taken = self.write(ground, standing, bytes).and_then(|()| self.mark(ground, standing, last));
        if last || taken.is_err() {
            self.data = None;
        }
        taken
    }

    fn write(&mut self, ground: &Ground, standing: &Standing, bytes: &[Bytes]) -> Result<(), StoreError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let length: u64 = bytes.iter().map(|bytes| bytes.len() as u64).sum();
        ground.check_space(length)?;
        let data = self.data(ground, standing)?;
        let offset = self.offset();
        let mut pieces: Vec<IoSlice<'_>> = bytes.iter().map(|bytes| IoSlice::new(bytes)).collect();
        write_all_vectored_at(&*data, &mut pieces, offset)
            .map_err(|error| self.write_failed(ground, standing, error))?;
        // Only now that all of it is written: a failed write leaves the upload where it stood.
        let Self { progress, fresh, .. } = self;
        bytes.iter().for_each(|bytes| progress.update(bytes, |state| fresh.push(state)));
        assert_eq!(progress.length(), offset + length, "what was hashed is what was written");
        standing.touch(offset + length, ground.runtime.clock.unix_ms());
        Ok(())
    }

    /// Writes down how far the upload came, where that is due.
    fn mark(&mut self, ground: &Ground, standing: &Standing, last: bool) -> Result<(), StoreError> {
        let since = |mark| self.offset() - mark;
        let unsynced_bytes = since(self.marks.synced_offset);
        let unrecorded_bytes = since(self.marks.recorded_offset);
        if unsynced_bytes + WRITE_BYTES as u64 > ground.pace.durable_every_bytes {
            let data = self.data(ground, standing)?;
            self.sync(ground, standing, &*data)?;
            self.record(ground, standing, true, None)
        } else if unrecorded_bytes >= ground.pace.record_every_bytes || (last && unrecorded_bytes > 0) {
            self.record(ground, standing, false, None)
        } else {
            Ok(())
        }
    }

    /// Compares with `digest` and makes the data durable; its size.
    pub(crate) fn seal(
        &mut self,
        ground: &Ground,
        standing: &Standing,
        digest: &Digest,
    ) -> Result<u64, StoreError> {
        self.sealed = None;
        let data = self.data(ground, standing)?;
        self.data = None;
        let (offset, size) = (self.offset(), data.stat()?.size);
        if size < offset {
            let error =
                io::Error::other(format!("the data of an upload has {size} bytes and should have {offset}"));
            return Err(self.fail(ground, standing, error));
        }
        let computed = match self.progress.digest(digest.algorithm()) {
            Some(computed) => computed,
            None => hash_file(&*data, offset, digest.algorithm())?,
        };
        if computed != *digest {
            return Err(StoreError::DigestMismatch { computed });
        }
        if size > offset {
            // What a write left that failed half way.
            data.set_len(offset)?;
        }
        self.sync(ground, standing, &*data)?;
        if self.marks.synced_slot.is_some() {
            // A record that could revive this upload may survive a power cut that the publishing survives too,
            // with the data under both names: this says so, and `restore` looks.
            self.record(ground, standing, true, Some(digest))?;
        }
        self.sealed = Some(computed);
        Ok(offset)
    }

    /// The data file, made if there is none yet.
    fn data(&mut self, ground: &Ground, standing: &Standing) -> Result<Arc<dyn DiskFile>, StoreError> {
        if let Some(data) = &self.data {
            return Ok(data.clone());
        }
        let path = ground.layout.data(standing.id());
        // Creating first would save the common case a call, and cut short a file that is there by mistake.
        let data = match ground.disk().open(&path, OpenMode::ReadWrite) {
            Err(error) if error.kind() == ErrorKind::NotFound && self.offset() == 0 => {
                ground.disk().open(&path, OpenMode::CreateNewPrivate)?
            }
            opened => opened?,
        };
        self.data = Some(data.clone());
        Ok(data)
    }

    fn sync(&mut self, ground: &Ground, standing: &Standing, data: &dyn DiskFile) -> Result<(), StoreError> {
        data.sync_data().map_err(|error| self.fail(ground, standing, error))
    }

    /// Writes where the upload stands; `durable` after its data was synced, and then syncs the record too.
    fn record(
        &mut self,
        ground: &Ground,
        standing: &Standing,
        durable: bool,
        sealed: Option<&Digest>,
    ) -> Result<(), StoreError> {
        let (disk, status) = (ground.disk(), standing.status());
        assert_eq!(status.offset, self.offset(), "the record is of what is held");
        let file = disk.open(&ground.layout.state(standing.id()), OpenMode::ReadWrite)?;
        if !self.fresh.is_empty() {
            state_file::write_borders(&*file, self.marks.borders, &self.fresh)?;
            self.marks.borders_crc.update(self.fresh.as_flattened());
            self.marks.borders += self.fresh.len() as u64;
            self.fresh.clear();
        }
        let record = Record {
            sequence: self.marks.sequence + 1,
            durable,
            status,
            sha256: self.progress.sha256().clone(),
            borders_crc: self.marks.borders_crc.clone().finalize(),
            sealed: sealed.cloned(),
        };
        let slot = self.marks.next_slot();
        state_file::write_slot(&*file, slot, &record)?;
        self.marks.last_slot = slot;
        self.marks.sequence = record.sequence;
        self.marks.recorded_offset = self.offset();
        if durable {
            let first = self.marks.synced_slot.is_none();
            let synced = sync_record(ground, standing.id(), &*file, first);
            synced.map_err(|error| self.fail(ground, standing, error))?;
            self.marks.synced_slot = Some(slot);
            self.marks.synced_offset = self.offset();
        }
        Ok(())
    }

    fn write_failed(&mut self, ground: &Ground, standing: &Standing, error: io::Error) -> StoreError {
        match StoreError::from(error) {
            StoreError::DiskFull => StoreError::DiskFull,
            error => self.fail_with(ground, standing, error),
        }
    }

    fn fail(&mut self, ground: &Ground, standing: &Standing, error: io::Error) -> StoreError {
        self.fail_with(ground, standing, error.into())
    }

    /// Nobody knows what the disk holds of this upload now: it can neither go on nor be found by a later start,
    /// which would take what the page cache has for what the disk has.
    fn fail_with(&mut self, ground: &Ground, standing: &Standing, error: StoreError) -> StoreError {
        tracing::error!(upload = %standing.id(), %error, "an upload failed on the disk and is given up");
        self.data = None;
        self.sealed = None;
        self.failed = Some(error.clone());
        // Tidying up only; the one who cancels the upload tries again and is told.
        let _ = remove_files(ground, standing);
        error
    }
}

/// Makes a record durable; the first one with the names of its file and directory.
fn sync_record(ground: &Ground, id: &UploadId, file: &dyn DiskFile, first: bool) -> io::Result<()> {
    file.sync_data()?;
    if first {
        ground.disk().sync_dir(&ground.layout.upload(id))?;
        ground.disk().sync_dir(&ground.layout.uploads())?;
    }
    Ok(())
}

/// Removes all files of an upload. Not durable: what comes back after a power cut expires again.
pub(crate) fn remove_files(ground: &Ground, standing: &Standing) -> io::Result<()> {
    let id = standing.id();
    // The state first: without it the rest is never resumed.
    match ground.disk().remove(&ground.layout.state(id)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => remove_tree(ground.disk(), &ground.layout.upload(id)),
    }
}

/// Hashes the first `size` bytes of a file.
fn hash_file(file: &dyn DiskFile, size: u64, algorithm: Algorithm) -> Result<Digest, StoreError> {
    let mut hasher = Hasher::new(algorithm);
    each_chunk(file, 0, size, |bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    Ok(hasher.finish())
}
