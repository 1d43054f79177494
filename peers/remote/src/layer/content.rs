//! The contents of files of a layer, each checked by the CRC-64 of the metadata before a byte of it is given.

use std::ffi::OsStr;
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crc_fast::{CrcAlgorithm, Digest as Crc};
use dockless_runtime::disk::{ForeignFile, ForeignRoot};

use super::layout::{Layout, PIECE_BYTES, Part, Unpacked, WHOLE_BYTES_MAX};

/// The checksums of the pieces of one large file that was found whole.
pub(crate) type Pieces = Arc<[u64]>;

/// Why bytes of a layer cannot be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The files are not what the metadata says.
    Changed(String),
    /// The directory of the layer is gone: the engine removed the layer.
    Gone(String),
    /// A file may not be read.
    Forbidden {
        /// Which, below the layer's directory; that directory itself when empty.
        file: PathBuf,
        /// In words.
        why: String,
    },
    /// It cannot be read now.
    Io(String),
}

/// The CRC-64 that tar-split uses.
pub(crate) fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc64GoIso, bytes)
}

/// Puts together a part of one layer's tar. Blocks.
pub(crate) struct Contents<'a> {
    layout: &'a Layout,
    root: ForeignRoot,
    unpacked: &'a mut Unpacked,
}

impl<'a> Contents<'a> {
    /// Opens the directory of the unpacked files. `unpacked` belongs to the layout.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn open(layout: &'a Layout, unpacked: &'a mut Unpacked, root: &Path) -> Result<Self, Fault> {
        let opened = ForeignRoot::open(root).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Fault::Gone(format!("{} is gone", root.display())),
            _ => fault(&root.display().to_string(), Path::new(""), &error),
        })?;
        Ok(Self { layout, root: opened, unpacked })
    }

    /// The bytes of a window. `pieces` has those of every large file in it, by number.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) fn window(
        &mut self,
        window: Range<u64>,
        pieces: &[(usize, Pieces)],
    ) -> Result<Vec<u8>, Fault> {
        let length = usize::try_from(window.end - window.start).expect("a window is short");
        let mut bytes = vec![0; length];
        let mut at = window.start;
        while at < window.end {
            let (part, end) = match self.layout.part(at) {
                Part::Segment { at, end } => (Err(at), end),
                Part::File { number, range } => (Ok((number, at - range.start)), range.end),
            };
            let end = end.min(window.end);
            let out = &mut bytes[(at - window.start) as usize..(end - window.start) as usize];
            match part {
                Err(segment) => self.layout.read_segment(self.unpacked, segment, out),
                Ok((number, from)) => self.content(number, from, out, pieces)?,
            }
            at = end;
        }
        Ok(bytes)
    }

    /// Fills `out` with what the tar has of a file, `from` bytes after its begin there.
    fn content(
        &mut self,
        number: usize,
        from: u64,
        out: &mut [u8],
        pieces: &[(usize, Pieces)],
    ) -> Result<(), Fault> {
        let mut file = self.open_file(number)?;
        let sums = pieces.iter().find(|(of, _)| *of == number).map(|(_, sums)| sums);
        let mut left = out;
        for range in self.layout.in_file(number, from..from + left.len() as u64) {
            let (out, rest) = left.split_at_mut((range.end - range.start) as usize);
            file.checked(range, sums, out)?;
            left = rest;
        }
        Ok(())
    }

    /// Opens a file of the layer, if it has as many bytes as it should.
    pub(crate) fn open_file(&mut self, number: usize) -> Result<OpenFile, Fault> {
        let name = self.layout.name(self.unpacked, number);
        let path = Path::new(OsStr::from_bytes(&name));
        let shown = name.escape_ascii().to_string();
        let file = self.root.open_file(path).map_err(|error| fault(&shown, path, &error))?;
        let size = self.layout.file_size(number);
        if file.size() != size {
            return Err(Fault::Changed(format!("{shown} has {} bytes instead of {size}", file.size())));
        }
        Ok(OpenFile {
            file,
            path: path.to_owned(),
            shown,
            size,
            crc: self.layout.file_crc(number),
            held: None,
        })
    }
}

/// One open file of a layer.
pub(crate) struct OpenFile {
    file: ForeignFile,
    path: PathBuf,
    shown: String,
    size: u64,
    crc: u64,
    /// What was read and checked last, where only parts of it are in the tar.
    held: Option<(u64, Vec<u8>)>,
}

impl OpenFile {
    /// Fills `out` with the bytes of `range`, after their checksum was found right.
    fn checked(&mut self, range: Range<u64>, sums: Option<&Pieces>, out: &mut [u8]) -> Result<(), Fault> {
        if self.size <= WHOLE_BYTES_MAX {
            return self.unit(0..self.size, self.crc, range, out);
        }
        let sums = sums.expect("the pieces of every large file of a window are there");
        let mut at = range.start;
        while at < range.end {
            let number = at / PIECE_BYTES;
            let unit = number * PIECE_BYTES..((number + 1) * PIECE_BYTES).min(self.size);
            let end = unit.end.min(range.end);
            let out = &mut out[(at - range.start) as usize..(end - range.start) as usize];
            self.unit(unit, sums[number as usize], at..end, out)?;
            at = end;
        }
        Ok(())
    }

    /// Fills `out` with `range` out of `unit`, which is read and checked as a whole.
    fn unit(&mut self, unit: Range<u64>, sum: u64, range: Range<u64>, out: &mut [u8]) -> Result<(), Fault> {
        let check = |bytes: &[u8]| if crc64(bytes) == sum { Ok(()) } else { Err(self.changed()) };
        if unit == range {
            self.read_exact(out, unit.start)?;
            return check(out);
        }
        if self.held.as_ref().is_none_or(|(start, _)| *start != unit.start) {
            let mut whole = vec![0; (unit.end - unit.start) as usize];
            self.read_exact(&mut whole, unit.start)?;
            check(&whole)?;
            self.held = Some((unit.start, whole));
        }
        let held = self.held.as_ref().map_or(&[][..], |(_, whole)| whole);
        let start = (range.start - unit.start) as usize;
        out.copy_from_slice(&held[start..start + out.len()]);
        Ok(())
    }

    fn read_exact(&self, mut out: &mut [u8], mut offset: u64) -> Result<(), Fault> {
        while !out.is_empty() {
            let read = self.file.read_at(out, offset);
            let read = read.map_err(|error| fault(&self.shown, &self.path, &error))?;
            if read == 0 {
                return Err(Fault::Changed(format!("{} was cut while it was read", self.shown)));
            }
            out = &mut out[read..];
            offset += read as u64;
        }
        Ok(())
    }

    fn changed(&self) -> Fault {
        Fault::Changed(format!("{} is not the file that the image has", self.shown))
    }
}

/// The first pass over a large file: its checksum, and that of each piece. It goes on where it stopped.
pub(crate) struct FirstPass {
    whole: Crc,
    sums: Vec<u64>,
}

impl FirstPass {
    pub(crate) fn new() -> Self {
        Self { whole: Crc::new(CrcAlgorithm::Crc64GoIso), sums: Vec::new() }
    }

    /// Reads the next `count` pieces; the sums of all when the file came to its end and is the right one.
    ///
    /// # Errors
    /// [`Fault`]; then the pass must begin anew.
    pub(crate) fn step(&mut self, file: &OpenFile, count: u64) -> Result<Option<Pieces>, Fault> {
        let mut buffer = vec![0; PIECE_BYTES as usize];
        for _ in 0..count {
            let start = self.sums.len() as u64 * PIECE_BYTES;
            let length = (file.size - start).min(PIECE_BYTES) as usize;
            file.read_exact(&mut buffer[..length], start)?;
            self.whole.update(&buffer[..length]);
            self.sums.push(crc64(&buffer[..length]));
            if start + length as u64 == file.size {
                let right = self.whole.finalize() == file.crc;
                return if right { Ok(Some(self.sums.as_slice().into())) } else { Err(file.changed()) };
            }
        }
        Ok(None)
    }
}

fn fault(shown: &str, file: &Path, error: &io::Error) -> Fault {
    use io::ErrorKind::{
        InvalidData, InvalidFilename, InvalidInput, NotADirectory, NotFound, PermissionDenied,
    };
    let said = format!("{shown}: {error}");
    match error.kind() {
        NotFound | NotADirectory | InvalidData | InvalidInput | InvalidFilename => Fault::Changed(said),
        PermissionDenied => Fault::Forbidden { file: file.to_owned(), why: said },
        _ => Fault::Io(said),
    }
}
