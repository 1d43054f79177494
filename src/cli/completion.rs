//! `dockless completion`: the completion script of a shell.

use clap::Args;
use clap_complete::Shell;
use serde::Serialize;

use crate::failure::Failure;
use crate::output;

/// `dockless completion SHELL [--json]`.
#[derive(Args)]
#[command(after_help = "For example: dockless completion bash > /etc/bash_completion.d/dockless")]
pub(crate) struct Completion {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    shell: String,
    script: &'a str,
}

impl Completion {
    /// Prints the script.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "dockless", &mut script);
        let script = String::from_utf8_lossy(&script);
        if self.json {
            return output::json(&Answer { shell: self.shell.to_string(), script: &script });
        }
        output::text(&script)
    }
}
