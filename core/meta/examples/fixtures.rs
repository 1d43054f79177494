//! Writes the files under `fixtures/` and `corpus/` that later releases must read.
//!
//! Run it once, when a format gets a new version, into a new folder; never over files that were released:
//! `cargo run -p dockless-meta --features conformance --example fixtures -- core/meta/fixtures/v2 core/meta/corpus`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use dockless_meta::conformance::sample;
use dockless_meta::journal::{frame, segment};
use dockless_meta::ledger::local::LocalLedger;
use dockless_meta::snapshot::line::Line;
use dockless_meta::{Ledger, Settings, record};
use dockless_runtime::disk::{Disk, RealDisk, read_file, write_file_durable};
use dockless_runtime::simulation::Simulation;

const LEDGER: &str = "/ledger";
const FILE_BYTES_MAX: usize = 64 << 20;

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [fixtures, corpus] = &arguments[..] else { return ExitCode::FAILURE };
    match write_ledger(fixtures).and_then(|()| write_corpus(corpus)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Half of the sample life is in a snapshot and in the tables, the other half in the journal alone.
fn write_ledger(folder: &Path) -> std::io::Result<()> {
    let simulation = Simulation::new(1);
    let settings = Settings { segment_bytes: 2_000, ..Settings::default() };
    let life = sample::life();
    // Not dropped before the files are read: closing the tables would take the journal's second half in.
    let mut running = None;
    for (number, half) in life.chunks(life.len() / 2).enumerate() {
        let opened =
            simulation.block_on(LocalLedger::open(simulation.runtime(), LEDGER.into(), settings.clone()));
        let ledger: Arc<LocalLedger> = opened.map_err(std::io::Error::other)?;
        for command in half {
            let applied = simulation.block_on(ledger.submit(command.clone()));
            applied.map_err(std::io::Error::other)?;
        }
        match number {
            0 => simulation.block_on(ledger.stop()).map_err(std::io::Error::other)?,
            _ => simulation.run_for(Duration::from_millis(10)),
        }
        simulation.kill();
        running = Some(ledger);
    }
    let disk = simulation.disk();
    for part in ["", "journal", "snapshots"] {
        RealDisk.create_dir_all(&folder.join(part))?;
        for entry in disk.list(&Path::new(LEDGER).join(part))?.iter().filter(|entry| !entry.is_dir) {
            let bytes = read_file(&*disk, &Path::new(LEDGER).join(part).join(&entry.name), FILE_BYTES_MAX)?;
            let mut name = entry.name.clone();
            // Mostly empty pages.
            let bytes = if part.is_empty() { zstd::encode_all(&bytes[..], 19)? } else { bytes };
            if part.is_empty() {
                name.push(".zst");
            }
            write_file_durable(&RealDisk, &folder.join(part).join(name), &bytes, false)?;
        }
    }
    drop(running);
    Ok(())
}

/// Whole ones, cut ones and empty ones of everything that is read.
fn write_corpus(folder: &Path) -> std::io::Result<()> {
    let records: Vec<Vec<u8>> =
        sample::life().iter().map(|command| record::encode(1_700_000_000_000, command)).collect();
    let put = |target: &str, name: &str, bytes: &[u8]| {
        RealDisk.create_dir_all(&folder.join(target))?;
        write_file_durable(&RealDisk, &folder.join(target).join(name), bytes, false)
    };
    put("segment", "first", &segment::encode_header(1))?;
    put("segment", "last", &segment::encode_header(u64::MAX))?;
    put("segment", "cut", &segment::encode_header(1)[..10])?;
    put("frame", "one", &frame::encode(1, &records[..1]))?;
    put("frame", "two", &frame::encode(u64::MAX - 9, &records[1..3]))?;
    put("frame", "cut", &frame::encode(1, &records[..1])[..30])?;
    put("frame", "empty-record", &frame::encode(7, &[Vec::new()]))?;
    for (number, bytes) in records.iter().enumerate() {
        put("record", &format!("{number:02}"), bytes)?;
    }
    let digest = sample::digest("x");
    put("line", "header", &Line::header(4, 99).encode())?;
    put("line", "text", &Line::content(digest.clone(), b"{\"a\": \"b\"}").encode())?;
    put("line", "hex", &Line::content(digest.clone(), b"\xff").encode())?;
    put(
        "line",
        "tag",
        format!("{{\"tag\":{{\"repository\":\"a/b\",\"tag\":\"v1\",\"digest\":\"{digest}\"}}}}\n").as_bytes(),
    )?;
    put("line", "end", b"{\"end\":{\"lines\":8}}\n")
}
