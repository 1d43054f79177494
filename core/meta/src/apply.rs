//! The one function that changes truth: pure, the same everywhere for the same commands in the same order.

mod blob;
mod counts;
pub(crate) mod load;
mod manifest;
mod tag;
#[cfg(test)]
mod tests;

use crate::command::{Command, Entry, Rejection};
use crate::event::{Applied, Event};
use crate::rows::{self, key, meta};
use crate::tables::{Table, TableError, TableWrite};

/// What a command did, inside the result that says whether the tables could be used at all.
type Outcome = Result<Vec<Event>, Rejection>;

/// Applies one command. All reading that may refuse it comes before the first write: a rejected command changes
/// nothing. `index` and `time_ms` are those of its entry; there is no clock and nothing random in here.
///
/// # Errors
/// When the tables cannot be used; they may then hold a part of the change, and the transaction must be given up.
pub fn apply(
    tables: &mut dyn TableWrite,
    index: u64,
    time_ms: u64,
    command: &Command,
) -> Result<Result<Vec<Event>, Rejection>, TableError> {
    let outcome = match command {
        Command::PutManifest(put) => manifest::put(tables, put),
        Command::SetTag { repository, tag, digest, immutable } => {
            tag::set(tables, repository, tag, digest, *immutable)
        }
        Command::DeleteTag { repository, tag } => tag::delete(tables, repository, tag),
        Command::DeleteManifest { repository, digest } => manifest::delete(tables, repository, digest),
        Command::ExpectBlob { digest } => blob::expect(tables, digest, time_ms),
        Command::LinkBlob { repository, digest, size } => blob::link(tables, repository, digest, *size, None),
        Command::MountBlob { from, repository, digest } => blob::mount(tables, from, repository, digest),
        Command::UnlinkBlob { repository, digest } => blob::unlink(tables, repository, digest, time_ms),
        Command::ForgetBlob { digest } => blob::forget(tables, digest),
    }?;
    if let Ok(events) = &outcome
        && !events.is_empty()
    {
        tables.put(Table::Events, &key::of_index(index), &rows::event::encode(events))?;
    }
    Ok(outcome)
}

/// Applies a batch and notes the number of its last entry.
pub(crate) fn apply_batch(
    tables: &mut dyn TableWrite,
    entries: &[Entry],
) -> Result<Vec<Applied>, TableError> {
    let applied = entries
        .iter()
        .map(|entry| {
            let outcome = apply(tables, entry.index, entry.time_ms, &entry.command)?;
            Ok(Applied { index: entry.index, outcome })
        })
        .collect::<Result<Vec<_>, TableError>>()?;
    if let Some(last) = applied.last() {
        tables.put(Table::Meta, meta::APPLIED, &rows::encode_integer(last.index))?;
    }
    Ok(applied)
}

/// Forgets the events of commands before `first`, at most `limit` of them; true when more are left.
pub(crate) fn trim_events(tables: &mut dyn TableWrite, first: u64, limit: usize) -> Result<bool, TableError> {
    tables.put(Table::Meta, meta::EVENTS_FROM, &rows::encode_integer(first))?;
    let rows = tables.range(Table::Events, &[], Some(&key::of_index(first)), limit)?;
    for row in &rows {
        tables.delete(Table::Events, &row.key)?;
    }
    Ok(rows.len() == limit)
}
