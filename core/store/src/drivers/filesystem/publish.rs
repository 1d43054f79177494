//! The moment an upload becomes a blob.

use dockless_oci::digest::Digest;

use super::ground::Ground;
use super::prepare::Shards;
use super::session::{Session, Stage};
use super::shelf::Shelf;
use super::work::remove_files;
use crate::error::StoreError;

/// Gives the sealed data its name and makes that durable. The caller holds the lock of the digest. Blocks.
pub(crate) fn publish(
    shelf: &Shelf,
    shards: &Shards,
    session: &Session,
    stage: &mut Stage,
    digest: &Digest,
) -> Result<(), StoreError> {
    let ground = shelf.ground();
    let work = session.work(ground, stage)?;
    if !work.is_sealed_as(digest) {
        return Err(StoreError::NotSealed);
    }
    let list = work.chain(digest);
    shards.ensure(ground, digest)?;
    // A blob that is known to be genuine stays: its readers need not notice, and the new file has nothing to add.
    let replaces = !shelf.has_genuine(digest)?;
    if replaces {
        ground.disk().rename(&ground.layout.data(session.standing.id()), &ground.layout.blob(digest))?;
    }
    // From here on the upload is a blob, whatever happens.
    *stage = Stage::Gone;
    // The file that stays may owe its name to a process that was killed before this line.
    let synced = ground.disk().sync_dir(&ground.layout.shard(digest));
    if replaces {
        shelf.published(digest, list)?;
    }
    leave(ground, session);
    Ok(synced?)
}

fn leave(ground: &Ground, session: &Session) {
    if let Err(error) = remove_files(ground, &session.standing) {
        tracing::warn!(upload = %session.standing.id(), %error, "files of a finished upload are left for the next start");
    }
}
