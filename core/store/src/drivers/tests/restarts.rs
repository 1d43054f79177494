//! Uploads across the end of a process and of the power.

use std::sync::atomic::Ordering;

use dockless_oci::digest::Algorithm;
use dockless_runtime::OpenMode;
use dockless_runtime::disk::{read_exact_at, write_all_at};

use super::super::filesystem::derived;
use super::watched::Watched;
use super::*;
use crate::error::StoreError;
use crate::upload::UploadWriter;

/// Some bytes beyond the first point at which an upload is made durable.
const LONG_BYTES: usize = (DURABLE_BYTES as usize) + 1_500_000;

/// Begins an upload, appends each of `parts` in one request, and ends the process.
fn left_behind(bytes: &Bytes, parts: &[usize], hint: Option<Algorithm>) -> (Arc<SimDisk>, UploadId) {
    let simulation = Simulation::new(11);
    let id = simulation.block_on(async {
        let store = open(simulation.runtime(), WIDE).await;
        let id = store.begin(new_upload(hint)).await.unwrap();
        let mut sent = 0;
        for part in parts {
            append(&*store, &id, &bytes.slice(sent..sent + part), 300_000).await.unwrap();
            sent += part;
        }
        id
    });
    simulation.kill();
    (simulation.disk(), id)
}

#[test]
fn what_a_closed_request_brought_survives_the_end_of_the_process() {
    for parts in [&[][..], &[1], &[5000], &[100, 4900], &[262_144], &[700_000, 1, 2_300_000], &[10 << 20]] {
        let held: usize = parts.iter().sum();
        let bytes = content(1, held + 400_000);
        let (disk, id) = left_behind(&bytes, parts, None);
        let (simulation, store) = restarted(&disk);
        simulation.block_on(async {
            let listed = store.uploads().await.unwrap();
            assert_eq!((listed.len(), &listed[0].id, listed[0].offset), (1, &id, held as u64));
            let status = store.upload(&id).await.unwrap();
            assert_eq!((status.offset, status.subject.as_str()), (held as u64, "somebody"), "{parts:?}");
            assert_eq!(status.repository, new_upload(None).repository);
            finish(&*store, &id, &bytes, &Digest::sha256(&bytes)).await;
        });
        assert_eq!(names(&*disk, &layout().uploads()), [""; 0]);
    }
}

#[test]
fn a_restarted_upload_ends_in_any_algorithm_hinted_or_not() {
    let bytes = content(2, 1_000_000);
    for algorithm in Algorithm::ALL {
        for hint in [None, Some(algorithm)] {
            let (disk, id) = left_behind(&bytes, &[300_000, 300_000], hint);
            let (simulation, store) = restarted(&disk);
            simulation.block_on(finish(&*store, &id, &bytes, &Digest::of(algorithm, &bytes)));
        }
    }
}

#[test]
fn a_request_cut_by_the_end_of_the_process_loses_its_last_megabytes_only() {
    let bytes = content(3, 20 << 20);
    let simulation = Simulation::new(12);
    let (id, mut writer): (_, Box<dyn UploadWriter>) = simulation.block_on(async {
        let store = open(simulation.runtime(), WIDE).await;
        let id = store.begin(new_upload(None)).await.unwrap();
        let writer = store.append(&id, None).await.unwrap();
        (id, writer)
    });
    simulation.block_on(writer.write(bytes.clone())).unwrap();
    simulation.kill();
    std::mem::forget(writer);
    let (simulation, store) = restarted(&simulation.disk());
    simulation.block_on(async {
        assert!(store.upload(&id).await.unwrap().offset >= 18 << 20);
        finish(&*store, &id, &bytes, &Digest::sha256(&bytes)).await;
    });
}

#[test]
fn a_short_upload_after_a_power_cut_is_whole_or_less_but_never_wrong() {
    let bytes = content(4, 900_000);
    let digest = Digest::sha256(&bytes);
    let (mut whole, mut gone) = (0, 0);
    for seed in 0..60 {
        let (disk, id) = left_behind(&bytes, &[500_000, 300_000], None);
        disk.crash(seed);
        let (simulation, store) = restarted(&disk);
        simulation.block_on(async {
            match store.upload(&id).await {
                Ok(status) => {
                    assert!(status.offset <= 800_000);
                    whole += u32::from(status.offset == 800_000);
                    finish(&*store, &id, &bytes, &digest).await;
                }
                Err(error) => {
                    assert_eq!(error, StoreError::UploadUnknown);
                    gone += 1;
                }
            }
            assert!(store.uploads().await.unwrap().is_empty());
        });
        assert_eq!(names(&*disk, &layout().uploads()), [""; 0], "seed {seed}");
    }
    assert!(whole > 0 && gone > 0, "{whole} whole and {gone} gone: the seeds show both");
}

#[test]
fn a_long_upload_survives_a_power_cut_up_to_where_it_was_durable_and_nothing_of_that_is_read_again() {
    let bytes = content(5, LONG_BYTES);
    let digest = Digest::sha256(&bytes);
    let (disk, id) = left_behind(&bytes, &[LONG_BYTES - 100], None);
    disk.crash(0);
    let simulation = Simulation::with_disk(1, disk.clone());
    let (runtime, read) = Watched::over(simulation.runtime(), |path| path.ends_with("data"));
    simulation.block_on(async {
        let store = open(runtime, WIDE).await;
        assert_eq!(store.upload(&id).await.unwrap().offset, DURABLE_BYTES);
        assert_eq!(disk.stat(&layout().data(&id)).unwrap().size, DURABLE_BYTES, "the rest is cut off");
        let offset = usize::try_from(DURABLE_BYTES).unwrap();
        append(&*store, &id, &bytes.slice(offset..), 1 << 20).await.unwrap();
        store.seal(&id, &digest).await.unwrap();
        store.publish(&id, &digest).await.unwrap();
        assert_eq!(read.load(Ordering::Relaxed), 0, "bytes read again for the digest");
        check_blob(&*store, &digest, &bytes).await;
    });
    let known = derived::read(&*disk, &layout(), &digest, bytes.len() as u64).unwrap();
    assert_eq!(known.identity, disk.stat(&layout().blob(&digest)).unwrap());
    assert!(known.list.is_some(), "the mid-states of before the power cut are there too");
}

#[test]
fn a_long_upload_after_any_power_cut_ends_right() {
    let bytes = content(6, LONG_BYTES);
    let digest = Digest::sha256(&bytes);
    let (disk, id) = left_behind(&bytes, &[LONG_BYTES - 100], None);
    for seed in 1..30 {
        let disk = disk.fork();
        disk.crash(seed);
        let (simulation, store) = restarted(&disk);
        simulation.block_on(async {
            assert!(store.upload(&id).await.unwrap().offset >= DURABLE_BYTES, "seed {seed}");
            finish(&*store, &id, &bytes, &digest).await;
        });
    }
}

#[test]
fn bytes_beyond_the_durable_ones_that_changed_are_cut_off() {
    let bytes = content(7, LONG_BYTES);
    let (disk, id) = left_behind(&bytes, &[LONG_BYTES], None);
    let data = disk.open(&layout().data(&id), OpenMode::ReadWrite).unwrap();
    let mut byte = [0];
    read_exact_at(&*data, &mut byte, DURABLE_BYTES + 1000).unwrap();
    write_all_at(&*data, &[byte[0] ^ 1], DURABLE_BYTES + 1000).unwrap();
    let (simulation, store) = restarted(&disk);
    simulation.block_on(async {
        assert_eq!(store.upload(&id).await.unwrap().offset, DURABLE_BYTES);
        finish(&*store, &id, &bytes, &Digest::sha256(&bytes)).await;
    });
}

#[test]
fn a_torn_state_file_gives_the_record_before_and_none_gives_up_the_upload() {
    let bytes = content(8, 1_000_000);
    for (slots, left) in [(&[0_u64][..], true), (&[1], true), (&[0, 1], false)] {
        let (disk, id) = left_behind(&bytes, &[300_000, 300_000], None);
        let state = disk.open(&layout().state(&id), OpenMode::ReadWrite).unwrap();
        for slot in slots {
            write_all_at(&*state, b"torn", slot * 8192 + 100).unwrap();
        }
        let (simulation, store) = restarted(&disk);
        simulation.block_on(async {
            match store.upload(&id).await {
                Ok(_) => finish(&*store, &id, &bytes, &Digest::sha256(&bytes)).await,
                Err(error) => assert_eq!(error, StoreError::UploadUnknown),
            }
            assert_eq!(store.open(&Digest::sha256(&bytes)).await.unwrap().is_some(), left, "{slots:?}");
        });
        assert_eq!(names(&*disk, &layout().uploads()), [""; 0]);
    }
}

#[test]
fn an_upload_of_a_committed_state_file_goes_on() {
    let disk = SimDisk::new();
    let bytes = content(1, 800_000);
    let id: UploadId = "000102030405060708090a0b0c0d0e0f".parse().unwrap();
    disk.create_dir_all(&layout().upload(&id)).unwrap();
    let state = disk.open(&layout().state(&id), OpenMode::CreateNew).unwrap();
    write_all_at(&*state, include_bytes!("../../../fixtures/format-1/state"), 0).unwrap();
    let data = disk.open(&layout().data(&id), OpenMode::CreateNew).unwrap();
    write_all_at(&*data, &bytes[..700_001], 0).unwrap();
    let (simulation, store) = restarted(&disk);
    simulation.block_on(async {
        let status = store.upload(&id).await.unwrap();
        assert_eq!((status.offset, status.hint), (700_001, Some(Algorithm::Blake3)));
        finish(&*store, &id, &bytes, &Digest::of(Algorithm::Blake3, &bytes)).await;
    });
}

#[test]
fn names_that_are_no_uploads_are_left_alone() {
    let disk = SimDisk::new();
    let stranger = layout().uploads().join("lost+found");
    disk.create_dir_all(&stranger).unwrap();
    let (_simulation, _store) = restarted(&disk);
    assert!(disk.stat(&stranger).is_ok());
}
