//! What every [`BlobStore`] does: the cases that each driver runs.
//!
//! A driver makes a store with [`settings`] for each of [`cases`] and runs it. A case fails by panicking.

mod reads;
mod uploads;

use std::sync::Arc;

use bytes::Bytes;
use dockless_oci::digest::{Algorithm, Digest};
use dockless_oci::name::RepositoryName;
use dockless_runtime::BoxFuture;

use crate::blob::Blob;
use crate::blob_store::BlobStore;
use crate::error::StoreError;
use crate::settings::Settings;
use crate::upload::{NewUpload, UploadId};

/// One case.
pub struct Case {
    /// What it shows, as a sentence.
    pub name: &'static str,
    /// Runs it on a store that nothing was done with.
    pub run: fn(Store) -> BoxFuture<'static, ()>,
}

/// The store that a case gets.
pub type Store = Arc<dyn BlobStore>;

/// The limits that the cases are written for.
#[must_use]
pub fn settings() -> Settings {
    Settings { upload_bytes_max: 8 << 20, uploads_max: 32, free_bytes_min: 0 }
}

/// All cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = uploads::cases();
    cases.extend(reads::cases());
    cases
}

/// Bytes that compress badly and never repeat at a piece border; the same for the same `seed`.
#[must_use]
pub fn content(seed: u64, size: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes.into()
}

/// An upload by somebody into some repository.
#[must_use]
pub fn new_upload(hint: Option<Algorithm>) -> NewUpload {
    let repository = RepositoryName::parse("some/where").expect("a name by the grammar");
    NewUpload { repository, subject: "somebody".into(), hint }
}

/// Appends `bytes` in writes of `chunk` bytes where the upload stands, and closes.
///
/// # Errors
/// What the store says.
pub async fn append(
    store: &dyn BlobStore,
    id: &UploadId,
    bytes: &Bytes,
    chunk: usize,
) -> Result<u64, StoreError> {
    let mut writer = store.append(id, None).await?;
    let mut at = 0;
    while at < bytes.len() {
        let to = (at + chunk).min(bytes.len());
        writer.write(bytes.slice(at..to)).await?;
        at = to;
    }
    writer.close().await
}

/// Pushes a blob in one request.
///
/// # Errors
/// What the store says.
pub async fn push(store: &dyn BlobStore, bytes: &Bytes, digest: &Digest) -> Result<(), StoreError> {
    let id = store.begin(new_upload(None)).await?;
    append(store, &id, bytes, 64 * 1024).await?;
    let size = store.seal(&id, digest).await?;
    assert_eq!(size, bytes.len() as u64, "the size of a sealed upload");
    store.publish(&id, digest).await
}

/// Reads a stretch of a blob as the API does: what is in memory at once, the rest by the slower way.
///
/// # Errors
/// What the store says.
pub async fn read(blob: &Blob, mut offset: u64, end: u64, max: usize) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    while offset < end {
        let wanted = usize::try_from(end - offset).unwrap_or(usize::MAX).min(max);
        let part = match blob.try_read(offset, wanted) {
            Some(part) => part?,
            None => blob.read(offset, wanted).await?,
        };
        assert!(!part.is_empty() && part.len() <= wanted, "{} of {wanted} bytes at {offset}", part.len());
        offset += part.len() as u64;
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

/// Asserts that the store serves `bytes` under `digest`.
pub async fn check_blob(store: &dyn BlobStore, digest: &Digest, bytes: &Bytes) {
    let blob = store.open(digest).await.expect("a blob can be opened").expect("the blob is there");
    assert_eq!(blob.size, bytes.len() as u64, "the size of the blob");
    let read = read(&blob, 0, blob.size, crate::READ_BYTES_FIRST).await.expect("the blob can be read");
    assert!(read == *bytes, "what is read is what was pushed");
}
