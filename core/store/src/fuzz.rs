//! Entry points for fuzzing: one total function for each reader of stored bytes, with its invariants inside.
//!
//! `tests/corpus.rs` replays the committed corpus and mutations of it; a fuzzer can be linked to the same list.

use dockless_oci::digest::Digest;

use crate::data_directory::parse_stamp;
use crate::drivers::filesystem::{derived, state_file};

/// A function that takes any bytes and panics only when an invariant of ours is broken.
pub type Target = fn(&[u8]);

/// All targets with the names of their corpus folders.
pub const TARGETS: [(&str, Target); 5] = [
    ("slot", slot),
    ("upload_record", upload_record),
    ("derived_file", derived_file),
    ("derived_body", derived_body),
    ("stamp", stamp),
];

/// A slot of an upload's state that is read means the same when it is written and read again.
pub fn slot(bytes: &[u8]) {
    if let Some(record) = state_file::decode(bytes) {
        assert_eq!(record.sha256.length(), record.status.offset);
        assert_eq!(state_file::decode(&state_file::encode(&record)), Some(record));
    }
}

/// As [`slot`], with the frame put around the record, so that more than the checksum is reached.
pub fn upload_record(bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let frame = [&state_file::MAGIC[..], &length.to_le_bytes(), &crc32fast::hash(bytes).to_le_bytes(), bytes];
    slot(&frame.concat());
}

/// A derived file that is read is written as it came. The first line is the digest it is asked for.
pub fn derived_file(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let Some(digest) = std::str::from_utf8(&bytes[..end]).ok().and_then(|text| Digest::parse(text).ok())
    else {
        return;
    };
    let file = &bytes[end + 1..];
    if let Some(known) = derived::decode(file, &digest) {
        assert_eq!(derived::encode(&digest, &known), file);
        assert!(known.list.is_none_or(|list| list.size() == known.identity.size && list.pieces() >= 2));
    }
}

/// As [`derived_file`], with the checksum put behind it.
pub fn derived_body(bytes: &[u8]) {
    let body = bytes.iter().position(|byte| *byte == b'\n').map_or(&[][..], |end| &bytes[end + 1..]);
    derived_file(&[bytes, &crc32fast::hash(body).to_le_bytes()].concat());
}

/// A stamp that is read names a format.
pub fn stamp(bytes: &[u8]) {
    assert!(parse_stamp(bytes) != Some(0));
}
