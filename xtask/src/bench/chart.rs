//! The chart: for each row one group of bars on a common scale, ours filled darker.

use std::fmt::Write as _;

use super::table::{Row, Table, number};

const WIDTH: usize = 900;
const BAR_HEIGHT: usize = 14;
const LABEL_WIDTH: usize = 330;
const BARS_WIDTH: usize = 460;

/// An SVG of all rows with figures of more than one server.
pub(crate) fn svg(table: &Table) -> String {
    let mut body = String::new();
    let mut y = 24;
    for row in table.rows.iter().filter(|row| row.figures.len() > 1) {
        y = group(&mut body, row, y);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

fn group(body: &mut String, row: &Row, top: usize) -> usize {
    let _infallible = writeln!(
        body,
        "<text x=\"8\" y=\"{top}\" font-weight=\"bold\">{} ({})</text>",
        escape(&row.name),
        escape(row.unit)
    );
    let most = row.figures.keys().filter_map(|server| row.median(server)).fold(f64::MIN_POSITIVE, f64::max);
    let mut y = top + 6;
    for server in row.figures.keys() {
        let median = row.median(server).unwrap_or(0.0);
        let width = (median / most * BARS_WIDTH as f64).max(1.0);
        let fill = if *server == "dockless" { "#1b5e8c" } else { "#b8c4cc" };
        let _infallible = writeln!(
            body,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><rect x=\"{LABEL_WIDTH}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" fill=\"{fill}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{}</text>",
            LABEL_WIDTH - 6,
            y + 10,
            escape(server),
            BAR_HEIGHT - 3,
            LABEL_WIDTH as f64 + width + 4.0,
            y + 10,
            number(Some(median)),
        );
        y += BAR_HEIGHT;
    }
    y + 26
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
