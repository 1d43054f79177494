//! `cargo xtask tidy`: the rules of the house that a path, a manifest or a line of text can break.

mod crates;
mod declared;
mod documents;
mod finding;
mod floors;
mod lengths;
mod names;
mod owners;
mod source;
mod tree;
mod words;

use std::path::Path;

use finding::Finding;
use tree::Tree;

/// Checks the checkout at `root` and prints what it finds; `Err` when a rule is broken.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let tree = Tree::load(root)?;
    let findings = check(&tree);
    let fatal = findings.iter().filter(|finding| finding.fatal).count();
    for finding in &findings {
        let word = if finding.fatal { "error" } else { "note" };
        println!("{word}: {}: {}", finding.place, finding.rule);
    }
    println!("tidy: {} files, {fatal} errors, {} notes", tree.len(), findings.len() - fatal);
    if fatal == 0 { Ok(()) } else { Err(format!("tidy: {fatal} broken rules")) }
}

/// Every check over one tree, sorted by place.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let (crates, mut findings) = crates::read(tree);
    findings.extend(floors::check(&crates));
    findings.extend(owners::check_dependencies(&crates));
    findings.extend(documents::check(tree, &crates));
    findings.extend(declared::check(tree, &crates));
    findings.extend(names::check(tree));
    for (path, text) in tree.rust() {
        let source = source::Source::new(path, text);
        findings.extend(lengths::check(&source));
        findings.extend(owners::check_uses(&source));
        findings.extend(words::check(&source));
    }
    findings.sort();
    findings
}

#[cfg(test)]
mod tests;
