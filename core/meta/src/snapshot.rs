//! Snapshots: all of truth at one command, as compressed lines of JSON.
//!
//! Only what cannot be derived stands in one ([`mod@line`]); reading it back makes every derived row again, so a
//! snapshot outlives any layout of the tables. Kept as `<20 digits of its number>.jsonl.zst` in one directory.

pub mod line;
mod stream;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dockless_oci::digest::Digest;
use dockless_runtime::disk::{Disk, OpenMode, create_dir_durable, remove_durable, rename_durable};
use line::{LINE_BYTES_MAX, Line, LineError};
use stream::{DiskReader, DiskWriter};

use crate::answer::Doomed;
use crate::apply::load;
use crate::record::field::FieldReader;
use crate::record::v1::read_facts;
use crate::rows::{self, ManifestRow, key, meta};
use crate::tables::{Row, Table, TableError, TableRead, TableWrite, Tables};
use crate::view::View;

/// Speed before size: snapshots of unchanged data differ little, and a stop waits for one.
const COMPRESSION_LEVEL: i32 = 1;

/// Lines put into the tables in one transaction.
const LINES_PER_WRITE: usize = 10_000;

/// Ends the name of a snapshot that is being written.
const UNFINISHED: &str = ".new";

/// Why a snapshot could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The disk refused.
    #[error("cannot {doing} the snapshot {}: {error}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the disk said.
        error: io::Error,
    },
    /// It is not what was written.
    #[error("the snapshot {} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The tables refused.
    #[error("the tables: {0}")]
    Tables(#[from] TableError),
}

/// The numbers of the snapshots in a directory, oldest first.
///
/// # Errors
/// When the directory cannot be read.
pub fn list(disk: &dyn Disk, directory: &Path) -> Result<Vec<u64>, SnapshotError> {
    let entries = match disk.list(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed("list", directory))?,
    };
    let names = entries.iter().filter_map(|entry| entry.name.to_str());
    let mut found: Vec<u64> = names.filter_map(parse_file_name).collect();
    found.sort_unstable();
    Ok(found)
}

/// Writes what `view` sees; there, whole and durable when it returns.
///
/// # Errors
/// When the disk or the tables refuse; no other snapshot is touched.
pub fn write(disk: &Arc<dyn Disk>, directory: &Path, time_ms: u64, view: &View) -> Result<(), SnapshotError> {
    create_dir_durable(&**disk, directory).map_err(failed("make the directory of", directory))?;
    let path = path_of(directory, view.index());
    let unfinished = path.with_extension("zst.new");
    let io = |doing| failed(doing, &unfinished);
    // A crash may have left one.
    remove_durable(&**disk, &unfinished).map_err(io("make"))?;
    let file = disk.open(&unfinished, OpenMode::CreateNewPrivate).map_err(io("make"))?;
    let mut encoder =
        zstd::Encoder::new(DiskWriter::new(file.clone()), COMPRESSION_LEVEL).map_err(io("compress"))?;
    encoder.include_checksum(true).map_err(io("compress"))?;
    let mut lines = LineWriter { path: &unfinished, output: encoder, count: 0 };
    write_lines(&mut lines, view, time_ms)?;
    let writer = lines.output.finish().map_err(io("write"))?;
    writer.finish().map_err(io("write"))?;
    file.sync_data().map_err(io("sync"))?;
    rename_durable(&**disk, &unfinished, &path).map_err(io("rename"))
}

/// Removes all but the newest `kept` snapshots, and unfinished ones; answers the number of the oldest that is left.
///
/// # Errors
/// When the disk refuses.
pub fn prune(disk: &dyn Disk, directory: &Path, kept: usize) -> Result<Option<u64>, SnapshotError> {
    let found = list(disk, directory)?;
    let gone = found.len().saturating_sub(kept.max(1));
    let old = found[..gone].iter().map(|index| path_of(directory, *index));
    let entries = disk.list(directory).map_err(failed("list", directory))?;
    let unfinished = entries.iter().filter_map(|entry| entry.name.to_str());
    let unfinished = unfinished.filter(|name| name.ends_with(UNFINISHED)).map(|name| directory.join(name));
    for path in old.chain(unfinished) {
        disk.remove(&path).map_err(failed("remove", &path))?;
    }
    disk.sync_dir(directory).map_err(failed("remove", directory))?;
    Ok(found.get(gone).copied())
}

/// Puts a snapshot into empty tables.
///
/// # Errors
/// [`SnapshotError::Damaged`] when it is not whole; the tables then hold a part of it and are of no use.
pub fn load(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    index: u64,
    tables: &dyn Tables,
) -> Result<(), SnapshotError> {
    let path = path_of(directory, index);
    let file = disk.open(&path, OpenMode::Read).map_err(failed("open", &path))?;
    let decoder = zstd::Decoder::new(DiskReader::new(file)).map_err(failed("read", &path))?;
    let mut lines = LineReader { path: &path, input: BufReader::new(decoder), line: Vec::new(), count: 0 };
    match lines.next()? {
        Line::Snapshot(header) if header.version != line::VERSION => {
            return Err(lines.damaged(format!("it has version {}, which is not known", header.version)));
        }
        Line::Snapshot(header) if header.index == index => {}
        _ => return Err(lines.damaged("it does not begin with its number")),
    }
    let mut ended = false;
    while !ended {
        let mut failed = None;
        let written = tables.write(&mut |tables| {
            match load_lines(&mut lines, tables) {
                Ok(end) => ended = end,
                Err(SnapshotError::Tables(error)) => return Err(error),
                Err(error) => {
                    failed = Some(error);
                    return Err(TableError::Damaged("the snapshot".to_owned()));
                }
            }
            if ended { note_index(tables, index) } else { Ok(()) }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        written?;
    }
    Ok(())
}

/// The tables are those of the command `index`, and what happened before is forgotten.
fn note_index(tables: &mut dyn TableWrite, index: u64) -> Result<(), TableError> {
    tables.put(Table::Meta, meta::FORMAT, &rows::encode_integer(rows::FORMAT))?;
    tables.put(Table::Meta, meta::APPLIED, &rows::encode_integer(index))?;
    tables.put(Table::Meta, meta::EVENTS_FROM, &rows::encode_integer(index + 1))
}

struct LineWriter<'a, W> {
    path: &'a Path,
    output: W,
    count: u64,
}

impl<W: Write> LineWriter<'_, W> {
    fn put(&mut self, line: &Line) -> Result<(), SnapshotError> {
        let bytes = line.encode();
        self.output.write_all(&bytes).map_err(failed("write", self.path))?;
        self.count += 1;
        Ok(())
    }
}

fn write_lines<W: Write>(
    lines: &mut LineWriter<'_, W>,
    view: &View,
    time_ms: u64,
) -> Result<(), SnapshotError> {
    lines.put(&Line::header(view.index(), time_ms))?;
    write_table(lines, view, Table::Contents, &|_, row| {
        let (digest, _) = key::split_digest(&row.key)?;
        Ok(Line::content(digest, &row.value))
    })?;
    write_table(lines, view, Table::Manifests, &manifest_line)?;
    write_table(lines, view, Table::Tags, &|_, row| {
        let (repository, tag) = key::split_repository(&row.key)?;
        Ok(Line::Tag(line::Tagged {
            repository,
            tag: key::tag(tag)?,
            digest: rows::decode_digest(&row.value)?,
        }))
    })?;
    write_table(lines, view, Table::Links, &|_, row| {
        let (repository, digest) = key::split_repository(&row.key)?;
        let (digest, size) = (rows::decode_digest(digest)?, rows::decode_integer(&row.value)?);
        Ok(Line::Blob(line::Blob { repository, digest, size }))
    })?;
    write_table(lines, view, Table::Doomed, &|_, row| {
        let Doomed { digest, since_ms, expected } = rows::decode_doomed(row)?;
        Ok(Line::Doomed(line::DoomedBlob { digest, since_ms, expected }))
    })?;
    let count = lines.count;
    lines.put(&Line::End(line::End { lines: count }))
}

fn manifest_line(tables: &dyn TableRead, row: &Row) -> Result<Line, TableError> {
    let (repository, digest) = key::split_repository(&row.key)?;
    let digest: Digest = rows::decode_digest(digest)?;
    let facts = tables.get(Table::Facts, &row.key)?;
    let facts = facts.ok_or_else(|| TableError::Damaged("a manifest has no facts".to_owned()))?;
    let facts = read_facts(&mut FieldReader::new(&facts))?;
    let ManifestRow { size, media_type } = ManifestRow::decode(&row.value)?;
    Ok(Line::Manifest(line::Manifest { repository, digest, media_type, size, facts: facts.into() }))
}

/// Writes a line for every row of a table.
fn write_table<W: Write>(
    lines: &mut LineWriter<'_, W>,
    view: &View,
    table: Table,
    read: &dyn Fn(&dyn TableRead, &Row) -> Result<Line, TableError>,
) -> Result<(), SnapshotError> {
    let mut failed = Ok(());
    rows::each(view.tables(), table, &[], None, &mut |row| {
        failed = lines.put(&read(view.tables(), &row)?);
        Ok(if failed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    failed
}

struct LineReader<'a, R> {
    path: &'a Path,
    input: R,
    line: Vec<u8>,
    count: u64,
}

impl<R: BufRead> LineReader<'_, R> {
    fn next(&mut self) -> Result<Line, SnapshotError> {
        self.line.clear();
        let mut limited = (&mut self.input).take(LINE_BYTES_MAX as u64);
        let read = limited.read_until(b'\n', &mut self.line);
        // What the decompressor refuses is damage, not the disk.
        read.map_err(|error| self.damaged(error.to_string()))?;
        self.count += 1;
        Line::decode(&self.line).map_err(|error: LineError| self.damaged(error.to_string()))
    }

    /// Nothing may follow the last line; reading on also checks the sum over all of them.
    fn finish(&mut self) -> Result<(), SnapshotError> {
        match self.input.fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => Err(self.damaged("something follows the end")),
            Err(error) => Err(self.damaged(error.to_string())),
        }
    }

    fn damaged(&self, what: impl Into<String>) -> SnapshotError {
        let what = format!("line {}: {}", self.count, what.into());
        SnapshotError::Damaged { path: self.path.to_owned(), what }
    }
}

/// Puts some lines into the tables; true when that was the last one.
fn load_lines<R: BufRead>(
    lines: &mut LineReader<'_, R>,
    tables: &mut dyn TableWrite,
) -> Result<bool, SnapshotError> {
    for _ in 0..LINES_PER_WRITE {
        let before = lines.count;
        match lines.next()? {
            Line::End(end) if end.lines == before => return lines.finish().map(|()| true),
            Line::End(_) => return Err(lines.damaged("lines are missing")),
            Line::Snapshot(_) => return Err(lines.damaged("a second beginning")),
            Line::Content(content) => {
                let bytes = content.bytes().map_err(|error| lines.damaged(error.to_string()))?;
                load::content(tables, &content.digest, &bytes)?;
            }
            Line::Manifest(manifest) => {
                let row = ManifestRow { size: manifest.size, media_type: manifest.media_type };
                let facts = manifest.facts.into();
                load::manifest(tables, &manifest.repository, &manifest.digest, &row, &facts)?;
            }
            Line::Tag(tagged) => load::tag(tables, &tagged.repository, &tagged.tag, &tagged.digest)?,
            Line::Blob(blob) => load::link(tables, &blob.repository, &blob.digest, blob.size)?,
            Line::Doomed(doomed) => {
                let line::DoomedBlob { digest, since_ms, expected } = doomed;
                load::doomed(tables, &Doomed { digest, since_ms, expected })?;
            }
        }
    }
    Ok(false)
}

fn path_of(directory: &Path, index: u64) -> PathBuf {
    directory.join(format!("{index:020}.jsonl.zst"))
}

fn parse_file_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".jsonl.zst")?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> SnapshotError {
    let path = path.to_owned();
    move |error| SnapshotError::Io { doing, path: path.clone(), error }
}
