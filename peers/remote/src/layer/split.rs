//! The metadata that tar-split keeps of a tar: gzip over JSON, one entry a line, in the order of the tar.
//!
//! ```text
//! {"type":2,"payload":"<base64>","position":0}             bytes of the tar: headers, padding, the end
//! {"type":1,"name":"etc/hosts","size":158,"payload":"<base64 of 8 bytes>","position":1}
//! ```
//! An entry of type 1 stands where the content of a file was, also for a file without content: its payload is the
//! CRC-64 (polynomial of ISO 3309, as Go has it, big-endian) of what is read from the file. A name that is not UTF-8
//! stands in `name_raw`, as base64.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;

/// Bytes of JSON that are read at most: two million files at one KiB for header, name and frame.
const JSON_BYTES_MAX: u64 = 2 << 30;
/// Bytes of one line. A segment has at most three special headers of 1 MiB each (a long name, a long link, extended
/// attributes: what the reader of tar-split takes) or 1 MiB of padding; base64 makes 4 MiB of the three.
const LINE_BYTES_MAX: usize = 8 << 20;
/// Bytes of a name: what Linux takes as one path, without the NUL (`PATH_MAX`).
const NAME_BYTES_MAX: usize = 4095;
/// Bytes that are unpacked at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// One entry, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    /// Bytes of the tar as they are.
    Segment(&'a [u8]),
    /// Here follows the content of a file.
    File {
        /// Its path in the tar.
        name: &'a [u8],
        /// Bytes of its content, as a reader of tar sees it; holes included.
        size: u64,
        /// The CRC-64 of that.
        crc: u64,
    },
}

/// What is wrong with the metadata.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SplitError {
    /// It is not what tar-split writes, or the tar within is none.
    #[error("{0}")]
    Damaged(String),
    /// The content of a file in the tar cannot be found by what is recorded, or there is too much of it.
    #[error("{0}")]
    Unsupported(String),
    /// The file cannot be read.
    #[error("{0}")]
    Io(String),
    /// There is no memory for what is made of it.
    #[error("the metadata of other layers takes all memory for that: try again")]
    NoMemory,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    name_raw: Cow<'a, str>,
    #[serde(default)]
    size: u64,
    #[serde(borrow, default, deserialize_with = "null_or_text")]
    payload: Cow<'a, str>,
    position: u64,
}

/// Hands every entry of `source` to `take`, until the end or the first error.
///
/// # Errors
/// [`SplitError`]; that of `take` as it is.
pub(crate) fn read_split(
    source: impl Read,
    mut take: impl FnMut(Entry<'_>) -> Result<(), SplitError>,
) -> Result<(), SplitError> {
    let unpacked = MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, source));
    let mut lines = BufReader::with_capacity(BUFFER_BYTES, unpacked.take(JSON_BYTES_MAX + 1));
    let mut line = Vec::new();
    let mut payload = Vec::new();
    let mut read = 0;
    for position in 0.. {
        line.clear();
        let length = (&mut lines)
            .take(LINE_BYTES_MAX as u64 + 1)
            .read_until(b'\n', &mut line)
            .map_err(|error| unpack_error(&error))?;
        read += length as u64;
        if length == 0 {
            break;
        }
        if length > LINE_BYTES_MAX || read > JSON_BYTES_MAX {
            return Err(SplitError::Unsupported(format!("entry {position} is too much to hold")));
        }
        take(parse_line(&line, position, &mut payload)?)?;
    }
    Ok(())
}

fn unpack_error(error: &std::io::Error) -> SplitError {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match error.kind() {
        InvalidData | InvalidInput | UnexpectedEof => SplitError::Damaged(format!("gzip: {error}")),
        _ => SplitError::Io(error.to_string()),
    }
}

/// `payload` holds what the entry borrows.
fn parse_line<'a>(line: &'a [u8], position: u64, payload: &'a mut Vec<u8>) -> Result<Entry<'a>, SplitError> {
    let damaged = |what: &str| SplitError::Damaged(format!("entry {position}: {what}"));
    let read: Line<'_> = serde_json::from_slice(line).map_err(|error| damaged(&error.to_string()))?;
    if read.position != position {
        return Err(damaged(&format!("says that it is entry {}", read.position)));
    }
    payload.clear();
    BASE64.decode_vec(&*read.payload, payload).map_err(|error| damaged(&format!("payload: {error}")))?;
    match read.kind {
        2 => Ok(Entry::Segment(payload)),
        1 => {
            let crc = match <[u8; 8]>::try_from(payload.as_slice()) {
                Ok(crc) => u64::from_be_bytes(crc),
                Err(_) if payload.is_empty() && read.size == 0 => 0,
                Err(_) => return Err(damaged("its checksum has not eight bytes")),
            };
            payload.clear();
            if read.name_raw.is_empty() {
                payload.extend_from_slice(read.name.as_bytes());
            } else {
                BASE64
                    .decode_vec(&*read.name_raw, payload)
                    .map_err(|error| damaged(&format!("name_raw: {error}")))?;
            }
            if payload.len() > NAME_BYTES_MAX {
                return Err(SplitError::Unsupported(format!("entry {position} has a name too long to open")));
            }
            Ok(Entry::File { name: payload, size: read.size, crc })
        }
        other => Err(damaged(&format!("has the unknown type {other}"))),
    }
}

/// Go writes `null` for a payload that was never set.
fn null_or_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    Ok(Option::<Text<'de>>::deserialize(deserializer)?.map(|text| text.0).unwrap_or_default())
}
