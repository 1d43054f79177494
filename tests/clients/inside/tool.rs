//! A program under test: started in the room's environment, never for longer than its limit.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// The longest that one command of a client may take before it is ended and its test fails. The slowest, a pull of
/// 1 GB on a loaded machine, takes a quarter of it.
const LIMIT: &str = "240";

/// A command being put together.
pub(crate) struct Tool {
    command: Command,
    shown: String,
    input: Option<String>,
}

impl Tool {
    /// A program by name or path, with nothing of the caller's environment but what `Room` gives it.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref();
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", LIMIT]).arg(program).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, shown: program.to_string_lossy().into_owned(), input: None }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.shown.push(' ');
        self.shown.push_str(&argument.as_ref().to_string_lossy());
        self.command.arg(argument);
        self
    }

    /// Arguments, given as one line and split at blanks.
    pub(crate) fn words(self, line: &str) -> Self {
        line.split_whitespace().fold(self, Self::arg)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// What it reads from its input.
    pub(crate) fn input(mut self, text: &str) -> Self {
        self.command.stdin(Stdio::piped());
        self.input = Some(text.to_owned());
        self
    }

    pub(crate) fn within(mut self, folder: impl AsRef<std::path::Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(mut self) -> Said {
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.shown));
        if let Some(input) = &self.input {
            // A program that refuses before it reads closes the pipe; its own words say why.
            let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        }
        let output = child.wait_with_output().unwrap();
        Said::new(self.shown, &output)
    }

    /// Runs it; its output when it succeeds.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        self.run().ok()
    }

    /// Runs it; all it says when it fails, as it must.
    #[track_caller]
    pub(crate) fn fails(self) -> String {
        self.run().fails()
    }
}

/// How a program ended, and what it said.
pub(crate) struct Said {
    shown: String,
    code: Option<i32>,
    output: String,
    messages: String,
}

impl Said {
    fn new(shown: String, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            shown,
            code: output.status.code(),
            output: text(&output.stdout),
            messages: text(&output.stderr),
        }
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self}");
        self.output
    }

    /// All it says when it succeeds, messages too.
    #[track_caller]
    pub(crate) fn everything(self) -> String {
        assert_eq!(self.code, Some(0), "{self}");
        format!("{}{}", self.messages, self.output)
    }

    #[track_caller]
    pub(crate) fn fails(self) -> String {
        // 124 and above are `timeout`'s own: the program hung or died.
        assert!(self.code.is_some_and(|code| code != 0 && code < 124 || code == 125), "{self}");
        format!("{}{}", self.messages, self.output)
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { shown, code, output, messages } = self;
        write!(f, "`{shown}` ended with {code:?} and said:\n{output}{messages}")
    }
}

/// Checks that `text` holds every one of `parts`.
#[track_caller]
pub(crate) fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "expected \"{part}\" in:\n{text}");
    }
}
