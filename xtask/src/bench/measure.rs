//! What the kernel says of a process, and medians.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Clock ticks per second in `/proc/PID/stat`; 100 on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// KiB of a page on the machines that are measured.
const PAGE_KIB: f64 = 4.0;

/// CPU seconds that the process has used so far, all threads.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64, String> {
    let [own, _] = cpu_of(pid)?;
    Ok(own)
}

/// CPU seconds of the process, and of its children that have ended.
fn cpu_of(pid: u32) -> Result<[f64; 2], String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_err(|error| format!("process {pid}: {error}"))?;
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok([(ticks() + ticks()) / TICKS_PER_SECOND, (ticks() + ticks()) / TICKS_PER_SECOND])
}

/// What processes have used so far.
#[derive(Clone, Copy)]
pub(crate) struct Used {
    pub(crate) cpu_seconds: f64,
    /// What they wrote into files, those that are gone again too.
    pub(crate) written_bytes: f64,
}

impl Used {
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
            written_bytes: self.written_bytes + other.written_bytes,
        }
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - before.cpu_seconds,
            written_bytes: self.written_bytes - before.written_bytes,
        }
    }
}

/// What the process has used, its children that have ended included.
pub(crate) fn used(pid: u32) -> Result<Used, String> {
    let [own, children] = cpu_of(pid)?;
    Ok(Used { cpu_seconds: own + children, written_bytes: written_bytes(pid)? })
}

/// What the programs have used that this one ran to their end; of written bytes its own as well.
pub(crate) fn used_by_children() -> Result<Used, String> {
    let pid = std::process::id();
    let [_, children] = cpu_of(pid)?;
    Ok(Used { cpu_seconds: children, written_bytes: written_bytes(pid)? })
}

/// Bytes of files that the process and its ended children have made to be written, before any of it is taken back.
fn written_bytes(pid: u32) -> Result<f64, String> {
    let path = format!("/proc/{pid}/io");
    let figures = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = figures.lines().find_map(|line| line.strip_prefix("write_bytes:"));
    let bytes = line.and_then(|line| line.trim().parse().ok());
    bytes.ok_or(format!("{path} does not say what was written"))
}

/// The number in a field of `/proc/PID/status`: `VmRSS` in KiB, `Threads`.
pub(crate) fn status_number(pid: u32, field: &str) -> Result<f64, String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|error| format!("process {pid}: {error}"))?;
    let line = status.lines().find(|line| line.starts_with(field)).ok_or(format!("no {field} for {pid}"))?;
    line.split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .ok_or(format!("{line} has no number"))
}

/// Sockets that the process has open, of every kind.
pub(crate) fn sockets(pid: u32) -> Result<u64, String> {
    let folder = format!("/proc/{pid}/fd");
    let files = std::fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
    // A file that was closed since it was listed is no socket any more.
    let targets = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    Ok(targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count() as u64)
}

/// Memory that the kernel holds for TCP on this machine, both ends of loopback included, in KiB.
pub(crate) fn tcp_kib() -> Result<f64, String> {
    let path = "/proc/net/sockstat";
    let figures = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let line = figures.lines().find_map(|line| line.strip_prefix("TCP:"));
    let pages = line.and_then(|line| line.rsplit_once(" mem ")?.1.trim().parse::<f64>().ok());
    pages.map(|pages| pages * PAGE_KIB).ok_or(format!("{path} does not say how much TCP takes"))
}

/// Files that the process may have open.
pub(crate) fn open_files_max(pid: u32) -> Result<u64, String> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits"))
        .map_err(|error| format!("process {pid}: {error}"))?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    match soft.ok_or(format!("no limit of open files for {pid}"))? {
        "unlimited" => Ok(u64::MAX),
        number => number.parse().map_err(|_| format!("{number} is no limit of open files")),
    }
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
        assert!(status_number(pid, "VmRSS").unwrap() > 100.0);
        assert!(cpu_seconds(pid).unwrap() >= 0.0);
        assert!(cpu_seconds(u32::MAX).is_err());
    }

    #[test]
    fn what_a_program_used_is_counted_once_it_has_ended() {
        let before = used_by_children().unwrap();
        let mut program = std::process::Command::new("dd");
        // Beside this program: a temporary directory may be memory, which is not counted.
        let path = std::env::current_exe().unwrap().with_extension("written");
        program.args(["if=/dev/zero", "bs=1M", "count=3", "status=none"]);
        assert!(program.arg(format!("of={}", path.display())).status().unwrap().success());
        let used = used_by_children().unwrap().since(before);
        std::fs::remove_file(&path).unwrap();
        assert!(used.written_bytes >= 3e6, "{}", used.written_bytes);
        assert!(used.cpu_seconds >= 0.0);
    }

    #[test]
    fn the_kernel_says_what_tcp_takes() {
        assert!(tcp_kib().unwrap() >= 0.0);
    }

    #[test]
    fn open_sockets_are_counted() {
        let pid = std::process::id();
        let sockets: Vec<_> = (0..100).map(|_| std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        assert!(super::sockets(pid).unwrap() >= sockets.len() as u64);
        assert!(open_files_max(pid).unwrap() > 100);
    }
}
