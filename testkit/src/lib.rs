//! What tests share: nodes in one process, the real binary as a child, an HTTP client, an image builder.
//!
//! Everything here panics with a sentence when the test's own footing fails (no port, no binary, a connection that
//! breaks), so that a test reads as what it checks.

pub mod answer;
pub mod client;
pub mod image;
pub mod node;
pub mod process;
pub mod push;
pub mod raw;

pub use answer::Answer;
pub use client::Client;
pub use image::{Content, Image, ImageBuilder};
pub use process::Process;
