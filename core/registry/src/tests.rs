//! The registry on a simulated machine, over both ledgers and both stores.

mod client;
mod deletes;
mod failures;
mod fixture;
mod linear;
mod lists;
mod manifests;
mod model;
mod mounts;
mod sources;
mod uploads;
