//! The state file of an upload: how far its data is known to be good.
//!
//! Two slots of 8 KiB, then the SHA-256 mid-state at every 256 KiB of data, 32 bytes each. A slot holds one record;
//! of two whole ones the higher sequence counts. The slot that was last synced is never the next to be written, so
//! a torn write costs the newer record only. Slot, version 1, integers little-endian:
//!
//! ```text
//! 4   "dku1"
//! 4   length of the record
//! 4   CRC-32 of the record, then the record as JSON (`v1::Record`)
//! ```
//!
//! A record with `durable` is written after the data up to its offset was synced. Any other speaks of data that a
//! power cut may have lost, so its reader hashes that data before it believes it.

#[cfg(test)]
mod tests;

use std::io;

use dockless_oci::digest::{Digest, Sha256State};
use dockless_oci::hex;
use dockless_runtime::DiskFile;
use dockless_runtime::disk::{read_exact_at, write_all_at};

use crate::chain::recorder::ChainRecorder;
use crate::chain::{PIECE_BYTES_MIN, STATE_BYTES};
use crate::upload::{SUBJECT_BYTES_MAX, UploadStatus};

/// What a slot begins with.
pub(crate) const MAGIC: &[u8; 4] = b"dku1";
const FRAME_BYTES: usize = 12;

/// Holds the longest record: 255 bytes of repository, 1,024 of subject (six times that in JSON at worst), two
/// digests, one mid-state.
const SLOT_BYTES: usize = 8192;

/// Slots in a file.
pub(crate) const SLOTS: usize = 2;

/// Where the mid-states begin.
const BORDERS_OFFSET: u64 = (SLOT_BYTES * SLOTS) as u64;

/// Mid-states read at once: 64 KiB.
const BORDERS_READ: usize = 2048;

/// What a slot says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Which of two records is the newer.
    pub(crate) sequence: u64,
    /// The data was synced before this was written.
    pub(crate) durable: bool,
    /// The upload; its offset is how much data this record speaks of.
    pub(crate) status: UploadStatus,
    /// The hash of that data.
    pub(crate) sha256: Sha256State,
    /// CRC-32 over the mid-states of that data, as they lie behind the slots.
    pub(crate) borders_crc: u32,
    /// The upload was about to be published as this.
    pub(crate) sealed: Option<Digest>,
}

impl Record {
    /// Mid-states behind the slots that this record speaks of.
    pub(crate) fn borders(&self) -> u64 {
        self.status.offset / PIECE_BYTES_MIN
    }
}

/// The record as it is stored, frozen.
mod v1 {
    use dockless_oci::digest::Digest;
    use dockless_oci::name::RepositoryName;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    pub(super) struct Record {
        pub(super) sequence: u64,
        pub(super) durable: bool,
        pub(super) id: String,
        pub(super) repository: RepositoryName,
        pub(super) subject: String,
        pub(super) hint: Option<String>,
        pub(super) begun_ms: u64,
        pub(super) touched_ms: u64,
        /// Bytes of data; also in `sha256`, whose length must agree.
        pub(super) offset: u64,
        /// `Sha256State::to_bytes` in hex.
        pub(super) sha256: String,
        pub(super) borders_crc: u32,
        pub(super) sealed: Option<Digest>,
    }
}

/// One slot, framed; at most [`SLOT_BYTES`].
pub(crate) fn encode(record: &Record) -> Vec<u8> {
    let stored = v1::Record {
        sequence: record.sequence,
        durable: record.durable,
        id: record.status.id.as_str().to_owned(),
        repository: record.status.repository.clone(),
        subject: record.status.subject.clone(),
        hint: record.status.hint.map(|algorithm| algorithm.as_str().to_owned()),
        begun_ms: record.status.begun_ms,
        touched_ms: record.status.touched_ms,
        offset: record.status.offset,
        sha256: hex::encode(&record.sha256.to_bytes()),
        borders_crc: record.borders_crc,
        sealed: record.sealed.clone(),
    };
    let json = serde_json::to_vec(&stored).expect("strings and numbers always serialise");
    assert!(json.len() <= SLOT_BYTES - FRAME_BYTES, "the limits on names keep a record within its slot");
    let mut slot = Vec::with_capacity(FRAME_BYTES + json.len());
    slot.extend_from_slice(MAGIC);
    slot.extend_from_slice(&u32::try_from(json.len()).expect("less than a slot").to_le_bytes());
    slot.extend_from_slice(&crc32fast::hash(&json).to_le_bytes());
    slot.extend_from_slice(&json);
    slot
}

/// Total: bytes that are no slot give `None`. What follows the record is not looked at.
pub(crate) fn decode(slot: &[u8]) -> Option<Record> {
    let rest = slot.strip_prefix(MAGIC)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let json = rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    if crc32fast::hash(json) != u32::from_le_bytes(*crc) {
        return None;
    }
    let stored: v1::Record = serde_json::from_slice(json).ok()?;
    let sha256 = Sha256State::from_bytes(&hex::decode(&stored.sha256)?)?;
    if sha256.length() != stored.offset || stored.subject.len() > SUBJECT_BYTES_MAX {
        return None;
    }
    let status = UploadStatus {
        id: stored.id.parse().ok()?,
        repository: stored.repository,
        subject: stored.subject,
        offset: stored.offset,
        begun_ms: stored.begun_ms,
        touched_ms: stored.touched_ms,
        hint: stored.hint.map(|name| name.parse()).transpose().ok()?,
    };
    let (sequence, durable, borders_crc, sealed) =
        (stored.sequence, stored.durable, stored.borders_crc, stored.sealed);
    Some(Record { sequence, durable, status, sha256, borders_crc, sealed })
}

/// Both slots of a file.
pub(crate) fn read_slots(file: &dyn DiskFile) -> io::Result<[Option<Record>; SLOTS]> {
    let mut bytes = vec![0; SLOT_BYTES * SLOTS];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    let (first, second) = bytes.split_at(SLOT_BYTES);
    Ok([decode(first), decode(second)])
}

/// Writes one slot; not durable.
pub(crate) fn write_slot(file: &dyn DiskFile, slot: usize, record: &Record) -> io::Result<()> {
    assert!(slot < SLOTS, "a state file has two slots");
    write_all_at(file, &encode(record), (slot * SLOT_BYTES) as u64)
}

/// Writes mid-states behind the first `written` ones; not durable.
pub(crate) fn write_borders(
    file: &dyn DiskFile,
    written: u64,
    states: &[[u8; STATE_BYTES]],
) -> io::Result<()> {
    write_all_at(file, states.as_flattened(), BORDERS_OFFSET + written * STATE_BYTES as u64)
}

/// The mid-states that `record` speaks of, and their running checksum; `None` when they are not what it says.
pub(crate) fn read_borders(
    file: &dyn DiskFile,
    record: &Record,
) -> Option<(ChainRecorder, crc32fast::Hasher)> {
    let mut chain = ChainRecorder::new();
    let mut crc = crc32fast::Hasher::new();
    let mut states = vec![[0; STATE_BYTES]; BORDERS_READ];
    while chain.borders() < record.borders() {
        let left = record.borders() - chain.borders();
        let states = &mut states[..usize::try_from(left).unwrap_or(usize::MAX).min(BORDERS_READ)];
        let offset = BORDERS_OFFSET + chain.borders() * STATE_BYTES as u64;
        read_exact_at(file, states.as_flattened_mut(), offset).ok()?;
        crc.update(states.as_flattened());
        states.iter().for_each(|state| chain.push(*state));
    }
    (crc.clone().finalize() == record.borders_crc).then_some((chain, crc))
}
