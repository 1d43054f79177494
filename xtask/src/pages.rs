//! Generated pages: what the binary says of itself must be what the documents show.

use std::fs;
use std::path::Path;

use crate::program::Program;

/// Pages under `docs/reference/`, by the word after `dockless reference`.
const PAGES: [&str; 2] = ["configuration", "commands"];

/// Fails when a committed page differs from what the binary prints.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    for page in PAGES {
        let path = path(page);
        let committed = fs::read_to_string(root.join(&path)).map_err(|error| format!("{path}: {error}"))?;
        compare(&path, &committed, &print(root, page)?)?;
    }
    println!("pages: {} generated pages are as committed", PAGES.len());
    Ok(())
}

/// Writes each page anew.
pub(crate) fn write(root: &Path) -> Result<(), String> {
    for page in PAGES {
        let path = path(page);
        fs::write(root.join(&path), print(root, page)?).map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(())
}

fn path(page: &str) -> String {
    format!("docs/reference/{page}.md")
}

fn print(root: &Path, page: &str) -> Result<String, String> {
    Program::cargo(root).arguments(["run", "--quiet", "--locked", "--", "reference", page]).output()
}

fn compare(path: &str, committed: &str, printed: &str) -> Result<(), String> {
    let at = committed.lines().zip(printed.lines()).position(|(left, right)| left != right);
    if committed == printed {
        return Ok(());
    }
    let line = at.unwrap_or_else(|| committed.lines().count().min(printed.lines().count())) + 1;
    Err(format!("{path}:{line}: not what the binary prints; run `cargo xtask fix`"))
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn a_stale_page_is_refused_at_its_first_stale_line() {
        assert_eq!(compare("a.md", "one\ntwo\n", "one\ntwo\n"), Ok(()));
        for (committed, printed, line) in
            [("one\ntwo\n", "one\nthree\n", ":2"), ("one\n", "one\ntwo\n", ":2")]
        {
            let refusal = compare("a.md", committed, printed).unwrap_err();
            assert!(refusal.starts_with(&format!("a.md{line}: ")), "{refusal}");
        }
    }
}
