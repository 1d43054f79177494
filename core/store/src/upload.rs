//! Uploads: their names, their state as others see it, and their writer.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use bytes::Bytes;
use dockless_oci::digest::Algorithm;
use dockless_oci::name::RepositoryName;
use dockless_runtime::Entropy;
use dockless_runtime::entropy::hex_id;

use crate::error::StoreError;

/// Random bytes in an [`UploadId`]: nobody guesses another's upload.
const ID_BYTES: usize = 16;

/// The name of an upload: 32 lower-case hex digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(Box<str>);

/// The text is no [`UploadId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an upload id is 32 lower-case hex digits")]
pub struct UploadIdError;

impl UploadId {
    /// A name that nobody has used or can guess.
    #[must_use]
    pub fn random(entropy: &dyn Entropy) -> Self {
        Self(hex_id(entropy, ID_BYTES).into())
    }

    /// The 32 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UploadId {
    type Err = UploadIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits =
            text.len() == ID_BYTES * 2 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if digits { Ok(Self(text.into())) } else { Err(UploadIdError) }
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known when an upload begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUpload {
    /// Where it goes.
    pub repository: RepositoryName,
    /// Who began it; at most 1,024 bytes ([`BlobStore::begin`](crate::BlobStore::begin) refuses more).
    pub subject: String,
    /// The algorithm of the digest to come, where the client said so: it is then computed on the way. SHA-256 always
    /// is.
    pub hint: Option<Algorithm>,
}

/// The longest name of who began an upload, in bytes: four times what a user name may have.
pub(crate) const SUBJECT_BYTES_MAX: usize = 1024;

impl NewUpload {
    /// The state of this upload at its beginning.
    pub(crate) fn status(self, id: UploadId, now_ms: u64) -> Result<UploadStatus, StoreError> {
        let Self { repository, subject, hint } = self;
        if subject.len() > SUBJECT_BYTES_MAX {
            return Err(StoreError::Io(format!(
                "the name of who uploads is longer than {SUBJECT_BYTES_MAX} bytes"
            )));
        }
        Ok(UploadStatus { id, repository, subject, offset: 0, begun_ms: now_ms, touched_ms: now_ms, hint })
    }
}

/// Where an upload stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadStatus {
    /// Its name.
    pub id: UploadId,
    /// Where it goes.
    pub repository: RepositoryName,
    /// Who began it.
    pub subject: String,
    /// Bytes held, which is where the next append begins.
    pub offset: u64,
    /// When it began, in milliseconds since 1970.
    pub begun_ms: u64,
    /// When it last took bytes, in milliseconds since 1970.
    pub touched_ms: u64,
    /// As in [`NewUpload::hint`].
    pub hint: Option<Algorithm>,
}

/// Takes the bytes of one request into an upload.
///
/// Dropped without [`UploadWriter::close`] it keeps what was written, so that a client that vanished can resume.
#[async_trait]
pub trait UploadWriter: Send {
    /// Takes bytes. They are held in memory, a bounded number of them, until they are worth a write; waits while
    /// that many are being written.
    ///
    /// # Errors
    /// [`StoreError::Fenced`], [`StoreError::TooLarge`] (nothing of `bytes` is taken), [`StoreError::DiskFull`],
    /// [`StoreError::Io`]. After any of them but `TooLarge` the writer takes nothing more.
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError>;

    /// Writes what is left; the bytes the upload now holds, which survive the end of this process (not a power cut:
    /// the upload may then stand lower).
    ///
    /// # Errors
    /// As [`UploadWriter::write`].
    async fn close(self: Box<Self>) -> Result<u64, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_32_lower_case_hex_digits_are_an_id() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(id.parse::<UploadId>().unwrap().as_str(), id);
        for bad in [
            "",
            "..",
            "0123456789ABCDEF0123456789abcdef",
            &id[1..],
            &format!("{id}0"),
            "../4567890123456789012345678901/",
        ] {
            assert!(bad.parse::<UploadId>().is_err(), "{bad}");
        }
    }
}
