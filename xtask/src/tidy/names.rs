//! Names of files: a noun of the domain, not a drawer for the rest.

use super::finding::Finding;
use super::tree::Tree;

/// Stems that say nothing; also refused with an ending (`util`, `utils`, `utilities`).
const EMPTY_WORDS: [&str; 7] = ["util", "common", "helper", "misc", "manager", "types", "stuff"];
/// Folders between `src` and the code, the file itself counted: `src/drivers/filesystem/upload.rs` is 3.
const DEPTH_MAX: usize = 3;

/// Every Rust file's name, depth and first line.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        let file = path.rsplit('/').next().unwrap_or(path);
        let stem = file.trim_end_matches(".rs");
        if stem == "mod" {
            findings.push(Finding::refuse(
                path,
                "no mod.rs: name the file after its folder and put it beside it",
            ));
        }
        if let Some(word) = drawer(stem) {
            findings
                .push(Finding::refuse(path, format!("'{word}' is a drawer, not a noun: say what is in it")));
        }
        if depth(path) > DEPTH_MAX {
            findings.push(Finding::refuse(path, format!("modules nest at most {DEPTH_MAX} deep under src")));
        }
        if !text.starts_with("//! ") {
            findings.push(Finding::refuse(path, "the first line is //! and says what the file is for"));
        }
    }
    findings
}

/// The empty word that a stem begins or ends with.
fn drawer(stem: &str) -> Option<&'static str> {
    let mut ends = [stem.split('_').next(), stem.rsplit('_').next()].into_iter().flatten();
    ends.find_map(|part| EMPTY_WORDS.into_iter().find(|word| part.starts_with(word)))
}

/// How deep a module lies under its `src`; tests beside a module are as deep as the module.
fn depth(path: &str) -> usize {
    let inside = path.strip_prefix("src/").or_else(|| path.split_once("/src/").map(|(_, inside)| inside));
    let Some(inside) = inside else { return 0 };
    let module = inside.split("/tests/").next().unwrap_or(inside);
    module.trim_end_matches("/tests.rs").split('/').count()
}
