//! All of it or an error: reads and writes that never stop short.

use std::io::{self, ErrorKind, IoSlice};

use crate::disk::DiskFile;

/// Writes the whole buffer at `offset`.
///
/// # Errors
/// `WriteZero` when the disk takes no more, or whatever else it says; a part may have been written.
pub fn write_all_at(file: &dyn DiskFile, buffer: &[u8], offset: u64) -> io::Result<()> {
    write_all_vectored_at(file, &mut [IoSlice::new(buffer)], offset)
}

/// Writes all the buffers, joined, at `offset`; of the slices themselves nothing is left.
///
/// # Errors
/// As [`write_all_at`].
pub fn write_all_vectored_at(
    file: &dyn DiskFile,
    mut buffers: &mut [IoSlice<'_>],
    mut offset: u64,
) -> io::Result<()> {
    IoSlice::advance_slices(&mut buffers, 0);
    while !buffers.is_empty() {
        match file.write_at(buffers, offset) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => {
                IoSlice::advance_slices(&mut buffers, written);
                offset += written as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fills the whole buffer from `offset`.
///
/// # Errors
/// `UnexpectedEof` when the file ends before, or whatever else the disk says.
pub fn read_exact_at(file: &dyn DiskFile, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.read_at(buffer, offset) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                buffer = &mut buffer[read..];
                offset += read as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
