//! Uploads after a restart: what of their data is good.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use dockless_runtime::disk::{remove_tree, write_all_at};
use dockless_runtime::{DiskFile, OpenMode};

use super::ground::Ground;
use super::marks::Marks;
use super::reading::each_chunk;
use super::standing::Standing;
use super::state_file::{self, Record, SLOTS};
use super::work::{Work, remove_files};
use crate::error::StoreError;
use crate::progress::Progress;
use crate::upload::{UploadId, UploadStatus};

/// What the newest record of an upload says, and all records.
type Found = (UploadStatus, [Option<Record>; SLOTS]);

/// All uploads that the disk knows, their data not looked at; what is no upload any more is removed.
pub(crate) fn find(ground: &Ground) -> Result<Vec<Found>, StoreError> {
    let disk = ground.disk();
    let mut found = Vec::new();
    for entry in disk.list(&ground.layout.uploads())? {
        let Some(id) = entry.name.to_str().and_then(|name| name.parse::<UploadId>().ok()) else {
            tracing::warn!(name = ?entry.name, "left alone: not the name of an upload");
            continue;
        };
        let slots = read_slots(ground, &id)?;
        match newest(&slots) {
            Some((_, record)) => found.push((record.status.clone(), slots)),
            None => remove_tree(disk, &ground.layout.upload(&id))?,
        }
    }
    Ok(found)
}

fn read_slots(ground: &Ground, id: &UploadId) -> Result<[Option<Record>; SLOTS], StoreError> {
    let file = match ground.disk().open(&ground.layout.state(id), OpenMode::Read) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok([None, None]);
        }
        opened => opened?,
    };
    Ok(state_file::read_slots(&*file)?.map(|record| record.filter(|record| record.status.id == *id)))
}

fn newest(slots: &[Option<Record>; SLOTS]) -> Option<(usize, &Record)> {
    records(slots).max_by_key(|(_, record)| record.sequence)
}

fn records(slots: &[Option<Record>; SLOTS]) -> impl Iterator<Item = (usize, &Record)> {
    slots.iter().enumerate().filter_map(|(slot, record)| Some((slot, record.as_ref()?)))
}

/// Finds how far the data is good, and cuts it there. `None` when nothing is left of the upload.
///
/// Up to the last durable record nothing is read. What a later record speaks of, at most 64 MiB, is hashed: the end
/// of a process leaves it as it was, a power cut does not.
pub(crate) fn restore(
    ground: &Ground,
    standing: &Standing,
    slots: &[Option<Record>; SLOTS],
) -> Result<Option<Work>, StoreError> {
    let Some((last_slot, head)) = newest(slots) else { return Ok(None) };
    let data = match ground.disk().open(&ground.layout.data(&head.status.id), OpenMode::ReadWrite) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        opened => Some(opened?),
    };
    let Some(data) = data else {
        if head.status.offset == 0 {
            return Ok(Some(fresh(last_slot, head)));
        }
        // Published, or lost in a power cut.
        remove_files(ground, standing)?;
        return Ok(None);
    };
    let size = data.stat()?.size;
    if was_published(ground, slots, &*data)? {
        remove_files(ground, standing)?;
        return Ok(None);
    }
    let durable = records(slots).filter(|(_, record)| record.durable && record.status.offset <= size);
    match durable.max_by_key(|(_, record)| record.sequence) {
        Some(base) => in_place(ground, base, (last_slot, head), &data).map(Some),
        None => copied(ground, (last_slot, head), &*data).map(Some),
    }
}

/// True when the data is a blob's file under another name: the rename happened, and only its first half was lost.
fn was_published(ground: &Ground, slots: &[Option<Record>; SLOTS], data: &dyn DiskFile) -> io::Result<bool> {
    for (_, record) in records(slots) {
        let Some(digest) = &record.sealed else { continue };
        match ground.disk().stat(&ground.layout.blob(digest)) {
            Ok(blob) if blob.inode == data.stat()?.inode => return Ok(true),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(false)
}

/// Goes on from the durable record `base`, or from `head` where the data up to it is what it says.
fn in_place(
    ground: &Ground,
    (base_slot, base): (usize, &Record),
    (head_slot, head): (usize, &Record),
    data: &Arc<dyn DiskFile>,
) -> Result<Work, StoreError> {
    let state = ground.disk().open(&ground.layout.state(&base.status.id), OpenMode::Read)?;
    let (chain, borders_crc) = state_file::read_borders(&*state, base).unzip();
    let known = Progress::resume(base.sha256.clone(), chain);
    let (mut progress, mut fresh) = (known.clone(), Vec::new());
    let size = data.stat()?.size;
    if (base.status.offset..=size).contains(&head.status.offset) {
        each_chunk(&**data, base.status.offset, head.status.offset, |bytes| {
            progress.update(bytes, |state| fresh.push(state));
            Ok(())
        })?;
    }
    if *progress.sha256() != head.sha256 {
        (progress, fresh) = (known, Vec::new());
    }
    if size > progress.length() {
        data.set_len(progress.length())?;
    }
    let marks = Marks {
        sequence: head.sequence,
        last_slot: head_slot,
        synced_slot: Some(base_slot),
        synced_offset: base.status.offset,
        recorded_offset: progress.length(),
        borders: base.borders(),
        // Of lost mid-states the checksum is lost too, and a wrong one says so to the next who reads them.
        borders_crc: borders_crc.unwrap_or_default(),
    };
    Ok(Work::new(progress, marks, fresh))
}

/// Copies the data of an upload that was never synced, less than 64 MiB, into a file of its own.
///
/// Not in place: nothing tells here whether the data was published and still has its old name after a power cut,
/// and then the next byte written would damage a blob.
fn copied(ground: &Ground, (slot, head): (usize, &Record), data: &dyn DiskFile) -> Result<Work, StoreError> {
    let disk = ground.disk();
    let (path, copy_path) = (ground.layout.data(&head.status.id), ground.layout.data_copy(&head.status.id));
    remove_tree(disk, &copy_path)?;
    let (mut progress, mut fresh_states) = (Progress::new(head.status.hint), Vec::new());
    if head.status.offset > 0 && head.status.offset <= data.stat()?.size {
        let copy = disk.open(&copy_path, OpenMode::CreateNewPrivate)?;
        each_chunk(data, 0, head.status.offset, |bytes| {
            write_all_at(&*copy, bytes, progress.length())?;
            progress.update(bytes, |state| fresh_states.push(state));
            Ok(())
        })?;
        if *progress.sha256() == head.sha256 {
            disk.rename(&copy_path, &path)?;
            let recorded_offset = progress.length();
            let marks = Marks { sequence: head.sequence, last_slot: slot, recorded_offset, ..Marks::new() };
            return Ok(Work::new(progress, marks, fresh_states));
        }
        remove_tree(disk, &copy_path)?;
    }
    disk.remove(&path)?;
    Ok(fresh(slot, head))
}

/// An upload of which only its beginning is left.
fn fresh(slot: usize, head: &Record) -> Work {
    let marks = Marks { sequence: head.sequence, last_slot: slot, ..Marks::new() };
    Work::new(Progress::new(head.status.hint), marks, Vec::new())
}
