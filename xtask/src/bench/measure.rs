//! What the kernel says of a process, and medians.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Clock ticks per second in `/proc/PID/stat`; 100 on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds that the process has used so far, all threads.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64, String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_err(|error| format!("process {pid}: {error}"))?;
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks() + ticks()) / TICKS_PER_SECOND)
}

/// A field of `/proc/PID/status` in KiB: `VmRSS`, `VmHWM`.
pub(crate) fn status_kib(pid: u32, field: &str) -> Result<f64, String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|error| format!("process {pid}: {error}"))?;
    let line = status.lines().find(|line| line.starts_with(field)).ok_or(format!("no {field} for {pid}"))?;
    line.split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .ok_or(format!("{line} has no number"))
}

/// What the server used while `work` ran: its result, server CPU seconds, wall seconds.
pub(crate) fn during<T>(pid: u32, work: impl FnOnce() -> Result<T, String>) -> Result<(T, f64, f64), String> {
    let cpu = cpu_seconds(pid)?;
    let begun = Instant::now();
    let outcome = work()?;
    Ok((outcome, cpu_seconds(pid)? - cpu, begun.elapsed().as_secs_f64()))
}

/// Runs `work` while as many threads as there are processors do nothing but compute.
pub(crate) fn beside_busy_threads<T>(work: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let done = work();
        over.store(true, Ordering::Relaxed);
        done
    })
}

/// The middle of the values; the mean of the two middles when there is no single one.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len().checked_sub(1)? / 2;
    Some(if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle], sorted[middle + 1])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn this_process_has_used_memory() {
        let pid = std::process::id();
        assert!(status_kib(pid, "VmRSS").unwrap() > 100.0);
        assert!(cpu_seconds(pid).unwrap() >= 0.0);
        assert!(cpu_seconds(u32::MAX).is_err());
    }
}
