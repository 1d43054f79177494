//! Measures how fast a ledger with a million tags starts: after `kill -9` under load, and after a clean stop.
//!
//! `million_tags [TAGS] [DIRECTORY]` fills a ledger in a child process, kills the child while it goes on writing, opens
//! what it left and prints one line of JSON. Times are in milliseconds, sizes in bytes. Without a directory it works in
//! a temporary one; one that is given must not hold a ledger.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use dockless_meta::{Command, Ledger, LocalLedger, PutManifest, Settings};
use dockless_oci::digest::Digest;
use dockless_oci::manifest::{ManifestFacts, ReferenceFact, ReferenceKind};
use dockless_oci::name::{RepositoryName, Tag};
use dockless_runtime::{Disk, Runtime};
use futures_util::future::join_all;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Tags of one manifest, as release tooling sets them (`1`, `1.2`, `1.2.3`, `latest`, a commit, ...).
const TAGS_PER_MANIFEST: usize = 10;
const MANIFESTS_PER_REPOSITORY: usize = 1_000;
/// Clients that write at once.
const CLIENTS: usize = 64;
/// First argument of the child process.
const FILL: &str = "--fill";
/// What the child says when all tags are there; it goes on writing.
const FILLED: &str = "filled";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody to tell but the one who started it.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let executor = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    let runtime = Runtime::on(executor.handle().clone());
    if let [flag, tags, directory] = &arguments[..]
        && flag == FILL
    {
        return executor.block_on(fill(runtime, tags.parse()?, directory.into()));
    }
    let tags: usize = arguments.first().map_or(Ok(1_000_000), |tags| tags.parse())?;
    let temporary = tempfile::tempdir()?;
    let directory = arguments.get(1).map_or_else(|| temporary.path().join("ledger"), PathBuf::from);
    let begun = runtime.clock.monotonic();
    fill_and_kill(tags, &directory)?;
    let fill_ms = (runtime.clock.monotonic() - begun).as_millis();
    executor.block_on(measure(runtime, tags, fill_ms, directory))
}

/// Runs [`fill`] in a child and kills it in the midst of its writes.
fn fill_and_kill(tags: usize, directory: &Path) -> Result<(), Failure> {
    let mut child = std::process::Command::new(std::env::current_exe()?)
        .args([FILL, &tags.to_string()])
        .arg(directory)
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().ok_or("the child has no output")?;
    let said = BufReader::new(output).lines().next();
    child.kill()?;
    child.wait()?;
    match said {
        Some(Ok(line)) if line == FILLED => Ok(()),
        _ => Err("the ledger could not be filled".into()),
    }
}

async fn fill(runtime: Runtime, tags: usize, directory: PathBuf) -> Result<(), Failure> {
    let ledger = LocalLedger::open(runtime, directory, Settings::default()).await?;
    let manifests = tags.div_ceil(TAGS_PER_MANIFEST);
    let mut number = 0;
    loop {
        let round = (number..number + CLIENTS).map(|number| ledger.submit(command(number)));
        for applied in join_all(round).await {
            applied?.outcome?;
        }
        if number < manifests && number + CLIENTS >= manifests {
            writeln!(std::io::stdout(), "{FILLED}")?;
            std::io::stdout().flush()?;
        }
        number += CLIENTS;
    }
}

/// A manifest of two layers with all its tags.
fn command(number: usize) -> Command {
    let name = format!(
        "team-{}/service-{}",
        number / MANIFESTS_PER_REPOSITORY % 10,
        number / MANIFESTS_PER_REPOSITORY
    );
    let reference = |part: &str| ReferenceFact {
        digest: Digest::sha256(format!("{part} {number}").as_bytes()),
        kind: ReferenceKind::Blob,
        size: 1_000,
        foreign: false,
    };
    let facts = ManifestFacts {
        references: vec![reference("config"), reference("base layer"), reference("layer")],
        ..ManifestFacts::default()
    };
    // As long as the manifest of a small image.
    let bytes = Bytes::from(format!("{number:0800}"));
    let tags = (0..TAGS_PER_MANIFEST).map(|tag| format!("release-{number}.{tag}").parse::<Tag>());
    Command::PutManifest(PutManifest {
        repository: name.parse::<RepositoryName>().expect("the name is made well"),
        digest: Digest::sha256(&bytes),
        media_type: dockless_oci::media_type::OCI_MANIFEST.to_owned(),
        bytes,
        facts,
        tags: tags.collect::<Result<_, _>>().expect("the tags are made well"),
        only_if: None,
        immutable_tags: false,
        require_references: false,
    })
}

async fn measure(runtime: Runtime, tags: usize, fill_ms: u128, directory: PathBuf) -> Result<(), Failure> {
    let size = |path: &str| runtime.disk.stat(&directory.join(path)).map(|stat| stat.size);
    let tables_bytes = size("tables.redb")?;
    let killed = open(&runtime, &directory).await?;
    let killed_statistics = killed.statistics();
    let view = killed.view()?;
    let held = view.totals()?.tags;
    if held < tags as u64 {
        return Err(format!("{held} of {tags} tags came back").into());
    }
    let lookup_ns = look_up(&runtime, &killed, tags)?;
    let begun = runtime.clock.monotonic();
    killed.stop().await?;
    let stop_ms = (runtime.clock.monotonic() - begun).as_millis();
    drop((view, killed));
    let stopped = open(&runtime, &directory).await?;
    let report = serde_json::json!({
        "tags": held,
        "fill_ms": fill_ms,
        "open_after_kill_ms": killed_statistics.open_ms,
        "replayed": killed_statistics.replayed,
        "lookup_ns": lookup_ns,
        "stop_ms": stop_ms,
        "open_after_stop_ms": stopped.statistics().open_ms,
        "tables_bytes": tables_bytes,
        "snapshot_bytes": newest_size(&*runtime.disk, &directory.join("snapshots"))?,
    });
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

/// Nanoseconds to find a manifest by one of the tags, as a HEAD does, on average over tags all over the ledger.
fn look_up(runtime: &Runtime, ledger: &LocalLedger, tags: usize) -> Result<u128, Failure> {
    /// Enough for an average, and all of them elsewhere in the tables: the step has no factor in common with a
    /// round number of manifests.
    const LOOKUPS: usize = 100_000;
    const STEP: usize = 7_919;
    let manifests = tags.div_ceil(TAGS_PER_MANIFEST);
    let wanted: Vec<_> = (0..LOOKUPS).map(|number| command(number * STEP % manifests)).collect();
    let begun = runtime.clock.monotonic();
    for command in &wanted {
        let Command::PutManifest(put) = command else { continue };
        let view = ledger.view()?;
        let digest = view.tag(&put.repository, &put.tags[3])?.ok_or("a tag is missing")?;
        view.manifest_head(&put.repository, &digest)?.ok_or("a manifest is missing")?;
    }
    Ok((runtime.clock.monotonic() - begun).as_nanos() / LOOKUPS as u128)
}

async fn open(runtime: &Runtime, directory: &Path) -> Result<Arc<LocalLedger>, Failure> {
    Ok(LocalLedger::open(runtime.clone(), directory.to_owned(), Settings::default()).await?)
}

fn newest_size(disk: &dyn Disk, directory: &Path) -> Result<u64, Failure> {
    let newest =
        disk.list(directory)?.into_iter().map(|entry| entry.name).max().ok_or("there is no snapshot")?;
    Ok(disk.stat(&directory.join(newest))?.size)
}
