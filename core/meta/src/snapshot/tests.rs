//! Snapshots: lines as they are frozen, and files that are whole or refused.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use dockless_oci::manifest::MANIFEST_BYTES_MAX;
use dockless_runtime::Disk;
use dockless_runtime::disk::{OpenMode, read_file, write_file_durable};
use dockless_runtime::simulation::SimDisk;
use proptest::prelude::*;

use super::line::{Line, LineError};
use super::{SnapshotError, list, load, prune, write};
use crate::apply::apply_batch;
use crate::command::{Command, Entry};
use crate::conformance::sample;
use crate::tables::memory::MemoryTables;
use crate::tables::{Row, Table, TableError, TableRead, Tables};
use crate::view::View;

const DIRECTORY: &str = "/snapshots";

/// One of each line.
fn sample_view() -> View {
    let commands = [
        sample::put_with_layers("a/b", "one", &["x"]),
        sample::put("a/b", "two \"quoted\" \u{e9}", &["v1"]),
        sample::link("a/b", "x"),
        Command::ExpectBlob { digest: sample::digest("y") },
    ];
    let entries: Vec<_> =
        (1..).zip(commands).map(|(index, command)| Entry { index, time_ms: 10 + index, command }).collect();
    let tables = MemoryTables::new();
    tables.write(&mut |tables| apply_batch(tables, &entries).map(drop)).unwrap();
    View::new(tables.read().unwrap()).unwrap()
}

fn written() -> Arc<SimDisk> {
    let disk = SimDisk::new();
    let seam: Arc<dyn Disk> = disk.clone();
    write(&seam, Path::new(DIRECTORY), 99, &sample_view()).unwrap();
    disk
}

fn load_from(disk: &Arc<SimDisk>, index: u64) -> Result<MemoryTables, SnapshotError> {
    let seam: Arc<dyn Disk> = disk.clone();
    let tables = MemoryTables::new();
    load(&seam, Path::new(DIRECTORY), index, &tables).map(|()| tables)
}

fn is_damage<T>(loaded: Result<T, SnapshotError>) -> bool {
    matches!(loaded, Err(SnapshotError::Damaged { .. }))
}

/// These lines are in snapshots: a change here needs a new version.
#[test]
fn lines_are_what_they_always_were() {
    let disk = written();
    let path = super::path_of(Path::new(DIRECTORY), 4);
    let compressed = read_file(&*disk, &path, 1 << 20).unwrap();
    let text = String::from_utf8(zstd::decode_all(&compressed[..]).unwrap()).unwrap();
    let (x, y) = (sample::digest("x"), sample::digest("y"));
    let (one, two) = (sample::digest("one"), sample::digest("two \"quoted\" \u{e9}"));
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let contents = [(&one, "one"), (&two, "two \\\"quoted\\\" \u{e9}")];
    let mut contents = contents
        .map(|(digest, text)| format!("{{\"content\":{{\"digest\":\"{digest}\",\"text\":\"{text}\"}}}}"));
    let reference = format!("{{\"references\":[{{\"digest\":\"{x}\",\"kind\":\"blob\",\"size\":1000}}]}}");
    let manifests = [(&one, 3, reference.as_str()), (&two, 15, "{}")];
    let mut manifests = manifests.map(|(digest, size, facts)| {
        format!(
            "{{\"manifest\":{{\"repository\":\"a/b\",\"digest\":\"{digest}\",\"media_type\":\"{media_type}\",\
             \"size\":{size},\"facts\":{facts}}}}}"
        )
    });
    // By digest.
    if two < one {
        contents.reverse();
        manifests.reverse();
    }
    let expected = [
        "{\"snapshot\":{\"version\":1,\"index\":4,\"time_ms\":99}}".to_owned(),
        contents.join("\n"),
        manifests.join("\n"),
        format!("{{\"tag\":{{\"repository\":\"a/b\",\"tag\":\"v1\",\"digest\":\"{two}\"}}}}"),
        format!("{{\"blob\":{{\"repository\":\"a/b\",\"digest\":\"{x}\",\"size\":1000}}}}"),
        format!("{{\"doomed\":{{\"digest\":\"{y}\",\"since_ms\":14,\"expected\":true}}}}"),
        "{\"end\":{\"lines\":8}}".to_owned(),
    ];
    assert_eq!(text, expected.join("\n") + "\n");
    assert_eq!(
        load_from(&disk, 4).map(|tables| View::new(tables.read().unwrap()).unwrap().index()).unwrap(),
        4
    );
}

/// Tables that remember how many rows of [`Table::Contents`] were asked for at once.
struct Watched {
    tables: Arc<dyn TableRead + Send + Sync>,
    contents_max: AtomicUsize,
}

impl TableRead for Watched {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, TableError> {
        self.tables.get(table, key)
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        until: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, TableError> {
        if table == Table::Contents {
            self.contents_max.fetch_max(limit, Ordering::Relaxed);
        }
        self.tables.range(table, from, until, limit)
    }
}

#[test]
fn writing_one_holds_few_manifests_at_once() {
    let tables = MemoryTables::new();
    let commands = (0..20).map(|number| sample::put("a", &format!("manifest {number}"), &[]));
    let entries: Vec<_> =
        (1..).zip(commands).map(|(index, command)| Entry { index, time_ms: 1, command }).collect();
    tables.write(&mut |tables| apply_batch(tables, &entries).map(drop)).unwrap();
    let watched = Arc::new(Watched { tables: tables.read().unwrap(), contents_max: AtomicUsize::new(0) });
    let disk = SimDisk::new();
    let seam: Arc<dyn Disk> = disk.clone();
    write(&seam, Path::new(DIRECTORY), 1, &View::new(watched.clone()).unwrap()).unwrap();
    let at_once = watched.contents_max.load(Ordering::Relaxed);
    assert!(at_once * MANIFEST_BYTES_MAX <= 16 << 20, "{at_once} of the largest manifests at once");
    assert_eq!(
        load_from(&disk, 20).unwrap().read().unwrap().range(Table::Contents, b"", None, 99).unwrap().len(),
        20
    );
}

#[test]
fn a_content_that_is_no_text_is_kept() {
    let bytes = b"\xff\x00\x7f";
    let line = Line::content(sample::digest("z"), bytes);
    assert!(String::from_utf8(line.encode()).unwrap().contains("\"hex\":\"ff007f\""));
    let Ok(Line::Content(content)) = Line::decode(&line.encode()) else { panic!("another line") };
    assert_eq!(content.bytes().as_deref(), Ok(&bytes[..]));
    for wrong in ["{}", "{\"hex\":\"f\"}", "{\"hex\":\"fg\"}", "{\"hex\":\"\",\"text\":\"\"}"] {
        let digest = sample::digest("z");
        let fields = wrong.trim_start_matches('{');
        let comma = if fields == "}" { "" } else { "," };
        let line = format!("{{\"content\":{{\"digest\":\"{digest}\"{comma}{fields}}}\n");
        let Ok(Line::Content(content)) = Line::decode(line.as_bytes()) else { panic!("{line}") };
        assert_eq!(content.bytes(), Err(LineError::Content), "{line}");
    }
}

#[test]
fn a_snapshot_that_is_not_whole_is_refused() {
    let disk = written();
    let path = super::path_of(Path::new(DIRECTORY), 4);
    let whole = read_file(&*disk, &path, 1 << 20).unwrap();
    for length in 0..whole.len() {
        write_file_durable(&*disk, &path, &whole[..length], true).unwrap();
        assert!(is_damage(load_from(&disk, 4)), "{length} of {} bytes", whole.len());
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        write_file_durable(&*disk, &path, &changed, true).unwrap();
        // A bit of the compressor's own header may mean nothing; then the lines are as they were.
        assert!(load_from(&disk, 4).is_ok_and(|_| at < 6) || is_damage(load_from(&disk, 4)), "byte {at}");
    }
}

#[test]
fn lines_that_are_missing_doubled_or_of_a_later_release_are_refused() {
    let disk = written();
    let path = super::path_of(Path::new(DIRECTORY), 4);
    let compressed = read_file(&*disk, &path, 1 << 20).unwrap();
    let text = String::from_utf8(zstd::decode_all(&compressed[..]).unwrap()).unwrap();
    let refused = |text: &str| {
        let compressed = zstd::encode_all(text.as_bytes(), 1).unwrap();
        write_file_durable(&*disk, &path, &compressed, true).unwrap();
        is_damage(load_from(&disk, 4))
    };
    assert!(!refused(&text));
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for at in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(at);
        assert!(refused(&fewer.concat()), "without line {at}");
    }
    let doubled = [lines[0], &text].concat();
    assert!(refused(&doubled));
    assert!(refused(&text.replace("\"version\":1", "\"version\":2")));
    assert!(refused(&text.replace("\"index\":4", "\"index\":5")));
    assert!(refused(&text.replace("{\"tag\"", "{\"tug\"")));
    assert!(refused(text.trim_end()), "the last line is cut");
}

#[test]
fn unfinished_and_surplus_snapshots_are_removed() {
    let disk = written();
    let whole = read_file(&*disk, &super::path_of(Path::new(DIRECTORY), 4), 1 << 20).unwrap();
    for index in 5..9 {
        write_file_durable(&*disk, &super::path_of(Path::new(DIRECTORY), index), &whole, true).unwrap();
    }
    let unfinished = Path::new(DIRECTORY).join("00000000000000000009.jsonl.zst.new");
    disk.open(&unfinished, OpenMode::CreateNew).unwrap();
    disk.open(&Path::new(DIRECTORY).join("README"), OpenMode::CreateNew).unwrap();
    assert_eq!(list(&*disk, Path::new(DIRECTORY)).unwrap(), [4, 5, 6, 7, 8]);
    assert_eq!(prune(&*disk, Path::new(DIRECTORY), 2).unwrap(), Some(7));
    assert_eq!(list(&*disk, Path::new(DIRECTORY)).unwrap(), [7, 8]);
    let names = disk.list(Path::new(DIRECTORY)).unwrap();
    assert_eq!(names.len(), 3, "two snapshots and a file that is none of ours: {names:?}");
    assert_eq!(prune(&*disk, Path::new(DIRECTORY), 0).unwrap(), Some(8), "one is always kept");
}

#[test]
fn a_power_cut_leaves_a_whole_snapshot_or_none() {
    let mut cut = 0;
    loop {
        let disk = SimDisk::new();
        disk.fail_from(cut);
        let seam: Arc<dyn Disk> = disk.clone();
        let done = write(&seam, Path::new(DIRECTORY), 99, &sample_view());
        disk.crash(cut + 2);
        let found = list(&*disk, Path::new(DIRECTORY)).unwrap();
        if found == [4] {
            load_from(&disk, 4).unwrap();
        }
        if done.is_ok() {
            assert_eq!(found, [4], "cut {cut}");
            break;
        }
        cut += 1;
    }
    assert!(cut >= 5, "only {cut} operations");
}

#[test]
fn each_sync_of_a_snapshot_is_needed() {
    for unsynced in [".zst.new", "snapshots", ""] {
        let disk = SimDisk::new();
        if !unsynced.is_empty() {
            disk.ignore_syncs_matching(move |path| path.to_string_lossy().ends_with(unsynced));
        }
        let seam: Arc<dyn Disk> = disk.clone();
        write(&seam, Path::new(DIRECTORY), 99, &sample_view()).unwrap();
        disk.crash(0);
        assert_eq!(load_from(&disk, 4).is_ok(), unsynced.is_empty(), "without the syncs of {unsynced:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_line_or_an_error(name in "[a-z]{1,8}", rest in "\\PC{0,60}") {
        for text in [rest.clone(), format!("{{\"{name}\":{rest}}}\n"), format!("{{\"tag\":{{{rest}}}}}\n")] {
            if let Ok(line) = Line::decode(text.as_bytes()) {
                prop_assert_eq!(Line::decode(&line.encode()), Ok(line));
            }
        }
    }
}
