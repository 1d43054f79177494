//! Documents that must follow the tree: ARCHITECTURE.md has one paragraph for each crate.

use super::crates::Crate;
use super::finding::Finding;
use super::tree::Tree;

const MAP: &str = "ARCHITECTURE.md";

/// Each crate is headed exactly once (its folder in bold at the start of a line), and no paragraph speaks of a
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
                "`{folder}` heads {times} paragraphs (a line that starts with its folder in bold), not one"
            );
            findings.push(Finding::refuse(MAP, rule));
        }
    }
    for name in headed {
        if name != "src" && !crates.iter().any(|one| one.folder == name) {
            findings.push(Finding::refuse(MAP, format!("`{name}` is no crate of this workspace")));
        }
    }
    findings
}

/// The folder that a line introduces in bold: `**base/oci** holds ..`.
fn heading(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix("**")?.split_once("**")?;
    let known = ["src", "testkit", "tests", "xtask"].contains(&name) || name.contains('/');
    known.then_some(name)
}
