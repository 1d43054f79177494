//! Bad input: every endpoint x {path, query, header, body, order}, with the exact status, the exact error code, and
//! a check that nothing changed.
//!
//! A cell is one test; it has at least eight rows, or says why there are not so many different ways to be wrong.
//! Requests are bytes on the wire, so that nothing on our side makes them better than they are. Rows whose answer is
//! a success are there on purpose: that is what the registry must overlook.

mod blob;
mod every;
mod lists;
mod manifest;
mod operations;
mod referrers;
mod rights;
mod row;
mod scene;
mod token;
mod upload_begin;
mod upload_data;
mod upload_end;

use row::Row;
use scene::Scene;

/// The fewest rows of a cell that gives no reason.
const ROWS_MIN: usize = 8;

/// Makes tests of cells: `name => rows`, each on its own node; `locked` where users must log in.
macro_rules! cells {
    (@ $start:ident $($name:ident => $rows:expr),+ $(,)?) => {$(
        #[tokio::test]
        async fn $name() {
            crate::bad_input::check(crate::bad_input::scene::Scene::$start, $rows).await;
        }
    )+};
    (locked $($cells:tt)+) => { cells!(@ locked $($cells)+); };
    ($($cells:tt)+) => { cells!(@ open $($cells)+); };
}
use cells;

/// The rows of a cell, and why they are few when they are.
struct Cell {
    rows: Vec<Row>,
    reason: Option<&'static str>,
}

/// A cell that cannot have eight rows.
fn few(reason: &'static str, rows: Vec<Row>) -> Cell {
    Cell { rows, reason: Some(reason) }
}

impl From<Vec<Row>> for Cell {
    fn from(rows: Vec<Row>) -> Self {
        Self { rows, reason: None }
    }
}

async fn check(start: impl AsyncFn() -> Scene, cell: impl Into<Cell>) {
    let Cell { rows, reason } = cell.into();
    match reason {
        None => assert!(rows.len() >= ROWS_MIN, "only {} rows, and no reason", rows.len()),
        Some(reason) => assert!(reason.len() > 20 && rows.len() < ROWS_MIN, "a reason, or enough rows"),
    }
    let mut failures = Vec::new();
    let mut scene = start().await;
    for row in rows {
        let failure = row.check(&scene).await;
        if row.changes() || failure.is_some() {
            scene.stop().await;
            scene = start().await;
        }
        failures.extend(failure);
    }
    scene.stop().await;
    assert!(failures.is_empty(), "{} rows fail:\n{}", failures.len(), failures.join("\n"));
}
