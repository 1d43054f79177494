//! Reading the journal at its opening: what is whole, what a crash left undone, what is damaged.

use std::path::Path;
use std::sync::Arc;

use dockless_runtime::disk::{DiskFile, OpenMode, read_exact_at, write_all_at};

use super::error::{JournalError, io_error};
use super::frame::Frame;
use super::segment::{self, Next, SEGMENT_HEADER_BYTES, SegmentReader};
use super::{Found, Journal, LastSegment, Visit};

impl Journal {
    /// A crash while the newest segment was made left it without a header, and so without any record.
    pub(super) fn drop_unfinished_segment(&mut self) -> Result<(), JournalError> {
        let Some(first) = self.segments.last().copied() else { return Ok(()) };
        let path = self.path(first);
        let (size, header) = self.read_header(&path)?;
        if size <= SEGMENT_HEADER_BYTES as u64 && segment::decode_header(&header) != Ok(first) {
            self.disk.remove(&path).map_err(io_error("tidy"))?;
            self.disk.sync_dir(&self.directory).map_err(io_error("tidy"))?;
            self.segments.pop();
        }
        Ok(())
    }

    /// Opens a segment whose header is whole; the newest one to go on in it.
    fn open_segment(&self, path: &Path, newest: bool) -> Result<Arc<dyn DiskFile>, JournalError> {
        let (_, header) = self.read_header(path)?;
        if let Err(error) = segment::decode_header(&header) {
            return Err(damaged(path, 0, &error.to_string()));
        }
        let mode = if newest { OpenMode::ReadWrite } else { OpenMode::Read };
        self.disk.open(path, mode).map_err(io_error("open"))
    }

    fn read_header(&self, path: &Path) -> Result<(u64, Vec<u8>), JournalError> {
        let file = self.disk.open(path, OpenMode::Read).map_err(io_error("read"))?;
        let size = file.stat().map_err(io_error("read"))?.size;
        let length = usize::try_from(size).unwrap_or(usize::MAX).min(SEGMENT_HEADER_BYTES);
        let mut header = vec![0; length];
        read_exact_at(&*file, &mut header, 0).map_err(io_error("read"))?;
        Ok((size, header))
    }

    pub(super) fn replay<E: From<JournalError>>(
        &mut self,
        after: u64,
        visit: Visit<'_, E>,
    ) -> Result<Found, E> {
        let mut found = Found::default();
        let Some(start) = self.segments.iter().rposition(|first| *first <= after + 1) else {
            return match self.segments.first() {
                None => Ok(found),
                Some(first) => Err(self.gap(after + 1, *first).into()),
            };
        };
        self.next = self.segments[start];
        for position in start..self.segments.len() {
            let first = self.segments[position];
            if first != self.next {
                return Err(self.gap(self.next, first).into());
            }
            let newest = position + 1 == self.segments.len();
            self.replay_segment(first, newest, after, &mut found, visit)?;
        }
        if self.next <= after {
            return Err(self.behind(after).into());
        }
        Ok(found)
    }

    fn replay_segment<E: From<JournalError>>(
        &mut self,
        first: u64,
        newest: bool,
        after: u64,
        found: &mut Found,
        visit: Visit<'_, E>,
    ) -> Result<(), E> {
        let path = self.path(first);
        let file = self.open_segment(&path, newest)?;
        let mut reader = SegmentReader::new(file.clone())?;
        let mut last_append = 0;
        loop {
            let offset = reader.offset();
            let bad = match reader.next()? {
                Next::End => break,
                Next::Frame(frame) if frame.first != self.next => {
                    return Err(damaged(&path, offset, "a frame is out of its order").into());
                }
                Next::Frame(frame) => {
                    found.replayed += self.hand_over(&frame, after, visit)?;
                    last_append = offset;
                    continue;
                }
                Next::Bad(error) => error,
            };
            if !newest || reader.holds_a_later_frame()? {
                return Err(damaged(&path, offset, &bad.to_string()).into());
            }
            found.cut_bytes = reader.size() - offset;
            file.set_len(offset).map_err(io_error("cut"))?;
            break;
        }
        if newest {
            self.settle(&*file, last_append, reader.offset())?;
            self.last = Some(LastSegment { file, end: reader.offset() });
        }
        Ok(())
    }

    /// Makes the newest segment, its name and its last append (from `start` to `end`) durable.
    ///
    /// A process that was killed, or whose sync failed, leaves an append that everyone can read and no power cut
    /// spares. After a failed sync another one would not even try: the kernel takes those pages for written, so they
    /// are written again. Everything before was synced, or the process would not have gone on.
    fn settle(&mut self, file: &dyn DiskFile, start: u64, end: u64) -> Result<(), JournalError> {
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(usize::MAX)];
        read_exact_at(file, &mut bytes, start).map_err(io_error("read"))?;
        write_all_at(file, &bytes, start).map_err(io_error("write again the end of"))?;
        self.syncs += 2;
        file.sync_data().map_err(io_error("sync"))?;
        self.disk.sync_dir(&self.directory).map_err(io_error("sync"))
    }

    /// Hands over the records of a frame above `after`; answers how many those were.
    fn hand_over<E>(&mut self, frame: &Frame<'_>, after: u64, visit: Visit<'_, E>) -> Result<u64, E> {
        let mut visited = 0;
        for record in &frame.records {
            if self.next > after {
                visit(self.next, record)?;
                visited += 1;
            }
            self.next += 1;
        }
        Ok(visited)
    }

    fn gap(&self, wanted: u64, found: u64) -> JournalError {
        JournalError::Damaged(format!(
            "the journal in {} lacks the commands {wanted} to {}: put its missing files back, or restore the ledger \
             from a backup",
            self.directory.display(),
            found - 1,
        ))
    }

    fn behind(&self, after: u64) -> JournalError {
        JournalError::Damaged(format!(
            "the journal in {} ends with command {}, but the tables hold everything up to {after}: put its missing \
             files back, or move the directory away to go on from the tables alone",
            self.directory.display(),
            self.newest(),
        ))
    }
}

fn damaged(path: &Path, offset: u64, what: &str) -> JournalError {
    JournalError::Damaged(format!(
        "the journal is damaged in {} at byte {offset} ({what}), and acknowledged commands stand behind it: put the \
         file back from a backup, or restore the ledger from one",
        path.display(),
    ))
}
