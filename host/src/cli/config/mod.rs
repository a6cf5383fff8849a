//! `pys3local config`: the backends in the config directory, in a session or by subcommand.

mod add;
mod ask;
mod dialog;
mod session;
mod show;
mod site;
#[cfg(test)]
mod tests;

use super::Failure;
use super::options::Directories;
use super::output::print;
use crate::config::edit;
use add::AddOptions;
use clap::{Args, Subcommand};
use dialog::Console;
use serde_json::json;
use site::Site;
use std::io::{self, IsTerminal};

#[derive(Debug, Args)]
pub(super) struct ConfigOptions {
    #[command(flatten)]
    directories: Directories,

    #[command(subcommand)]
    command: Option<ConfigCommand>,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// List the backends.
    #[command(visible_alias = "ls", after_help = super::EXIT_CODES)]
    List {
        /// Print an array of objects with `name`, `type` and `file`
        #[arg(long)]
        json: bool,
    },
    /// Show one backend, without its secrets.
    #[command(after_help = super::EXIT_CODES)]
    Show {
        /// The backend: a section of backends.toml, or NAME.toml
        name: String,
        /// Show secrets in plain text, too
        #[arg(long)]
        reveal: bool,
        /// Print an object; the names of secrets that are not shown are in `hidden`
        #[arg(long)]
        json: bool,
    },
    /// Add a backend to backends.toml.
    ///
    /// Without --type it asks for everything. The settings are checked against what the backend
    /// declares; other sections keep their comments and their order. Secrets are stored obscured,
    /// which hides them from a glance and from nobody else.
    #[command(after_help = super::EXIT_CODES)]
    Add(AddOptions),
    /// Remove a backend. What it stores stays as it is.
    #[command(visible_alias = "rm", after_help = super::EXIT_CODES)]
    Remove {
        /// The backend: a section of backends.toml, or NAME.toml
        name: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        /// Print an object with `name` and `files`, which it was removed from
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(options: ConfigOptions) -> Result<(), Failure> {
    let site = Site::new(&options.directories)?;
    let outcome = perform(&site, options.command);
    // Whatever is written is for the owner alone afterwards.
    site.warn_of_exposed();
    outcome
}

fn perform(site: &Site, command: Option<ConfigCommand>) -> Result<(), Failure> {
    match command {
        None => {
            site.warn_of_exposed();
            session::run(site, &mut Console)
        }
        Some(ConfigCommand::List { json }) => {
            let rows = site.list()?;
            print(&if json {
                let row =
                    |row: &site::Row| json!({"name": row.name, "type": row.kind, "file": row.file});
                pretty(&rows.iter().map(row).collect())
            } else {
                site.table(&rows)
            })
        }
        Some(ConfigCommand::Show { name, reveal, json }) => {
            let shown = site.show(&name, reveal)?;
            print(&if json {
                pretty(&shown.json())
            } else {
                shown.to_string()
            })
        }
        Some(ConfigCommand::Add(options)) => add::run(site, options),
        Some(ConfigCommand::Remove { name, yes, json }) => remove(site, &name, yes, json),
    }
}

fn remove(site: &Site, name: &str, yes: bool, json: bool) -> Result<(), Failure> {
    // Who asks for what is not there need not confirm.
    let removal = edit::removal(site.dir(), name)?;
    if !yes {
        if !io::stdin().is_terminal() {
            return Err(
                Failure::usage(format!("remove {name:?}? There is nobody to ask"))
                    .hint("--yes removes it without asking"),
            );
        }
        let text = format!("{removal} What the backend stores stays as it is.\n");
        dialog::say(&mut Console, &text)?;
        let question = format!("Remove the backend {name:?}?");
        if !dialog::confirm(&mut Console, &question, false)? {
            return Err(Failure::new("nothing was removed"));
        }
    }
    let files = edit::remove(site.dir(), name)?;
    if json {
        return print(&pretty(&json!({"name": name, "files": files})));
    }
    let files: Vec<_> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    print(&format!("Removed {name} from {}\n", files.join(" and ")))
}

/// JSON for programs that people read over the shoulder of.
fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}
