//! An upload of more than 64 MiB: what a power cut may take of it, and what the rest is worth.

use std::sync::Arc;

use bytes::Bytes;
use dockless_oci::Digest;
use dockless_registry::{Caller, Error, UploadId};
use dockless_runtime::simulation::{Operation, OperationKind, SimDisk};

use super::machine::Machine;
use super::scenario::repository;

const MIB: usize = 1 << 20;
/// The most that a power cut may take of an upload.
const LOST_MAX: usize = 64 * MIB;
/// A little more than that, and than the two writes that may be on their way.
const LENGTH: usize = 67 * MIB;

fn bytes() -> Bytes {
    // A period that no power of two divides, so that no block can stand for another.
    let period: Vec<u8> = (0..65_537_u32).map(|at| (at.wrapping_mul(at) >> 7).to_le_bytes()[0]).collect();
    period.into_iter().cycle().take(LENGTH).collect()
}

/// Pushes the bytes in requests of a MiB until the power is cut; how many were acknowledged.
async fn push(machine: &Machine, bytes: &Bytes) -> usize {
    let (registry, caller, to) = (&machine.registry, Caller::anonymous(), repository("a"));
    let mut acknowledged = 0;
    let done: Result<(), Error> = async {
        let id = registry.begin_upload(&caller, &to, None).await?.id;
        for chunk in bytes.chunks(MIB) {
            let mut writer = registry.append(&caller, &to, &id, None).await?;
            writer.write(bytes.slice_ref(chunk)).await?;
            writer.close().await?;
            acknowledged += chunk.len();
        }
        Ok(())
    }
    .await;
    drop(done);
    acknowledged
}

/// The upload stands at most so much lower than it was acknowledged, and the rest makes it whole.
async fn check(machine: &Machine, bytes: &Bytes, acknowledged: usize) -> Result<(), String> {
    let (registry, caller, to) = (&machine.registry, Caller::anonymous(), repository("a"));
    let held = match find(machine).await {
        Some(id) => match registry.append(&caller, &to, &id, Some(u64::MAX)).await {
            Err(Error::RangeInvalid { status }) => Some((id, usize::try_from(status.offset).unwrap())),
            Err(Error::BlobUploadUnknown) => None,
            Err(error) => return Err(error.to_string()),
            Ok(_) => return Err("an upload stands where nobody brought it".to_owned()),
        },
        None => None,
    };
    let offset = held.as_ref().map_or(0, |held| held.1);
    if offset + LOST_MAX < acknowledged {
        return Err(format!("{offset} bytes are left of {acknowledged}"));
    }
    let Some((id, offset)) = held else { return Ok(()) };
    let finished: Result<u64, Error> = async {
        let mut writer = registry.append(&caller, &to, &id, Some(offset as u64)).await?;
        writer.write(bytes.slice(offset..)).await?;
        writer.close().await?;
        registry.finish(&caller, &to, &id, &Digest::sha256(bytes)).await
    }
    .await;
    finished.map(drop).map_err(|error| format!("from {offset} on it cannot be finished: {error}"))
}

async fn find(machine: &Machine) -> Option<UploadId> {
    use dockless_store::BlobStore as _;
    machine.store.uploads().await.unwrap().into_iter().next().map(|upload| upload.id)
}

fn new_directory() -> Arc<SimDisk> {
    let machine = Machine::start(&SimDisk::new(), 1).unwrap();
    machine.block_on(machine.registry.stop()).unwrap();
    machine.crashed(0)
}

/// Cuts the power at every operation from the first sync of the data on; the first broken promise.
fn sweep(mutate: &dyn Fn(&SimDisk)) -> Result<(), String> {
    let (prepared, bytes) = (new_directory(), bytes());
    let log = {
        let machine = Machine::start(&prepared.fork(), 2).unwrap();
        machine.block_on(push(&machine, &bytes));
        machine.disk.operation_log()
    };
    let is_first = |operation: &Operation| operation.kind == OperationKind::SyncData && is_data(operation);
    let first = log.iter().position(is_first).expect("so much is synced") as u64;
    for cut in (first..=log.len() as u64).rev() {
        let disk = prepared.fork();
        mutate(&disk);
        disk.fail_from(cut);
        let machine = Machine::start(&disk, 2)?;
        let acknowledged = machine.block_on(push(&machine, &bytes));
        for seed in [0, 2, 3] {
            let crashed = machine.crashed(seed);
            let restarted = Machine::start(&crashed, 3)?;
            let checked = restarted.block_on(check(&restarted, &bytes, acknowledged));
            checked.map_err(|error| format!("cut at operation {cut}, crash seed {seed}: {error}"))?;
        }
    }
    Ok(())
}

fn is_data(operation: &Operation) -> bool {
    operation.path.to_string_lossy().ends_with("/data")
}

#[test]
fn a_power_cut_takes_at_most_64_mib_of_an_upload() {
    sweep(&|_| ()).unwrap();
}

#[track_caller]
fn needs_sync(ignored: fn(&str) -> bool) {
    let mutate =
        move |disk: &SimDisk| disk.ignore_syncs_matching(move |path| ignored(&path.to_string_lossy()));
    sweep(&mutate).unwrap_err();
}

#[test]
fn needs_the_sync_of_the_data() {
    needs_sync(|path| path.ends_with("/data"));
}

#[test]
fn needs_the_sync_of_the_state() {
    needs_sync(|path| path.ends_with("/state"));
}

#[test]
fn needs_the_sync_of_the_entries_of_the_upload() {
    needs_sync(|path| {
        path.starts_with("/data/store/uploads/") && !path.ends_with("/data") && !path.ends_with("/state")
    });
}

#[test]
fn needs_the_sync_of_the_entry_of_the_upload() {
    needs_sync(|path| path == "/data/store/uploads");
}
