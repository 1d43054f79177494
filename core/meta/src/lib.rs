//! Truth at rest: commands, the journal, the tables, the ledger.
//!
//! Every change of truth is a [`Command`]: it gets a number and a place in the [journal], is durable there,
//! and is then applied to the [tables] by one pure function, [`apply`](apply::apply). The tables follow the
//! journal and can always be made again from a [snapshot] and what the journal holds since.

mod answer;
pub mod apply;
pub mod command;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod error;
pub mod event;
pub mod fuzz;
pub mod journal;
pub mod ledger;
pub mod record;
mod rows;
pub mod settings;
pub mod snapshot;
pub mod tables;
pub mod view;

pub use answer::{Doomed, ManifestHead, ManifestRecord, Totals, Usage};
pub use command::{Command, Entry, PutManifest, Rejection, TagCondition};
pub use error::LedgerError;
pub use event::{Applied, Event};
pub use ledger::Ledger;
pub use ledger::local::{LocalLedger, OpenError, Statistics};
pub use ledger::memory::MemoryLedger;
pub use settings::Settings;
pub use view::View;
