//! The rows of requests, and the door to those of pushes.

use std::path::Path;

use super::seed::Seed;
use super::servers::{self, Server};
use super::table::{Row, Rule, Table};
use super::{Plan, driver, measure};

/// Connections of the request loops, and of the concurrent ones.
const FEW: u64 = 8;
const MANY: u64 = 64;

/// The words that `only=` may be part of, for the rows of each group.
const REQUESTS: &str = "GET /v2/ HEAD blob HEAD manifest by tag GET manifest by tag HEAD manifest by digest GET manifest by digest GET 4 KiB blob tags/list?n=100 \
    manifest GET at concurrency 64 GET 1 GiB blob";

/// One request loop: the row's name, unit, bar, and the words for the load generator.
struct Loop {
    name: &'static str,
    bar: (&'static str, Rule),
    path: String,
    method: &'static str,
    connections: u64,
}

/// Answers per CPU second: reads of every kind, ours and the peers' and nginx's.
pub(crate) fn request_rows(root: &Path, plan: &Plan, table: &mut Table) -> Result<(), String> {
    if !REQUESTS.contains(&plan.only) {
        return Ok(());
    }
    let ours = servers::dockless(root, &plan.scratch.join("dockless"))?;
    let mut all = servers::peers(root, &plan.scratch)?;
    all.insert(0, ours);
    let seeded = Seed::make(root, plan, &all)?;
    let (nginx, secure) =
        servers::nginx(&plan.scratch, seeded.keys.as_ref().map(|(a, b)| (a.as_path(), b.as_path())))?;
    all.push(nginx);
    for one in loops(&seeded).into_iter().filter(|one| one.name.contains(&plan.only)) {
        table.push(request_row(root, plan, &all, one)?);
    }
    concurrent_manifests(root, plan, &all, table)?;
    if "GET 1 GiB blob".contains(&plan.only) {
        large_reads(root, plan, &all, &seeded, table)?;
        secure_reads(plan, &all, secure, &seeded, table)?;
    }
    Ok(())
}

fn loops(seeded: &Seed) -> Vec<Loop> {
    let blob = format!("/v2/bench/app/blobs/{}", seeded.small);
    let tag = "/v2/bench/app/manifests/t1".to_owned();
    let digest = format!("/v2/bench/app/manifests/{}", seeded.manifest);
    let one =
        |name, bar, path: &str, method| Loop { name, bar, path: path.to_owned(), method, connections: FEW };
    vec![
        one("GET /v2/", ("<= 25 us", Rule::Most(25.0)), "/v2/", "GET"),
        one("HEAD blob", ("<= 40 us", Rule::Most(40.0)), &blob, "HEAD"),
        one("HEAD manifest by tag", ("<= 40 us", Rule::Most(40.0)), &tag, "HEAD"),
        one("GET manifest by tag", ("<= 60 us", Rule::Most(60.0)), &tag, "GET"),
        one("HEAD manifest by digest", ("<= 40 us", Rule::Most(40.0)), &digest, "HEAD"),
        one("GET manifest by digest", ("<= 60 us", Rule::Most(60.0)), &digest, "GET"),
        one("GET 4 KiB blob", ("<= 40 us", Rule::Most(40.0)), &blob, "GET"),
        one("tags/list?n=100", ("<= 300 us", Rule::Most(300.0)), "/v2/bench/app/tags/list?n=100", "GET"),
    ]
}

fn request_row(root: &Path, plan: &Plan, all: &[Server], one: Loop) -> Result<Row, String> {
    let mut row = Row::new(one.name, "server CPU us/operation", Some(one.bar));
    for _ in 0..plan.rounds {
        for server in all.iter().filter(|server| server.name != "nginx" || !one.path.contains('?')) {
            let words = [
                "get".to_owned(),
                format!("to={}", server.address),
                format!("path={}", one.path),
                format!("method={}", one.method),
                format!("connections={}", one.connections),
                format!("seconds={}", plan.seconds),
            ];
            let (answer, cpu, _) = measure::during(server.pid(), || driver::load(root, &words))?;
            let operations =
                answer["operations"].as_f64().filter(|count| *count > 0.0).ok_or("no operation was done")?;
            row.add(server.name, cpu * 1e6 / operations);
        }
    }
    Ok(row)
}

fn concurrent_manifests(root: &Path, plan: &Plan, all: &[Server], table: &mut Table) -> Result<(), String> {
    if !"manifest GET at concurrency 64".contains(&plan.only) {
        return Ok(());
    }
    let bar = (">= 30 x docker-registry 2.8", Rule::LeastTimes(30.0, "docker-registry 2.8"));
    let mut rate = Row::new("manifest GET at concurrency 64", "operations/s", Some(bar));
    let bar = ("<= 2 x nginx", Rule::MostTimes(2.0, "nginx"));
    let mut late = Row::new("manifest GET at concurrency 64, p99", "ms", Some(bar));
    for _ in 0..plan.rounds {
        for server in all {
            let words = [
                "get".to_owned(),
                format!("to={}", server.address),
                "path=/v2/bench/app/manifests/t1".to_owned(),
                format!("connections={MANY}"),
                format!("seconds={}", plan.seconds),
            ];
            let answer = driver::load(root, &words)?;
            rate.add(server.name, answer["per_second"].as_f64().unwrap_or(0.0));
            late.add(server.name, answer["p99_us"].as_f64().unwrap_or(0.0) / 1000.0);
        }
    }
    table.push(rate);
    table.push(late);
    Ok(())
}

fn large_reads(
    root: &Path,
    plan: &Plan,
    all: &[Server],
    seeded: &Seed,
    table: &mut Table,
) -> Result<(), String> {
    let bar = |times, text| Some((text, Rule::MostTimes(times, "nginx")));
    let mut alone = Row::new("GET 1 GiB blob", "server CPU s/GiB", bar(1.2, "<= 1.2 x nginx"));
    let mut loaded = Row::new("GET 1 GiB blob, under load", "server CPU s/GiB", bar(2.0, "<= 2.0 x nginx"));
    let mut rate = Row::new(
        "GET 1 GiB blob, throughput",
        "MB/s",
        Some((">= 1.0 x nginx", Rule::LeastTimes(1.0, "nginx"))),
    );
    let words = |server: &Server| {
        let path = format!("path=/v2/bench/app/blobs/{}", seeded.large);
        let words = ["get", "connections=1", "count=2", "seconds=300"].map(str::to_owned);
        [words.as_slice(), &[format!("to={}", server.address), path]].concat()
    };
    for _ in 0..plan.rounds {
        for server in all {
            let (answer, cpu, _) = measure::during(server.pid(), || driver::load(root, &words(server)))?;
            let bytes = answer["bytes"].as_f64().unwrap_or(0.0);
            alone.add(server.name, cpu / (bytes / f64::from(1 << 30)));
            rate.add(server.name, bytes / 1e6 / answer["seconds"].as_f64().unwrap_or(1.0));
        }
        for server in all {
            let work = || measure::beside_busy_threads(|| driver::load(root, &words(server)));
            let (answer, cpu, _) = measure::during(server.pid(), work)?;
            loaded.add(server.name, cpu / (answer["bytes"].as_f64().unwrap_or(0.0) / f64::from(1 << 30)));
        }
    }
    table.push(alone);
    table.push(loaded);
    table.push(rate);
    Ok(())
}

fn secure_reads(
    plan: &Plan,
    all: &[Server],
    secure: std::net::SocketAddr,
    seeded: &Seed,
    table: &mut Table,
) -> Result<(), String> {
    if seeded.keys.is_none() {
        return Err("the node's key and certificate were not found in its data directory".to_owned());
    }
    let bar = ("<= 1.0 x nginx", Rule::MostTimes(1.0, "nginx"));
    let mut row = Row::new("GET 1 GiB blob over TLS", "server CPU s/GiB", Some(bar));
    for _ in 0..plan.rounds {
        for server in all.iter().filter(|server| ["dockless", "nginx"].contains(&server.name)) {
            let address = if server.name == "nginx" { secure } else { server.address };
            let url = format!("https://{address}/v2/bench/app/blobs/{}", seeded.large);
            let mut curl = std::process::Command::new("curl");
            curl.args(["-sfk", "--http1.1", "-o", "/dev/null", &url]);
            let ((), cpu, _) = measure::during(server.pid(), || driver::run(&mut curl))?;
            row.add(server.name, cpu / (plan.large_mib as f64 / 1024.0));
        }
    }
    table.push(row);
    Ok(())
}

/// Writes: what is acknowledged must be durable, so the floor is receive + SHA-256 + write + fdatasync.
pub(crate) fn push_rows(root: &Path, plan: &Plan, table: &mut Table) -> Result<(), String> {
    if !"push manifest PUT".contains(&plan.only) {
        return Ok(());
    }
    super::pushes::rows(root, plan, table)
}
