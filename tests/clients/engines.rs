//! What container engines have, pulled through the real binary: engines of their own, and no other registry.

mod changes;
mod clients;
mod containerd;
mod copies;
mod debian;
mod failures;
mod large;
mod names;
mod podman;
mod relay;
mod requests;
mod saves;
mod scene;
mod terms;
mod trixie;
