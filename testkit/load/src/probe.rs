//! `probe`: `/v2/` over a new connection now and then, as a newcomer sees a node that is busy otherwise.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::connection::{Connection, empty};
use crate::options::Options;
use crate::report::{Tally, report};

/// Time between two probes.
const PROBE_EVERY: Duration = Duration::from_millis(20);

/// Asks for `seconds`.
pub(crate) async fn run(options: &Options) -> Result<Value, String> {
    let to = options.to()?;
    let begun = Instant::now();
    let end = begun + Duration::from_secs(options.number("seconds", 3)?.min(600));
    let mut tally = Tally::default();
    while Instant::now() < end {
        let asked = Instant::now();
        tally.note(asked, ask(to).await);
        tokio::time::sleep(PROBE_EVERY).await;
    }
    Ok(report(tally, begun))
}

async fn ask(to: std::net::SocketAddr) -> Result<u64, String> {
    let answer = Connection::open(to).await?.exchange("GET", "/v2/", &[], empty()).await?;
    if answer.status == 200 { Ok(answer.length) } else { Err(format!("/v2/: {}", answer.status)) }
}
