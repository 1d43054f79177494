//! `cargo xtask`: the checks, tests and measurements of the house, from one place.

#![expect(
    clippy::disallowed_methods,
    reason = "a tool on the developer's machine: it reads the checkout and runs programs"
)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is for")]

mod bench;
mod image;
mod pages;
mod program;
mod test;
mod tidy;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <command>

  verify            reads only: format, tidy, licences and bans, clippy, docs, generated pages, tests
  verify --quick    the same without the tests
  fix               writes: clippy's fixes, format, generated pages
  tidy              floors, owners, lengths, names and documents, in a second
  test              every test that needs no root, the real binary's included
  test --clients    these, then the real clients; needs root, installs Debian packages and builds Go tools by name
  test --clients=all  helm, cosign and notation too; they take minutes to build
  bench [KEY=VALUE]...  this registry against its peers, interleaved; writes docs/benchmarks/; some twenty minutes; needs root.
                    rounds=3 seconds=2 large_mib=1024 only=WORD output=docs/benchmarks
  image             the node as a container image, target/image/dockless.tar, for docker load, podman load and skopeo;
                    no engine is needed to make it. --profile=dev is built in less time; --json";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    let outcome = match words.as_slice() {
        ["verify"] => verify::run(&root, false),
        ["verify", "--quick"] => verify::run(&root, true),
        ["fix"] => verify::fix(&root),
        ["tidy"] => tidy::run(&root),
        ["test"] => test::run(&root, test::Clients::None),
        ["test", "--clients"] => test::run(&root, test::Clients::Usual),
        ["test", "--clients=all"] => test::run(&root, test::Clients::All),
        ["bench", rest @ ..] => bench::run(&root, rest),
        ["image", rest @ ..] => test::target(&root).and_then(|target| image::run(&root, &target, rest)),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        other => Err(format!("unknown command: {}\n\n{USAGE}", other.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A summary has said it already, as its last line.
            if !error.is_empty() {
                eprintln!("{error}");
            }
            ExitCode::FAILURE
        }
    }
}

/// The checkout that holds this crate.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}
