//! Reads the tar archive that an engine's `save` sends, while it arrives.
//!
//! Engines pack an image in two forms: folders of `layer.tar` with a `manifest.json` behind them, or an OCI layout with
//! a `manifest.json`. Both hold the config and every layer as a plain file, and a layer that is there already as a
//! link. Which file is which is told by its digest alone (the image's config says which are wanted), so names, links
//! and both kinds of `manifest.json` are passed over; only sizes matter here: those of ustar, of GNU tar (base 256)
//! and of pax headers.

#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::layer::tar::{BLOCK_BYTES, number, record};

/// The most headers. An image has at most some hundred layers, each with three files and a folder.
const HEADERS_MAX: u32 = 65_536;
/// The most bytes of what is no file: pax and GNU headers hold names here, and times.
const EXTENSION_BYTES_MAX: u64 = 64 << 10;

/// Where things stand in a tar header (POSIX.1-2017, pax, "ustar Interchange Format").
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const TYPE: usize = 156;

/// Why an archive cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArchiveError {
    /// The checksum of a header, or a number in it, is wrong.
    #[error("a header of the archive is damaged")]
    Header,
    /// A pax header cannot be read.
    #[error("an extended header of the archive is damaged")]
    Extension,
    /// A kind of file that no engine writes.
    #[error("the archive holds a sparse file")]
    Sparse,
    /// More than [`HEADERS_MAX`] headers, or an extended one of more than [`EXTENSION_BYTES_MAX`] bytes.
    #[error("the archive has too many or too large headers")]
    TooLarge,
    /// It ends before its end mark.
    #[error("the archive was cut short")]
    Cut,
}

/// What the archive holds, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A file of so many bytes begins.
    Begin(u64),
    /// The next bytes of it; never empty.
    Data(Bytes),
    /// It is complete.
    End,
}

/// Takes the archive in pieces of any size.
#[derive(Debug)]
pub(crate) struct Archive {
    state: State,
    headers: u32,
    /// The size that a pax header gave to the next file.
    size_ahead: Option<u64>,
}

#[derive(Debug)]
enum State {
    /// Part of a header.
    Header(Vec<u8>),
    /// In a file: bytes left, and filling behind them.
    File { left: u64, filling: u64 },
    /// In a pax header: what there is of it, bytes left, filling.
    Pax { held: Vec<u8>, left: u64, filling: u64 },
    /// In what is passed over.
    Skip(u64),
    /// Behind the end mark: whatever follows is filling.
    Done,
}

impl Archive {
    /// Before the first byte.
    pub(crate) fn new() -> Self {
        Self { state: State::Header(Vec::new()), headers: 0, size_ahead: None }
    }

    /// The next event in `input`, which is consumed; `None` when it is used up.
    ///
    /// # Errors
    /// [`ArchiveError`]; the archive must not be asked again.
    pub(crate) fn next(&mut self, input: &mut Bytes) -> Result<Option<Event>, ArchiveError> {
        loop {
            match &mut self.state {
                State::File { left: 0, filling } => {
                    self.state = State::Skip(*filling);
                    return Ok(Some(Event::End));
                }
                State::Pax { held, left: 0, filling } => {
                    self.size_ahead = pax_size(held)?;
                    self.state = State::Skip(*filling);
                }
                State::Skip(0) => self.state = State::Header(Vec::with_capacity(BLOCK_BYTES)),
                State::Header(held) if held.len() == BLOCK_BYTES => {
                    let header = std::mem::take(held);
                    if let Some(size) = self.header(&header)? {
                        return Ok(Some(Event::Begin(size)));
                    }
                }
                _ if input.is_empty() => return Ok(None),
                State::File { left, .. } => return Ok(Some(Event::Data(take(input, left)))),
                State::Pax { held, left, .. } => held.extend_from_slice(&take(input, left)),
                State::Skip(left) => drop(take(input, left)),
                State::Header(held) => {
                    let mut missing = (BLOCK_BYTES - held.len()) as u64;
                    held.extend_from_slice(&take(input, &mut missing));
                }
                State::Done => input.clear(),
            }
        }
    }

    /// Says that nothing follows.
    ///
    /// # Errors
    /// [`ArchiveError::Cut`] before the end mark.
    pub(crate) fn finish(&self) -> Result<(), ArchiveError> {
        if matches!(self.state, State::Done) { Ok(()) } else { Err(ArchiveError::Cut) }
    }

    /// Goes to what stands behind a header; the size of a file that begins.
    fn header(&mut self, header: &[u8]) -> Result<Option<u64>, ArchiveError> {
        if header.iter().all(|byte| *byte == 0) {
            self.state = State::Done;
            return Ok(None);
        }
        self.headers += 1;
        if self.headers > HEADERS_MAX {
            return Err(ArchiveError::TooLarge);
        }
        check(header)?;
        let stated = number(&header[SIZE]).ok_or(ArchiveError::Header)?;
        let filling = |size: u64| size.wrapping_neg() % BLOCK_BYTES as u64;
        match header[TYPE] {
            b'0' | b'7' | 0 => {
                let size = self.size_ahead.take().unwrap_or(stated);
                self.state = State::File { left: size, filling: filling(size) };
                return Ok(Some(size));
            }
            b'S' => return Err(ArchiveError::Sparse),
            // Links, devices, folders, pipes: nothing follows, whatever the size says.
            b'1'..=b'6' => {
                self.size_ahead = None;
                self.state = State::Skip(0);
            }
            _ if stated > EXTENSION_BYTES_MAX => return Err(ArchiveError::TooLarge),
            b'x' => self.state = State::Pax { held: Vec::new(), left: stated, filling: filling(stated) },
            // Names of GNU tar, headers for all files, and what nobody knows.
            _ => self.state = State::Skip(stated + filling(stated)),
        }
        Ok(None)
    }
}

/// Takes up to `left` bytes off the input.
fn take(input: &mut Bytes, left: &mut u64) -> Bytes {
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *left -= length as u64;
    input.split_to(length)
}

/// Compares a header with its checksum: the sum of its bytes, those of the checksum taken as spaces.
fn check(header: &[u8]) -> Result<(), ArchiveError> {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    let spaces = u64::from(b' ') * CHECKSUM.len() as u64;
    if number(&header[CHECKSUM]) == Some(sum(header) - sum(&header[CHECKSUM]) + spaces) {
        Ok(())
    } else {
        Err(ArchiveError::Header)
    }
}

/// The size in the records `LENGTH KEY=VALUE\n` of a pax header.
fn pax_size(mut records: &[u8]) -> Result<Option<u64>, ArchiveError> {
    let mut size = None;
    while !records.is_empty() {
        let (key, value, rest) = record(records).ok_or(ArchiveError::Extension)?;
        if key.starts_with(b"GNU.sparse.") {
            return Err(ArchiveError::Sparse);
        }
        if key == b"size" {
            let digits = std::str::from_utf8(value)
                .ok()
                .filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
            size = Some(digits.and_then(|digits| digits.parse().ok()).ok_or(ArchiveError::Extension)?);
        }
        records = rest;
    }
    Ok(size)
}
