//! The HTTP door of a node: the registry API, tokens, health, metrics and administration, over TLS and plain HTTP on
//! one port.
//!
//! A [`Door`] answers one request and knows nothing of sockets; [`serve`] gives it sockets. Every error that a
//! client sees is made in one file, `error.rs`.

mod admin;
mod call;
mod challenge;
mod connection;
mod credentials;
mod door;
mod error;
mod exchange;
mod flow;
pub mod fuzz;
mod health;
mod inbound;
mod metrics;
mod outbound;
mod proxy;
mod query;
mod reply;
mod server;
mod settings;
mod source;
mod target;
#[cfg(test)]
mod tests;
pub mod tls;
mod token;
mod transfer;
mod v2;

pub use admin::NodeFacts;
pub use door::{Door, DoorParts};
pub use server::{BoundListener, ListenerSocket, Served, serve};
pub use settings::{Settings, SettingsError};
