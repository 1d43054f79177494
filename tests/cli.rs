//! The command line of the real binary: what it prints, what it writes, and how it ends.

mod engines;
mod limits;
mod serve;
mod signals;
mod trust;
mod verbs;

use std::path::Path;
use std::process::{Command, Output};

use dockless_testkit::process::binary;
use serde_json::Value;

/// How one command ended.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    /// Checks the exit code; shows all output when it is another.
    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in:\n{}", self.stdout))
    }

    /// Checks that standard error says `text`.
    #[track_caller]
    fn says(&self, text: &str) {
        assert!(self.stderr.contains(text), "`{text}` is not in:\n{}", self.stderr);
    }
}

/// Runs `dockless` with nothing of this process's environment but `variables`.
fn run_with(variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let mut command = Command::new(binary());
    command.env_clear().envs(variables.iter().copied()).args(arguments);
    command.stdin(std::process::Stdio::null());
    let Output { status, stdout, stderr } = command.output().expect("the binary can be executed");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is text");
    Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// Runs `dockless` with an empty environment.
fn run(arguments: &[&str]) -> Ran {
    run_with(&[], arguments)
}

/// Runs a verb on the node whose data is in `data`.
fn on(data: &Path, arguments: &[&str]) -> Ran {
    let data = data.to_str().expect("temporary paths are text");
    run(&[arguments, &["--data", data]].concat())
}
