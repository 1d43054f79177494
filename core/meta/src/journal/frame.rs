//! One append to the journal: a frame of whole records under one checksum.
//!
//! ```text
//! magic "DKF1" | payload bytes u32 | first number u64 | records u32 | CRC-32 u32 | payload
//! payload: records times (record bytes u32 | record)
//! ```
//! Integers are little-endian. The CRC-32 (IEEE) is over the three fields before it and the payload. A frame is
//! synced before the next one is written, so after a crash only the last one may be damaged, and none of its
//! commands was acknowledged then.

use crate::record::ENTRY_BYTES_MAX;

/// Begins every frame. No manifest can hold a frame: the top byte of a payload's length is below the least byte that
/// JSON allows.
pub(super) const MAGIC: [u8; 4] = *b"DKF1";

/// Bytes before the payload.
pub const FRAME_HEADER_BYTES: usize = 24;

/// Bytes of records after which a batch is closed, so that one append is one short sequential write.
pub const BATCH_BYTES: usize = 8 << 20;

/// Most records in a frame: as many as may wait for the writer.
pub const FRAME_RECORDS_MAX: usize = 4_096;

/// Most bytes of payload: a batch that one more of the longest records closed, and the lengths of its records.
pub const FRAME_BYTES_MAX: usize = BATCH_BYTES + ENTRY_BYTES_MAX + 4 * FRAME_RECORDS_MAX;

/// A frame as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The number of its first record.
    pub first: u64,
    /// Its records, with consecutive numbers.
    pub records: Vec<&'a [u8]>,
}

/// What stands before the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) payload_bytes: usize,
    pub(super) first: u64,
    pub(super) count: usize,
    checksum: u32,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// They end before it does.
    #[error("the frame is cut short")]
    Truncated,
    /// They are not what a frame is made of.
    #[error("the frame has a bad {0}")]
    Invalid(&'static str),
}

/// Writes one frame.
///
/// # Panics
/// When the records are over the limits of a frame: the caller closes its batch before.
#[must_use]
pub fn encode(first: u64, records: &[Vec<u8>]) -> Vec<u8> {
    let payload_bytes = records.iter().map(|record| 4 + record.len()).sum::<usize>();
    assert!(
        payload_bytes <= FRAME_BYTES_MAX && records.len() <= FRAME_RECORDS_MAX,
        "a batch over its limits"
    );
    let mut frame = Vec::with_capacity(FRAME_HEADER_BYTES + payload_bytes);
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&short(payload_bytes));
    frame.extend_from_slice(&first.to_le_bytes());
    frame.extend_from_slice(&short(records.len()));
    frame.extend_from_slice(&[0; 4]);
    for record in records {
        frame.extend_from_slice(&short(record.len()));
        frame.extend_from_slice(record);
    }
    let checksum = checksum(&frame[..FRAME_HEADER_BYTES], &frame[FRAME_HEADER_BYTES..]);
    frame[20..24].copy_from_slice(&checksum.to_le_bytes());
    frame
}

/// Reads the frame at the beginning of `bytes`, and how long it is.
///
/// # Errors
/// When there is none.
pub fn decode(bytes: &[u8]) -> Result<(Frame<'_>, usize), FrameError> {
    let header = decode_header(bytes)?;
    let length = FRAME_HEADER_BYTES + header.payload_bytes;
    let payload = bytes.get(FRAME_HEADER_BYTES..length).ok_or(FrameError::Truncated)?;
    if checksum(&bytes[..FRAME_HEADER_BYTES], payload) != header.checksum {
        return Err(FrameError::Invalid("checksum"));
    }
    Ok((Frame { first: header.first, records: split(payload, header.count)? }, length))
}

/// Reads what stands before the payload.
pub(super) fn decode_header(bytes: &[u8]) -> Result<Header, FrameError> {
    let (header, _) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>().ok_or(FrameError::Truncated)?;
    if header[..4] != MAGIC {
        return Err(FrameError::Invalid("beginning"));
    }
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let payload_bytes = usize::try_from(word(4)).unwrap_or(usize::MAX);
    let count = usize::try_from(word(16)).unwrap_or(usize::MAX);
    if payload_bytes > FRAME_BYTES_MAX {
        return Err(FrameError::Invalid("length"));
    }
    if count == 0 || count > FRAME_RECORDS_MAX {
        return Err(FrameError::Invalid("number of records"));
    }
    let first = u64::from(word(8)) | u64::from(word(12)) << 32;
    // Numbers begin with 1, and the last one must have a number after it.
    if first == 0 || first.checked_add(count as u64).is_none() {
        return Err(FrameError::Invalid("first number"));
    }
    Ok(Header { payload_bytes, first, count, checksum: word(20) })
}

fn split(mut payload: &[u8], count: usize) -> Result<Vec<&[u8]>, FrameError> {
    let mut records = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, rest) = payload.split_first_chunk::<4>().ok_or(FrameError::Invalid("record length"))?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (record, rest) = rest.split_at_checked(length).ok_or(FrameError::Invalid("record length"))?;
        records.push(record);
        payload = rest;
    }
    if payload.is_empty() { Ok(records) } else { Err(FrameError::Invalid("payload")) }
}

fn checksum(header: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header[4..20]);
    hasher.update(payload);
    hasher.finalize()
}

/// Lengths inside a frame are bounded far below 4 GiB.
fn short(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("lengths inside a frame are below FRAME_BYTES_MAX").to_le_bytes()
}
