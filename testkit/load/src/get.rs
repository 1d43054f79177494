//! `get`: one path (or `{i}` of `of`) again and again over keep-alive connections.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::connection::{Connection, empty};
use crate::options::Options;
use crate::report::{Tally, report_all};

/// What clients say that they take.
pub(crate) const MANIFEST_TYPES: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// `path`, `method=GET|HEAD|DELETE`, `connections`, `seconds`, or `count` operations over all, `of` values of `{i}`, `status`.
pub(crate) async fn run(options: &Options) -> Result<Value, String> {
    let plan = Plan {
        to: options.to()?,
        method: options.text("method", "GET").to_owned(),
        path: options.text("path", "/v2/").to_owned(),
        status: options.number("status", 200)?,
        end: Instant::now() + Duration::from_secs(options.number("seconds", 3)?.min(600)),
        of: options.number("of", 1)?.max(1),
        connections: options.connections()?,
        count: options.count(u64::MAX)?,
    };
    let begun = Instant::now();
    let workers = (0..plan.connections).map(|worker| tokio::spawn(work(plan.clone(), worker)));
    report_all(workers, begun).await
}

#[derive(Clone)]
struct Plan {
    to: std::net::SocketAddr,
    method: String,
    path: String,
    status: u64,
    end: Instant,
    of: u64,
    connections: u64,
    count: u64,
}

async fn work(plan: Plan, worker: u64) -> Result<Tally, String> {
    let mut connection = Connection::open(plan.to).await?;
    let mut tally = Tally::default();
    let mut turn = worker;
    while Instant::now() < plan.end && turn < plan.count {
        let path = plan.path.replace("{i}", &(turn % plan.of).to_string());
        let begun = Instant::now();
        let answer = connection.exchange(&plan.method, &path, &[("accept", MANIFEST_TYPES)], empty()).await;
        let outcome = answer.and_then(|answer| match u64::from(answer.status) == plan.status {
            true => Ok(answer.length),
            false => Err(format!("{} {path}: {}", plan.method, answer.status)),
        });
        if outcome.is_err() {
            connection = Connection::open(plan.to).await?;
        }
        tally.note(begun, outcome);
        turn += plan.connections;
    }
    Ok(tally)
}
