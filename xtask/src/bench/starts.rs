//! The rows of starts and sizes: idle memory, the binary, the first answer, the start after a kill.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::servers;
use super::table::{Row, Rule, Table};
use super::{Plan, driver, measure};

/// Repositories that the node holds when its start is timed.
const REPOSITORIES: u64 = 10_000;
/// Tags that the ledger holds when its start after a kill is timed.
const TAGS: u64 = 1_000_000;

/// Longer than the second between two checkpoints of the ledger.
const CHECKPOINTED: std::time::Duration = std::time::Duration::from_secs(3);

/// Sizes and starts of this node.
pub(crate) fn rows(root: &Path, plan: &Plan, table: &mut Table) -> Result<(), String> {
    if !"start idle size".contains(&plan.only) {
        return Ok(());
    }
    size(root, table)?;
    idle(root, plan, table)?;
    first_answer(root, plan, table)?;
    after_a_kill(root, plan, table)
}

fn size(root: &Path, table: &mut Table) -> Result<(), String> {
    let binary =
        std::fs::metadata(root.join("target/release/dockless")).map_err(|error| error.to_string())?;
    let mut row = Row::new("binary, stripped", "MB", Some(("<= 40 MB", Rule::Most(40.0))));
    row.add("dockless", binary.len() as f64 / 1e6);
    table.push(row);
    Ok(())
}

fn idle(root: &Path, plan: &Plan, table: &mut Table) -> Result<(), String> {
    let mut row = Row::new("idle node", "MB resident", Some(("<= 30 MB", Rule::Most(30.0))));
    for round in 0..plan.rounds {
        let ours = servers::dockless(root, &plan.scratch.join(format!("idle-{round}")))?;
        std::thread::sleep(std::time::Duration::from_secs(2));
        row.add("dockless", measure::status_number(ours.pid(), "VmRSS")? * 1024.0 / 1e6);
    }
    table.push(row);
    Ok(())
}

fn first_answer(root: &Path, plan: &Plan, table: &mut Table) -> Result<(), String> {
    let data = plan.scratch.join("starts");
    let ours = servers::dockless(root, &data)?;
    let words = [
        "put-manifests".to_owned(),
        format!("to={}", ours.address),
        format!("count={REPOSITORIES}"),
        "connections=64".to_owned(),
        "repository=many/r{i}".to_owned(),
    ];
    driver::load(root, &words)?;
    // Past the next checkpoint: what a start replays after a kill in the midst of writes is the last row's matter.
    std::thread::sleep(CHECKPOINTED);
    drop(ours);
    let mut row = Row::new(
        "start to first answer, 10,000 repositories, after SIGKILL",
        "ms",
        Some(("<= 50 ms", Rule::Most(50.0))),
    );
    for _ in 0..plan.rounds {
        let begun = Instant::now();
        let ours = servers::dockless(root, &data)?;
        row.add("dockless", begun.elapsed().as_secs_f64() * 1000.0);
        ours.kill();
    }
    table.push(row);
    Ok(())
}

/// The ledger alone, with 1,000,000 tags: filled by a process that is killed while it writes on, opened again.
fn after_a_kill(root: &Path, plan: &Plan, table: &mut Table) -> Result<(), String> {
    let mut row =
        Row::new("start after kill -9 with 1,000,000 tags", "ms", Some(("<= 1000 ms", Rule::Most(1000.0))));
    let program = root.join("target/release/examples/million_tags");
    let output = Command::new(&program).arg(TAGS.to_string()).arg(plan.scratch.join("million")).output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let value: serde_json::Value = serde_json::from_str(text.trim())
        .map_err(|error| format!("{}: {error}: {text}", program.display()))?;
    let opened = value["open_after_kill_ms"].as_f64();
    row.add("dockless", opened.ok_or(format!("no open_after_kill_ms in {value}"))?);
    table.push(row);
    Ok(())
}
