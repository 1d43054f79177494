//! The crates of the workspace: where each lies, what it is called, and what its manifest asks for.

use super::finding::Finding;
use super::tree::Tree;

/// One crate, as its manifest says.
#[derive(Debug)]
pub(crate) struct Crate {
    /// Folder from the root, without a final slash; empty for the root package.
    pub(crate) folder: String,
    pub(crate) package: String,
    pub(crate) dependencies: Vec<Dependency>,
    /// Root source files, from the root of the checkout.
    pub(crate) roots: Vec<String>,
}

/// One line of a dependency table.
#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Only tests see it.
    pub(crate) dev: bool,
}

impl Crate {
    /// The path of this crate's manifest.
    pub(crate) fn manifest(&self) -> String {
        join(&self.folder, "Cargo.toml")
    }
}

/// Reads every manifest of the tree.
pub(crate) fn read(tree: &Tree) -> (Vec<Crate>, Vec<Finding>) {
    let mut crates = Vec::new();
    let mut findings = Vec::new();
    for (path, text) in tree.files() {
        let Some(folder) =
            path.strip_suffix("Cargo.toml").filter(|folder| folder.is_empty() || folder.ends_with('/'))
        else {
            continue;
        };
        match text.parse::<toml::Table>() {
            Ok(manifest) => crates.extend(read_one(tree, folder.trim_end_matches('/'), &manifest)),
            Err(error) => findings.push(Finding::refuse(path, format!("not TOML: {}", error.message()))),
        }
    }
    (crates, findings)
}

fn read_one(tree: &Tree, folder: &str, manifest: &toml::Table) -> Option<Crate> {
    let package = manifest.get("package")?.get("name")?.as_str()?.to_owned();
    let mut dependencies = Vec::new();
    collect(manifest, &mut dependencies);
    if let Some(targets) = manifest.get("target").and_then(toml::Value::as_table) {
        targets
            .values()
            .filter_map(toml::Value::as_table)
            .for_each(|table| collect(table, &mut dependencies));
    }
    let usual = ["src/lib.rs", "src/main.rs", "build.rs"].map(str::to_owned).into_iter();
    let stated =
        ["lib", "bin", "test", "bench", "example"].iter().flat_map(|kind| paths(manifest.get(*kind)));
    let roots = usual
        .chain(stated)
        .map(|path| join(folder, &path))
        .filter(|path| tree.text(path).is_some())
        .collect();
    Some(Crate { folder: folder.to_owned(), package, dependencies, roots })
}

/// The `path` values of a target table, or of an array of them.
fn paths(value: Option<&toml::Value>) -> Vec<String> {
    let one = |value: &toml::Value| Some(value.get("path")?.as_str()?.to_owned());
    match value {
        Some(toml::Value::Array(values)) => values.iter().filter_map(one).collect(),
        Some(value) => one(value).into_iter().collect(),
        None => Vec::new(),
    }
}

fn collect(table: &toml::Table, into: &mut Vec<Dependency>) {
    for (key, dev) in [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)] {
        for (name, value) in table.get(key).and_then(toml::Value::as_table).into_iter().flatten() {
            let renamed = value.get("package").and_then(toml::Value::as_str);
            into.push(Dependency { name: renamed.unwrap_or(name).to_owned(), dev });
        }
    }
}

fn join(folder: &str, path: &str) -> String {
    if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") }
}
