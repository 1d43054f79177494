//! Randomness: the seam [`Entropy`], and identifiers made of it.

pub mod real;

/// The only way to random bytes.
pub trait Entropy: Send + Sync {
    /// Fills `buffer` with bytes that nobody can guess.
    fn fill(&self, buffer: &mut [u8]);
}

/// An identifier of `bytes` random bytes in lower-case hex.
#[must_use]
pub fn hex_id(entropy: &dyn Entropy, bytes: usize) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut random = vec![0; bytes];
    entropy.fill(&mut random);
    let mut id = String::with_capacity(bytes * 2);
    for byte in random {
        id.push(char::from(DIGITS[usize::from(byte >> 4)]));
        id.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    id
}
