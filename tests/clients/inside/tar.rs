//! Tar archives and gzip streams, byte for byte the same on every machine: no time, no owner, no compression level.

use std::io::{self, Write};

use bytes::Bytes;
use crc32fast::Hasher as Crc;
use dockless_testkit::image::random_bytes;

/// Tar's unit.
const RECORD: usize = 512;
/// The most bytes that a stored block of a deflate stream holds (RFC 1951 section 3.2.4).
const STORED_MAX: usize = 65_535;
/// Size of the piece that a large file repeats, each time with its own number in front.
const PIECE: usize = 1 << 20;

/// What a path in an archive is.
#[derive(Clone)]
pub(crate) enum Entry {
    Folder,
    /// A file of these bytes; executable when it says so.
    File {
        bytes: Bytes,
        executable: bool,
    },
    /// A file of so many bytes that do not compress, different for each seed.
    Large {
        seed: u64,
        length: u64,
    },
    /// A symbolic link.
    Link(String),
}

impl Entry {
    /// A file of text.
    pub(crate) fn text(text: &str) -> Self {
        Self::File { bytes: Bytes::copy_from_slice(text.as_bytes()), executable: false }
    }
}

/// Writes an archive of entries in the order given.
pub(crate) fn write(entries: &[(String, Entry)], into: &mut impl Write) -> io::Result<()> {
    for (path, entry) in entries {
        let (kind, mode, length, target) = match entry {
            Entry::Folder => (b'5', 0o755, 0, ""),
            Entry::File { bytes, executable } => {
                (b'0', if *executable { 0o755 } else { 0o644 }, bytes.len() as u64, "")
            }
            Entry::Large { length, .. } => (b'0', 0o644, *length, ""),
            Entry::Link(target) => (b'2', 0o777, 0, target.as_str()),
        };
        into.write_all(&header(path, kind, mode, length, target))?;
        match entry {
            Entry::File { bytes, .. } => into.write_all(bytes)?,
            Entry::Large { seed, length } => write_large(*seed, *length, into)?,
            Entry::Folder | Entry::Link(_) => {}
        }
        let padding = (RECORD as u64 - length % RECORD as u64) % RECORD as u64;
        io::copy(&mut io::Read::take(io::repeat(0), padding), into)?;
    }
    into.write_all(&[0; 2 * RECORD])
}

/// A ustar header.
fn header(path: &str, kind: u8, mode: u32, length: u64, target: &str) -> [u8; RECORD] {
    let mut header = [0; RECORD];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    assert!(path.len() < 100 && target.len() < 100, "{path}: longer than the plain header holds");
    put(0, path);
    put(100, &format!("{mode:07o}"));
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{length:011o}"));
    put(136, "00000000000");
    put(148, "        ");
    put(157, target);
    put(257, "ustar\u{0}00");
    header[156] = kind;
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\u{0}").as_bytes());
    header
}

fn write_large(seed: u64, length: u64, into: &mut impl Write) -> io::Result<()> {
    let mut piece = random_bytes(seed, PIECE).to_vec();
    let mut written = 0;
    while written < length {
        piece[..8].copy_from_slice(&(seed ^ written).to_le_bytes());
        let take = usize::try_from(length - written).unwrap_or(PIECE).min(PIECE);
        into.write_all(&piece[..take])?;
        written += take as u64;
    }
    Ok(())
}

/// A gzip stream that stores what it is given: the format without the work.
pub(crate) struct Gzip<W: Write> {
    into: W,
    held: Vec<u8>,
    crc: Crc,
    length: u32,
}

impl<W: Write> Gzip<W> {
    pub(crate) fn new(mut into: W) -> io::Result<Self> {
        into.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])?;
        Ok(Self { into, held: Vec::with_capacity(STORED_MAX), crc: Crc::new(), length: 0 })
    }

    fn block(&mut self, last: bool) -> io::Result<()> {
        let length = u16::try_from(self.held.len()).expect("a block is at most 65,535 bytes");
        self.into.write_all(&[u8::from(last)])?;
        self.into.write_all(&length.to_le_bytes())?;
        self.into.write_all(&(!length).to_le_bytes())?;
        self.into.write_all(&self.held)?;
        self.held.clear();
        Ok(())
    }

    /// Ends the stream and gives what it was written into.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.block(true)?;
        self.into.write_all(&self.crc.clone().finalize().to_le_bytes())?;
        self.into.write_all(&self.length.to_le_bytes())?;
        Ok(self.into)
    }
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(STORED_MAX - self.held.len());
        self.held.extend_from_slice(&bytes[..taken]);
        self.crc.update(&bytes[..taken]);
        self.length = self.length.wrapping_add(u32::try_from(taken).expect("at most a block"));
        if self.held.len() == STORED_MAX {
            self.block(false)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
