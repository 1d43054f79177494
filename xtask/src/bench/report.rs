//! What a run leaves: JSON for machines, Markdown for people, a chart for the eye.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::table::{Table, number};
use super::{Plan, chart};

/// Writes `results.json`, `README.md` and `chart.svg` into the output folder.
pub(crate) fn write(plan: &Plan, table: &Table) -> Result<(), String> {
    let save = |name: &str, text: String| {
        let path = plan.output.join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    std::fs::create_dir_all(&plan.output).map_err(|error| error.to_string())?;
    save("results.json", format!("{:#}\n", to_json(table)))?;
    save("README.md", markdown(table))?;
    save("chart.svg", chart::svg(table))
}

fn to_json(table: &Table) -> Value {
    let rows: Vec<Value> = table
        .rows
        .iter()
        .map(|row| {
            json!({"name": row.name, "unit": row.unit, "figures": row.figures, "met": row.met(), "bar": row.bar.as_ref().map(|bar| &bar.text)})
        })
        .collect();
    json!({"about": table.about, "rows": rows})
}

fn markdown(table: &Table) -> String {
    let mut servers: Vec<&str> = table.rows.iter().flat_map(|row| row.figures.keys().copied()).collect();
    servers.sort_unstable();
    servers.dedup();
    servers.sort_by_key(|server| *server != "dockless");
    let mut text = String::from(
        "# Benchmarks\nOne interleaved run; medians. Server CPU is the kernel's account of the server process. Less is better except where the unit is per second. `dockless alone` is the same node without the connections that the row holds. What was tried where a bar is missed: [missed.md](missed.md).\n\nRows of `engine:` bring an image from one dockerd to another: `docker save` into `docker load`; push to docker-registry and pull from there; pull from dockless, which reads the first one's layers. CPU of a dockerd includes its children. What is written is the kernel's `write_bytes`, of files that are gone again too.\n\n",
    );
    for (key, value) in &table.about {
        let _infallible = writeln!(text, "- {key}: {value}");
    }
    text.push_str("\n![bars: server CPU per operation](chart.svg)\n\n| operation | unit |");
    for server in &servers {
        let _infallible = write!(text, " {server} |");
    }
    text.push_str(" bar | met |\n| --- | --- |");
    text.push_str(&" ---: |".repeat(servers.len()));
    text.push_str(" --- | --- |\n");
    for row in &table.rows {
        let _infallible = write!(text, "| {} | {} |", row.name, row.unit);
        for server in &servers {
            let _infallible = write!(text, " {} |", number(row.median(server)));
        }
        let bar = row.bar.as_ref().map_or("", |bar| &bar.text);
        let met = row.met().map_or("", |met| if met { "yes" } else { "**no**" });
        let _infallible = writeln!(text, " {bar} | {met} |");
    }
    text
}
