//! Documents that must follow the tree: ARCHITECTURE.md has one paragraph for each crate.

use super::crates::Crate;
use super::{Finding, Tree};

const MAP: &str = "ARCHITECTURE.md";

/// Each crate is headed exactly once (its folder in backquotes at the start of a line), and no paragraph speaks of a
/// crate that is not there.
pub(crate) fn check(tree: &Tree, crates: &[Crate]) -> Vec<Finding> {
    let Some(text) = tree.text(MAP) else {
        return vec![Finding::refuse(MAP, "missing: it explains the house, a paragraph a crate")];
    };
    let headed: Vec<&str> = text.lines().filter_map(heading).collect();
    let mut findings = Vec::new();
    for one in crates {
        let folder = if one.folder.is_empty() { "src" } else { &one.folder };
        let times = headed.iter().filter(|name| **name == folder).count();
        if times != 1 {
            let rule = format!(
                "`{folder}` heads {times} paragraphs (a line that starts with its folder in backquotes), not one"
            );
            findings.push(Finding::refuse(MAP, rule));
        }
    }
    for name in headed {
        if name != "src" && name.contains('/') && !crates.iter().any(|one| one.folder == name) {
            findings.push(Finding::refuse(MAP, format!("`{name}` is no crate of this workspace")));
        }
    }
    findings
}

/// The folder that a line introduces: "**`base/oci`** ...", "### `base/oci`", "- `base/oci`: ...".
fn heading(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches(['#', '-', '*', ' ']);
    let (name, _) = rest.strip_prefix('`')?.split_once('`')?;
    let name = name.trim_end_matches('/');
    let known = ["src", "testkit", "tests", "xtask"].contains(&name)
        || ["base/", "core/", "peers/", "serve/"]
            .iter()
            .any(|floor| name.starts_with(floor) && name.matches('/').count() == 1);
    known.then_some(name)
}
