//! What lies in the store, and taking it out again: for stores that are a cache.

use std::io::{self, ErrorKind};

use dockless_oci::digest::{Algorithm, Digest};
use dockless_runtime::Stat;

use super::FilesystemStore;
use super::ground::Ground;
use crate::error::StoreError;

impl FilesystemStore {
    /// Every blob with its file, in no order. Reads directories, no file.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub async fn blobs(&self) -> Result<Vec<(Digest, Stat)>, StoreError> {
        let ground = self.ground.clone();
        Ok(self.ground.runtime.blocking("list blobs", move || list(&ground)).await??)
    }

    /// Takes a blob out; one that is not there is fine. Who reads it already reads it to its end. Not durable: after
    /// a power cut it may be back, whole.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub async fn remove(&self, digest: &Digest) -> Result<(), StoreError> {
        let alone = self.shelf.lock(digest).await;
        let (shelf, digest) = (self.shelf.clone(), digest.clone());
        let job = move || {
            let _alone = alone;
            shelf.remove(&digest)
        };
        Ok(self.ground.runtime.blocking("remove a blob", job).await??)
    }
}

fn list(ground: &Ground) -> io::Result<Vec<(Digest, Stat)>> {
    let (disk, mut found) = (ground.disk(), Vec::new());
    for algorithm in Algorithm::ALL {
        let shards = match disk.list(&ground.layout.blobs_of(algorithm)) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            shards => shards?,
        };
        for shard in shards {
            let shard = ground.layout.blobs_of(algorithm).join(shard.name);
            for entry in disk.list(&shard)? {
                let digest = entry.name.to_str().map(|hex| Digest::parse(&format!("{algorithm}:{hex}")));
                // Nobody but an operator puts other names here.
                let Some(Ok(digest)) = digest else { continue };
                found.push((digest, disk.stat(&shard.join(entry.name))?));
            }
        }
    }
    Ok(found)
}
