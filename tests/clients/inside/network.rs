//! A host of its own: a network namespace joined to this machine by a pair of interfaces.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::tool::Tool;

/// How many namespaces this process has made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A namespace; it and its interfaces go away when dropped.
pub(crate) struct Network {
    name: String,
    outside: String,
}

impl Network {
    #[track_caller]
    pub(crate) fn new() -> Self {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let name = format!("dkl{process}x{number}");
        // Three bytes of 10/8 are ours: two from the process, so that runs beside each other do not meet.
        let prefix = format!("10.{}.{}", 128 + process / 250 % 100, process % 250);
        let outside = format!("{prefix}.{}", number * 4 + 1);
        let network = Self { name: name.clone(), outside: outside.clone() };
        let inside = format!("{prefix}.{}", number * 4 + 2);
        ip(&format!("netns add {name}"));
        ip(&format!("link add {name} type veth peer name eth0 netns {name}"));
        ip(&format!("addr add {outside}/30 dev {name}"));
        ip(&format!("link set {name} up"));
        ip(&format!("-n {name} addr add {inside}/30 dev eth0"));
        ip(&format!("-n {name} link set eth0 up"));
        ip(&format!("-n {name} link set lo up"));
        network
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The address of this machine as the namespace sees it.
    pub(crate) fn outside(&self) -> &str {
        &self.outside
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

#[track_caller]
fn ip(words: &str) {
    Tool::new("ip").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").words(words).ok();
}
