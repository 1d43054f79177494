//! `cargo xtask image`: the node as a container image, written by ourselves; no engine is needed to make it.

mod layout;
pub(crate) mod tar;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::program::Program;
use layout::Image;

/// What was asked for.
struct Asked<'a> {
    /// Which of cargo's profiles builds the binary.
    profile: &'a str,
    /// Print one JSON object, and nothing else.
    json: bool,
}

/// `cargo xtask image [--profile=release] [--json]`.
pub(crate) fn run(root: &Path, target: &Path, words: &[&str]) -> Result<(), String> {
    let asked = parse(words)?;
    let path = path(target, asked.profile);
    let image = write(root, &path, asked.profile)?;
    let (shown, size) = (path.display(), image.bytes.len());
    let Image { digest, id, .. } = &image;
    if asked.json {
        let said = json!({ "path": path, "name": layout::NAME, "digest": digest, "id": id, "size": size });
        println!("{said}");
        return Ok(());
    }
    println!("{shown}: {}, {}.{} MB", layout::NAME, size / 1_000_000, size / 100_000 % 10);
    println!("digest  {digest}");
    println!("id      {id}");
    println!("next: docker load -i {shown}   (podman load and skopeo copy oci-archive:{shown} take it too)");
    Ok(())
}

/// Where the image of a profile is written, below the directory that cargo builds into.
pub(crate) fn path(target: &Path, profile: &str) -> PathBuf {
    let suffix = if profile == "release" { String::new() } else { format!("-{profile}") };
    target.join("image").join(format!("dockless{suffix}.tar"))
}

/// Builds the binary and writes the image of it to `path`.
pub(crate) fn write(root: &Path, path: &Path, profile: &str) -> Result<Image, String> {
    let binary = build(root, profile)?;
    let binary = fs::read(&binary).map_err(|error| format!("{}: {error}", binary.display()))?;
    let image = layout::write(&binary, architecture()?)?;
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
    fs::write(path, &image.bytes).map_err(failed)?;
    Ok(image)
}

fn parse<'a>(words: &[&'a str]) -> Result<Asked<'a>, String> {
    let mut asked = Asked { profile: "release", json: false };
    for word in words {
        match word.split_once('=') {
            None if *word == "--json" => asked.json = true,
            Some(("--profile", profile)) if !profile.is_empty() => asked.profile = profile,
            _ => return Err(format!("unknown word {word:?}; there are --profile=NAME and --json")),
        }
    }
    Ok(asked)
}

/// Links the binary with the C library inside, so that nothing else need be in the image. The flag is given for the
/// last crate alone: what the other builds of this profile have compiled serves again.
fn build(root: &Path, profile: &str) -> Result<PathBuf, String> {
    let messages = Program::cargo(root)
        .arguments(["rustc", "--locked", "--package=dockless", "--bin=dockless", "--profile", profile])
        .arguments(["--message-format=json-render-diagnostics", "--", "-Ctarget-feature=+crt-static"])
        .output()?;
    let executable = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(
        |message| match (message["target"]["name"].as_str(), message["executable"].as_str()) {
            (Some("dockless"), Some(path)) => Some(PathBuf::from(path)),
            _ => None,
        },
    );
    executable.ok_or_else(|| "cargo names no binary that it built".to_owned())
}

/// This machine's architecture, as images name it.
fn architecture() -> Result<&'static str, String> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => Err(format!("no image for {other}: only x86_64 and aarch64 are built")),
    }
}
