//! `dockless version`: which version this is.

use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::output;

/// `dockless version [--json]`.
#[derive(Args)]
pub(crate) struct Version {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer {
    version: &'static str,
}

impl Version {
    /// Prints the version.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let version = env!("CARGO_PKG_VERSION");
        if self.json {
            return output::json(&Answer { version });
        }
        output::line(&format!("dockless {version}"))
    }
}
