//! Bytes that are kept compressed and read at any place: the headers of a large layer are megabytes, of which nine
//! tenths are zeros.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Bytes in one chunk, which is compressed by itself: large enough to compress well (thirty headers at least), small
/// enough that one header costs less than a tenth of a millisecond.
const CHUNK_BYTES: usize = 32 * 1024;

/// Bytes that can only be appended to.
pub(crate) struct ArenaWriter {
    compress: Compress,
    chunks: Vec<Box<[u8]>>,
    open: Vec<u8>,
    compressed_bytes: usize,
    scratch: Vec<u8>,
}

/// Bytes that can only be read.
pub(crate) struct Arena {
    chunks: Vec<Box<[u8]>>,
    length: u64,
    compressed_bytes: usize,
}

/// Reads an [`Arena`]; holds the chunk that was read last.
pub(crate) struct ArenaReader {
    decompress: Decompress,
    held: Option<usize>,
    chunk: Vec<u8>,
}

impl ArenaWriter {
    pub(crate) fn new() -> Self {
        Self {
            compress: Compress::new(Compression::fast(), false),
            chunks: Vec::new(),
            open: Vec::with_capacity(CHUNK_BYTES),
            compressed_bytes: 0,
            scratch: Vec::new(),
        }
    }

    /// Bytes appended so far.
    pub(crate) fn length(&self) -> u64 {
        (self.chunks.len() * CHUNK_BYTES + self.open.len()) as u64
    }

    /// Bytes of memory that what was appended costs.
    pub(crate) fn held_bytes(&self) -> usize {
        self.compressed_bytes + CHUNK_BYTES + self.chunks.len() * size_of::<Box<[u8]>>()
    }

    pub(crate) fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.open.len()));
            self.open.extend_from_slice(now);
            bytes = later;
            if self.open.len() == CHUNK_BYTES {
                self.close_chunk();
            }
        }
    }

    fn close_chunk(&mut self) {
        self.compress.reset();
        self.scratch.clear();
        // The worst that fixed codes do to noise is nine bits for eight.
        self.scratch.reserve(self.open.len() + self.open.len() / 8 + 1024);
        let status = self.compress.compress_vec(&self.open, &mut self.scratch, FlushCompress::Finish);
        assert!(matches!(status, Ok(Status::StreamEnd)), "memory was reserved for the worst case");
        self.compressed_bytes += self.scratch.len();
        self.chunks.push(self.scratch.as_slice().into());
        self.open.clear();
    }

    pub(crate) fn finish(mut self) -> Arena {
        let length = self.length();
        if !self.open.is_empty() {
            self.close_chunk();
        }
        self.chunks.shrink_to_fit();
        Arena { chunks: self.chunks, length, compressed_bytes: self.compressed_bytes }
    }
}

impl Arena {
    /// Bytes that can be read.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Bytes of memory.
    pub(crate) fn held_bytes(&self) -> usize {
        self.compressed_bytes + self.chunks.len() * size_of::<Box<[u8]>>()
    }
}

impl ArenaReader {
    pub(crate) fn new() -> Self {
        Self { decompress: Decompress::new(false), held: None, chunk: Vec::new() }
    }

    /// Fills `out` with the bytes from `offset`. A reader serves one arena only.
    ///
    /// # Panics
    /// When they are not all within the arena.
    pub(crate) fn read(&mut self, arena: &Arena, mut offset: u64, mut out: &mut [u8]) {
        assert!(offset + out.len() as u64 <= arena.length, "within the arena");
        while !out.is_empty() {
            let number = usize::try_from(offset / CHUNK_BYTES as u64).expect("chunks are in memory");
            let within = (offset % CHUNK_BYTES as u64) as usize;
            let chunk = self.chunk(arena, number);
            let copied = out.len().min(chunk.len() - within);
            out[..copied].copy_from_slice(&chunk[within..within + copied]);
            out = &mut out[copied..];
            offset += copied as u64;
        }
    }

    fn chunk(&mut self, arena: &Arena, number: usize) -> &[u8] {
        if self.held != Some(number) {
            self.decompress.reset(false);
            self.chunk.clear();
            self.chunk.reserve(CHUNK_BYTES);
            let compressed = &arena.chunks[number];
            let status = self.decompress.decompress_vec(compressed, &mut self.chunk, FlushDecompress::Finish);
            assert!(matches!(status, Ok(Status::StreamEnd)), "we compressed these bytes ourselves");
            self.held = Some(number);
        }
        &self.chunk
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_appended_is_read_at_any_place(
            parts in prop::collection::vec((0..100_000_usize, any::<bool>(), any::<u8>()), 0..6),
            reads in prop::collection::vec((any::<prop::sample::Index>(), 0..70_000_usize), 1..8),
        ) {
            let mut writer = ArenaWriter::new();
            let mut plain = Vec::new();
            for (length, noise, byte) in parts {
                let mut state = u64::from(byte) | 1;
                let part: Vec<u8> = (0..length)
                    .map(|_| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        if noise { (state >> 56) as u8 } else { byte }
                    })
                    .collect();
                writer.append(&part);
                plain.extend_from_slice(&part);
                prop_assert_eq!(writer.length(), plain.len() as u64);
            }
            let arena = writer.finish();
            prop_assert_eq!(arena.length(), plain.len() as u64);
            let mut reader = ArenaReader::new();
            for (start, length) in reads {
                let start = start.index(plain.len() + 1);
                let mut out = vec![0; length.min(plain.len() - start)];
                reader.read(&arena, start as u64, &mut out);
                prop_assert_eq!(&out[..], &plain[start..start + out.len()]);
            }
        }
    }
}
