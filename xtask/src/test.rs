//! `cargo xtask test`: every test, the real binary's included, and one line at the end that says how many passed.

mod packages;
mod summary;
mod tools;
mod trixie;

use std::path::{Path, PathBuf};

use crate::image;
use crate::program::Program;
use summary::Summary;

/// The profile of the image that the clients run: that of the binary, so that little is compiled twice.
const IMAGE_PROFILE: &str = "dev";

/// Which real clients are part of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clients {
    /// None: no root, no other software.
    None,
    /// docker, podman, skopeo, buildah, containerd, crane, regctl, oras, nginx.
    Usual,
    /// These and helm, cosign and notation, which take minutes to build.
    All,
}

/// Builds the binary, runs every test against it, then the clients asked for.
pub(crate) fn run(root: &Path, clients: Clients) -> Result<(), String> {
    let target = target(root)?;
    if clients != Clients::None {
        packages::install()?;
        tools::build(root, &target, clients == Clients::All)?;
        trixie::make(&target.join("tools"))?;
        // Before the binary: both are linked to the same place, and the tests are to find the one that is not static.
        image::write(root, &image::path(&target, IMAGE_PROFILE), IMAGE_PROFILE)?;
    }
    let binary = build(root, &target)?;
    let mut summary = Summary::default();
    cargo_test(root, &binary, &["--workspace", "--locked", "--no-fail-fast"], &[], &target, &mut summary)?;
    if clients != Clients::None {
        let mut filter = vec!["--test-threads=1"];
        if clients == Clients::Usual {
            filter.extend(["--skip", "extra::"]);
        }
        let chosen = ["--package", "dockless-tests", "--test", "clients", "--locked"];
        cargo_test(root, &binary, &chosen, &filter, &target, &mut summary)?;
    }
    summary.print()
}

/// The directory that cargo builds into, whatever the environment says.
pub(crate) fn target(root: &Path) -> Result<PathBuf, String> {
    let text = Program::cargo(root)
        .arguments(["metadata", "--no-deps", "--format-version=1", "--locked"])
        .output()?;
    let metadata: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    let target = metadata["target_directory"].as_str().ok_or("cargo metadata names no target directory")?;
    Ok(PathBuf::from(target))
}

/// Builds the product as it ships, without what only tests see.
fn build(root: &Path, target: &Path) -> Result<PathBuf, String> {
    Program::cargo(root).arguments(["build", "--locked", "--package", "dockless"]).run()?;
    Ok(target.join("debug").join("dockless"))
}

fn cargo_test(
    root: &Path,
    binary: &Path,
    chosen: &[&str],
    filter: &[&str],
    target: &Path,
    summary: &mut Summary,
) -> Result<(), String> {
    let program = Program::cargo(root)
        .arguments(["test"])
        .arguments(chosen)
        .arguments(["--"])
        .arguments(filter)
        .variable("DOCKLESS_BIN", binary)
        .variable("DOCKLESS_IMAGE", image::path(target, IMAGE_PROFILE))
        .variable("DOCKLESS_TOOLS", target.join("tools"));
    let passed = program.lines(|line| summary.read(line))?;
    summary.ended(passed);
    Ok(())
}
