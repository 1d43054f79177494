//! The headers of a tar, as far as they say how many bytes of the tar the content of a file takes.
//!
//! tar-split records what a reader of tar gets out of a file, not what lies in the tar: for a hard link that is
//! nothing, whatever its header says, and for a sparse file it is the file with its holes. So the headers between
//! the contents are read here too, by the rules of the reader that tar-split uses (Go's `archive/tar`).

mod pax;
mod sparse;

pub(crate) use pax::record;
pub(crate) use sparse::Extent;

use pax::Records;

pub(crate) const BLOCK_BYTES: usize = 512;

/// Bytes of a special header: what the reader of tar-split takes.
const SPECIAL_BYTES_MAX: u64 = 1 << 20;

/// What lies in the tar for one file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Nothing.
    Nothing,
    /// So many bytes, as they are.
    Plain(u64),
    /// Parts of a file with holes.
    Sparse {
        /// Bytes of the file, holes included.
        size: u64,
        /// The parts that are there, in order, none empty.
        extents: Vec<Extent>,
    },
}

/// Follows the bytes of a tar apart from the contents of its files.
pub(crate) struct Walk {
    state: State,
    /// The block that is being gathered.
    block: Vec<u8>,
    /// What extended headers say of the file whose header comes.
    records: Records,
}

enum State {
    /// Bytes up to the next header.
    Padding(u64),
    Header,
    /// The body of a special header, its padding not included.
    Body {
        kind: u8,
        left: u64,
        padding: u64,
        kept: Vec<u8>,
    },
    /// All headers of a file have been; its content comes.
    Complete {
        kind: u8,
        stored: u64,
        map: Option<(u64, Vec<Extent>)>,
    },
    /// After the block of zeros that ends a tar.
    End,
}

/// What this walk cannot follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost(pub(crate) &'static str);

impl Walk {
    pub(crate) fn new() -> Self {
        Self { state: State::Header, block: Vec::with_capacity(BLOCK_BYTES), records: Records::default() }
    }

    /// Takes the next bytes that are not content.
    pub(crate) fn bytes(&mut self, mut bytes: &[u8]) -> Result<(), Lost> {
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                State::End => return Ok(()),
                State::Padding(left) => {
                    let taken = (*left).min(bytes.len() as u64);
                    *left -= taken;
                    if *left == 0 {
                        self.state = State::Header;
                    }
                    taken as usize
                }
                State::Body { kind, left, kept, .. } => {
                    let taken = (*left).min(bytes.len() as u64) as usize;
                    if *kind == b'x' {
                        kept.extend_from_slice(&bytes[..taken]);
                    }
                    *left -= taken as u64;
                    if *left == 0 {
                        self.end_of_body()?;
                    }
                    taken
                }
                // Not every version of tar-split has an entry for a global header.
                State::Complete { kind: b'g', stored, .. } => {
                    self.state = padding_after(*stored);
                    0
                }
                State::Complete { .. } => return Err(Lost("a header without its file")),
                State::Header => {
                    let taken = bytes.len().min(BLOCK_BYTES - self.block.len());
                    self.block.extend_from_slice(&bytes[..taken]);
                    if self.block.len() == BLOCK_BYTES {
                        self.state = self.end_of_block()?;
                        self.block.clear();
                    }
                    taken
                }
            };
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// An entry of a file stands here: what of it lies in the tar.
    pub(crate) fn file(&mut self, name: &[u8]) -> Result<Content, Lost> {
        let State::Complete { kind, stored, map } = &mut self.state else {
            return Err(Lost("a file without its header"));
        };
        let directory = *kind == 0 && name.ends_with(b"/");
        let content = match map.take() {
            _ if *kind == b'g' || directory || header_only(*kind) => Content::Nothing,
            Some((size, extents)) => Content::Sparse { size, extents },
            None => Content::Plain(*stored),
        };
        let in_tar = if content == Content::Nothing && *kind != b'g' { 0 } else { *stored };
        self.state = padding_after(in_tar);
        Ok(content)
    }

    fn end_of_block(&mut self) -> Result<State, Lost> {
        let block: &[u8; BLOCK_BYTES] = self.block.as_slice().try_into().expect("a whole block");
        if block.iter().all(|byte| *byte == 0) {
            return Ok(State::End);
        }
        let kind = block[156];
        let size = number(&block[124..136]).ok_or(Lost("a header without a size"))?;
        if matches!(kind, b'x' | b'g' | b'L' | b'K') {
            if size > SPECIAL_BYTES_MAX {
                return Err(Lost("a special header of more than 1 MiB"));
            }
            if size == 0 && kind == b'g' {
                return Ok(State::Complete { kind, stored: 0, map: None });
            }
            return Ok(if size == 0 {
                State::Header
            } else {
                State::Body { kind, left: size, padding: padding(size), kept: Vec::new() }
            });
        }
        let stored = self.records.size()?.unwrap_or(size);
        if kind == b'S' {
            // No engine unpacks those that GNU tar writes by default.
            return Err(Lost("an old sparse header"));
        }
        let map = self.records.sparse_map(size)?;
        self.complete(kind, stored, map)
    }

    fn complete(&mut self, kind: u8, stored: u64, map: Option<(u64, Vec<Extent>)>) -> Result<State, Lost> {
        self.records = Records::default();
        let map = match map {
            None => None,
            Some((size, extents)) => Some((size, sparse::checked(extents, size, stored)?)),
        };
        Ok(State::Complete { kind, stored, map })
    }

    fn end_of_body(&mut self) -> Result<(), Lost> {
        let State::Body { kind, padding, kept, .. } = &mut self.state else { return Ok(()) };
        self.state = match kind {
            b'g' => State::Complete { kind: b'g', stored: (BLOCK_BYTES as u64 - *padding) % 512, map: None },
            b'x' => {
                self.records = Records::read(&std::mem::take(kept))?;
                after(*padding)
            }
            _ => after(*padding),
        };
        Ok(())
    }
}

/// Links, devices, directories and pipes have no content, whatever their headers say of a size.
fn header_only(kind: u8) -> bool {
    (b'1'..=b'6').contains(&kind)
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK_BYTES as u64
}

fn padding_after(size: u64) -> State {
    after(padding(size))
}

fn after(padding: u64) -> State {
    if padding == 0 { State::Header } else { State::Padding(padding) }
}

/// A number of a header: octal digits between spaces and NULs, or, with the first bit set, binary. `field` is not empty.
pub(crate) fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        // The second bit is the sign.
        let first = u64::from(field[0] & 0x7f);
        return field[1..].iter().try_fold(first, |value, byte| {
            if value >> 55 != 0 { None } else { Some(value << 8 | u64::from(*byte)) }
        });
    }
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !blank(byte)).unwrap_or(field.len());
    let digits = field[start..].split(|byte| *byte == 0).next().unwrap_or_default();
    digits.trim_ascii_end().iter().try_fold(0_u64, |value, byte| match byte {
        b'0'..=b'7' if value >> 60 == 0 => Some(value << 3 | u64::from(byte - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
