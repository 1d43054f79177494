//! What every implementation of a seam of this crate must do, as suites that run against any of them.
//!
//! A suite panics where the implementation differs. Each case gets a fresh, empty implementation.

mod ledger;
pub mod sample;
mod tables;

pub use ledger::ledger;
pub use tables::tables;
