//! Real clients against the real binary: every test starts a node, and a client that was written by someone else.
//!
//! `cargo xtask test --clients` installs and builds what is needed and runs these one after another, as root. What a
//! client says of itself proves little: that content moved is read from the node's own counters, and that it is right
//! from its digests.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests on the developer's machine, driving programs and files"
)]

mod access;
mod buildah;
mod containerd;
mod crane;
mod docker;
mod engines;
mod extra;
mod image;
mod inside;
mod large;
mod oras;
mod podman;
mod proxy;
mod readme;
mod refusals;
mod regctl;
mod skopeo;
mod trust;

use inside::layout::{Files, folder};
use inside::tar::Entry;
use inside::{Flavour, Layout, Stored};

/// An index of three architectures under the tag `multi`; only the first, this machine's, can run.
fn multi_arch(layout: &mut Layout) -> Stored {
    let native = layout.runnable("", Flavour::Oci, 3);
    let other = |layout: &mut Layout, architecture: &str, seed: u64| {
        let data = Entry::Large { seed, length: 1 << 20 };
        let files: Files = vec![folder("lib"), ("lib/data".to_owned(), data)];
        layout.image("", Flavour::Oci, architecture, &[files])
    };
    let (arm64, riscv64) = (other(layout, "arm64", 101), other(layout, "riscv64", 102));
    layout.index("multi", &[("amd64", native), ("arm64", arm64), ("riscv64", riscv64)])
}
