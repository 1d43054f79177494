//! `cargo xtask bench`: this registry and the peers it finds, interleaved on loopback in one run.
//!
//! Every row is measured as often as there are rounds, server after server, and the median is reported: a shared machine drifts, a ratio within one
//! run does not. Server CPU comes from the kernel's own account of the process.

mod chart;
mod connections;
mod driver;
mod engines;
mod holders;
mod measure;
mod pushes;
mod report;
mod rows;
mod seed;
mod servers;
mod starts;
mod table;

use std::path::{Path, PathBuf};

/// What one run was asked to do.
pub(crate) struct Plan {
    /// Scratch directory; it is removed at the end.
    pub(crate) scratch: PathBuf,
    /// Where the table and the chart go.
    pub(crate) output: PathBuf,
    /// Rounds per row.
    pub(crate) rounds: usize,
    /// Seconds of each timed request loop.
    pub(crate) seconds: u64,
    /// MiB of the large blob.
    pub(crate) large_mib: u64,
    /// Only rows whose name contains this.
    pub(crate) only: String,
}

/// `cargo xtask bench [rounds=3] [seconds=2] [large_mib=1024] [only=WORD] [output=docs/benchmarks]`.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    let plan = parse(root, words)?;
    driver::build(root)?;
    std::fs::create_dir_all(&plan.scratch).map_err(|error| format!("{}: {error}", plan.scratch.display()))?;
    let outcome = measure_all(root, &plan);
    let removed = std::fs::remove_dir_all(&plan.scratch);
    let table = outcome?;
    removed.map_err(|error| format!("{}: {error}", plan.scratch.display()))?;
    report::write(&plan, &table)
}

fn measure_all(root: &Path, plan: &Plan) -> Result<table::Table, String> {
    engines::wanted(plan)?;
    let mut table = table::Table::about_this_machine(plan);
    rows::request_rows(root, plan, &mut table)?;
    rows::push_rows(root, plan, &mut table)?;
    engines::rows(root, plan, &mut table)?;
    connections::rows(root, plan, &mut table)?;
    starts::rows(root, plan, &mut table)?;
    Ok(table)
}

fn parse(root: &Path, words: &[&str]) -> Result<Plan, String> {
    let scratch = std::env::temp_dir().join(format!("dockless-bench-{}", std::process::id()));
    let mut plan = Plan {
        scratch,
        output: root.join("docs/benchmarks"),
        rounds: 3,
        seconds: 2,
        large_mib: 1024,
        only: String::new(),
    };
    for word in words {
        let (key, value) = word.split_once('=').ok_or(format!("{word:?} is not key=value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{key}={value} is not a number"));
        match key {
            "rounds" => plan.rounds = number()?.clamp(1, 50) as usize,
            "seconds" => plan.seconds = number()?.clamp(1, 60),
            "large_mib" => plan.large_mib = number()?.clamp(1, 8192),
            "only" => value.clone_into(&mut plan.only),
            "output" => plan.output = root.join(value),
            _ => {
                return Err(format!(
                    "unknown word {key:?}; there are rounds, seconds, large_mib, only, output"
                ));
            }
        }
    }
    Ok(plan)
}
