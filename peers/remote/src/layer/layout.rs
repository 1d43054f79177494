//! Where each byte of a layer's tar comes from, from the metadata alone: its size, and any place in it at once.

mod window;

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;

use super::arena::{Arena, ArenaReader, ArenaWriter};
use super::split::{Entry, SplitError, read_split};
use super::tar::{Content, Extent, Walk};

pub(crate) use window::WINDOW_BYTES_MAX;

/// Bytes of memory of one layout: more than a million files at about a hundred bytes.
pub(crate) const LAYOUT_BYTES_MAX: usize = 128 << 20;

/// A file of more bytes than this is read twice: once whole for its checksum, then piece by piece.
pub(crate) const WHOLE_BYTES_MAX: u64 = 512 * 1024;

/// Bytes in one piece of a large file, all but the last.
pub(crate) const PIECE_BYTES: u64 = 256 * 1024;

/// Bytes of a file: the checksums of its pieces then take 2 MiB.
const FILE_BYTES_MAX: u64 = 64 << 30;

/// The tar of one layer without the contents of its files.
pub(crate) struct Layout {
    size: u64,
    /// The files of which something lies in the tar, in order.
    files: Vec<File>,
    sparse: BTreeMap<usize, Sparse>,
    /// What is not content, end to end.
    segments: Arena,
    /// The names of `files`, end to end.
    names: Arena,
}

/// One file: 32 bytes, since a large layer has a million.
struct File {
    segments_before: u64,
    content_before: u64,
    crc: u64,
    /// Bytes of the names of all files before this one.
    names_before: u64,
}

struct Sparse {
    size: u64,
    extents: Vec<Extent>,
}

/// What was unpacked last of one layout.
pub(crate) struct Unpacked {
    segments: ArenaReader,
    names: ArenaReader,
}

/// What stands at a place of the tar.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Bytes of the metadata, until `end`.
    Segment {
        /// Where they begin for [`Layout::read_segment`].
        at: u64,
        /// Where they end in the tar.
        end: u64,
    },
    /// The content of a file.
    File {
        /// Which.
        number: usize,
        /// Where it lies in the tar.
        range: Range<u64>,
    },
}

impl Unpacked {
    /// Bytes of memory: two chunks, and the states of what unpacks them.
    pub(crate) const HELD_BYTES: usize = 160 * 1024;

    pub(crate) fn new() -> Self {
        Self { segments: ArenaReader::new(), names: ArenaReader::new() }
    }
}

impl Layout {
    /// Reads the metadata of a layer (gzip over JSON). Takes a second for some hundred thousand files. `has_room` is
    /// asked again and again whether what was read so far may take so many bytes.
    ///
    /// # Errors
    /// [`SplitError`]; [`SplitError::NoMemory`] when it may not.
    pub(crate) fn read(
        split: impl Read,
        mut has_room: impl FnMut(usize) -> bool,
    ) -> Result<Self, SplitError> {
        let mut builder = Builder::new();
        read_split(split, |entry| {
            builder.take(&entry)?;
            if has_room(builder.taken_bytes()) { Ok(()) } else { Err(SplitError::NoMemory) }
        })?;
        Ok(builder.finish())
    }

    /// Bytes of the tar.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of memory.
    pub(crate) fn held_bytes(&self) -> usize {
        let extents: usize = self.sparse.values().map(|sparse| sparse.extents.len()).sum();
        self.files.len() * size_of::<File>()
            + extents * size_of::<Extent>()
            + self.segments.held_bytes()
            + self.names.held_bytes()
    }

    /// What stands at `offset`, which is within the tar.
    pub(crate) fn part(&self, offset: u64) -> Part {
        let after = self.files.partition_point(|file| file.start() <= offset);
        if let Some(number) = after.checked_sub(1) {
            let range = self.range(number);
            if offset < range.end {
                return Part::File { number, range };
            }
        }
        let end = self.files.get(after).map_or(self.size, File::start);
        Part::Segment { at: offset - self.content_before(after), end }
    }

    /// Fills `out` with bytes of the metadata.
    pub(crate) fn read_segment(&self, unpacked: &mut Unpacked, at: u64, out: &mut [u8]) {
        unpacked.segments.read(&self.segments, at, out);
    }

    /// The path of a file in the tar.
    pub(crate) fn name(&self, unpacked: &mut Unpacked, number: usize) -> Vec<u8> {
        let start = self.files[number].names_before;
        let end = self.files.get(number + 1).map_or(self.names.length(), |next| next.names_before);
        let mut name = vec![0; usize::try_from(end - start).expect("a name is short")];
        unpacked.names.read(&self.names, start, &mut name);
        name
    }

    /// Bytes of a file, holes included.
    pub(crate) fn file_size(&self, number: usize) -> u64 {
        let range = self.range(number);
        self.sparse.get(&number).map_or(range.end - range.start, |sparse| sparse.size)
    }

    /// Whether a file is read in pieces, after a first pass.
    pub(crate) fn is_large(&self, number: usize) -> bool {
        self.file_size(number) > WHOLE_BYTES_MAX
    }

    /// The CRC-64 of a file, holes included.
    pub(crate) fn file_crc(&self, number: usize) -> u64 {
        self.files[number].crc
    }

    /// Where in a file the content lies that the tar has at `range` of the file's part, in order and without a gap.
    pub(crate) fn in_file(&self, number: usize, range: Range<u64>) -> Vec<Range<u64>> {
        let Some(sparse) = self.sparse.get(&number) else { return vec![range] };
        let mut found = Vec::new();
        let mut start = 0;
        for extent in &sparse.extents {
            let end = start + extent.length;
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                found.push(extent.offset + from - start..extent.offset + to - start);
            }
            start = end;
        }
        found
    }

    fn range(&self, number: usize) -> Range<u64> {
        let file = &self.files[number];
        file.start()..file.segments_before + self.content_before(number + 1)
    }

    /// Bytes of content before the file of this number; of all content for the number after the last.
    fn content_before(&self, number: usize) -> u64 {
        self.files.get(number).map_or(self.size - self.segments.length(), |file| file.content_before)
    }
}

impl File {
    /// Where its content begins in the tar.
    fn start(&self) -> u64 {
        self.segments_before + self.content_before
    }
}

struct Builder {
    walk: Walk,
    files: Vec<File>,
    sparse: BTreeMap<usize, Sparse>,
    extents: usize,
    segments: ArenaWriter,
    names: ArenaWriter,
    content: u64,
}

impl Builder {
    fn new() -> Self {
        Self {
            walk: Walk::new(),
            files: Vec::new(),
            sparse: BTreeMap::new(),
            extents: 0,
            segments: ArenaWriter::new(),
            names: ArenaWriter::new(),
            content: 0,
        }
    }

    fn take(&mut self, entry: &Entry<'_>) -> Result<(), SplitError> {
        match *entry {
            Entry::Segment(bytes) => {
                self.walk.bytes(bytes).map_err(|lost| SplitError::Unsupported(lost.0.into()))?;
                self.segments.append(bytes);
            }
            Entry::File { name, size, crc } => self.file(name, size, crc)?,
        }
        if self.bytes_with(self.files.len()) > LAYOUT_BYTES_MAX {
            return Err(SplitError::Unsupported("the layer has too many files to hold in memory".into()));
        }
        Ok(())
    }

    /// Bytes of memory until it is finished.
    fn taken_bytes(&self) -> usize {
        self.bytes_with(self.files.capacity())
    }

    fn bytes_with(&self, files: usize) -> usize {
        files * size_of::<File>()
            + self.extents * size_of::<Extent>()
            + self.segments.held_bytes()
            + self.names.held_bytes()
    }

    fn file(&mut self, name: &[u8], size: u64, crc: u64) -> Result<(), SplitError> {
        let shown = || name.escape_ascii();
        let content = self
            .walk
            .file(name)
            .map_err(|lost| SplitError::Unsupported(format!("{}: {}", shown(), lost.0)))?;
        let in_tar = match &content {
            // tar-split notes the size in the header of a link, and the checksum of nothing.
            Content::Nothing if size == 0 || crc == 0 => return Ok(()),
            Content::Plain(0) if size == 0 => return Ok(()),
            Content::Plain(stored) if *stored == size => size,
            Content::Sparse { size: whole, extents } if *whole == size => {
                extents.iter().map(|extent| extent.length).sum()
            }
            _ => return Err(SplitError::Damaged(format!("{}: not what its header says", shown()))),
        };
        if size > FILE_BYTES_MAX {
            return Err(SplitError::Unsupported(format!("{}: larger than 64 GiB", shown())));
        }
        if in_tar == 0 {
            return Ok(());
        }
        if let Content::Sparse { extents, .. } = content {
            self.extents += extents.len();
            self.sparse.insert(self.files.len(), Sparse { size, extents });
        }
        self.files.push(File {
            segments_before: self.segments.length(),
            content_before: self.content,
            crc,
            names_before: self.names.length(),
        });
        self.names.append(name);
        // Each file has at most 64 GiB, and a layout far fewer than 2^27 files.
        self.content += in_tar;
        Ok(())
    }

    fn finish(mut self) -> Layout {
        self.files.shrink_to_fit();
        let segments = self.segments.finish();
        Layout {
            size: segments.length() + self.content,
            files: self.files,
            sparse: self.sparse,
            segments,
            names: self.names.finish(),
        }
    }
}

#[cfg(test)]
mod tests;
