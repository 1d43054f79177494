//! The derived file of a blob: which file it was when it was last hashed, and its chain list.
//!
//! Nothing depends on it: it is written without sync, and a blob whose file is missing or does not fit is hashed
//! again. Layout, version 1, integers little-endian:
//!
//! ```text
//! 4   "dkc1"
//! 1   length of the digest, then the digest as text
//! 8   inode, 8 size, 16 change time in ns: the blob's file when it was last hashed
//! 4   number of states, then 32 bytes each
//! 4   CRC-32 of all before
//! ```

#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind};

use dockless_oci::digest::Digest;
use dockless_runtime::disk::{read_file, write_all_at};
use dockless_runtime::{Disk, OpenMode, Stat};

use super::layout::Layout;
use crate::chain::{ChainList, PIECE_BYTES_MIN, STATE_BYTES, piece_bytes};

/// What a derived file begins with.
const MAGIC: &[u8; 4] = b"dkc1";

/// Everything but the states; digests of 135 bytes (sha512) are the longest.
const FRAME_BYTES_MAX: usize = 4 + 1 + 255 + 8 + 8 + 16 + 4 + 4;

/// What is remembered of a hashed blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Derived {
    /// The file that was hashed.
    pub(crate) identity: Stat,
    /// Its chain list, where it has one.
    pub(crate) list: Option<ChainList>,
}

/// True for a blob worth remembering: hashing less than a piece again costs as much as reading this.
pub(crate) fn is_worth_it(size: u64) -> bool {
    size > PIECE_BYTES_MIN
}

/// Reads what is remembered of a blob that has `size` bytes now; `None` when that is nothing usable.
pub(crate) fn read(disk: &dyn Disk, layout: &Layout, digest: &Digest, size: u64) -> Option<Derived> {
    if !is_worth_it(size) {
        return None;
    }
    let states = usize::try_from(size / piece_bytes(size)).ok()?;
    let bytes_max = states.checked_mul(STATE_BYTES)?.checked_add(FRAME_BYTES_MAX)?;
    let bytes = read_file(disk, &layout.chain(digest), bytes_max).ok()?;
    decode(&bytes, digest)
}

/// Remembers a blob. Not durable, and not atomic: the checksum tells.
pub(crate) fn write(disk: &dyn Disk, layout: &Layout, digest: &Digest, derived: &Derived) -> io::Result<()> {
    if !is_worth_it(derived.identity.size) {
        return Ok(());
    }
    let path = layout.chain(digest);
    let file = match disk.open(&path, OpenMode::ReadWriteOrCreate) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            disk.create_dir_all(&layout.chain_shard(digest))?;
            disk.open(&path, OpenMode::ReadWriteOrCreate)?
        }
        opened => opened?,
    };
    let bytes = encode(digest, derived);
    let longer = file.stat()?.size > bytes.len() as u64;
    write_all_at(&*file, &bytes, 0)?;
    if longer { file.set_len(bytes.len() as u64) } else { Ok(()) }
}

pub(crate) fn encode(digest: &Digest, derived: &Derived) -> Vec<u8> {
    let states = derived.list.as_ref().map_or(&[][..], ChainList::states);
    let mut bytes = Vec::with_capacity(FRAME_BYTES_MAX + states.len() * STATE_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.push(u8::try_from(digest.as_str().len()).expect("the longest digest, sha512, has 135 bytes"));
    bytes.extend_from_slice(digest.as_str().as_bytes());
    bytes.extend_from_slice(&derived.identity.inode.to_le_bytes());
    bytes.extend_from_slice(&derived.identity.size.to_le_bytes());
    bytes.extend_from_slice(&derived.identity.changed_ns.to_le_bytes());
    let count = u32::try_from(states.len()).expect("a state per 4 MiB of less than 2^54 bytes");
    bytes.extend_from_slice(&count.to_le_bytes());
    states.iter().for_each(|state| bytes.extend_from_slice(state));
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// Total: any bytes that are not what [`encode`] wrote for this digest give `None`.
pub(crate) fn decode(bytes: &[u8], digest: &Digest) -> Option<Derived> {
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        return None;
    }
    let rest = body.strip_prefix(MAGIC)?;
    let (length, rest) = rest.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*length))?;
    if text != digest.as_str().as_bytes() {
        return None;
    }
    let (inode, rest) = rest.split_first_chunk::<8>()?;
    let (size, rest) = rest.split_first_chunk::<8>()?;
    let (changed_ns, rest) = rest.split_first_chunk::<16>()?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    let (states, tail) = rest.as_chunks::<STATE_BYTES>();
    if !tail.is_empty() || states.len() as u64 != u64::from(u32::from_le_bytes(*count)) {
        return None;
    }
    let size = u64::from_le_bytes(*size);
    let list = if states.is_empty() { None } else { Some(ChainList::new(size, states.to_vec())?) };
    let identity = Stat {
        is_dir: false,
        size,
        inode: u64::from_le_bytes(*inode),
        changed_ns: i128::from_le_bytes(*changed_ns),
    };
    Some(Derived { identity, list })
}
