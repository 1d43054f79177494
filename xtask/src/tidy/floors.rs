//! Floors and arrows: which crate may use which, computed from where both lie.

use super::crates::Crate;
use super::finding::Finding;

/// The load generator: a program of its own, so that its cost is not the server's.
const LOAD: &str = "testkit/load";
/// The replay of fuzz corpora, which the tests of every floor share.
const CORPUS: &str = "testkit/corpus";

/// A group of crates that may use the same others. The order is ground to roof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Floor {
    /// `base/oci`, `base/runtime`: use nothing of ours.
    Ground,
    /// `base/proto`: pure protocols, on the words of `base/oci`.
    Protocol,
    /// `core/*` but the registry: siblings that do not know each other.
    Core,
    /// `core/registry`: the only one of core that knows its siblings.
    Registry,
    /// `peers/*`.
    Peers,
    /// `serve/*`.
    Serve,
    /// The binary, `testkit`, `tests`: may name every part.
    Roof,
    /// `testkit/corpus`: uses nothing of ours, and only tests use it.
    TestTool,
    /// `xtask`: judges the house and uses nothing of it.
    Judge,
}

fn floor(folder: &str) -> Option<Floor> {
    Some(match folder.split_once('/') {
        Some(("base", "oci" | "runtime")) => Floor::Ground,
        Some(("base", "proto")) => Floor::Protocol,
        Some(("core", "registry")) => Floor::Registry,
        Some(("core", name)) if !name.contains('/') => Floor::Core,
        Some(("peers", name)) if !name.contains('/') => Floor::Peers,
        Some(("serve", name)) if !name.contains('/') => Floor::Serve,
        None if matches!(folder, "" | "testkit" | "tests") => Floor::Roof,
        None if folder == "xtask" => Floor::Judge,
        _ if folder == CORPUS => Floor::TestTool,
        _ if folder == LOAD => Floor::Roof,
        _ => return None,
    })
}

/// Whether an arrow may run from one crate to another.
fn allowed(from: (Floor, &str), to: (Floor, &str), dev: bool) -> bool {
    match (from.0, to.0) {
        (Floor::TestTool, _) => false,
        (_, Floor::TestTool) => dev,
        (Floor::Ground | Floor::Judge, _) | (_, Floor::Judge) => false,
        (Floor::Protocol, _) => to.1 == "base/oci",
        (Floor::Roof, Floor::Roof) => to.1 == "testkit" && (dev || from.1 == "tests"),
        (Floor::Roof, _) => true,
        (_, Floor::Roof) => false,
        (_, Floor::Ground | Floor::Protocol) => true,
        (Floor::Registry, Floor::Core) => true,
        (Floor::Peers, Floor::Core | Floor::Registry) => true,
        (Floor::Peers, Floor::Peers) => to.1 == "peers/link",
        (Floor::Serve, Floor::Core | Floor::Registry) => true,
        _ => false,
    }
}

/// Every arrow between crates of the workspace, and every folder, against the floors.
pub(crate) fn check(crates: &[Crate]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for from in crates {
        let Some(from_floor) = floor(&from.folder) else {
            findings
                .push(Finding::refuse(from.manifest(), "a crate lies on no floor: base, core, peers, serve"));
            continue;
        };
        let bare = from.folder.rsplit('/').next().unwrap_or_default();
        if from_floor != Floor::Judge && !bare.is_empty() && from.package != format!("dockless-{bare}") {
            findings.push(Finding::refuse(from.manifest(), format!("call this package dockless-{bare}")));
        }
        for dependency in &from.dependencies {
            let Some(to) = crates.iter().find(|to| to.package == dependency.name) else { continue };
            let Some(to_floor) = floor(&to.folder) else { continue };
            let itself = from.folder == to.folder && dependency.dev;
            if !itself && !allowed((from_floor, &from.folder), (to_floor, &to.folder), dependency.dev) {
                let rule = format!(
                    "{} may not use {}: arrows run down, never up or sideways",
                    from.package, to.package
                );
                findings.push(Finding::refuse(from.manifest(), rule));
            }
        }
    }
    findings
}
