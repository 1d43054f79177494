//! A load generator for registries: bounded work over keep-alive connections, one JSON object as the result.
//!
//! `dockless-load WORK key=value ...`, for instance `dockless-load get to=127.0.0.1:5000 path=/v2/ connections=64 seconds=3`.
//! It speaks HTTP/1.1 in plain text to loopback, which is all that a comparison of servers needs.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of the benchmarks: it measures real time and prints its result"
)]

mod connection;
mod floor;
mod get;
mod hold;
mod options;
mod probe;
mod pull;
mod push;
mod report;

use options::Options;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    let mut words = std::env::args().skip(1);
    let work = words.next().unwrap_or_default();
    let outcome = match Options::parse(words) {
        Ok(options) => run(&work, &options).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(report) => {
            println!("{report}");
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("dockless-load: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn run(work: &str, options: &Options) -> Result<serde_json::Value, String> {
    match work {
        "get" => get::run(options).await,
        "push-blobs" => push::blobs(options).await,
        "push-file" => push::file(options).await,
        "floor" => floor::run(options),
        "delete-manifests" => push::delete_manifests(options).await,
        "put-manifests" => push::manifests(options).await,
        "hold" => hold::run(options).await,
        "probe" => probe::run(options).await,
        "pull" => pull::run(options).await,
        other => Err(format!(
            "unknown work {other:?}; there are get, pull, push-blobs, push-file, put-manifests, delete-manifests, hold, probe, floor"
        )),
    }
}
