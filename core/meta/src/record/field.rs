//! The parts of a record: integers, byte strings, names, digests. Reading never panics and allocates no more than
//! what it has read.

use std::collections::BTreeMap;

use dockless_oci::digest::{Algorithm, Digest};
use dockless_oci::name::{RepositoryName, Tag};

/// Bytes of the longest variable integer: 64 bits, seven to a byte.
const VARINT_BYTES_MAX: usize = 10;

/// Why bytes are no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// They end too early.
    #[error("the record is cut short")]
    Truncated,
    /// A later release wrote them.
    #[error("the record has version {0}, which this release does not know")]
    Version(u8),
    /// A part is not what it must be.
    #[error("the record has a bad {0}")]
    Invalid(&'static str),
}

/// Appends fields.
#[derive(Debug, Default)]
pub(crate) struct FieldWriter(Vec<u8>);

impl FieldWriter {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn flag(&mut self, value: bool) {
        self.byte(u8::from(value));
    }

    /// Little end first, seven bits to a byte, the top bit set on all but the last; the shortest form only.
    pub(crate) fn integer(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push((value & 0x7f) as u8);
    }

    pub(crate) fn count(&mut self, value: usize) {
        self.integer(value as u64);
    }

    /// Without their length: for the end of a record, or where both sides know it.
    pub(crate) fn raw(&mut self, value: &[u8]) {
        self.0.extend_from_slice(value);
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.count(value.len());
        self.raw(value);
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    /// One byte for the algorithm, then the digest itself. The order of these bytes is the order of [`Digest`].
    pub(crate) fn digest(&mut self, digest: &Digest) {
        self.byte(algorithm_code(digest.algorithm()));
        self.0.extend(digest.bytes());
    }

    pub(crate) fn optional<T: ?Sized>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(crate) fn map(&mut self, map: &BTreeMap<String, String>) {
        self.count(map.len());
        for (key, value) in map {
            self.text(key);
            self.text(value);
        }
    }
}

const fn algorithm_code(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::Blake3 => 1,
        Algorithm::Sha256 => 2,
        Algorithm::Sha512 => 3,
    }
}

/// Takes fields off the front.
#[derive(Debug)]
pub(crate) struct FieldReader<'a>(&'a [u8]);

impl<'a> FieldReader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether everything was read.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The end of a record.
    pub(crate) fn end(&self) -> Result<(), RecordError> {
        if self.is_empty() { Ok(()) } else { Err(RecordError::Invalid("end")) }
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn raw(&mut self, length: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(RecordError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, RecordError> {
        Ok(self.raw(1)?[0])
    }

    pub(crate) fn flag(&mut self) -> Result<bool, RecordError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RecordError::Invalid("flag")),
        }
    }

    pub(crate) fn integer(&mut self) -> Result<u64, RecordError> {
        let mut value = 0_u64;
        for place in 0..VARINT_BYTES_MAX {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << (place * 7) >> (place * 7) != bits || (byte == 0 && place > 0) {
                break;
            }
            value |= bits << (place * 7);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(RecordError::Invalid("integer"))
    }

    /// The number of things that follow, each at least one byte long.
    pub(crate) fn count(&mut self) -> Result<usize, RecordError> {
        let count = usize::try_from(self.integer()?).map_err(|_| RecordError::Truncated)?;
        if count > self.0.len() { Err(RecordError::Truncated) } else { Ok(count) }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], RecordError> {
        let length = self.count()?;
        self.raw(length)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, RecordError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| RecordError::Invalid("text"))
    }

    pub(crate) fn repository(&mut self) -> Result<RepositoryName, RecordError> {
        RepositoryName::parse(self.text()?).map_err(|_| RecordError::Invalid("repository"))
    }

    pub(crate) fn tag(&mut self) -> Result<Tag, RecordError> {
        Tag::parse(self.text()?).map_err(|_| RecordError::Invalid("tag"))
    }

    pub(crate) fn digest(&mut self) -> Result<Digest, RecordError> {
        let algorithm = match self.byte()? {
            1 => Algorithm::Blake3,
            2 => Algorithm::Sha256,
            3 => Algorithm::Sha512,
            _ => return Err(RecordError::Invalid("digest algorithm")),
        };
        let raw = self.raw(algorithm.hex_len() / 2)?;
        Digest::from_bytes(algorithm, raw).ok_or(RecordError::Invalid("digest"))
    }

    pub(crate) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Option<T>, RecordError> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    pub(crate) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, RecordError> {
        // Not reserved: the count is foreign, and its items may be larger in memory than here.
        let count = self.count()?;
        (0..count).map(|_| read(self)).collect()
    }

    pub(crate) fn map(&mut self) -> Result<BTreeMap<String, String>, RecordError> {
        let pairs = self.list(|reader| Ok((reader.text()?.to_owned(), reader.text()?.to_owned())))?;
        Ok(pairs.into_iter().collect())
    }
}
