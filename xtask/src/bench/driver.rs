//! Builds what a run needs and drives the load generator.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Builds this registry, the load generator and the peers that come as pinned Go modules.
pub(crate) fn build(root: &Path) -> Result<(), String> {
    run(Command::new("cargo").current_dir(root).args([
        "build",
        "--release",
        "--locked",
        "-p",
        "dockless",
        "-p",
        "dockless-load",
        "-p",
        "dockless-meta",
        "--bins",
        "--examples",
    ]))?;
    let tools = tools(root);
    std::fs::create_dir_all(&tools).map_err(|error| error.to_string())?;
    if tools.join("registry").exists() && tools.join("olareg").exists() {
        return Ok(());
    }
    run(Command::new("go")
        .current_dir(root.join("xtask/peers"))
        .arg("build")
        .arg("-o")
        .arg(&tools)
        .arg("tool"))
}

/// The folder of built Go peers.
pub(crate) fn tools(root: &Path) -> PathBuf {
    root.join("target/tools/peers")
}

/// Runs a command to its end; its failure is an error that shows the command.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

/// The load generator with these words.
pub(crate) fn load(root: &Path, words: &[String]) -> Result<Value, String> {
    let output =
        generator(root, words).stderr(Stdio::inherit()).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("load {words:?}: {}", output.status));
    }
    let value: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("load {words:?}: {error}"))?;
    match value["errors"].as_u64() {
        Some(errors) if errors > 0 => {
            Err(format!("load {words:?}: {errors} errors, the first: {}", value["first_error"]))
        }
        _ => Ok(value),
    }
}

/// Several generators beside each other; their results come in the order of their words.
pub(crate) fn load_all(root: &Path, all: &[Vec<String>]) -> Result<Vec<Value>, String> {
    std::thread::scope(|scope| {
        let running: Vec<_> = all.iter().map(|words| scope.spawn(|| load(root, words))).collect();
        let answers =
            running.into_iter().map(|one| one.join().map_err(|_| "a generator's thread panicked")?);
        answers.collect()
    })
}

/// The load generator, not started yet.
pub(crate) fn generator(root: &Path, words: &[String]) -> Command {
    let mut command = Command::new(root.join("target/release/dockless-load"));
    command.args(words);
    command
}

/// Pushes a file as one blob.
pub(crate) fn push_file(
    root: &Path,
    address: SocketAddr,
    file: &Path,
    digest: &str,
    way: &str,
) -> Result<f64, String> {
    let words = [
        "push-file".to_owned(),
        format!("to={}", address),
        format!("path={}", file.display()),
        format!("digest={digest}"),
        format!("way={way}"),
    ];
    load(root, &words)?["seconds"].as_f64().ok_or("no seconds in the report".to_owned())
}
