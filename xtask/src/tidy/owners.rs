//! Owners: each heavy dependency, and each door to the machine, belongs to one place.

use super::crates::Crate;
use super::finding::Finding;
use super::source::{Source, words};

/// Packages that only the named folders may ask for (the empty folder is the binary). `deny.toml` holds foreign crates
/// to what it can of this.
const PACKAGES: &[(&[&str], &[&str])] = &[
    (&["redb"], &["core/meta"]),
    (&["rcgen"], &["serve/api"]),
    (&["x509-parser"], &["serve/api", ""]),
    (&["hyper", "hyper-util"], &["serve/api", "peers/remote", "", "testkit", "testkit/load"]),
    (&["rustls", "tokio-rustls"], &["serve/api", ""]),
    (&["clap", "clap_complete", "clap_mangen", "tracing-subscriber"], &[""]),
    (&["toml"], &["", "xtask"]),
    (&["prometheus-client", "getrandom"], &["base/runtime"]),
    (&["bcrypt", "hmac"], &["core/registry"]),
    (&["object_store"], &["core/store"]),
    (&["openraft"], &["peers/cluster"]),
    (&["libp2p"], &["peers/link"]),
    (&["fuser"], &["serve/mount"]),
];

/// Paths in code that only files under the named prefixes may write; tests may write any.
const USES: &[(&str, &[&str], &str)] = &[
    ("std::fs", &["base/runtime/src/disk/real", "xtask/", "testkit/"], "go through dockless_runtime's Disk"),
    ("tokio::fs", &[], "go through dockless_runtime's Disk"),
    ("hyper::server", &["serve/", "testkit/"], "only the doors in serve/ accept connections"),
    ("hyper_util::server", &["serve/", "testkit/"], "only the doors in serve/ accept connections"),
    (
        "hyper::client",
        &["peers/remote/", "src/", "testkit/"],
        "nobody but peers/remote and the command line dials out",
    ),
    ("std::env::var", &["src/config/", "xtask/", "testkit/"], "the environment is read by src/config alone"),
];

/// Dependencies that another crate owns.
pub(crate) fn check_dependencies(crates: &[Crate]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for one in crates {
        for dependency in &one.dependencies {
            let owners = PACKAGES.iter().find(|(names, _)| names.contains(&dependency.name.as_str()));
            let Some((_, owners)) = owners else { continue };
            if !owners.contains(&one.folder.as_str()) {
                let owner = if owners[0].is_empty() { "the binary" } else { owners[0] };
                let rule = format!("{} belongs to {owner}; ask it instead", dependency.name);
                findings.push(Finding::refuse(one.manifest(), rule));
            }
        }
    }
    findings
}

/// Code that names what another place owns.
pub(crate) fn check_uses(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in source.code.lines().enumerate() {
        if source.in_test(number) {
            continue;
        }
        for (path, places, instead) in USES {
            let allowed = places.iter().any(|place| source.path.starts_with(place));
            if !allowed && (!words(line, path).is_empty() || imports(line, path)) {
                findings.push(Finding::refuse(
                    format!("{}:{}", source.path, number + 1),
                    format!("{path}: {instead}"),
                ));
            }
        }
    }
    findings
}

/// Whether a line imports `path` through a brace list: `use std::{fs, io};`.
fn imports(line: &str, path: &str) -> bool {
    let Some((parent, last)) = path.rsplit_once("::") else { return false };
    let Some(list) = line.split_once(&format!("use {parent}::{{")).map(|(_, list)| list) else {
        return false;
    };
    !words(list, last).is_empty()
}
