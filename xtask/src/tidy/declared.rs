//! Forgotten files: every Rust file is reached by `mod` lines from a root of its crate, so none is dead and no test is
//! silently left out.

use std::collections::BTreeSet;

use super::crates::Crate;
use super::finding::Finding;
use super::source::{Source, words};
use super::tree::Tree;

/// Files that no crate root reaches.
pub(crate) fn check(tree: &Tree, crates: &[Crate]) -> Vec<Finding> {
    let mut reached = BTreeSet::new();
    for one in crates {
        for root in &one.roots {
            reach(tree, root, true, &mut reached);
        }
        for (path, _) in tree.rust() {
            if is_target(&one.folder, path) {
                reach(tree, path, true, &mut reached);
            }
        }
    }
    let lost = tree.rust().filter(|(path, _)| !reached.contains(*path));
    lost.map(|(path, _)| Finding::refuse(path, "no mod line leads here: declare it or delete it")).collect()
}

/// A file that cargo finds by itself: `tests/x.rs`, `benches/x.rs`, `examples/x.rs`, `src/bin/x.rs` of a crate.
/// The package at `tests/` states its targets, so nothing there is found by itself.
fn is_target(folder: &str, path: &str) -> bool {
    let inside = if folder.is_empty() {
        Some(path)
    } else {
        path.strip_prefix(folder).and_then(|path| path.strip_prefix('/'))
    };
    let Some(inside) = inside.filter(|_| !folder.is_empty()) else { return false };
    ["tests/", "benches/", "examples/", "src/bin/"]
        .iter()
        .any(|place| inside.strip_prefix(place).is_some_and(|file| !file.contains('/')))
}

fn reach(tree: &Tree, path: &str, root: bool, reached: &mut BTreeSet<String>) {
    let Some(text) = tree.text(path) else { return };
    if !reached.insert(path.to_owned()) {
        return;
    }
    let source = Source::new(path, text);
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let inside = if root { folder.to_owned() } else { path.trim_end_matches(".rs").to_owned() };
    for name in modules(&source.code) {
        let beside = if inside.is_empty() { name.to_owned() } else { format!("{inside}/{name}") };
        reach(tree, &format!("{beside}.rs"), false, reached);
    }
}

/// The names of `mod name;` lines.
fn modules(code: &str) -> Vec<&str> {
    let named = |at: usize| {
        let (name, _) = code[at + 3..]
            .trim_start()
            .split_once(|letter: char| !(letter.is_alphanumeric() || letter == '_'))?;
        code[at + 3..].trim_start()[name.len()..].trim_start().starts_with(';').then_some(name)
    };
    words(code, "mod").into_iter().filter_map(named).collect()
}
