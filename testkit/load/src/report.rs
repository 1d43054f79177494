//! Latencies and counts of a run, as one JSON object.

use std::time::Instant;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// What one worker saw. Latencies are kept whole: runs are bounded, and percentiles of percentiles lie.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) latencies_us: Vec<u32>,
    pub(crate) errors: u64,
    pub(crate) bytes: u64,
    pub(crate) first_error: Option<String>,
}

impl Tally {
    pub(crate) fn note(&mut self, begun: Instant, outcome: Result<u64, String>) {
        match outcome {
            Ok(bytes) => {
                self.bytes += bytes;
                self.latencies_us.push(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            Err(error) => {
                self.errors += 1;
                self.first_error.get_or_insert(error);
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.latencies_us.extend(other.latencies_us);
        self.errors += other.errors;
        self.bytes += other.bytes;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

/// Waits for all workers; the result object of what they saw together.
pub(crate) async fn report_all(
    workers: impl IntoIterator<Item = JoinHandle<Result<Tally, String>>>,
    begun: Instant,
) -> Result<Value, String> {
    let mut all = Tally::default();
    for worker in futures_util::future::join_all(workers).await {
        all.merge(worker.map_err(|error| error.to_string())??);
    }
    Ok(report(all, begun))
}

/// The result object of what was seen since `begun`.
pub(crate) fn report(mut all: Tally, begun: Instant) -> Value {
    all.latencies_us.sort_unstable();
    let seconds = begun.elapsed().as_secs_f64();
    json!({
        "operations": all.latencies_us.len(),
        "errors": all.errors,
        "first_error": all.first_error,
        "bytes": all.bytes,
        "seconds": seconds,
        "per_second": all.latencies_us.len() as f64 / seconds,
        "p50_us": percentile(&all.latencies_us, 50),
        "p99_us": percentile(&all.latencies_us, 99),
        "max_us": all.latencies_us.last(),
    })
}

fn percentile(sorted: &[u32], percent: usize) -> Option<u32> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((sorted.len() * percent / 100).min(last)).copied()
}
