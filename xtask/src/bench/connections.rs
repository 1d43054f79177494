//! The rows of connections held open: by one node up to its limit, by six nodes of one machine, and beside pulls.

use std::path::Path;
use std::time::Duration;

use super::holders::{self, Holder, Node};
use super::table::{Row, Rule, Table};
use super::{Plan, driver, measure};

/// Idle connections of one node: it stops accepting at 95 % of the file limit, 19,000 here, and the probes need some.
const IDLE: u64 = 18_900;
/// Connections that ask for a place beyond [`IDLE`]: more than there are, fewer than the kernel's queue of those not accepted yet.
const MORE: u64 = 500;
/// Readers that never read, held by one node.
const SLOW: u64 = 5_000;
/// Nodes of one machine, and what they hold together.
const NODES: u64 = 6;
const TOGETHER: u64 = 100_000;
/// Clients that pull images of 4 MiB beside [`IDLE`] others, of which so many never read. The kernel queues up to `tcp_wmem` for each of
/// those, 4 MiB by default, and once all reach `tcp_mem` every connection of the machine suffers.
const PULLERS: u64 = 64;
const STALLED: u64 = 2_000;
const LAYERS: u64 = 4;
const LAYER_BYTES: u64 = 1 << 20;
/// Seconds of probes against held connections.
const PROBE_SECONDS: u64 = 5;
/// How long nodes with idle connections are left alone when their CPU is measured.
const QUIET: Duration = Duration::from_secs(10);

/// Idle and slow clients of one node, many nodes, pulls among them.
pub(crate) fn rows(root: &Path, plan: &Plan, table: &mut Table) -> Result<(), String> {
    let wanted = |words: &str| words.contains(&plan.only);
    if wanted("connections idle") {
        idle(root, plan, table)?;
    }
    if wanted("connections idle after a request") {
        kept(root, plan, table)?;
    }
    if wanted("connections slow") {
        slow(root, plan, table)?;
    }
    if wanted("connections over six nodes") {
        six_nodes(root, plan, table)?;
    }
    if wanted("connections pulls") {
        pulls(root, plan, table)?;
    }
    Ok(())
}

fn idle(root: &Path, plan: &Plan, table: &mut Table) -> Result<(), String> {
    let node = Node::start(root, &plan.scratch.join("held-idle"))?;
    let holders = Holder::start_all(root, &[words(&node, "idle", IDLE, "")])?;
    held_by_one(root, &node, &format!("connections: {IDLE} idle"), IDLE, 16, table)?;
    // Those that find no place stay in the kernel's queue: what the generator has opened says nothing of the node.
    let waiting = Holder::start_all(root, &[words(&node, "idle", MORE, "")])?;
    let fit = (IDLE + MORE).min(measure::open_files_max(node.pid())? / 100 * 95);
    let bar = Some((format!("= {fit}"), Rule::Exactly(fit as f64)));
    let held = node.settle(|held| held >= fit)?;
    let name = format!("connections: accepted of {} at once", IDLE + MORE);
    table.push(Row::of(&name, "connections", bar, held as f64));
    drop((holders, waiting));
    Ok(())
}

/// Idle as well, but each has made a request: what that has left with the node counts.
fn kept(root: &Path, plan: &Plan, table: &mut Table) -> Result<(), String> {
    let node = Node::start(root, &plan.scratch.join("held-kept"))?;
    let holders = Holder::start_all(root, &[words(&node, "kept", IDLE, "/v2/")])?;
    held_by_one(root, &node, &format!("connections: {IDLE} idle after a request"), IDLE, 16, table)?;
    drop(holders);
    Ok(())
}

fn slow(root: &Path, plan: &Plan, table: &mut Table) -> Result<(), String> {
    let mut node = Node::start(root, &plan.scratch.join("held-slow"))?;
    let path = holders::large_blob(root, plan, &mut node)?;
    let queued = measure::tcp_kib()?;
    let holders = Holder::start_all(root, &[words(&node, "slow", SLOW, &path)])?;
    let name = format!("connections: {SLOW} slow");
    let held = held_by_one(root, &node, &name, SLOW, 64, table)?;
    let queued = (measure::tcp_kib()? - queued).max(0.0) / held;
    table.push(Row::of(&format!("{name}, kernel's memory for TCP each"), "KiB", None, queued));
    // A node has a few threads of its own; one for every hundredth reader would be threads that wait for readers.
    let most = SLOW / 100;
    let bar = Some((format!("<= {most}"), Rule::Most(most as f64)));
    let threads = measure::status_number(node.pid(), "Threads")?;
    table.push(Row::of(&format!("{name}, threads of the node"), "threads", bar, threads));
    drop(holders);
    Ok(())
}

/// Waits until the node holds the `wanted` connections that are being opened; writes how many it does hold, what each costs and what newcomers
/// notice of them. Gives the number held.
fn held_by_one(
    root: &Path,
    node: &Node,
    name: &str,
    wanted: u64,
    kib_max: u32,
    table: &mut Table,
) -> Result<f64, String> {
    let held = node.settle(|held| held >= wanted)?;
    table.push(Row::of(&format!("{name}, held"), "connections", at_least(wanted), held as f64));
    let each = node.kib_each(held)?;
    table.push(Row::of(&format!("{name}, memory each"), "KiB", at_most(kib_max, "KiB"), each));
    let late = probe(root, &[node])?;
    table.push(Row::of(&format!("{name}, GET /v2/ p99 meanwhile"), "ms", at_most(100, "ms"), late));
    Ok(held.max(1) as f64)
}

/// As many nodes and generators as it takes where each process may open 20,000 files. Of the nodes, the worst counts.
fn six_nodes(root: &Path, plan: &Plan, table: &mut Table) -> Result<(), String> {
    let name = format!("connections: {TOGETHER} over {NODES} nodes");
    let each = TOGETHER.div_ceil(NODES);
    let mut nodes = Vec::new();
    for number in 0..NODES {
        nodes.push(Node::start(root, &plan.scratch.join(format!("held-node-{number}")))?);
    }
    let all: Vec<_> = nodes.iter().map(|node| words(node, "idle", each, "")).collect();
    let holders = Holder::start_all(root, &all)?;
    let (mut held, mut memory) = (0, 0.0_f64);
    for node in &nodes {
        let by_this = node.settle(|held| held >= each)?;
        held += by_this;
        memory = memory.max(node.kib_each(by_this)?);
    }
    let cpu = quiet_cpu(&nodes)?;
    let late = probe(root, &nodes.iter().collect::<Vec<_>>())?;
    drop(holders);
    table.push(Row::of(&format!("{name}, held"), "connections", at_least(TOGETHER), held as f64));
    table.push(Row::of(&format!("{name}, memory each, worst node"), "KiB", at_most(16, "KiB"), memory));
    let name_late = format!("{name}, GET /v2/ p99 meanwhile, worst node");
    table.push(Row::of(&name_late, "ms", at_most(100, "ms"), late));
    table.push(Row::of(&format!("{name}, CPU while idle, all nodes"), "% of a core", None, cpu * 100.0));
    Ok(())
}

/// Server CPU seconds per second of all nodes while nobody asks for anything.
fn quiet_cpu(nodes: &[Node]) -> Result<f64, String> {
    let used = || nodes.iter().map(|node| measure::cpu_seconds(node.pid())).sum::<Result<f64, _>>();
    let before = used()?;
    std::thread::sleep(QUIET);
    Ok((used()? - before) / QUIET.as_secs_f64())
}

/// Pulls from one node, by turns with nobody else there and among idle and stalled connections up to its limit.
fn pulls(root: &Path, plan: &Plan, table: &mut Table) -> Result<(), String> {
    let mut node = Node::start(root, &plan.scratch.join("held-pulls"))?;
    let path = holders::large_blob(root, plan, &mut node)?;
    let image =
        format!("put-manifests to={} count=1 layers={LAYERS} layer_bytes={LAYER_BYTES}", node.address());
    driver::load(root, &split(&image))?;
    let name = format!("connections: pulls by {PULLERS} among {IDLE} idle and slow");
    let mut rows = [
        Row::new(&name, "MB/s", None),
        Row::new(&format!("{name}, p99 of a pull"), "ms", None),
        Row::new(&format!("{name}, CPU"), "server CPU s/GiB", None),
        Row::new(&format!("{name}, GET /v2/ p99 meanwhile"), "ms", Some(("<= 100 ms", Rule::Most(100.0)))),
    ];
    let mut fewest = u64::MAX;
    for _ in 0..plan.rounds {
        node.settle(|held| held == 0)?;
        add(&mut rows, "dockless alone", pull(root, plan, &node)?);
        let kinds = [words(&node, "idle", IDLE - STALLED, ""), words(&node, "slow", STALLED, &path)];
        let holders = Holder::start_all(root, &kinds)?;
        fewest = fewest.min(node.settle(|held| held >= IDLE)?);
        add(&mut rows, "dockless", pull(root, plan, &node)?);
        drop(holders);
    }
    table.push(Row::of(&format!("{name}, held"), "connections", at_least(IDLE), fewest as f64));
    rows.into_iter().for_each(|row| table.push(row));
    Ok(())
}

fn add(rows: &mut [Row; 4], server: &'static str, figures: [f64; 4]) {
    for (row, figure) in rows.iter_mut().zip(figures) {
        row.add(server, figure);
    }
}

/// MB/s, p99 of a whole pull in ms, CPU seconds per GiB, p99 of a probe in ms.
fn pull(root: &Path, plan: &Plan, node: &Node) -> Result<[f64; 4], String> {
    let puller = format!("pull to={} connections={PULLERS} seconds={}", node.address(), plan.seconds);
    let prober = format!("probe to={} seconds={}", node.address(), plan.seconds);
    let all = [split(&puller), split(&prober)];
    let (answers, cpu, _) = measure::during(node.pid(), || driver::load_all(root, &all))?;
    let figure = |answer: usize, key: &str| {
        let figure = answers.get(answer).and_then(|answer| answer[key].as_f64());
        figure.ok_or(format!("no {key} in {answers:?}"))
    };
    let bytes = figure(0, "bytes")?;
    Ok([
        bytes / 1e6 / figure(0, "seconds")?,
        figure(0, "p99_us")? / 1000.0,
        cpu / (bytes / f64::from(1 << 30)),
        figure(1, "p99_us")? / 1000.0,
    ])
}

/// Opens what `words` say against one node and writes how many it holds.
/// The worst p99 of `GET /v2/`, in ms, of probes to all nodes at once.
fn probe(root: &Path, nodes: &[&Node]) -> Result<f64, String> {
    let words = |node: &&Node| split(&format!("probe to={} seconds={PROBE_SECONDS}", node.address()));
    let answers = driver::load_all(root, &nodes.iter().map(words).collect::<Vec<_>>())?;
    let late =
        answers.iter().map(|answer| answer["p99_us"].as_f64().ok_or("no probe was answered".to_owned()));
    late.collect::<Result<Vec<_>, _>>().map(|all| all.into_iter().fold(0.0, f64::max) / 1000.0)
}

/// The words for connections of one kind to one node.
fn words(node: &Node, kind: &str, connections: u64, path: &str) -> Vec<String> {
    split(&format!("hold to={} kind={kind} connections={connections} path={path}", node.address()))
}

fn split(words: &str) -> Vec<String> {
    words.split(' ').map(str::to_owned).collect()
}

fn at_least(count: u64) -> Option<(String, Rule)> {
    Some((format!(">= {count}"), Rule::Least(count as f64)))
}

fn at_most(limit: u32, unit: &str) -> Option<(String, Rule)> {
    Some((format!("<= {limit} {unit}"), Rule::Most(f64::from(limit))))
}
