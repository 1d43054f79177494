//! Entry points for fuzzing: one total function for each reader of stored bytes, with its invariants inside.
//!
//! `tests/corpus.rs` replays the committed corpus and mutations of it; a fuzzer can be linked to the same list.

use crate::journal::{frame, segment};
use crate::record;
use crate::rows;
use crate::snapshot::line::Line;

/// A function that takes any bytes and panics only when an invariant of ours is broken.
pub type Target = fn(&[u8]);

/// All targets with the names of their corpus folders.
pub const TARGETS: [(&str, Target); 5] =
    [("segment", segment), ("frame", frame), ("record", record), ("events", events), ("line", line)];

/// A segment's header that is read is written as it came.
pub fn segment(bytes: &[u8]) {
    if let Ok(first) = segment::decode_header(bytes) {
        assert_eq!(segment::encode_header(first), bytes[..segment::SEGMENT_HEADER_BYTES]);
    }
}

/// A frame that is read is written as it came, and its records are read or refused.
pub fn frame(bytes: &[u8]) {
    if let Ok((frame, length)) = frame::decode(bytes) {
        let records: Vec<_> = frame.records.iter().map(|record| record.to_vec()).collect();
        assert_eq!(frame::encode(frame.first, &records), bytes[..length]);
        for bytes in records {
            record(&bytes);
        }
    }
}

/// A record that is read means the same when it is written and read again.
pub fn record(bytes: &[u8]) {
    if let Ok(entry) = record::decode(1, bytes) {
        let written = record::encode(entry.time_ms, &entry.command);
        assert_eq!(record::decode(1, &written), Ok(entry));
    }
}

/// Events that are read are written as they came.
pub fn events(bytes: &[u8]) {
    if let Ok(events) = rows::event::decode(bytes) {
        assert_eq!(rows::event::encode(&events), bytes);
    }
}

/// A line that is read means the same when it is written and read again.
pub fn line(bytes: &[u8]) {
    if let Ok(line) = Line::decode(bytes) {
        if let Line::Content(content) = &line {
            let _ = content.bytes();
        }
        assert_eq!(Line::decode(&line.encode()), Ok(line));
    }
}
