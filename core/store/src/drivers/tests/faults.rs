//! Disks that fail and fill up.

use dockless_runtime::OpenMode;
use dockless_runtime::disk::write_all_at;
use dockless_runtime::simulation::Fault;

use super::*;
use crate::error::StoreError;

/// A push in three requests, step by step, so that it ends at the first error.
async fn try_push(store: &dyn BlobStore, bytes: &Bytes, digest: &Digest) -> Result<(), StoreError> {
    let id = store.begin(new_upload(None)).await?;
    let third = bytes.len() / 3;
    let pushed = async {
        append(store, &id, &bytes.slice(..third), 1 << 20).await?;
        append(store, &id, &bytes.slice(third..), 100_000).await?;
        store.seal(&id, digest).await?;
        store.publish(&id, digest).await
    };
    let pushed = pushed.await;
    if pushed.is_err() {
        // As the registry does with an upload that failed; the disk works again.
        match store.cancel(&id).await {
            Ok(()) | Err(StoreError::UploadUnknown) => {}
            Err(error) => panic!("cancel after {pushed:?}: {error}"),
        }
    }
    pushed
}

#[test]
fn whatever_single_operation_fails_a_push_is_whole_or_refused_and_leaves_nothing_half_done() {
    let bytes = content(1, 1_300_000);
    let digest = Digest::sha256(&bytes);
    let mut refused = 0;
    for fault in [Fault::Eio, Fault::Enospc, Fault::ShortWrite] {
        for at in 0.. {
            let simulation = Simulation::new(21);
            let disk = simulation.disk();
            let store = simulation.block_on(open(simulation.runtime(), WIDE));
            let first = disk.operations();
            disk.fail_with(first + at, fault);
            let pushed = simulation.block_on(try_push(&*store, &bytes, &digest));
            let done = disk.operations() <= first + at;
            disk.fail_with(u64::MAX, fault);
            refused += u32::from(pushed.is_err());
            match &pushed {
                Ok(()) | Err(StoreError::DiskFull | StoreError::Io(_)) => {}
                Err(error) => panic!("operation {at}, {fault:?}: {error}"),
            }
            assert!(fault != Fault::ShortWrite || pushed.is_ok(), "a short write is only a reason to go on");
            if let Err(StoreError::DiskFull) = pushed {
                assert_eq!(fault, Fault::Enospc);
            }
            simulation.block_on(async {
                assert!(store.uploads().await.unwrap().is_empty(), "operation {at}, {fault:?}");
                if pushed.is_ok() || store.open(&digest).await.unwrap().is_some() {
                    check_blob(&*store, &digest, &bytes).await;
                }
                push(&*store, &bytes, &digest).await.unwrap();
                check_blob(&*store, &digest, &bytes).await;
            });
            // A failed removal of a finished upload may leave files until the next start, which finds them out.
            let (restarted, store) = restarted(&disk);
            restarted.block_on(async {
                for upload in store.uploads().await.unwrap() {
                    match store.upload(&upload.id).await {
                        Err(StoreError::UploadUnknown) => {}
                        known => drop((known.unwrap(), store.cancel(&upload.id).await.unwrap())),
                    }
                }
                check_blob(&*store, &digest, &bytes).await;
            });
            assert_eq!(names(&*disk, &layout().uploads()), [""; 0], "operation {at}, {fault:?}");
            if done {
                break;
            }
        }
    }
    assert!(refused > 20, "only {refused} pushes were refused");
}

#[test]
fn a_failed_sync_of_data_fails_the_upload_for_good() {
    let bytes = content(2, 500_000);
    let digest = Digest::sha256(&bytes);
    let simulation = Simulation::new(22);
    let disk = simulation.disk();
    simulation.block_on(async {
        let store = open(simulation.runtime(), WIDE).await;
        let id = store.begin(new_upload(None)).await.unwrap();
        append(&*store, &id, &bytes, 500_000).await.unwrap();
        disk.fail_with(disk.operations(), Fault::Eio);
        assert!(matches!(store.seal(&id, &digest).await, Err(StoreError::Io(_))));
        // The kernel would call a second try a success.
        assert!(matches!(store.seal(&id, &digest).await, Err(StoreError::Io(_))));
        assert!(matches!(store.append(&id, None).await.err(), Some(StoreError::Io(_))));
        assert!(store.publish(&id, &digest).await.is_err());
    });
    simulation.kill();
    let (simulation, store) = restarted(&disk);
    assert!(simulation.block_on(store.uploads()).unwrap().is_empty(), "nor does a restart bring it back");
}

#[test]
fn a_failed_sync_in_the_middle_of_a_long_upload_fails_it_for_good() {
    let bytes = content(3, usize::try_from(DURABLE_BYTES).unwrap() + 3_000_000);
    let run = |fault: Option<u64>| {
        let simulation = Simulation::new(23);
        let disk = simulation.disk();
        simulation.block_on(async {
            let store = open(simulation.runtime(), WIDE).await;
            let id = store.begin(new_upload(None)).await.unwrap();
            if let Some(number) = fault {
                disk.fail_with(number, Fault::Eio);
            }
            let appended = append(&*store, &id, &bytes, 1 << 20).await;
            assert_eq!(appended.is_err(), fault.is_some(), "{appended:?}");
            if fault.is_some() {
                assert!(matches!(store.append(&id, None).await.err(), Some(StoreError::Io(_))));
                store.cancel(&id).await.unwrap();
                assert_eq!(names(&*disk, &layout().uploads()), [""; 0]);
            }
        });
        disk.operation_log()
    };
    // The same seed does the same: the syncs of the run without faults are those of the others.
    let log = run(None);
    let synced =
        |name: &str| log.iter().position(|o| o.kind == OperationKind::SyncData && o.path.ends_with(name));
    for sync in [synced("data"), synced("state")] {
        run(Some(sync.unwrap() as u64));
    }
}

#[test]
fn a_disk_below_its_low_water_mark_takes_nothing_new_until_there_is_room_again() {
    let simulation = Simulation::new(24);
    let disk = simulation.disk();
    let settings = Settings { free_bytes_min: 10 << 20, ..WIDE };
    simulation.block_on(async {
        let store = open(simulation.runtime(), settings).await;
        disk.set_capacity(12 << 20);
        let bytes = content(4, 1 << 20);
        let id = store.begin(new_upload(None)).await.unwrap();
        append(&*store, &id, &bytes, 1 << 20).await.unwrap();
        let more = append(&*store, &id, &content(5, 3 << 20), 1 << 20).await;
        assert_eq!(more, Err(StoreError::DiskFull));
        disk.set_capacity(10 << 20);
        assert_eq!(store.begin(new_upload(None)).await, Err(StoreError::DiskFull));
        assert_eq!(store.append(&id, None).await.err(), Some(StoreError::DiskFull));
        assert_eq!(names(&*disk, &layout().uploads()).len(), 1, "what did not begin leaves nothing");
        disk.set_capacity(1 << 30);
        let status = store.upload(&id).await.unwrap();
        assert!(status.offset >= 1 << 20);
        store.begin(new_upload(None)).await.unwrap();
        store.append(&id, Some(status.offset)).await.unwrap().close().await.unwrap();
    });
}

#[test]
fn a_full_disk_refuses_a_write_and_the_upload_goes_on_when_there_is_room() {
    let simulation = Simulation::new(25);
    let disk = simulation.disk();
    let bytes = content(6, 3 << 20);
    let digest = Digest::sha256(&bytes);
    simulation.block_on(async {
        let store = open(simulation.runtime(), WIDE).await;
        let ballast = disk.open("/ballast".as_ref(), OpenMode::CreateNew).unwrap();
        write_all_at(&*ballast, &content(7, 1 << 20), 0).unwrap();
        disk.set_capacity((3 << 20) + 100_000);
        let id = store.begin(new_upload(None)).await.unwrap();
        append(&*store, &id, &bytes.slice(..1 << 20), 1 << 20).await.unwrap();
        let refused = append(&*store, &id, &bytes.slice(1 << 20..), 1 << 20).await;
        assert_eq!(refused, Err(StoreError::DiskFull));
        ballast.set_len(0).unwrap();
        finish(&*store, &id, &bytes, &digest).await;
    });
}
