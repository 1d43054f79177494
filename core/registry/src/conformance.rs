//! What every [`Source`] does: the cases that each of them runs, and sources to test others with.
//!
//! A source is made to offer something, and a [`Subject`] of it is given to each of [`cases`]. A case fails by
//! panicking. [`MemorySource`] is a source that does all of it; [`PrivateSource`] one that answers only some;
//! [`LyingSource`] does none of it: behind a registry with an honest one beside it, the cases hold all the same.

mod cases;
mod lying;
mod memory;
mod offer;
mod private;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use dockless_oci::Digest;
use dockless_runtime::BoxFuture;
use futures_util::StreamExt as _;

use crate::source::{Asked, Principal, Source, SourceBlob, SourceError};

pub use self::cases::cases;
pub use self::lying::{Lie, LyingSource};
pub use self::memory::{Bring, MemorySource};
pub use self::offer::Offer;
pub use self::private::PrivateSource;

/// One case.
pub struct Case {
    /// What it shows, as a sentence whose subject is the source.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(Subject) -> BoxFuture<'static, ()>,
}

/// A source that is to be looked at.
#[derive(Clone)]
pub struct Subject {
    /// The source.
    pub source: Arc<dyn Source>,
    /// All that it offers, two repositories at least.
    pub offers: Vec<Offer>,
    /// Somebody whom it answers.
    pub principal: Principal,
    /// Somebody whom it does not answer, if there is anybody.
    pub stranger: Option<Principal>,
}

/// The bytes of a blob, read as the registry does it and not verified; `None` when the source does not have it.
///
/// # Errors
/// What the source says, or [`SourceError::Unavailable`] for a blob in place that cannot be read.
pub async fn read_blob(
    source: &dyn Source,
    asked: &Asked,
    digest: &Digest,
) -> Result<Option<Bytes>, SourceError> {
    let mut all = BytesMut::new();
    match source.blob(asked, digest).await? {
        None => return Ok(None),
        Some(SourceBlob::InPlace(blob)) => {
            while (all.len() as u64) < blob.size {
                let part = blob.read(all.len() as u64, usize::MAX).await;
                let part = part.map_err(|error| SourceError::Unavailable(error.to_string()))?;
                assert!(!part.is_empty(), "a read before the end gives something");
                all.extend_from_slice(&part);
            }
        }
        Some(SourceBlob::Foreign { size, mut bytes }) => {
            while let Some(part) = bytes.next().await {
                all.extend_from_slice(&part?);
            }
            assert!(size.is_none_or(|size| size == all.len() as u64), "the stated size is true");
        }
    }
    Ok(Some(all.freeze()))
}
