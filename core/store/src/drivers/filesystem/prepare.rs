//! The directories of a store, and that they are durable before anything in them is.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use dockless_oci::digest::{Algorithm, Digest};
use dockless_runtime::disk::create_dir_durable;

use super::ground::Ground;
use crate::error::StoreError;

/// The directories of blobs that are known to be durable; at most 256 for each algorithm.
pub(crate) struct Shards(Mutex<HashSet<PathBuf>>);

/// Makes what is missing. All directories for sha256 are made now, so that no push pays for one.
///
/// Blocks.
pub(crate) fn prepare(ground: &Ground) -> Result<Shards, StoreError> {
    let (disk, layout) = (ground.disk(), &ground.layout);
    for directory in [layout.blobs(), layout.uploads(), layout.quarantine()] {
        create_dir_durable(disk, &directory)?;
    }
    let sha256 = layout.blobs_of(Algorithm::Sha256);
    create_dir_durable(disk, &sha256)?;
    let present: HashSet<_> = disk.list(&sha256)?.into_iter().map(|entry| entry.name).collect();
    let mut shards = HashSet::new();
    for first in 0..=u8::MAX {
        let name = format!("{first:02x}");
        let path = sha256.join(&name);
        if !present.contains(std::ffi::OsStr::new(&name)) {
            disk.create_dir_all(&path)?;
        }
        shards.insert(path);
    }
    // Those that were there may stand since a start that was cut before this line.
    disk.sync_dir(&sha256)?;
    Ok(Shards(Mutex::new(shards)))
}

impl Shards {
    /// Makes the directory for the blob of `digest` where it is missing. Blocks.
    pub(crate) fn ensure(&self, ground: &Ground, digest: &Digest) -> Result<(), StoreError> {
        let shard = ground.layout.shard(digest);
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&shard) {
            return Ok(());
        }
        create_dir_durable(ground.disk(), &ground.layout.blobs_of(digest.algorithm()))?;
        create_dir_durable(ground.disk(), &shard)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(shard);
        Ok(())
    }
}
