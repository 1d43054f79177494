//! What verbs print: tables for people, JSON for machines, errors with a hint.

use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use crate::failure::Failure;

/// Spaces between two columns.
const GAP: usize = 2;

/// Writes one line to standard output.
///
/// # Errors
/// As [`text`].
pub(crate) fn line(line: &str) -> Result<(), Failure> {
    text(&format!("{line}\n"))
}

/// Writes text as it is to standard output. A reader that went away (`| head`) is not an error.
///
/// # Errors
/// Standard output takes no more, as on a full disk.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes one line to standard error, beside what a script reads.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes a value as JSON to standard output.
///
/// # Errors
/// As [`text`].
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    text(&json_text(value)?)
}

/// Writes a value as one line of JSON to standard output.
///
/// # Errors
/// As [`text`].
pub(crate) fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    line(&serde_json::to_string(value).map_err(|error| Failure::failed(error.to_string()))?)
}

/// A value as indented JSON, a line break at its end.
pub(crate) fn json_text(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(text + "\n")
}

/// Writes why a verb failed to standard error.
pub(crate) fn failure(failure: &Failure) {
    note(&format!("error: {}", failure.message));
    if let Some(hint) = &failure.hint {
        note(&format!("hint: {hint}"));
    }
}

/// Rows under a heading, columns as wide as their widest cell.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<bool>,
}

impl Table {
    /// An empty table. A column whose title begins with `>` is aligned to the right, as numbers are.
    pub(crate) fn new(titles: &[&str]) -> Self {
        let right = titles.iter().map(|title| title.starts_with('>')).collect();
        Self {
            rows: vec![titles.iter().map(|title| title.trim_start_matches('>').to_owned()).collect()],
            right,
        }
    }

    /// Adds a row, one cell a column; what cannot be seen in a cell is shown as [`visible`] does.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.right.len(), "a cell for each column");
        self.rows.push(cells.iter().map(|cell| visible(cell)).collect());
    }

    /// The table as text; lines have no blanks at their end.
    pub(crate) fn render(&self) -> String {
        let width =
            |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<_> = (0..self.right.len()).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), right) in row.iter().zip(&widths).zip(&self.right) {
                if *right {
                    line.push_str(&format!("{cell:>width$}"));
                } else {
                    line.push_str(&format!("{cell:<width$}"));
                }
                line.push_str(&" ".repeat(GAP));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Text that somebody else wrote, for a terminal: what cannot be seen, and could move the cursor or hide a line, stands
/// as an escape.
pub(crate) fn visible(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, char| {
        match char {
            '"' | '\'' | '\\' => shown.push(char),
            _ => shown.extend(char.escape_debug()),
        }
        shown
    })
}

/// A number of bytes for people: three digits at most and a binary unit.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let exponent = (bytes.ilog2() / 10).min(6) as usize;
    // Precise enough: only three digits are shown.
    let mut amount = bytes as f64 / f64::from(1u32 << 10).powi(i32::try_from(exponent).unwrap_or(6));
    let mut unit = exponent - 1;
    if amount >= 999.5 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    let decimals = if amount < 9.95 {
        2
    } else if amount < 99.95 {
        1
    } else {
        0
    };
    format!("{amount:.decimals$} {}", UNITS[unit])
}

/// A number of seconds for people: the two largest units.
pub(crate) fn elapsed(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} m {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} m", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// `1 tag`, `2 tags`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_and_ends_no_line_in_blanks() {
        let mut table = Table::new(&["NAME", ">SIZE", "NOTE"]);
        table.row(vec!["a".into(), "1 B".into(), String::new()]);
        table.row(vec!["longer".into(), "10 KiB".into(), "x".into()]);
        assert_eq!(table.render(), "NAME      SIZE  NOTE\na          1 B\nlonger  10 KiB  x\n");
    }

    #[test]
    fn what_could_move_the_cursor_is_shown_as_an_escape() {
        assert_eq!(
            visible("a \"b\" 'ü' \\ \u{1b}[2J\u{202e}\r\n"),
            "a \"b\" 'ü' \\ \\u{1b}[2J\\u{202e}\\r\\n"
        );
    }

    #[test]
    fn sizes_have_three_digits() {
        let table = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (1536, "1.50 KiB"),
            (10 << 10, "10.0 KiB"),
            (100 << 10, "100 KiB"),
            ((1 << 20) - 1, "1.00 MiB"),
            (5 << 30, "5.00 GiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (bytes, expected) in table {
            assert_eq!(size(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn times_have_two_units() {
        let table = [(0, "0 s"), (59, "59 s"), (60, "1 m 0 s"), (3_661, "1 h 1 m"), (90_000, "1 d 1 h")];
        for (seconds, expected) in table {
            assert_eq!(elapsed(seconds), expected);
        }
    }

    #[test]
    fn one_of_a_thing_has_no_plural() {
        assert_eq!((count(0, "tag"), count(1, "tag")), ("0 tags".into(), "1 tag".into()));
    }
}
