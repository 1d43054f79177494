//! Maps of files with holes.

use super::{BLOCK_BYTES, Lost, number};

/// Parts of one sparse file. A MiB of memory; `tar --sparse` writes about one for each MiB of a disk image.
pub(super) const EXTENTS_MAX: usize = 65_536;

/// One part of a sparse file that lies in the tar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Where it begins in the file.
    pub(crate) offset: u64,
    /// Bytes.
    pub(crate) length: u64,
}

/// The map in headers of type `S`: four parts in the header itself, 21 in each block after it.
#[derive(Default)]
pub(super) struct OldMap {
    size: u64,
    extents: Vec<Extent>,
}

impl OldMap {
    /// Takes the header; whether a block of the map follows.
    pub(super) fn begin(&mut self, block: &[u8; BLOCK_BYTES]) -> Result<bool, Lost> {
        // Another tar uses the same type for another layout.
        if block[257..265] != *b"ustar  \0" {
            return Err(Lost("a sparse header that is not GNU's"));
        }
        self.size = number(&block[483..495]).ok_or(Lost("a sparse header without a size"))?;
        self.take(&block[386..482])?;
        Ok(block[482] != 0)
    }

    /// Takes a block of the map; whether another one follows.
    pub(super) fn extend(&mut self, block: &[u8; BLOCK_BYTES]) -> Result<bool, Lost> {
        self.take(&block[..504])?;
        Ok(block[504] != 0)
    }

    fn take(&mut self, entries: &[u8]) -> Result<(), Lost> {
        for entry in entries.chunks_exact(24).take_while(|entry| entry[0] != 0) {
            if self.extents.len() == EXTENTS_MAX {
                return Err(Lost("a sparse file of too many parts"));
            }
            match (number(&entry[..12]), number(&entry[12..])) {
                (Some(offset), Some(length)) => self.extents.push(Extent { offset, length }),
                _ => return Err(Lost("a sparse header that cannot be read")),
            }
        }
        Ok(())
    }

    /// The whole size and the parts.
    pub(super) fn finish(self) -> (u64, Vec<Extent>) {
        (self.size, self.extents)
    }
}

/// The parts that are not empty, if they are in order, within the file, and together what lies in the tar.
pub(super) fn checked(mut extents: Vec<Extent>, size: u64, stored: u64) -> Result<Vec<Extent>, Lost> {
    let mut end = 0;
    let mut sum = 0_u64;
    for extent in &extents {
        let next = extent.offset.checked_add(extent.length);
        match next {
            Some(next) if extent.offset >= end && next <= size => end = next,
            _ => return Err(Lost("a sparse file whose parts are not in order")),
        }
        sum += extent.length;
    }
    if sum != stored {
        return Err(Lost("a sparse file whose parts are not what lies in the tar"));
    }
    extents.retain(|extent| extent.length > 0);
    Ok(extents)
}
