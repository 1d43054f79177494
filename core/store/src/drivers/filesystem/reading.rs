//! Reading a stretch of a file in order.

use std::io;

use dockless_runtime::DiskFile;
use dockless_runtime::disk::read_exact_at;

/// Read at once: large enough that the calls do not count, small enough for the second-level cache.
const CHUNK_BYTES: usize = 256 * 1024;

/// Gives the bytes of `file` from `from` up to `to`, in order, to `take`, whose error ends it.
pub(crate) fn each_chunk(
    file: &dyn DiskFile,
    from: u64,
    to: u64,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX).min(CHUNK_BYTES)];
    let mut offset = from;
    while offset < to {
        let wanted = usize::try_from(to - offset).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        let chunk = &mut buffer[..wanted];
        read_exact_at(file, chunk, offset)?;
        take(chunk)?;
        offset += wanted as u64;
    }
    Ok(())
}
