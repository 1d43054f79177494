//! The filesystem driver on the simulated disk and on the real one.

mod crashes;
mod errors;
mod evicted;
mod faults;
mod reads;
mod restarts;
mod watched;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use dockless_oci::digest::Digest;
use dockless_runtime::simulation::{OperationKind, SimDisk, Simulation};
use dockless_runtime::{Disk, Runtime};

use super::filesystem::FilesystemStore;
use super::filesystem::layout::Layout;
use super::filesystem::marks::Pace;
use crate::blob_store::BlobStore;
use crate::conformance::{append, cases, check_blob, content, new_upload, push, settings};
use crate::settings::Settings;
use crate::upload::UploadId;

/// Where the store lies on the simulated disk.
const ROOT: &str = "/data/store";

/// No limit is in the way of what a test is about.
const WIDE: Settings = Settings { upload_bytes_max: 1 << 40, uploads_max: 100, free_bytes_min: 0 };

/// The first point at which the uploads of the tests are made durable, and every one after.
const DURABLE_BYTES: u64 = 4 << 20;

fn layout() -> Layout {
    Layout::new(PathBuf::from(ROOT))
}

async fn open(runtime: Runtime, settings: Settings) -> Arc<FilesystemStore> {
    let pace = Pace { durable_every_bytes: DURABLE_BYTES, record_every_bytes: 1 << 20 };
    FilesystemStore::open_at(runtime, PathBuf::from(ROOT), settings, pace).await.unwrap()
}

/// The store as a new process finds it on `disk`.
fn restarted(disk: &Arc<SimDisk>) -> (Simulation, Arc<FilesystemStore>) {
    let simulation = Simulation::with_disk(1, disk.clone());
    let store = simulation.block_on(open(simulation.runtime(), WIDE));
    (simulation, store)
}

fn names(disk: &dyn Disk, directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        disk.list(directory).unwrap().into_iter().map(|entry| entry.name.into_string().unwrap()).collect();
    names.sort();
    names
}

/// Sends the rest of `bytes` from where the upload stands, and publishes.
async fn finish(store: &dyn BlobStore, id: &UploadId, bytes: &Bytes, digest: &Digest) {
    let offset = usize::try_from(store.upload(id).await.unwrap().offset).unwrap();
    assert!(offset <= bytes.len(), "{offset} bytes held of {} sent", bytes.len());
    append(store, id, &bytes.slice(offset..), 300_000).await.unwrap();
    store.seal(id, digest).await.unwrap();
    store.publish(id, digest).await.unwrap();
    check_blob(store, digest, bytes).await;
}

#[test]
fn every_case_of_the_suite_holds_on_a_simulated_disk() {
    for (seed, case) in cases().into_iter().enumerate() {
        let simulation = Simulation::new(seed as u64);
        simulation.block_on(async {
            (case.run)(open(simulation.runtime(), settings()).await).await;
        });
    }
}

#[tokio::test]
async fn every_case_of_the_suite_holds_on_the_real_disk() {
    for case in cases() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let store = FilesystemStore::open(Runtime::real(), path, settings()).await.unwrap();
        (case.run)(store).await;
    }
}

#[test]
fn a_small_push_costs_one_sync_of_data_and_one_of_a_directory() {
    let simulation = Simulation::new(3);
    let disk = simulation.disk();
    let store = simulation.block_on(open(simulation.runtime(), WIDE));
    let (bytes, before) = (content(1, 4096), disk.operations());
    let digest = Digest::sha256(&bytes);
    simulation.block_on(push(&*store, &bytes, &digest)).unwrap();
    let log = disk.operation_log().split_off(usize::try_from(before).unwrap());
    let syncs: Vec<_> = log
        .iter()
        .filter(|operation| matches!(operation.kind, OperationKind::SyncData | OperationKind::SyncDirectory))
        .collect();
    assert_eq!(syncs.len(), 2, "{log:?}");
    assert_eq!((syncs[0].kind, syncs[0].path.ends_with("data")), (OperationKind::SyncData, true));
    assert_eq!((syncs[1].kind, &syncs[1].path), (OperationKind::SyncDirectory, &layout().shard(&digest)));
    assert!(log.len() <= 12, "{} operations: {log:?}", log.len());
}

#[test]
fn a_finished_push_leaves_the_blob_and_its_derived_file_and_nothing_else() {
    let simulation = Simulation::new(4);
    let disk = simulation.disk();
    let store = simulation.block_on(open(simulation.runtime(), WIDE));
    for size in [0, 5000, 262_144, 262_145, 700_000] {
        let bytes = content(1, size);
        let digest = Digest::sha256(&bytes);
        simulation.block_on(push(&*store, &bytes, &digest)).unwrap();
        assert_eq!(names(&*disk, &layout().uploads()), [""; 0]);
        assert_eq!(disk.stat(&layout().blob(&digest)).unwrap().size, size as u64);
        // A blob of one piece has nothing to derive.
        assert_eq!(disk.stat(&layout().chain(&digest)).is_ok(), size > 262_144, "{size}");
    }
    assert_eq!(
        layout().blob(&Digest::sha256(b"")).strip_prefix(ROOT).unwrap(),
        Path::new("blobs/sha256/e3/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    );
    assert_eq!(names(&*disk, Path::new(ROOT)), ["blobs", "chains", "quarantine", "uploads"]);
}

#[test]
fn a_cancelled_upload_leaves_nothing() {
    let simulation = Simulation::new(5);
    let disk = simulation.disk();
    let store = simulation.block_on(open(simulation.runtime(), WIDE));
    simulation.block_on(async {
        for size in [0, 1, 3 << 20] {
            let id = store.begin(new_upload(None)).await.unwrap();
            append(&*store, &id, &content(1, size), 100_000).await.unwrap();
            store.cancel(&id).await.unwrap();
            assert_eq!(names(&*disk, &layout().uploads()), [""; 0]);
        }
    });
}
