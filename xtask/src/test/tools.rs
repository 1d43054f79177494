//! Clients that are Go modules: built at the versions that `tests/clients/go.mod` pins, into `target/tools`.

use std::path::Path;

use crate::program::Program;

/// Which module builds which tools. Two modules, because tools in one module share their dependencies' versions.
const USUAL: (&str, &[&str]) = ("tests/clients", &["crane", "oras", "regctl"]);
const HEAVY: (&str, &[&str]) = ("tests/clients/heavy", &["cosign", "helm", "notation"]);

/// Builds the tools; Go's own cache makes a second call cheap.
pub(crate) fn build(root: &Path, target: &Path, all: bool) -> Result<(), String> {
    let folder = target.join("tools");
    for (module, names) in [USUAL, HEAVY].into_iter().take(if all { 2 } else { 1 }) {
        let mut output = folder.clone().into_os_string();
        output.push("/"); // a slash makes it a folder to fill
        Program::new("go", "Go 1.26 or newer; Debian 12's is too old")
            .arguments(["build", "-trimpath", "-o"])
            .arguments([output])
            .arguments(["tool"])
            .within(&root.join(module))
            .run()?;
        if let Some(lost) = names.iter().find(|name| !folder.join(name).is_file()) {
            return Err(format!("{module}/go.mod built no {lost}: its tool line is missing"));
        }
    }
    Ok(())
}
