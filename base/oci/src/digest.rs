//! Digests: `algorithm:hex`, the name of content by its bytes (image-spec, descriptor.md, "Digests").

pub mod hasher;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::hex;

pub use hasher::{Hasher, Sha256State};

/// The algorithms that we compute. Each encodes as lower-case hexadecimal of a fixed length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Algorithm {
    /// SHA-256, which everyone has.
    Sha256,
    /// SHA-512.
    Sha512,
    /// BLAKE3 with its default 256-bit output (registered on the image-spec's main branch).
    Blake3,
}

impl Algorithm {
    /// All algorithms, in the order of their introduction.
    pub const ALL: [Algorithm; 3] = [Algorithm::Sha256, Algorithm::Sha512, Algorithm::Blake3];

    /// The registered name, as it stands before the colon of a digest.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
            Algorithm::Blake3 => "blake3",
        }
    }

    /// The number of hexadecimal characters behind the colon.
    #[must_use]
    pub fn hex_len(self) -> usize {
        match self {
            Algorithm::Sha256 | Algorithm::Blake3 => 64,
            Algorithm::Sha512 => 128,
        }
    }

    /// Reads the registered name. An unknown name is `UnsupportedAlgorithm` when the grammar allows it as one.
    ///
    /// # Errors
    /// `InvalidSyntax` when no algorithm could have this name, `UnsupportedAlgorithm` when we do not compute it.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        match Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text) {
            Some(algorithm) => Ok(algorithm),
            None if is_algorithm_name(text) => Err(DigestError::UnsupportedAlgorithm(text.to_owned())),
            None => Err(DigestError::InvalidSyntax),
        }
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl std::str::FromStr for Algorithm {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The longest algorithm name that an error message repeats; the longest registered one has six characters.
const ALGORITHM_NAME_BYTES_MAX: usize = 32;

/// `component (sep component)*` with `component = [a-z0-9]+` and `sep = [+._-]`.
fn is_algorithm_name(text: &str) -> bool {
    text.len() <= ALGORITHM_NAME_BYTES_MAX
        && text.split(['+', '.', '_', '-']).all(|component| {
            !component.is_empty()
                && component.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

/// Why a text is no digest that we can use.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DigestError {
    /// Not `algorithm:encoded`, or the encoded part is not lower-case hexadecimal of the algorithm's length.
    #[error("not a digest: expected algorithm:hex, such as sha256 and 64 lower-case hexadecimal digits")]
    InvalidSyntax,
    /// Well formed, but of an algorithm that we do not compute.
    #[error("unsupported digest algorithm {0}: supported are sha256, sha512 and blake3")]
    UnsupportedAlgorithm(String),
}

/// The digest of some content. Equal texts are equal digests; the order is the byte order of the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    text: Arc<str>,
    algorithm: Algorithm,
}

impl Digest {
    /// Reads `algorithm:hex` strictly: a known algorithm, lower-case hexadecimal, the exact length.
    ///
    /// # Errors
    /// `DigestError` says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let (name, encoded) = text.split_once(':').ok_or(DigestError::InvalidSyntax)?;
        let algorithm = Algorithm::parse(name)?;
        let is_hex = encoded.bytes().all(|digit| hex::value(digit).is_some());
        if encoded.len() != algorithm.hex_len() || !is_hex {
            return Err(DigestError::InvalidSyntax);
        }
        Ok(Self { text: text.into(), algorithm })
    }

    /// The digest of `bytes` by `algorithm`.
    #[must_use]
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The SHA-256 digest of `bytes`.
    #[must_use]
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::of(Algorithm::Sha256, bytes)
    }

    /// The algorithm before the colon.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hexadecimal part behind the colon.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.text[self.algorithm.as_str().len() + 1..]
    }

    /// The whole text, `algorithm:hex`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The digest of these raw bytes; `None` when `algorithm` has another length.
    #[must_use]
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        (bytes.len() * 2 == algorithm.hex_len()).then(|| Self::from_output(algorithm, bytes))
    }

    /// The raw bytes that the hexadecimal part stands for.
    pub fn bytes(&self) -> impl Iterator<Item = u8> {
        let (pairs, _) = self.hex().as_bytes().as_chunks::<2>();
        pairs.iter().map(|pair| hex::byte(*pair).expect("a digest holds lower-case hexadecimal only"))
    }

    /// Builds a digest from the raw output of `algorithm`.
    fn from_output(algorithm: Algorithm, output: &[u8]) -> Self {
        debug_assert_eq!(output.len() * 2, algorithm.hex_len(), "output of the wrong length");
        let mut text = String::with_capacity(algorithm.as_str().len() + 1 + algorithm.hex_len());
        text.push_str(algorithm.as_str());
        text.push(':');
        hex::push(&mut text, output);
        Self { text: text.into(), algorithm }
    }
}

crate::text::text_type!(Digest, DigestError);
