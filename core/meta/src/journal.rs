//! The journal: every accepted command, in its order, durable before it is acknowledged.
//!
//! Segment files in one directory ([`segment`]), each a run of frames ([`frame`]). One append is one frame, one write
//! and one sync, however many commands it carries. After a crash an incomplete last frame is cut off; damage anywhere
//! else is an error, because what is behind it was acknowledged.

mod error;
pub mod frame;
mod replay;
pub mod segment;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dockless_runtime::disk::{Disk, DiskFile, OpenMode, create_dir_durable, write_all_at};
use error::{full_or, io_error};
use segment::{SEGMENT_HEADER_BYTES, file_name, parse_file_name};

pub use error::JournalError;

/// An open journal. All calls block.
pub struct Journal {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    segment_bytes: u64,
    /// The first number of each segment, oldest first.
    segments: Vec<u64>,
    last: Option<LastSegment>,
    /// The number of the next command.
    next: u64,
    failed: Option<String>,
    syncs: u64,
}

struct LastSegment {
    file: Arc<dyn DiskFile>,
    /// Where the next frame goes.
    end: u64,
}

/// What opening found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Records handed to the caller.
    pub replayed: u64,
    /// Bytes of an incomplete last append that were cut off.
    pub cut_bytes: u64,
}

/// Takes each record with its number.
pub type Visit<'a, E> = &'a mut dyn FnMut(u64, &[u8]) -> Result<(), E>;

/// The number of the first record that the journal in `directory` holds; `None` when it is empty.
///
/// # Errors
/// When the directory cannot be read.
pub fn first_kept(disk: &dyn Disk, directory: &Path) -> Result<Option<u64>, JournalError> {
    Ok(list(disk, directory)?.first().copied())
}

impl Journal {
    /// Opens or makes the journal, and hands every record numbered above `after` to `visit`, in order. `after` is
    /// what the caller has already: an empty journal goes on behind it.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] when a record between `after` and the end is missing or damaged, whatever `visit`
    /// fails with, and [`JournalError::Failed`] when the disk refuses.
    pub fn open<E: From<JournalError>>(
        disk: Arc<dyn Disk>,
        directory: &Path,
        segment_bytes: u64,
        after: u64,
        visit: Visit<'_, E>,
    ) -> Result<(Self, Found), E> {
        create_dir_durable(&*disk, directory).map_err(io_error("make the directory of"))?;
        let mut journal = Self {
            segments: list(&*disk, directory)?,
            disk,
            directory: directory.to_owned(),
            segment_bytes,
            last: None,
            next: after + 1,
            failed: None,
            syncs: 0,
        };
        journal.drop_unfinished_segment()?;
        let found = journal.replay(after, visit)?;
        if journal.segments.is_empty() {
            journal.begin_segment()?;
        }
        Ok((journal, found))
    }

    /// The number of the newest record; 0 when there was never one.
    #[must_use]
    pub const fn newest(&self) -> u64 {
        self.next - 1
    }

    /// The number of the first record that is kept, or of the next one where none is.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.segments.first().copied().unwrap_or(self.next)
    }

    /// Syncs of files and directories since it was opened.
    #[must_use]
    pub const fn syncs(&self) -> u64 {
        self.syncs
    }

    /// Appends one batch, whose first record gets the number after [`Journal::newest`]; durable when it returns.
    ///
    /// # Errors
    /// [`JournalError::Full`], and the journal is as before; [`JournalError::Failed`] now and from then on.
    ///
    /// # Panics
    /// When the batch is over the limits of a [`frame`].
    pub fn append(&mut self, records: &[Vec<u8>]) -> Result<(), JournalError> {
        if let Some(failed) = &self.failed {
            return Err(JournalError::Failed(failed.clone()));
        }
        if records.is_empty() {
            return Ok(());
        }
        let frame = frame::encode(self.next, records);
        let done = self.append_frame(&frame);
        match &done {
            Ok(()) => self.next += records.len() as u64,
            Err(JournalError::Failed(why) | JournalError::Damaged(why)) => self.failed = Some(why.clone()),
            Err(JournalError::Full) => {}
        }
        done
    }

    /// Removes the segments whose records are all below `first`. The newest segment stays.
    ///
    /// # Errors
    /// When the disk refuses; nothing that is needed was removed.
    pub fn trim(&mut self, first: u64) -> Result<(), JournalError> {
        while self.segments.len() > 1 && self.segments[1] <= first {
            self.disk.remove(&self.path(self.segments[0])).map_err(io_error("trim"))?;
            self.segments.remove(0);
            // Each by itself: after a crash no segment may be missing between two that are there.
            self.disk.sync_dir(&self.directory).map_err(io_error("trim"))?;
        }
        Ok(())
    }

    fn append_frame(&mut self, frame: &[u8]) -> Result<(), JournalError> {
        let full = self.last.as_ref().is_none_or(|last| {
            last.end > SEGMENT_HEADER_BYTES as u64 && last.end + frame.len() as u64 > self.segment_bytes
        });
        if full {
            self.begin_segment()?;
        }
        let last = self.last.as_mut().expect("a segment was begun just before");
        if let Err(error) = write_all_at(&*last.file, frame, last.end) {
            let cut = last.file.set_len(last.end);
            return match (cut, error.kind()) {
                (Ok(()), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                    Err(JournalError::Full)
                }
                _ => Err(io_error("append to")(error)),
            };
        }
        self.syncs += 1;
        last.file.sync_data().map_err(io_error("sync"))?;
        last.end += frame.len() as u64;
        Ok(())
    }

    /// Makes the segment of the next record and goes on in it.
    fn begin_segment(&mut self) -> Result<(), JournalError> {
        let path = self.path(self.next);
        let header = segment::encode_header(self.next);
        let file = self.disk.open(&path, OpenMode::CreateNewPrivate).map_err(full_or("make a segment of"))?;
        if let Err(error) = write_all_at(&*file, &header, 0) {
            return match self.disk.remove(&path) {
                Ok(()) => Err(full_or("make a segment of")(error)),
                Err(_) => Err(io_error("make a segment of")(error)),
            };
        }
        self.syncs += 2;
        file.sync_data().map_err(io_error("sync"))?;
        self.disk.sync_dir(&self.directory).map_err(io_error("sync"))?;
        self.segments.push(self.next);
        self.last = Some(LastSegment { file, end: header.len() as u64 });
        Ok(())
    }

    fn path(&self, first: u64) -> PathBuf {
        self.directory.join(file_name(first))
    }
}

fn list(disk: &dyn Disk, directory: &Path) -> Result<Vec<u64>, JournalError> {
    let entries = match disk.list(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io_error("list"))?,
    };
    let names = entries.iter().filter(|entry| !entry.is_dir).filter_map(|entry| entry.name.to_str());
    let mut segments: Vec<u64> = names.filter_map(parse_file_name).collect();
    segments.sort_unstable();
    Ok(segments)
}
