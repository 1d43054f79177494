//! The files that are judged: a map from path to text, read from a checkout or planted by a test.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Folders that hold no source of ours: build output, version control, and what tools leave behind.
const SKIPPED: [&str; 3] = ["target", "node_modules", "fixtures"];
/// Kinds of text the checks read.
const SUFFIXES: [&str; 3] = ["rs", "toml", "md"];
/// A checkout of more files than this is a mistake (a data directory under the root), not a house.
const FILES_MAX: usize = 20_000;

/// Paths (from the root, with `/`) and texts of the files to judge.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads a checkout; hidden folders and build output are left out.
    pub(crate) fn load(root: &Path) -> Result<Self, String> {
        let mut tree = Self::default();
        tree.load_folder(root, "")?;
        Ok(tree)
    }

    fn load_folder(&mut self, folder: &Path, prefix: &str) -> Result<(), String> {
        let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries {
            let entry = entry.map_err(|error| format!("{}: {error}", folder.display()))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = entry.file_type().map_err(|error| format!("{prefix}{name}: {error}"))?;
            if name.starts_with('.') || SKIPPED.contains(&name.as_str()) {
                continue;
            }
            if kind.is_dir() {
                self.load_folder(&entry.path(), &format!("{prefix}{name}/"))?;
            } else if kind.is_file() && name.rsplit_once('.').is_some_and(|(_, end)| SUFFIXES.contains(&end))
            {
                let text =
                    fs::read_to_string(entry.path()).map_err(|error| format!("{prefix}{name}: {error}"))?;
                self.files.insert(format!("{prefix}{name}"), text);
            }
            if self.files.len() > FILES_MAX {
                return Err(format!("more than {FILES_MAX} files under {}", folder.display()));
            }
        }
        Ok(())
    }

    /// A tree of given files, for tests.
    #[cfg(test)]
    pub(crate) fn planted(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect() }
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Every path and text.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Every Rust file.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| path.ends_with(".rs"))
    }
}
