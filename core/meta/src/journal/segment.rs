//! One file of the journal: a header, then frames.
//!
//! ```text
//! magic "DOCKJRNL" | version u32 = 1 | first number u64 | CRC-32 u32 of all before it
//! ```
//! The file is named by its first number, in 20 digits, so that names sort as numbers do.

use std::sync::Arc;

use dockless_runtime::disk::{DiskFile, read_exact_at};

use super::error::{JournalError, io_error};
use super::frame::{self, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, Frame, FrameError};

const MAGIC: [u8; 8] = *b"DOCKJRNL";
const VERSION: u32 = 1;

/// Bytes before the first frame.
pub const SEGMENT_HEADER_BYTES: usize = 24;

/// Bytes read at once: enough that reading a whole segment takes few calls.
const CHUNK_BYTES: usize = 1 << 20;

/// Writes the header of a segment.
#[must_use]
pub fn encode_header(first: u64) -> [u8; SEGMENT_HEADER_BYTES] {
    let mut header = [0; SEGMENT_HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..20].copy_from_slice(&first.to_le_bytes());
    let checksum = crc32fast::hash(&header[..20]);
    header[20..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// Reads the header of a segment: its first number.
///
/// # Errors
/// When it is cut short or damaged, or of a version that this release does not know.
pub fn decode_header(bytes: &[u8]) -> Result<u64, FrameError> {
    let (header, _) = bytes.split_first_chunk::<SEGMENT_HEADER_BYTES>().ok_or(FrameError::Truncated)?;
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if header[..8] != MAGIC || crc32fast::hash(&header[..20]) != word(20) {
        return Err(FrameError::Invalid("segment header"));
    }
    if word(8) != VERSION {
        return Err(FrameError::Invalid("segment version: a later release wrote it"));
    }
    Ok(u64::from(word(12)) | u64::from(word(16)) << 32)
}

/// The name of the segment that begins with this number.
pub(super) fn file_name(first: u64) -> String {
    format!("{first:020}.log")
}

/// The number that a segment of this name begins with.
pub(super) fn parse_file_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// Reads the frames of a segment in their order.
pub(super) struct SegmentReader {
    file: Arc<dyn DiskFile>,
    size: u64,
    /// Where the next frame begins.
    offset: u64,
    /// Bytes of the file from `offset - consumed` on.
    buffer: Vec<u8>,
    consumed: usize,
}

/// What a segment holds next.
pub(super) enum Next<'a> {
    Frame(Frame<'a>),
    End,
    /// No frame, though bytes are left.
    Bad(FrameError),
}

impl SegmentReader {
    /// Begins behind the header.
    pub(super) fn new(file: Arc<dyn DiskFile>) -> Result<Self, JournalError> {
        let size = file.stat().map_err(io_error("read"))?.size;
        Ok(Self { file, size, offset: SEGMENT_HEADER_BYTES as u64, buffer: Vec::new(), consumed: 0 })
    }

    /// Where the next frame begins.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// The size of the file when reading began.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// The next frame. After [`Next::Bad`] the reader stays where it is.
    pub(super) fn next(&mut self) -> Result<Next<'_>, JournalError> {
        if self.offset >= self.size {
            return Ok(Next::End);
        }
        self.fill(FRAME_HEADER_BYTES)?;
        let wanted = match frame::decode_header(&self.buffer[self.consumed..]) {
            Ok(header) => FRAME_HEADER_BYTES + header.payload_bytes,
            Err(error) => return Ok(Next::Bad(error)),
        };
        self.fill(wanted)?;
        match frame::decode(&self.buffer[self.consumed..]) {
            Ok((frame, length)) => {
                self.consumed += length;
                self.offset += length as u64;
                Ok(Next::Frame(frame))
            }
            Err(error) => Ok(Next::Bad(error)),
        }
    }

    /// Whether a whole frame stands anywhere behind the place where [`Next::Bad`] was found.
    pub(super) fn holds_a_later_frame(&mut self) -> Result<bool, JournalError> {
        let left = usize::try_from(self.size - self.offset).unwrap_or(usize::MAX);
        // One append is never longer than this, and only the last one may be damaged.
        if left > FRAME_HEADER_BYTES + FRAME_BYTES_MAX {
            return Ok(true);
        }
        self.fill(left)?;
        let bytes = &self.buffer[self.consumed..];
        Ok((1..bytes.len())
            .any(|at| bytes[at..].starts_with(&frame::MAGIC) && frame::decode(&bytes[at..]).is_ok()))
    }

    /// Holds at least `wanted` bytes from `offset` on, or all that the file has.
    fn fill(&mut self, wanted: usize) -> Result<(), JournalError> {
        let held = self.buffer.len() - self.consumed;
        let left = usize::try_from(self.size - self.offset).unwrap_or(usize::MAX);
        if held >= wanted.min(left) {
            return Ok(());
        }
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        let target = wanted.max(CHUNK_BYTES).min(left);
        self.buffer.resize(target, 0);
        let from = self.offset + held as u64;
        read_exact_at(&*self.file, &mut self.buffer[held..], from).map_err(io_error("read"))
    }
}
