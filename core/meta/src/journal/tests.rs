//! The journal: frames as they are frozen, torn tails, damage, segments.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dockless_runtime::disk::{Disk, OpenMode, read_file, write_all_at};
use dockless_runtime::simulation::{Fault, SimDisk};
use proptest::prelude::*;

use super::frame::{FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FRAME_RECORDS_MAX, FrameError, decode, encode};
use super::segment::{SEGMENT_HEADER_BYTES, decode_header, encode_header};
use super::{Found, Journal, JournalError, first_kept};

const DIRECTORY: &str = "/journal";
const LARGE: u64 = 1 << 20;

type Records = Vec<(u64, Vec<u8>)>;

fn open_after(
    disk: &Arc<SimDisk>,
    segment_bytes: u64,
    after: u64,
) -> Result<(Journal, Found, Records), JournalError> {
    let mut records = Vec::new();
    let (journal, found) = Journal::open(
        disk.clone(),
        Path::new(DIRECTORY),
        segment_bytes,
        after,
        &mut |index, record: &[u8]| {
            records.push((index, record.to_vec()));
            Ok::<(), JournalError>(())
        },
    )?;
    assert_eq!(found.replayed, records.len() as u64);
    Ok((journal, found, records))
}

fn open(disk: &Arc<SimDisk>, segment_bytes: u64) -> (Journal, Found, Records) {
    open_after(disk, segment_bytes, 0).unwrap()
}

fn damage_of(opened: Result<(Journal, Found, Records), JournalError>) -> String {
    match opened.map(|(_, found, records)| (found, records)) {
        Err(JournalError::Damaged(what)) => what,
        other => panic!("{other:?}"),
    }
}

fn record(number: u64) -> Vec<u8> {
    format!("record {number}").into_bytes()
}

/// Appends batches of these sizes with consecutive records.
fn append(journal: &mut Journal, batches: &[u64]) {
    for size in batches {
        let first = journal.newest() + 1;
        let batch: Vec<_> = (first..first + size).map(record).collect();
        journal.append(&batch).unwrap();
    }
}

fn expected(indexes: std::ops::RangeInclusive<u64>) -> Records {
    indexes.map(|index| (index, record(index))).collect()
}

fn segment(first: u64) -> PathBuf {
    Path::new(DIRECTORY).join(format!("{first:020}.log"))
}

fn size(disk: &SimDisk, first: u64) -> u64 {
    disk.stat(&segment(first)).unwrap().size
}

fn overwrite(disk: &SimDisk, first: u64, offset: u64, bytes: &[u8]) {
    let file = disk.open(&segment(first), OpenMode::ReadWrite).unwrap();
    write_all_at(&*file, bytes, offset).unwrap();
}

#[test]
fn frames_and_headers_are_what_they_always_were() {
    let frame = encode(7, &[b"ab".to_vec(), Vec::new()]);
    assert_eq!(
        frame,
        b"DKF1\x0a\0\0\0\x07\0\0\0\0\0\0\0\x02\0\0\0\xe3\n\x97O\x02\0\0\0ab\0\0\0\0",
        "{}",
        frame.escape_ascii()
    );
    let header = encode_header(7);
    assert_eq!(&header, b"DOCKJRNL\x01\0\0\0\x07\0\0\0\0\0\0\0\xea\xa07\x02", "{}", header.escape_ascii());
    assert_eq!(decode_header(&header), Ok(7));
}

#[test]
fn frames_over_a_limit_are_refused_before_they_are_read() {
    let frame = encode(1, &[b"ab".to_vec()]);
    let with = |at: usize, value: u32| {
        let mut frame = frame.clone();
        frame[at..at + 4].copy_from_slice(&value.to_le_bytes());
        decode(&frame).map(drop)
    };
    assert_eq!(with(4, u32::MAX), Err(FrameError::Invalid("length")));
    assert_eq!(with(4, u32::try_from(FRAME_BYTES_MAX).unwrap()), Err(FrameError::Truncated));
    assert_eq!(with(16, 0), Err(FrameError::Invalid("number of records")));
    assert_eq!(
        with(16, u32::try_from(FRAME_RECORDS_MAX).unwrap() + 1),
        Err(FrameError::Invalid("number of records"))
    );
    assert_eq!(with(8, 0), Err(FrameError::Invalid("first number")));
    assert_eq!(with(8, 2), Err(FrameError::Invalid("checksum")));
}

#[test]
fn what_is_appended_is_read_again() {
    let disk = SimDisk::new();
    let (mut journal, _, _) = open(&disk, LARGE);
    append(&mut journal, &[1, 3, 2]);
    assert_eq!((journal.first(), journal.newest()), (1, 6));
    disk.crash(0);
    let (mut journal, found, records) = open(&disk, LARGE);
    assert_eq!((found.cut_bytes, records), (0, expected(1..=6)));
    append(&mut journal, &[1]);
    assert_eq!(open_after(&disk, LARGE, 4).unwrap().2, expected(5..=7), "only what the caller lacks");
}

#[test]
fn one_append_costs_one_sync() {
    let disk = SimDisk::new();
    let (mut journal, _, _) = open(&disk, LARGE);
    let (syncs, operations) = (disk.sync_count(), disk.operations());
    append(&mut journal, &[64]);
    assert_eq!((disk.sync_count() - syncs, disk.operations() - operations), (1, 2));
}

#[test]
fn a_torn_tail_is_cut_at_every_byte() {
    let disk = SimDisk::new();
    let (mut journal, _, _) = open(&disk, LARGE);
    append(&mut journal, &[2]);
    let whole = size(&disk, 1);
    append(&mut journal, &[3]);
    drop(journal);
    for length in whole..size(&disk, 1) {
        let torn = disk.fork();
        torn.open(&segment(1), OpenMode::ReadWrite).unwrap().set_len(length).unwrap();
        let (mut journal, found, records) = open(&torn, LARGE);
        assert_eq!((found.cut_bytes, records), (length - whole, expected(1..=2)), "length {length}");
        append(&mut journal, &[1]);
        torn.crash(0);
        assert_eq!(open(&torn, LARGE).2, expected(1..=3), "length {length}");
    }
}

#[test]
fn an_unfinished_append_in_any_state_is_cut() {
    for seed in 0..300 {
        let disk = SimDisk::new();
        let (mut journal, _, _) = open(&disk, LARGE);
        append(&mut journal, &[2]);
        // The write happens, the sync does not.
        disk.fail_from(disk.operations() + 1);
        let large = vec![vec![7; 30_000], vec![8; 30_000]];
        assert!(matches!(journal.append(&large), Err(JournalError::Failed(_))));
        disk.crash(seed);
        let (mut journal, _, records) = open(&disk, LARGE);
        assert_eq!(records[..2], expected(1..=2), "seed {seed}");
        assert!(records.len() == 2 || records.len() == 4, "seed {seed}: all of it or nothing");
        append(&mut journal, &[1]);
        assert_eq!(open(&disk, LARGE).2.len(), records.len() + 1);
    }
}

#[test]
fn damage_before_the_tail_is_an_error_that_says_what_to_do() {
    let disk = SimDisk::new();
    let (mut journal, _, _) = open(&disk, LARGE);
    append(&mut journal, &[1]);
    let last = size(&disk, 1);
    append(&mut journal, &[1]);
    drop(journal);
    for offset in 0..last {
        let damaged = disk.fork();
        damaged.damage(&segment(1), offset).unwrap();
        let what = damage_of(open_after(&damaged, LARGE, 0));
        assert!(what.contains("from a backup") && what.contains(".log"), "{what}");
    }
}

#[test]
fn a_damaged_older_segment_is_an_error_even_at_its_end() {
    let disk = SimDisk::new();
    let (mut journal, _, _) = open(&disk, 60);
    append(&mut journal, &[1, 1]);
    drop(journal);
    disk.open(&segment(1), OpenMode::ReadWrite).unwrap().set_len(size(&disk, 1) - 1).unwrap();
    damage_of(open_after(&disk, 60, 0));
    assert_eq!(open_after(&disk, 60, 1).unwrap().2, expected(2..=2), "who needs it not does not read it");
}

#[test]
fn a_frame_out_of_its_order_is_damage() {
    let disk = SimDisk::new();
    let (mut journal, _, _) = open(&disk, LARGE);
    append(&mut journal, &[1]);
    let end = size(&disk, 1);
    overwrite(&disk, 1, end, &encode(9, &[record(9)]));
    assert!(damage_of(open_after(&disk, LARGE, 0)).contains("out of its order"));
}

#[test]
fn garbage_longer_than_any_append_is_damage() {
    let disk = SimDisk::new();
    let (mut journal, _, _) = open(&disk, LARGE);
    append(&mut journal, &[1]);
    let end = size(&disk, 1);
    let file = disk.open(&segment(1), OpenMode::ReadWrite).unwrap();
    let longest = (FRAME_HEADER_BYTES + FRAME_BYTES_MAX) as u64;
    file.set_len(end + longest + 1).unwrap();
    damage_of(open_after(&disk, LARGE, 0));
    file.set_len(end + longest).unwrap();
    assert_eq!(open(&disk, LARGE).1.cut_bytes, longest);
}

#[test]
fn segments_roll_and_are_trimmed() {
    let disk = SimDisk::new();
    let (mut journal, _, _) = open(&disk, 100);
    append(&mut journal, &[1; 10]);
    disk.crash(0);
    let (mut journal, _, records) = open(&disk, 100);
    assert_eq!(records, expected(1..=10));
    assert!(disk.list(Path::new(DIRECTORY)).unwrap().len() > 3, "more than one segment");
    journal.trim(5).unwrap();
    assert!(
        journal.first() <= 5 && journal.first() > 1,
        "it keeps number 5 and begins with {}",
        journal.first()
    );
    disk.crash(0);
    let first = first_kept(&*disk, Path::new(DIRECTORY)).unwrap();
    assert_eq!(first, Some(journal.first()));
    assert_eq!(open_after(&disk, 100, 4).unwrap().2, expected(5..=10));
    let what = damage_of(open_after(&disk, 100, 0));
    assert!(what.contains("lacks the commands 1 to"), "{what}");
    journal.trim(u64::MAX).unwrap();
    assert!(disk.stat(&segment(journal.first())).is_ok(), "the newest segment stays");
}

#[test]
fn trimming_goes_on_after_it_failed_once() {
    for operation in [0, 1] {
        let disk = SimDisk::new();
        let (mut journal, _, _) = open(&disk, 100);
        append(&mut journal, &[1; 10]);
        disk.fail_with(disk.operations() + operation, Fault::Eio);
        assert!(journal.trim(5).is_err(), "{operation}");
        journal.trim(5).unwrap();
        assert_eq!(first_kept(&*disk, Path::new(DIRECTORY)).unwrap(), Some(journal.first()), "{operation}");
        assert_eq!(open_after(&disk, 100, 4).unwrap().2, expected(5..=10));
    }
}

#[test]
fn a_missing_segment_between_two_is_damage() {
    let disk = SimDisk::new();
    let (mut journal, _, _) = open(&disk, 60);
    append(&mut journal, &[1; 3]);
    disk.remove(&segment(2)).unwrap();
    assert!(damage_of(open_after(&disk, 60, 0)).contains("lacks the commands 2 to 2"));
    assert_eq!(open_after(&disk, 60, 2).unwrap().2, expected(3..=3));
}

#[test]
fn a_crash_while_a_segment_is_made_leaves_no_trace() {
    for (cut, seed) in (0..6).flat_map(|cut| (0..20).map(move |seed| (cut, seed))) {
        let disk = SimDisk::new();
        let (mut journal, _, _) = open(&disk, 60);
        append(&mut journal, &[1]);
        disk.fail_from(disk.operations() + cut);
        let rolled = journal.append(&[record(2)]);
        disk.crash(seed);
        let (mut journal, _, records) = open(&disk, 60);
        assert_eq!(records[0], (1, record(1)), "cut {cut}, seed {seed}");
        assert!(rolled.is_err() || records.len() == 2, "cut {cut}, seed {seed}");
        append(&mut journal, &[1, 1]);
        assert_eq!(open(&disk, 60).2.len(), records.len() + 2);
    }
}

#[test]
fn a_full_disk_leaves_the_journal_as_before() {
    // The first operations of an append that makes a segment, and of one that does not.
    for (segment_bytes, operation) in [(60, 0), (60, 1), (LARGE, 0)] {
        let disk = SimDisk::new();
        let (mut journal, _, _) = open(&disk, segment_bytes);
        append(&mut journal, &[1]);
        disk.fail_with(disk.operations() + operation, Fault::Enospc);
        assert_eq!(journal.append(&[record(99)]), Err(JournalError::Full));
        append(&mut journal, &[2]);
        disk.crash(0);
        assert_eq!(open(&disk, segment_bytes).2, expected(1..=3));
    }
}

#[test]
fn after_a_failed_sync_nothing_is_written() {
    // A new segment is created, written, synced, its directory synced; then come the append's write and sync.
    for (segment_bytes, operation) in [(LARGE, 1), (60, 2), (60, 3), (60, 5)] {
        let disk = SimDisk::new();
        let (mut journal, _, _) = open(&disk, segment_bytes);
        append(&mut journal, &[1]);
        disk.fail_with(disk.operations() + operation, Fault::Eio);
        let failed = journal.append(&[record(2)]);
        assert!(matches!(failed, Err(JournalError::Failed(_))), "{segment_bytes} {operation}: {failed:?}");
        let operations = disk.operations();
        assert_eq!(journal.append(&[record(2)]), failed);
        assert_eq!(disk.operations(), operations, "nothing was tried");
        disk.crash(0);
        assert_eq!(open(&disk, segment_bytes).2[..1], expected(1..=1));
    }
}

#[test]
fn short_writes_are_completed() {
    let disk = SimDisk::new();
    let (mut journal, _, _) = open(&disk, LARGE);
    disk.fail_with(disk.operations(), Fault::ShortWrite);
    append(&mut journal, &[2]);
    disk.crash(0);
    assert_eq!(open(&disk, LARGE).2, expected(1..=2));
}

#[test]
fn a_segment_of_a_later_release_is_refused() {
    let disk = SimDisk::new();
    let (mut journal, _, _) = open(&disk, LARGE);
    append(&mut journal, &[1]);
    let mut header = read_file(&*disk, &segment(1), 1 << 20).unwrap()[..SEGMENT_HEADER_BYTES].to_vec();
    header[8] = 2;
    let checksum = crc32fast::hash(&header[..20]);
    header[20..].copy_from_slice(&checksum.to_le_bytes());
    overwrite(&disk, 1, 0, &header);
    assert!(damage_of(open_after(&disk, LARGE, 0)).contains("a later release wrote it"));
}

proptest! {
    #[test]
    fn frames_are_read_as_they_were_written(first in 1..u64::MAX / 2, records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..20)) {
        let mut bytes = encode(first, &records);
        let length = bytes.len();
        bytes.extend_from_slice(b"whatever follows");
        let (frame, read) = decode(&bytes).unwrap();
        prop_assert_eq!((frame.first, read), (first, length));
        prop_assert_eq!(frame.records, records.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }

    #[test]
    fn a_changed_byte_is_noticed(at in 0..52_usize, by in 1..=u8::MAX) {
        let mut bytes = encode(3, &[record(3), record(4)]);
        prop_assert_eq!(bytes.len(), 24 + 2 * 12);
        let at = at % bytes.len();
        bytes[at] ^= by;
        prop_assert!(decode(&bytes).is_err());
    }
}
