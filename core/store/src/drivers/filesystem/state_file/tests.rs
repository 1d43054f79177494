//! The state file against its fixture, and against bytes that are none.

use dockless_oci::digest::Algorithm;
use dockless_oci::name::RepositoryName;
use dockless_runtime::simulation::SimDisk;
use dockless_runtime::{Disk, OpenMode};
use proptest::prelude::*;

use super::*;
use crate::conformance::content;
use crate::progress::Progress;
use crate::upload::SUBJECT_BYTES_MAX;

const FIXTURE: &[u8] = include_bytes!("../../../../fixtures/format-1/state");

fn sample() -> Record {
    let bytes = content(1, 700_001);
    let (mut progress, mut states) = (Progress::new(None), Vec::new());
    progress.update(&bytes, |state| states.push(state));
    let status = UploadStatus {
        id: "000102030405060708090a0b0c0d0e0f".parse().unwrap(),
        repository: RepositoryName::parse("some/where").unwrap(),
        subject: "somebody".into(),
        offset: 700_001,
        begun_ms: 1_700_000_000_000,
        touched_ms: 1_700_000_000_999,
        hint: Some(Algorithm::Blake3),
    };
    Record {
        sequence: 7,
        durable: true,
        status,
        sha256: progress.sha256().clone(),
        borders_crc: crc32fast::hash(states.as_flattened()),
        sealed: Some(Digest::sha256(&bytes)),
    }
}

fn file(bytes: &[u8]) -> std::sync::Arc<dyn DiskFile> {
    let file = SimDisk::new().open("/state".as_ref(), OpenMode::CreateNew).unwrap();
    write_all_at(&*file, bytes, 0).unwrap();
    file
}

#[test]
fn the_fixture_of_format_1_reads_and_writes_as_committed() {
    let record = sample();
    assert_eq!(decode(FIXTURE).unwrap(), record);
    assert!(encode(&record) == FIXTURE, "the format changed: it needs a new version, not a new fixture");
}

#[test]
fn the_longest_record_fits_its_slot() {
    let mut record = sample();
    record.status.repository = RepositoryName::parse(&"r".repeat(255)).unwrap();
    // Each byte takes six in JSON.
    record.status.subject = "\u{1}".repeat(SUBJECT_BYTES_MAX);
    record.sealed = Some(Digest::of(Algorithm::Sha512, b""));
    for number in [&mut record.sequence, &mut record.status.begun_ms, &mut record.status.touched_ms] {
        *number = u64::MAX;
    }
    assert_eq!(decode(&encode(&record)), Some(record));
}

#[test]
fn any_changed_byte_and_any_cut_is_refused() {
    for at in 0..FIXTURE.len() {
        let mut bytes = FIXTURE.to_vec();
        bytes[at] ^= 0x01;
        assert_eq!(decode(&bytes), None, "byte {at}");
        assert_eq!(decode(&FIXTURE[..at]), None, "cut at {at}");
    }
}

#[test]
fn an_offset_that_the_hash_has_not_seen_is_refused() {
    let mut record = sample();
    record.status.offset += 1;
    assert_eq!(decode(&encode(&record)), None);
}

#[test]
fn a_record_too_long_to_be_written_again_is_refused() {
    let mut record = sample();
    record.status.subject = "s".repeat(SUBJECT_BYTES_MAX + 1);
    assert_eq!(decode(&encode(&record)), None);
}

#[test]
fn each_slot_is_read_whatever_the_other_holds() {
    let record = sample();
    let empty = file(b"");
    assert_eq!(read_slots(&*empty).unwrap(), [None, None]);
    for slot in 0..SLOTS {
        let file = file(&[0xff; SLOT_BYTES * SLOTS]);
        write_slot(&*file, slot, &record).unwrap();
        let slots = read_slots(&*file).unwrap();
        assert_eq!((slots[slot].as_ref(), slots[1 - slot].as_ref()), (Some(&record), None));
    }
}

#[test]
fn mid_states_come_back_unless_one_changed() {
    let record = sample();
    let (mut progress, mut states) = (Progress::new(None), Vec::new());
    progress.update(&content(1, 700_001), |state| states.push(state));
    let file = file(b"");
    write_borders(&*file, 0, &states[..1]).unwrap();
    assert!(read_borders(&*file, &record).is_none(), "the second is missing");
    write_borders(&*file, 1, &states[1..]).unwrap();
    let (chain, _) = read_borders(&*file, &record).unwrap();
    assert_eq!(Progress::resume(record.sha256.clone(), Some(chain)).chain(), progress.chain());
    write_all_at(&*file, b"x", BORDERS_OFFSET + 33).unwrap();
    assert!(read_borders(&*file, &record).is_none(), "one changed");
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(body in prop::collection::vec(any::<u8>(), 0..400), framed: bool) {
        let mut bytes = body;
        if framed {
            let head = [&MAGIC[..], &(bytes.len() as u32).to_le_bytes(), &crc32fast::hash(&bytes).to_le_bytes()];
            bytes.splice(0..0, head.concat());
        }
        let _ = decode(&bytes);
    }
}
