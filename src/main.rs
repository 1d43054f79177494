//! `dockless`: a container registry without a dock, in one binary.

mod cli;
mod config;
mod failure;
mod node;
mod notify;
mod output;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: whatever speaks TLS from here on uses this one provider. The only error is that one is
    // installed already, and nothing ran before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    cli::run()
}
