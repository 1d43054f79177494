//! The rows of pushes: large blobs against the floor, small blobs and manifests by many at once.

use std::path::Path;

use super::driver::push_file;
use super::seed::{digest_of, large_file};
use super::servers::{self, Server};
use super::table::{Row, Rule, Table};
use super::{Plan, driver, measure};

const MANY: u64 = 64;
/// Small blobs and manifests pushed a round.
const SMALL: u64 = 1000;
/// Manifests of a small and of a crowded repository, and how many of them are deleted.
const CROWDS: [u64; 2] = [2_000, 100_000];
const MANIFESTS_DELETED: u64 = 1_000;

/// Pushes of one large blob, of small blobs and of manifests; then deletes among many.
pub(crate) fn rows(root: &Path, plan: &Plan, table: &mut Table) -> Result<(), String> {
    let scratch = plan.scratch.join("pushes");
    std::fs::create_dir_all(&scratch).map_err(|error| error.to_string())?;
    let mut all = servers::peers(root, &scratch)?;
    all.insert(0, servers::dockless(root, &scratch.join("dockless"))?);
    large(root, plan, &all, table)?;
    small(root, plan, &all, table)?;
    manifests(root, plan, &all, table)?;
    deletes(root, plan, &all[0], table)
}

fn large(root: &Path, plan: &Plan, all: &[Server], table: &mut Table) -> Result<(), String> {
    let file = large_file(plan)?;
    let digest = digest_of(&file)?;
    let gib = plan.large_mib as f64 / 1024.0;
    let mut cpu_row = Row::new(
        "push 1 GiB blob, durable",
        "server CPU s/GiB",
        Some(("<= 1.3 x floor", Rule::MostTimes(1.3, "floor"))),
    );
    let mut peer_row = Row::new(
        "push 1 GiB blob, against docker-registry",
        "server CPU s/GiB",
        Some(("<= 1/3 x docker-registry 2.8", Rule::MostTimes(1.0 / 3.0, "docker-registry 2.8"))),
    );
    let mut rate = Row::new(
        "push 1 GiB blob, throughput",
        "MB/s",
        Some((">= 0.85 x floor", Rule::LeastTimes(0.85, "floor"))),
    );
    for round in 0..plan.rounds {
        for server in all {
            let repository = format!("round{round}");
            let words = words_of_push(server, &file, &digest, &repository);
            let (answer, cpu, _) = measure::during(server.pid(), || driver::load(root, &words))?;
            cpu_row.add(server.name, cpu / gib);
            peer_row.add(server.name, cpu / gib);
            rate.add(
                server.name,
                answer["bytes"].as_f64().unwrap_or(0.0) / 1e6 / answer["seconds"].as_f64().unwrap_or(1.0),
            );
        }
        let (cpu, seconds) = floor(root, plan, &file, &digest)?;
        cpu_row.add("floor", cpu / gib);
        rate.add("floor", (plan.large_mib << 20) as f64 / 1e6 / seconds);
    }
    table.push(cpu_row);
    table.push(peer_row);
    table.push(rate);
    Ok(())
}

fn words_of_push(server: &Server, file: &Path, digest: &str, repository: &str) -> [String; 5] {
    [
        "push-file".to_owned(),
        format!("to={}", server.address),
        format!("path={}", file.display()),
        format!("digest={digest}"),
        format!("repository={repository}"),
    ]
}

/// CPU and wall seconds of the least that a durable push can do.
fn floor(root: &Path, plan: &Plan, file: &Path, digest: &str) -> Result<(f64, f64), String> {
    let out = plan.scratch.join("floor.data");
    let server = servers::floor(root, &out)?;
    let cpu = measure::cpu_seconds(server.pid())?;
    let seconds = push_file(root, server.address, file, digest, "put")?;
    let used = measure::cpu_seconds(server.pid())? - cpu;
    drop(server);
    std::fs::remove_file(&out).map_err(|error| error.to_string())?;
    Ok((used, seconds))
}

fn small(root: &Path, plan: &Plan, all: &[Server], table: &mut Table) -> Result<(), String> {
    let bar = (">= 5 x docker-registry 2.8", Rule::LeastTimes(5.0, "docker-registry 2.8"));
    let mut rate = Row::new("push 4 KiB blob, durable, 64 clients", "operations/s", Some(bar));
    let mut cpu_row = Row::new("push 4 KiB blob, durable, 64 clients, CPU", "server CPU us/operation", None);
    let bar = ("<= 2", Rule::Most(2.0));
    let mut syncs = Row::new("push 4 KiB blob, durable, 64 clients, syncs", "syncs/operation", Some(bar));
    for round in 0..plan.rounds {
        for server in all {
            let before = synced(server);
            let (answer, cpu, _) =
                measure::during(server.pid(), || driver::load(root, &many("push-blobs", server, round)))?;
            let operations = answer["operations"].as_f64().unwrap_or(1.0);
            rate.add(server.name, answer["per_second"].as_f64().unwrap_or(0.0));
            cpu_row.add(server.name, cpu * 1e6 / operations);
            if let (Some(before), Some(after)) = (before, synced(server)) {
                syncs.add(server.name, (after - before) / operations);
            }
        }
    }
    table.push(rate);
    table.push(cpu_row);
    table.push(syncs);
    Ok(())
}

fn manifests(root: &Path, plan: &Plan, all: &[Server], table: &mut Table) -> Result<(), String> {
    let mut rate = Row::new("manifest PUT, durable, 64 clients", "operations/s", None);
    let bar = ("<= 0.2", Rule::Most(0.2));
    let mut syncs = Row::new("manifest PUT, durable, 64 clients, syncs", "syncs/operation", Some(bar));
    for round in 0..plan.rounds {
        for server in all {
            let before = synced(server);
            let answer = driver::load(root, &many("put-manifests", server, round))?;
            rate.add(server.name, answer["per_second"].as_f64().unwrap_or(0.0));
            if let (Some(before), Some(after)) = (before, synced(server)) {
                syncs.add(server.name, (after - before) / answer["operations"].as_f64().unwrap_or(1.0));
            }
        }
    }
    table.push(rate);
    table.push(syncs);
    Ok(())
}

fn many(work: &str, server: &Server, round: usize) -> [String; 6] {
    [
        work.to_owned(),
        format!("to={}", server.address),
        format!("connections={MANY}"),
        format!("count={SMALL}"),
        format!("seed={}", round + 10),
        format!("repository=many{round}"),
    ]
}

/// Deletes by digest, tag and all, in a small and in a crowded repository: the cost must not grow with the crowd.
fn deletes(root: &Path, plan: &Plan, ours: &Server, table: &mut Table) -> Result<(), String> {
    let words = |work: &str, crowd: u64, count: u64| -> Vec<String> {
        let to = format!("to={}", ours.address);
        let repository = format!("repository=crowd{crowd}");
        vec![work.to_owned(), to, format!("connections={MANY}"), format!("count={count}"), repository]
    };
    for crowd in CROWDS {
        driver::load(root, &words("put-manifests", crowd, crowd))?;
        let name = format!("delete one of {crowd} manifests");
        let mut row = Row::new(&name, "server CPU us/operation", None);
        let work = || driver::load(root, &words("delete-manifests", crowd, MANIFESTS_DELETED));
        let (answer, cpu, _) = measure::during(ours.pid(), work)?;
        row.add("dockless", cpu * 1e6 / answer["operations"].as_f64().unwrap_or(1.0));
        table.push(row);
    }
    let [.., crowd] = CROWDS;
    let name = format!("tags/list?n=100 of {} tags", crowd - MANIFESTS_DELETED);
    let mut row = Row::new(&name, "server CPU us/operation", Some(("<= 300 us", Rule::Most(300.0))));
    let list = [
        "get".to_owned(),
        format!("to={}", ours.address),
        format!("path=/v2/crowd{crowd}/tags/list?n=100"),
        format!("seconds={}", plan.seconds),
    ];
    let (answer, cpu, _) = measure::during(ours.pid(), || driver::load(root, &list))?;
    row.add("dockless", cpu * 1e6 / answer["operations"].as_f64().unwrap_or(1.0));
    table.push(row);
    Ok(())
}

/// Syncs that the server says it has done; only ours says it.
fn synced(server: &Server) -> Option<f64> {
    let page = servers::page(server.address, "/metrics").ok()?;
    let figures = page.lines().filter(|line| line.starts_with("dockless_disk_syncs_total"));
    let values: Vec<f64> = figures.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
    (!values.is_empty()).then(|| values.iter().sum())
}
