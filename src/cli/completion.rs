//! `dockless completion`: the completion script of a shell.

use clap::Args;
use clap_complete::Shell;

use super::{Failure, output};

/// `dockless completion SHELL`.
#[derive(Args)]
#[command(after_help = "For example: dockless completion bash > /etc/bash_completion.d/dockless")]
pub(crate) struct Completion {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completion {
    /// Prints the script.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "dockless", &mut script);
        output::text(&String::from_utf8_lossy(&script));
        Ok(())
    }
}
