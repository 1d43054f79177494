//! What every implementation of a seam must do. Each suite panics with the first thing that is wrong.
#![expect(clippy::unwrap_used, reason = "a suite is a test")]

pub mod clock;
pub mod disk;
pub mod entropy;
pub mod spawn;
