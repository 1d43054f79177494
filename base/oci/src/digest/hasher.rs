//! Hashing while bytes arrive: any algorithm, and a SHA-256 whose state can be saved, resumed and chained.

use sha2::Digest as _;
use sha2::block_api::compress256;

use super::{Algorithm, Digest};

/// A running hash by one algorithm.
#[derive(Clone)]
pub struct Hasher {
    state: State,
}

#[derive(Clone)]
enum State {
    Sha256(Sha256State),
    Sha512(Box<sha2::Sha512>),
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    /// Begins with no bytes.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256State::new()),
            Algorithm::Sha512 => State::Sha512(Box::default()),
            Algorithm::Blake3 => State::Blake3(Box::default()),
        };
        Self { state }
    }

    /// The algorithm of this hash.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match &self.state {
            State::Sha256(_) => Algorithm::Sha256,
            State::Sha512(_) => Algorithm::Sha512,
            State::Blake3(_) => Algorithm::Blake3,
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
            State::Blake3(state) => {
                state.update(bytes);
            }
        }
    }

    /// The digest of all bytes taken.
    #[must_use]
    pub fn finish(self) -> Digest {
        match self.state {
            State::Sha256(state) => state.finish(),
            State::Sha512(state) => Digest::from_output(Algorithm::Sha512, &state.finalize()),
            State::Blake3(state) => Digest::from_output(Algorithm::Blake3, state.finalize().as_bytes()),
        }
    }
}

/// The bytes that one compression takes (FIPS 180-4, section 5.2.1).
const BLOCK_BYTES: usize = 64;

/// The first chaining value (FIPS 180-4, section 5.3.3).
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// First byte of a saved state: the version of its layout.
const SAVED_VERSION: u8 = 1;
/// Version, chaining value, length; the buffered tail follows.
const SAVED_HEAD_BYTES: usize = 1 + 32 + 8;

/// A running SHA-256 with an exportable state: chaining value, length, and the tail of less than one block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sha256State {
    chaining: [u32; 8],
    length: u64,
    tail: [u8; BLOCK_BYTES],
}

impl Default for Sha256State {
    fn default() -> Self {
        Self::new()
    }
}

impl Sha256State {
    /// Begins with no bytes.
    #[must_use]
    pub fn new() -> Self {
        Self { chaining: INITIAL, length: 0, tail: [0; BLOCK_BYTES] }
    }

    /// The number of bytes taken so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        let held = self.tail_len();
        self.length = self.length.wrapping_add(bytes.len() as u64);
        if held > 0 {
            let taken = bytes.len().min(BLOCK_BYTES - held);
            self.tail[held..held + taken].copy_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if held + taken < BLOCK_BYTES {
                return;
            }
            compress256(&mut self.chaining, &[self.tail]);
        }
        let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
        compress256(&mut self.chaining, blocks);
        self.tail[..rest.len()].copy_from_slice(rest);
        // Bytes behind the tail are never read; zeroes make equal states equal values.
        self.tail[rest.len()..].fill(0);
    }

    /// The digest of the bytes so far; the state stays and can take more.
    #[must_use]
    pub fn finish(&self) -> Digest {
        let mut chaining = self.chaining;
        let held = self.tail_len();
        let mut padded = [[0_u8; BLOCK_BYTES]; 2];
        padded[0][..held].copy_from_slice(&self.tail[..held]);
        padded[0][held] = 0x80;
        let blocks = if held < BLOCK_BYTES - 8 { 1 } else { 2 };
        padded[blocks - 1][BLOCK_BYTES - 8..].copy_from_slice(&self.length.wrapping_mul(8).to_be_bytes());
        compress256(&mut chaining, &padded[..blocks]);
        Digest::from_output(Algorithm::Sha256, &words_to_bytes(&chaining))
    }

    /// Saves the state: version, chaining value, length (both big-endian), tail. At most 104 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut saved = Vec::with_capacity(SAVED_HEAD_BYTES + BLOCK_BYTES);
        saved.push(SAVED_VERSION);
        saved.extend_from_slice(&words_to_bytes(&self.chaining));
        saved.extend_from_slice(&self.length.to_be_bytes());
        saved.extend_from_slice(&self.tail[..self.tail_len()]);
        saved
    }

    /// Reads what `to_bytes` wrote; `None` when the layout is another or the tail does not fit the length.
    #[must_use]
    pub fn from_bytes(saved: &[u8]) -> Option<Self> {
        let (head, rest) = saved.split_at_checked(SAVED_HEAD_BYTES)?;
        if head[0] != SAVED_VERSION {
            return None;
        }
        let chaining: [u8; 32] = head[1..33].try_into().ok()?;
        let length = u64::from_be_bytes(head[33..].try_into().ok()?);
        if rest.len() as u64 != length % BLOCK_BYTES as u64 {
            return None;
        }
        let mut state = Self { chaining: bytes_to_words(&chaining), length, tail: [0; BLOCK_BYTES] };
        state.tail[..rest.len()].copy_from_slice(rest);
        Some(state)
    }

    /// The mid-state at a block border: `Some` when the length is a multiple of 64.
    #[must_use]
    pub fn chaining_value(&self) -> Option<[u8; 32]> {
        (self.tail_len() == 0).then(|| words_to_bytes(&self.chaining))
    }

    /// Goes on from a mid-state after `length` bytes.
    ///
    /// # Panics
    /// When `length` is not a multiple of 64, because a mid-state exists only at block borders.
    #[must_use]
    pub fn resume(chaining: [u8; 32], length: u64) -> Self {
        assert!(length.is_multiple_of(BLOCK_BYTES as u64), "a mid-state stands at a block border");
        Self { chaining: bytes_to_words(&chaining), length, tail: [0; BLOCK_BYTES] }
    }

    fn tail_len(&self) -> usize {
        (self.length % BLOCK_BYTES as u64) as usize
    }
}

fn words_to_bytes(words: &[u32; 8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *chunk = word.to_be_bytes();
    }
    bytes
}

fn bytes_to_words(bytes: &[u8; 32]) -> [u32; 8] {
    let mut words = [0; 8];
    for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*chunk);
    }
    words
}
