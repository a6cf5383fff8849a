//! The interactive session.

use super::ask;
use super::dialog::{self, Dialog, say};
use super::site::Site;
use crate::cli::Failure;
use crate::config::edit;

const COMMANDS: &str = "  l) list    all backends
  a) add     a backend
  s) show    a backend, without its secrets
  r) remove  a backend
  e) exit
";

/// Asks what to do until the answer is to stop. What goes wrong is said, and the session goes on.
pub(super) fn run(site: &Site, dialog: &mut dyn Dialog) -> Result<(), Failure> {
    say(
        dialog,
        &format!(
            "Backends in {}\n\n{}\n{COMMANDS}",
            site.dir().display(),
            site.table(&site.list()?)
        ),
    )?;
    loop {
        let answer = dialog.ask("\nWhat to do? ");
        let Some(answer) = answer.map_err(|error| dialog::failed(&error))? else {
            return Ok(());
        };
        // `show NAME` in one line is understood, too.
        let (command, name) = match answer.split_once(char::is_whitespace) {
            Some((command, name)) => (command.to_lowercase(), Some(name.trim().to_owned())),
            None => (answer.to_lowercase(), None),
        };
        let done = match command.as_str() {
            "l" | "list" | "1" => site.list().and_then(|rows| say(dialog, &site.table(&rows))),
            "a" | "add" | "2" => ask::ask(site, dialog, name.as_deref()),
            "s" | "show" | "3" => show(site, dialog, name),
            "r" | "remove" | "4" => remove(site, dialog, name),
            "e" | "exit" | "5" | "q" | "quit" => return Ok(()),
            "" => Ok(()),
            _ => say(dialog, COMMANDS),
        };
        if let Err(failure) = done {
            say(dialog, &format!("{failure}\n"))?;
        }
    }
}

fn show(site: &Site, dialog: &mut dyn Dialog, name: Option<String>) -> Result<(), Failure> {
    let Some(name) = which(site, dialog, name)? else {
        return Ok(());
    };
    let shown = site.show(&name, false)?;
    say(dialog, &shown.to_string())
}

fn remove(site: &Site, dialog: &mut dyn Dialog, name: Option<String>) -> Result<(), Failure> {
    let Some(name) = which(site, dialog, name)? else {
        return Ok(());
    };
    let removal = edit::removal(site.dir(), &name)?;
    say(
        dialog,
        &format!("{removal} What the backend stores stays as it is.\n"),
    )?;
    let question = format!("Remove the backend {name:?}?");
    if !dialog::confirm(dialog, &question, false)? {
        return say(dialog, "Nothing was removed.\n");
    }
    edit::remove(site.dir(), &name)?;
    say(dialog, &format!("Removed {name}.\n"))
}

/// The backend that is meant; `None` when there is none.
fn which(
    site: &Site,
    dialog: &mut dyn Dialog,
    name: Option<String>,
) -> Result<Option<String>, Failure> {
    if name.is_some() {
        return Ok(name);
    }
    let rows = site.list()?;
    if rows.is_empty() {
        say(dialog, &site.table(&rows))?;
        return Ok(None);
    }
    let choices: Vec<_> = rows
        .into_iter()
        .map(|row| crate::backend::Choice {
            value: row.name,
            label: row.kind.unwrap_or_default(),
        })
        .collect();
    dialog::choose(dialog, "Which one", &choices, None, false).map(Some)
}
