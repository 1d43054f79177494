//! `cargo xtask verify`: everything a change must pass; it reads and never writes. `cargo xtask fix` is its writing twin.

use std::path::Path;

use crate::program::Program;
use crate::{pages, test, tidy};

/// What `cargo deny` is asked. Its advisory database needs the network at every run, so it is not part of this.
const DENY: [&str; 6] = ["deny", "--workspace", "check", "bans", "licenses", "sources"];
/// The version of `cargo-deny` that the checks are written for.
const DENY_SOURCE: &str = "cargo install --locked cargo-deny@0.20.2";

/// What clippy looks at: all targets, and the one that is none by default.
const CLIPPY: [&str; 6] = ["clippy", "--workspace", "--locked", "--all-targets", "--test", "clients"];

/// Runs every check in the order of its cost. `quick` leaves the tests to a run of `cargo xtask test`.
pub(crate) fn run(root: &Path, quick: bool) -> Result<(), String> {
    cargo(root, &["fmt", "--all", "--check"]).run()?;
    tidy::run(root)?;
    deny(root)?;
    cargo(root, &["test", "--package", "xtask", "--locked", "--quiet", "--", "--ignored", "deny"]).run()?;
    cargo(root, &CLIPPY).arguments(["--", "-D", "warnings"]).run()?;
    cargo(root, &["doc", "--workspace", "--no-deps", "--locked"])
        .variable("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    pages::check(root)?;
    if quick {
        println!("verify: all but the tests passed");
        Ok(())
    } else {
        test::run(root, test::Clients::None)
    }
}

/// Formats, takes clippy's own fixes, and writes the generated pages.
pub(crate) fn fix(root: &Path) -> Result<(), String> {
    cargo(root, &CLIPPY).arguments(["--fix", "--allow-dirty", "--allow-staged"]).run()?;
    cargo(root, &["fmt", "--all"]).run()?;
    pages::write(root)
}

fn deny(root: &Path) -> Result<(), String> {
    let known = cargo(root, &["deny", "--version"]).output();
    if known.is_err() {
        return Err(format!("cargo-deny is not installed: {DENY_SOURCE}"));
    }
    cargo(root, &DENY).arguments(["--hide-inclusion-graph"]).run()
}

fn cargo(root: &Path, arguments: &[&str]) -> Program {
    Program::cargo(root).arguments(arguments)
}

#[cfg(test)]
mod tests;
