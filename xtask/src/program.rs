//! Programs the tasks start: what they are, what they are told, and how their failure is said.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// A program to be run in the foreground, with what to do when it is not there.
pub(crate) struct Program {
    command: Command,
    shown: String,
    /// What to install when it is missing.
    source: &'static str,
}

impl Program {
    /// `cargo`, the same that runs this task.
    pub(crate) fn cargo(root: &Path) -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut program = Self::new("cargo", "Rust 1.95 (rustup)");
        program.command = Command::new(cargo);
        program.within(root)
    }

    /// A program found in `PATH`; `source` names what brings it.
    pub(crate) fn new(name: &str, source: &'static str) -> Self {
        Self { command: Command::new(name), shown: name.to_owned(), source }
    }

    pub(crate) fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub(crate) fn arguments<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        for argument in arguments {
            self.shown.push(' ');
            self.shown.push_str(&argument.as_ref().to_string_lossy());
            self.command.arg(argument);
        }
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it with the task's own output; `Err` when it fails.
    pub(crate) fn run(mut self) -> Result<(), String> {
        println!("==> {}", self.shown);
        let status = self.command.status().map_err(|error| self.missing(&error))?;
        if status.success() { Ok(()) } else { Err(format!("{}: {status}", self.shown)) }
    }

    /// Runs it and gives what it printed; its messages go to the task's own.
    pub(crate) fn output(mut self) -> Result<String, String> {
        self.command.stderr(Stdio::inherit());
        let output = self.command.output().map_err(|error| self.missing(&error))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(format!("{}: {}", self.shown, output.status))
        }
    }

    /// Runs it, passes its output on line by line, and shows each line to `each`. Says whether it succeeded.
    pub(crate) fn lines(mut self, mut each: impl FnMut(&str)) -> Result<bool, String> {
        println!("==> {}", self.shown);
        let mut child = self.command.stdout(Stdio::piped()).spawn().map_err(|error| self.missing(&error))?;
        let output = child.stdout.take().ok_or("a child without its pipe")?;
        for line in BufReader::new(output).split(b'\n') {
            let line = line.map_err(|error| format!("{}: {error}", self.shown))?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            each(&line);
        }
        let status = child.wait().map_err(|error| format!("{}: {error}", self.shown))?;
        Ok(status.success())
    }

    fn missing(&self, error: &std::io::Error) -> String {
        let name = self.shown.split(' ').next().unwrap_or_default();
        if error.kind() == std::io::ErrorKind::NotFound {
            format!("{name} is not installed: {}", self.source)
        } else {
            format!("{}: {error}", self.shown)
        }
    }
}
