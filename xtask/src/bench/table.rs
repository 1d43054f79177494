//! What was measured: rows of figures, each with the bar that was promised.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use super::Plan;
use super::measure::median;

/// One measured operation over all servers.
pub(crate) struct Row {
    pub(crate) name: String,
    /// What the figures are: `server CPU us/operation`, `MB/s`, ...
    pub(crate) unit: &'static str,
    /// Server -> one figure a round.
    pub(crate) figures: BTreeMap<&'static str, Vec<f64>>,
    /// The bar in words, and whether our median meets it (`None`: the row has no bar).
    pub(crate) bar: Option<Bar>,
}

/// What was promised of a row.
pub(crate) struct Bar {
    pub(crate) text: String,
    pub(crate) rule: Rule,
}

/// How the promise is checked, on medians.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    /// Ours is at most this.
    Most(f64),
    /// Ours is at least this.
    Least(f64),
    /// Ours is this: a count, and neither more nor less is right.
    Exactly(f64),
    /// Ours is at most this many times the named server's.
    MostTimes(f64, &'static str),
    /// Ours is at least this many times the named server's.
    LeastTimes(f64, &'static str),
    /// Ours is at most this many times what any other has.
    MostTimesEach(f64),
}

impl Row {
    pub(crate) fn new(name: &str, unit: &'static str, bar: Option<(&str, Rule)>) -> Self {
        let bar = bar.map(|(text, rule)| Bar { text: text.to_owned(), rule });
        Self { name: name.to_owned(), unit, figures: BTreeMap::new(), bar }
    }

    /// A row with one figure, of ours.
    pub(crate) fn of(name: &str, unit: &'static str, bar: Option<(String, Rule)>, figure: f64) -> Self {
        let mut row = Self::new(name, unit, bar.as_ref().map(|(text, rule)| (text.as_str(), *rule)));
        row.add("dockless", figure);
        row
    }

    pub(crate) fn add(&mut self, server: &'static str, figure: f64) {
        self.figures.entry(server).or_default().push(figure);
    }

    pub(crate) fn median(&self, server: &str) -> Option<f64> {
        median(self.figures.get(server)?)
    }

    /// Whether the bar is met; `None` without a bar or without figures.
    pub(crate) fn met(&self) -> Option<bool> {
        let ours = self.median("dockless")?;
        Some(match &self.bar.as_ref()?.rule {
            Rule::Most(limit) => ours <= *limit,
            Rule::Least(limit) => ours >= *limit,
            Rule::Exactly(count) => (ours - count).abs() < 0.5,
            Rule::MostTimes(times, server) => ours <= times * self.median(server)?,
            Rule::LeastTimes(times, server) => ours >= times * self.median(server)?,
            Rule::MostTimesEach(times) => {
                let others = self.figures.keys().filter(|server| **server != "dockless");
                let least = others.filter_map(|server| self.median(server)).min_by(f64::total_cmp)?;
                ours <= times * least
            }
        })
    }
}

/// All rows of a run, and where it ran.
pub(crate) struct Table {
    pub(crate) about: BTreeMap<&'static str, String>,
    pub(crate) rows: Vec<Row>,
}

impl Table {
    pub(crate) fn about_this_machine(plan: &Plan) -> Self {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model =
            cpu.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(':').nth(1));
        let about = BTreeMap::from([
            ("cpu", model.unwrap_or("unknown").trim().to_owned()),
            ("cores", std::thread::available_parallelism().map_or(0, usize::from).to_string()),
            ("kernel", output("uname", &["-r"])),
            ("rustc", output("rustc", &["--version"])),
            ("commit", output("git", &["rev-parse", "--short", "HEAD"])),
            ("date", output("date", &["-u", "+%Y-%m-%d"])),
            (
                "command",
                format!(
                    "cargo xtask bench rounds={} seconds={} large_mib={}",
                    plan.rounds, plan.seconds, plan.large_mib
                ),
            ),
        ]);
        Self { about, rows: Vec::new() }
    }

    /// Keeps the row and shows it at once, since a run takes minutes.
    pub(crate) fn push(&mut self, row: Row) {
        println!("{}", line(&row));
        self.rows.push(row);
    }
}

fn output(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    output.map_or_else(
        |error| error.to_string(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

fn line(row: &Row) -> String {
    let mut text = format!("{} [{}]:", row.name, row.unit);
    for server in row.figures.keys() {
        let _infallible = write!(text, " {server} {},", number(row.median(server)));
    }
    text.trim_end_matches(',').to_owned()
}

/// Three significant figures at least, without noise behind them.
pub(crate) fn number(value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(value) if value >= 1000.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_checked_on_medians() {
        let mut row = Row::new("row", "us", Some(("<= 2 x nginx", Rule::MostTimes(2.0, "nginx"))));
        assert_eq!(row.met(), None);
        for figure in [9.0, 1.0, 3.0] {
            row.add("dockless", figure);
        }
        row.add("nginx", 1.0);
        assert_eq!(row.met(), Some(false));
        row.add("nginx", 2.5);
        assert_eq!(row.met(), Some(true));
    }

    #[test]
    fn a_bar_against_each_is_one_against_the_least() {
        let mut row = Row::new("row", "s", Some(("<= 1.0 x each", Rule::MostTimesEach(1.0))));
        row.add("dockless", 2.0);
        assert_eq!(row.met(), None);
        row.add("slow", 9.0);
        assert_eq!(row.met(), Some(true));
        row.add("fast", 1.0);
        assert_eq!(row.met(), Some(false));
    }

    #[test]
    fn counts_are_checked_from_both_sides() {
        let met = |rule, figure| Row::of("row", "connections", Some(("bar".to_owned(), rule)), figure).met();
        assert_eq!(
            [9.0, 10.0, 11.0].map(|figure| met(Rule::Least(10.0), figure)),
            [false, true, true].map(Some)
        );
        assert_eq!(
            [9.0, 10.0, 11.0].map(|figure| met(Rule::Most(10.0), figure)),
            [true, true, false].map(Some)
        );
        assert_eq!(
            [9.0, 10.0, 11.0].map(|figure| met(Rule::Exactly(10.0), figure)),
            [false, true, false].map(Some)
        );
    }
}
