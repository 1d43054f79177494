//! Verified reads.

use std::sync::atomic::Ordering;

use dockless_oci::digest::Algorithm;
use dockless_runtime::OpenMode;
use dockless_runtime::disk::{read_exact_at, write_all_at};
use futures_util::future::join_all;

use super::super::filesystem::derived::{self, Derived};
use super::watched::Watched;
use super::*;
use crate::blob::READ_BYTES_MAX;
use crate::chain::ChainList;
use crate::conformance::read;
use crate::error::StoreError;

/// A disk with one blob on it, and no process.
fn stored(bytes: &Bytes, digest: &Digest) -> Arc<SimDisk> {
    let simulation = Simulation::new(41);
    simulation.block_on(async {
        let store = open(simulation.runtime(), WIDE).await;
        push(&*store, bytes, digest).await.unwrap();
    });
    simulation.disk()
}

/// Turns one bit of the blob's file, as a program would: the file is another afterwards.
fn flip(disk: &SimDisk, digest: &Digest, offset: u64) {
    let file = disk.open(&layout().blob(digest), OpenMode::ReadWrite).unwrap();
    let mut byte = [0];
    read_exact_at(&*file, &mut byte, offset).unwrap();
    write_all_at(&*file, &[byte[0] ^ 1], offset).unwrap();
}

/// Writes the first byte again: nothing changes but the identity.
fn touch(disk: &SimDisk, digest: &Digest) {
    flip(disk, digest, 0);
    flip(disk, digest, 0);
}

fn set_len(disk: &SimDisk, digest: &Digest, length: u64) {
    disk.open(&layout().blob(digest), OpenMode::ReadWrite).unwrap().set_len(length).unwrap();
}

/// Reads all of a blob; what left before the end, and how it ended.
async fn read_all(store: &dyn BlobStore, digest: &Digest) -> (Vec<u8>, Result<(), StoreError>) {
    let blob = store.open(digest).await.unwrap().unwrap();
    let mut left = Vec::new();
    while (left.len() as u64) < blob.size {
        match blob.read(left.len() as u64, 100_000).await {
            Ok(bytes) => left.extend_from_slice(&bytes),
            Err(error) => return (left, Err(error)),
        }
    }
    (left, Ok(()))
}

#[test]
fn a_bit_turned_anywhere_is_found_before_its_byte_leaves_and_a_push_heals_it() {
    const PIECE: u64 = 256 * 1024;
    let regions = [0, 1, PIECE - 1, PIECE, 2 * PIECE - 1, 2 * PIECE, 3 * PIECE - 1, 3 * PIECE, 799_999];
    let bytes = content(1, 800_000);
    for (algorithm, has_list) in [
        (Algorithm::Sha256, true),
        (Algorithm::Sha256, false),
        (Algorithm::Sha512, true),
        (Algorithm::Blake3, true),
    ] {
        let digest = Digest::of(algorithm, &bytes);
        for region in regions {
            let disk = stored(&bytes, &digest);
            flip(&disk, &digest, region);
            if !has_list {
                disk.remove(&layout().chain(&digest)).unwrap();
            }
            let (simulation, store) = restarted(&disk);
            simulation.block_on(async {
                let (left, end) = read_all(&*store, &digest).await;
                assert_eq!(end, Err(StoreError::Damaged(digest.clone())), "{algorithm} at {region}");
                let genuine = has_list && algorithm == Algorithm::Sha256;
                let expected = if genuine { region / PIECE * PIECE } else { 0 };
                assert_eq!(left.len() as u64, expected, "{algorithm} at {region}");
                assert!(left[..] == bytes[..left.len()]);
                assert!(store.open(&digest).await.unwrap().is_none(), "it is not served any more");
                assert_eq!(names(&*disk, &layout().quarantine()).len(), 1);
                push(&*store, &bytes, &digest).await.unwrap();
                check_blob(&*store, &digest, &bytes).await;
            });
        }
    }
}

#[test]
fn a_file_cut_or_grown_is_damaged_whatever_is_asked_of_it() {
    for size in [0_u64, 100, 262_144, 699_999, 700_001, 2_000_000] {
        let bytes = content(2, 700_000);
        let digest = Digest::sha256(&bytes);
        let disk = stored(&bytes, &digest);
        set_len(&disk, &digest, size);
        let (simulation, store) = restarted(&disk);
        simulation.block_on(async {
            let blob = store.open(&digest).await.unwrap().unwrap();
            if size == 0 {
                // Nothing can be read of it, so nothing wrong leaves; its size tells.
                assert_eq!(blob.size, 0);
                return;
            }
            let refused = blob.read(size / 2, 1).await;
            assert_eq!(refused, Err(StoreError::Damaged(digest.clone())), "{size}");
            assert!(store.open(&digest).await.unwrap().is_none());
        });
    }
}

#[test]
fn a_small_blob_is_verified_as_a_whole() {
    let bytes = content(3, 5000);
    let digest = Digest::sha256(&bytes);
    for region in [0, 2500, 4999] {
        let disk = stored(&bytes, &digest);
        flip(&disk, &digest, region);
        let (simulation, store) = restarted(&disk);
        simulation.block_on(async {
            let blob = store.open(&digest).await.unwrap().unwrap();
            assert!(blob.try_read(0, 10).is_none(), "nothing unverified leaves by the fast way");
            assert_eq!(blob.read(10, 10).await, Err(StoreError::Damaged(digest.clone())));
        });
    }
}

#[test]
fn a_file_that_is_the_one_hashed_is_served_at_once_after_a_restart_too() {
    for algorithm in Algorithm::ALL {
        let bytes = content(4, 900_000);
        let digest = Digest::of(algorithm, &bytes);
        let disk = stored(&bytes, &digest);
        let simulation = Simulation::with_disk(2, disk);
        let (runtime, count) =
            Watched::over(simulation.runtime(), |path| path.starts_with("/data/store/blobs"));
        simulation.block_on(async {
            let store = open(runtime, WIDE).await;
            let blob = store.open(&digest).await.unwrap().unwrap();
            assert_eq!(blob.try_read(500_000, 1000).unwrap().unwrap(), bytes.slice(500_000..501_000));
            assert_eq!(count.load(Ordering::Relaxed), 1000, "nothing else was read");
        });
    }
}

#[test]
fn a_file_that_is_another_is_learned_piece_by_piece_and_remembered_as_a_whole() {
    let bytes = content(5, 1_000_000);
    let digest = Digest::sha256(&bytes);
    let disk = stored(&bytes, &digest);
    touch(&disk, &digest);
    let simulation = Simulation::with_disk(2, disk.clone());
    let (runtime, count) = Watched::over(simulation.runtime(), |path| path.starts_with("/data/store/blobs"));
    simulation.block_on(async {
        let store = open(runtime, WIDE).await;
        let blob = store.open(&digest).await.unwrap().unwrap();
        assert!(blob.try_read(700_000, 10).is_none());
        assert_eq!(blob.read(700_000, 10).await.unwrap(), bytes.slice(700_000..700_010));
        assert_eq!(count.load(Ordering::Relaxed), 256 * 1024, "one piece");
        // What was learned is not learned again.
        assert_eq!(blob.try_read(700_010, 10).unwrap().unwrap(), bytes.slice(700_010..700_020));
        assert!(read(&blob, 0, 1_000_000, READ_BYTES_MAX).await.unwrap() == bytes);
        let before = count.load(Ordering::Relaxed);
        assert!(before < 2_300_000, "{before} bytes read to verify and give a million");
    });
    let known = derived::read(&*disk, &layout(), &digest, 1_000_000).unwrap();
    assert_eq!(known.identity, disk.stat(&layout().blob(&digest)).unwrap());
}

#[test]
fn a_wrong_list_costs_a_hash_of_the_whole_and_is_replaced() {
    let bytes = content(6, 1_000_000);
    let digest = Digest::sha256(&bytes);
    let disk = stored(&bytes, &digest);
    let known = derived::read(&*disk, &layout(), &digest, 1_000_000).unwrap();
    let list = known.list.unwrap();
    let mut states = list.states().to_vec();
    states[1][7] ^= 1;
    let wrong = Derived { list: ChainList::new(1_000_000, states), identity: known.identity };
    derived::write(&*disk, &layout(), &digest, &wrong).unwrap();
    touch(&disk, &digest);
    let (simulation, store) = restarted(&disk);
    simulation.block_on(check_blob(&*store, &digest, &bytes));
    assert_eq!(derived::read(&*disk, &layout(), &digest, 1_000_000).unwrap().list, Some(list));
}

#[test]
fn a_lost_or_broken_list_is_rebuilt() {
    let bytes = content(7, 1_000_000);
    let digest = Digest::sha256(&bytes);
    let disk = stored(&bytes, &digest);
    let known = derived::read(&*disk, &layout(), &digest, 1_000_000).unwrap();
    for broken in [false, true] {
        if broken {
            let file = disk.open(&layout().chain(&digest), OpenMode::ReadWrite).unwrap();
            write_all_at(&*file, b"broken", 90).unwrap();
        } else {
            disk.remove(&layout().chain(&digest)).unwrap();
        }
        let (simulation, store) = restarted(&disk);
        simulation.block_on(check_blob(&*store, &digest, &bytes));
        assert_eq!(derived::read(&*disk, &layout(), &digest, 1_000_000), Some(known.clone()));
    }
}

#[test]
fn many_readers_of_an_unknown_blob_hash_it_once() {
    let bytes = content(8, 1_000_000);
    let digest = Digest::sha256(&bytes);
    let disk = stored(&bytes, &digest);
    disk.remove(&layout().chain(&digest)).unwrap();
    let simulation = Simulation::with_disk(2, disk);
    let (runtime, count) = Watched::over(simulation.runtime(), |path| path.starts_with("/data/store/blobs"));
    simulation.block_on(async {
        let store = open(runtime, WIDE).await;
        let readers = (0..16_u64).map(|n| {
            let (store, digest, bytes) = (store.clone(), digest.clone(), bytes.clone());
            async move {
                let blob = store.open(&digest).await.unwrap().unwrap();
                let offset = n * 50_000;
                let from = usize::try_from(offset).unwrap();
                assert_eq!(blob.read(offset, 100).await.unwrap(), bytes.slice(from..from + 100));
            }
        });
        join_all(readers).await;
    });
    assert_eq!(count.load(Ordering::Relaxed), 1_000_000 + 16 * 100);
}

#[test]
fn a_blob_changed_while_it_is_read_ends_in_an_error_not_in_other_bytes() {
    let bytes = content(9, 1_000_000);
    let digest = Digest::sha256(&bytes);
    let disk = stored(&bytes, &digest);
    let (simulation, store) = restarted(&disk);
    simulation.block_on(async {
        let blob = store.open(&digest).await.unwrap().unwrap();
        assert!(blob.try_read(0, 100).is_some());
        flip(&disk, &digest, 900_000);
        assert!(blob.try_read(100, 100).is_none(), "the file is another");
        assert_eq!(blob.read(100, 100).await.unwrap(), bytes.slice(100..200), "this piece is as it was");
        assert_eq!(blob.read(899_999, 100).await, Err(StoreError::Damaged(digest.clone())));
        assert_eq!(blob.clone().read(0, 100).await, Err(StoreError::Damaged(digest.clone())));
        push(&*store, &bytes, &digest).await.unwrap();
        check_blob(&*store, &digest, &bytes).await;
        assert_eq!(
            blob.read(0, 100).await,
            Err(StoreError::Damaged(digest.clone())),
            "the old file stays damaged"
        );
        check_blob(&*store, &digest, &bytes).await;
    });
}

#[test]
fn a_blob_whose_file_was_touched_while_it_is_read_is_learned_anew_by_pieces() {
    let bytes = content(14, 1_000_000);
    let digest = Digest::sha256(&bytes);
    let disk = stored(&bytes, &digest);
    let simulation = Simulation::with_disk(2, disk.clone());
    let (runtime, count) = Watched::over(simulation.runtime(), |path| path.starts_with("/data/store/blobs"));
    simulation.block_on(async {
        let store = open(runtime, WIDE).await;
        let blob = store.open(&digest).await.unwrap().unwrap();
        touch(&disk, &digest);
        assert_eq!(blob.read(300_000, 10).await.unwrap(), bytes.slice(300_000..300_010));
        // The bytes that were read before the change was seen, and one piece.
        assert!(count.load(Ordering::Relaxed) <= 10 + 256 * 1024);
        check_blob(&*store, &digest, &bytes).await;
    });
}

#[test]
fn a_push_over_a_damaged_file_that_nobody_read_heals_it() {
    let bytes = content(10, 600_000);
    let digest = Digest::sha256(&bytes);
    let disk = stored(&bytes, &digest);
    flip(&disk, &digest, 300_000);
    let (simulation, store) = restarted(&disk);
    simulation.block_on(async {
        push(&*store, &bytes, &digest).await.unwrap();
        check_blob(&*store, &digest, &bytes).await;
    });
    assert_eq!(names(&*disk, &layout().quarantine()), [""; 0]);
}

#[test]
fn what_is_not_in_memory_is_read_by_a_job() {
    let bytes = content(11, 600_000);
    let digest = Digest::sha256(&bytes);
    let disk = stored(&bytes, &digest);
    disk.set_cold(true);
    let (simulation, store) = restarted(&disk);
    simulation.block_on(async {
        let blob = store.open(&digest).await.unwrap().unwrap();
        assert!(blob.try_read(0, 100).is_none());
        check_blob(&*store, &digest, &bytes).await;
    });
}

#[test]
fn a_disk_that_cannot_read_is_an_error_and_no_damage() {
    let bytes = content(12, 600_000);
    let digest = Digest::sha256(&bytes);
    for touched in [false, true] {
        let disk = stored(&bytes, &digest);
        if touched {
            touch(&disk, &digest);
        }
        disk.fail_reads_of("blobs");
        let (simulation, store) = restarted(&disk);
        simulation.block_on(async {
            let blob = store.open(&digest).await.unwrap().unwrap();
            assert!(matches!(blob.read(0, 100).await, Err(StoreError::Io(_))));
        });
        assert!(disk.stat(&layout().blob(&digest)).is_ok(), "it stays where it is");
    }
}

/// The bytes of a large blob leave while they are hashed, all but the last. On the real disk for its size.
#[tokio::test]
async fn a_large_blob_without_any_record_is_hashed_on_its_way_and_never_ends_well_when_damaged() {
    let size = (128 << 20) + 300_000_u64;
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::new(directory.path().to_owned());
    let runtime = Runtime::real();
    let open = || FilesystemStore::open(runtime.clone(), directory.path().to_owned(), WIDE);
    let store = open().await.unwrap();
    let id = store.begin(new_upload(None)).await.unwrap();
    let (chunk, mut hash) = (content(13, 1 << 20), dockless_oci::digest::Sha256State::new());
    let mut writer = store.append(&id, None).await.unwrap();
    while hash.length() < size {
        let part = chunk.slice(..usize::try_from(size - hash.length()).unwrap().min(chunk.len()));
        hash.update(&part);
        writer.write(part).await.unwrap();
    }
    writer.close().await.unwrap();
    let digest = hash.finish();
    store.seal(&id, &digest).await.unwrap();
    store.publish(&id, &digest).await.unwrap();
    drop(store);

    for (damaged, at) in [(false, 0), (true, size - 1), (true, 1000)] {
        runtime.disk.remove(&layout.chain(&digest)).unwrap();
        let file = runtime.disk.open(&layout.blob(&digest), OpenMode::ReadWrite).unwrap();
        if damaged {
            write_all_at(&*file, b"~~", at - 1).unwrap();
        }
        let store = open().await.unwrap();
        let blob = store.open(&digest).await.unwrap().unwrap();
        let (mut offset, mut ended) = (0, Ok(()));
        while offset < size && ended.is_ok() {
            match blob.read(offset, READ_BYTES_MAX).await {
                Ok(bytes) => offset += bytes.len() as u64,
                Err(error) => ended = Err(error),
            }
        }
        if damaged {
            assert_eq!(ended, Err(StoreError::Damaged(digest.clone())));
            assert!(offset > 0 && offset < size, "{offset} of {size} left");
            assert!(store.open(&digest).await.unwrap().is_none());
            runtime.disk.rename(&layout.quarantined(&digest), &layout.blob(&digest)).unwrap();
            derived::write(
                &*runtime.disk,
                &layout,
                &digest,
                &Derived { identity: file.stat().unwrap(), list: None },
            )
            .unwrap();
        } else {
            assert_eq!((offset, ended), (size, Ok(())));
            let known = derived::read(&*runtime.disk, &layout, &digest, size).unwrap();
            assert!(known.list.is_some(), "the list is rebuilt on the way");
        }
    }
}
