//! A table over every error: each is provoked, and changes nothing.

use dockless_runtime::OpenMode;
use dockless_runtime::disk::write_all_at;

use super::*;
use crate::error::StoreError;

/// Compiles only while the table below knows every error.
fn row(error: &StoreError) -> usize {
    match error {
        StoreError::UploadUnknown => 0,
        StoreError::Fenced => 1,
        StoreError::OffsetMismatch { .. } => 2,
        StoreError::DigestMismatch { .. } => 3,
        StoreError::TooLarge { .. } => 4,
        StoreError::TooManyUploads => 5,
        StoreError::DiskFull => 6,
        StoreError::Damaged(_) => 7,
        StoreError::NotSealed => 8,
        StoreError::Io(_) => 9,
    }
}

const ROWS: usize = 10;

async fn provoke(row: usize, store: &FilesystemStore, id: &UploadId, disk: &SimDisk) -> StoreError {
    let (bytes, more) = (content(1, 300_000), Bytes::from_static(b"more"));
    let digest = Digest::sha256(&bytes);
    match row {
        0 => store.cancel(&"f".repeat(32).parse().unwrap()).await.unwrap_err(),
        1 => {
            let mut old = store.append(id, None).await.unwrap();
            store.append(id, None).await.unwrap();
            old.write(more).await.unwrap_err()
        }
        2 => store.append(id, Some(1)).await.err().unwrap(),
        3 => store.seal(id, &digest).await.unwrap_err(),
        4 => store.append(id, None).await.unwrap().write(content(2, 500_001)).await.unwrap_err(),
        5 => {
            while store.uploads().await.unwrap().len() < 3 {
                store.begin(new_upload(None)).await.unwrap();
            }
            store.begin(new_upload(None)).await.unwrap_err()
        }
        6 => {
            disk.set_capacity(1 << 20);
            let error = append(store, id, &more, 10).await.unwrap_err();
            disk.set_capacity(u64::MAX);
            error
        }
        7 => {
            push(store, &bytes, &digest).await.unwrap();
            let file = disk.open(&layout().blob(&digest), OpenMode::ReadWrite).unwrap();
            write_all_at(&*file, b"~", 150_000).unwrap();
            store.open(&digest).await.unwrap().unwrap().read(0, 1).await.unwrap_err()
        }
        8 => store.publish(id, &digest).await.unwrap_err(),
        9 => {
            disk.fail_reads_of("blobs");
            push(store, &bytes, &digest).await.unwrap();
            store.open(&digest).await.unwrap().unwrap().read(0, 1).await.unwrap_err()
        }
        _ => panic!("no such row"),
    }
}

#[test]
fn every_error_is_provoked_and_leaves_the_upload_as_it_was() {
    for expected in 0..ROWS {
        let simulation = Simulation::new(51);
        let disk = simulation.disk();
        let settings = Settings { upload_bytes_max: 500_000, uploads_max: 3, free_bytes_min: 2 << 20 };
        simulation.block_on(async {
            let store = open(simulation.runtime(), settings).await;
            let id = store.begin(new_upload(None)).await.unwrap();
            let held = content(3, 1000);
            append(&*store, &id, &held, 1000).await.unwrap();
            let before = store.upload(&id).await.unwrap();
            let error = provoke(expected, &store, &id, &disk).await;
            assert_eq!(row(&error), expected, "{error}");
            assert!(!error.to_string().is_empty());
            assert_eq!(store.upload(&id).await.unwrap(), before, "{error}");
            store.seal(&id, &Digest::sha256(&held)).await.unwrap();
            store.publish(&id, &Digest::sha256(&held)).await.unwrap();
            // In the last row nothing can be read any more.
            if expected < ROWS - 1 {
                check_blob(&*store, &Digest::sha256(&held), &held).await;
            }
        });
    }
}

/// A client that goes away drops the call it waits for, at any await.
#[test]
fn a_call_dropped_at_any_moment_leaves_a_store_that_works() {
    use std::future::{Future, poll_fn};
    use std::task::Poll;
    let bytes = content(4, 700_000);
    let digest = Digest::sha256(&bytes);
    for polls in 0..60 {
        let simulation = Simulation::new(52 + polls);
        simulation.block_on(async {
            let store = open(simulation.runtime(), WIDE).await;
            {
                let mut push = std::pin::pin!(push(&*store, &bytes, &digest));
                for _ in 0..polls {
                    if poll_fn(|context| Poll::Ready(push.as_mut().poll(context))).await.is_ready() {
                        break;
                    }
                    let_others_go_on(&simulation.runtime()).await;
                }
            }
            for upload in store.uploads().await.unwrap() {
                match store.cancel(&upload.id).await {
                    Ok(()) | Err(StoreError::UploadUnknown) => {}
                    Err(error) => panic!("after {polls} polls: {error}"),
                }
            }
            push(&*store, &bytes, &digest).await.unwrap();
            check_blob(&*store, &digest, &bytes).await;
        });
        assert_eq!(names(&*simulation.disk(), &layout().uploads()), [""; 0], "after {polls} polls");
    }
}

async fn let_others_go_on(runtime: &Runtime) {
    runtime.clock.sleep(std::time::Duration::from_millis(1)).await;
}
