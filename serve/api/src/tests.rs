//! The door as a whole, asked without sockets: a simulated machine, a ledger and a store in memory.

mod access;
mod admin;
mod blobs;
mod door;
mod engines;
mod fixture;
mod lists;
mod log;
mod manifests;
mod outbound;
mod settings;
mod sources;
mod uploads;
