//! The count of a test run, from the result lines that cargo's own runner prints.

/// What a run has said so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// The runner's own lines, with the binary each is about.
    lines: Vec<String>,
    /// The runner's names of failed tests.
    failures: Vec<String>,
    /// A run that ended badly though no test failed: something did not compile, or died.
    broken: bool,
}

impl Summary {
    /// Takes one line of output.
    pub(crate) fn read(&mut self, line: &str) {
        let line = line.trim();
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.failures.push(name.to_owned());
        }
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        self.passed += number(result, " passed");
        self.failed += number(result, " failed");
        self.ignored += number(result, " ignored");
        if number(result, " passed") + number(result, " failed") > 0 {
            self.lines.push(line.to_owned());
        }
    }

    /// Takes the end of one `cargo test`.
    pub(crate) fn ended(&mut self, success: bool) {
        if !success && self.failed == 0 {
            self.broken = true;
        }
    }

    /// Prints the runner's lines and the sum; `Err` when something failed.
    pub(crate) fn print(&self) -> Result<(), String> {
        println!("\nsummary of the runners:");
        self.lines.iter().for_each(|line| println!("{line}"));
        self.failures.iter().for_each(|name| println!("failed: {name}"));
        if self.ignored > 0 {
            println!("{} ignored", self.ignored);
        }
        if self.broken {
            println!("a run ended badly before its tests could say so; see above");
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.is_good() { Ok(()) } else { Err(String::new()) }
    }

    /// Whether tests ran, and none failed.
    fn is_good(&self) -> bool {
        self.failed == 0 && !self.broken && self.passed > 0
    }
}

/// The number before a word: `3 passed`.
fn number(line: &str, word: &str) -> u64 {
    let Some((before, _)) = line.split_once(word) else { return 0 };
    before
        .rsplit(|letter: char| !letter.is_ascii_digit())
        .next()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::Summary;

    fn after(lines: &[&str], success: bool) -> Summary {
        let mut summary = Summary::default();
        lines.iter().for_each(|line| summary.read(line));
        summary.ended(success);
        summary
    }

    const GOOD: &str =
        "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.1s";
    const BAD: &str =
        "test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 9s";

    #[test]
    fn results_of_several_binaries_are_added() {
        let summary = after(&["running 12 tests", GOOD, GOOD, BAD], false);
        assert_eq!((summary.passed, summary.failed, summary.ignored), (29, 2, 2));
        assert!(!summary.is_good());
    }

    #[test]
    fn a_run_that_ends_badly_without_a_failed_test_is_not_good() {
        assert!(!after(&[GOOD], false).is_good());
        assert!(after(&[GOOD], true).is_good());
    }

    #[test]
    fn a_run_without_tests_is_not_good() {
        assert!(!after(&["running 0 tests"], true).is_good());
    }

    #[test]
    fn failed_tests_are_named() {
        assert_eq!(
            after(&["test push::one ... FAILED", "test push::two ... ok"], false).failures,
            ["push::one"]
        );
    }
}
