//! Maps of files with holes.

use super::Lost;

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
