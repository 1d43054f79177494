//! `dockless reference`: the reference pages, written from the types and the command line themselves.

use std::fmt::Write as _;

use clap::{Args, Subcommand};

use crate::config;
use crate::failure::Failure;
use crate::output;

/// Columns of the help texts on the page, whatever the terminal.
const PAGE_COLUMNS: usize = 100;

/// `dockless reference PAGE`.
#[derive(Args)]
pub(crate) struct Reference {
    #[command(subcommand)]
    page: Page,
}

/// The pages.
#[derive(Subcommand)]
enum Page {
    /// Every key of the configuration: meaning, type, default, environment variable and flag
    Configuration,
    /// Every verb with its arguments
    Commands,
    /// The manual page of the program, or of one verb, for `man`
    #[command(
        after_help = "For example: dockless reference man serve > /usr/local/share/man/man1/dockless-serve.1"
    )]
    Man {
        /// The verb
        verb: Option<String>,
    },
}

impl Reference {
    /// Prints the page, in Markdown; manual pages as `man` reads them.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        output::text(&match &self.page {
            Page::Configuration => config::reference::page(),
            Page::Commands => commands(),
            Page::Man { verb } => manual(verb.as_deref())?,
        })
    }
}

/// The page of all verbs.
fn commands() -> String {
    let mut page =
        "# Commands\n\n<!-- Written by `dockless reference commands`. Change the documentation of the types \
                    in src/cli/. -->\n"
            .to_owned();
    let mut root = super::command().term_width(PAGE_COLUMNS);
    root.build();
    write_command(&mut page, &mut root);
    page
}

/// The manual page of the program or of one verb.
fn manual(verb: Option<&str>) -> Result<String, Failure> {
    let mut root = super::command();
    root.build();
    let command = match verb {
        None => &root,
        Some(verb) => root.find_subcommand(verb).ok_or_else(|| {
            Failure::usage(format!("there is no verb `{verb}`; `dockless --help` lists them"))
        })?,
    };
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .title(name)
        .render(&mut page)
        .map_err(|error| Failure::failed(error.to_string()))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// One verb and those below it.
fn write_command(page: &mut String, command: &mut clap::Command) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    let lines: Vec<_> = help.lines().map(str::trim_end).collect();
    let _ = write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    for inner in command.get_subcommands_mut() {
        write_command(page, inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_reference_page_is_the_one_the_command_line_gives() {
        assert!(
            include_str!("../../docs/reference/commands.md") == commands(),
            "docs/reference/commands.md is stale; run: cargo run -- reference commands > docs/reference/commands.md"
        );
    }
}
