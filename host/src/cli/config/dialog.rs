//! Questions and answers.

use crate::backend::Choice;
use crate::cli::Failure;
use std::io::{self, BufRead as _, IsTerminal, Write as _};

/// Somebody who can be asked.
pub(super) trait Dialog {
    /// Says something; `text` ends its own line.
    fn say(&mut self, text: &str) -> io::Result<()>;
    /// Asks for a line; `None` when there are no more answers.
    fn ask(&mut self, prompt: &str) -> io::Result<Option<String>>;
    /// The same for an answer that must not be seen.
    fn ask_secret(&mut self, prompt: &str) -> io::Result<Option<String>>;
}

/// The terminal of this process, or what its standard input comes from.
pub(super) struct Console;

impl Dialog for Console {
    fn say(&mut self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    fn ask(&mut self, prompt: &str) -> io::Result<Option<String>> {
        // A program that answers needs no questions, and may read what we print.
        let terminal = io::stdin().is_terminal();
        if terminal {
            self.say(prompt)?;
        }
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line)? == 0 {
            if terminal {
                self.say("\n")?;
            }
            return Ok(None);
        }
        Ok(Some(line.trim().to_owned()))
    }

    fn ask_secret(&mut self, prompt: &str) -> io::Result<Option<String>> {
        if !io::stdin().is_terminal() {
            return self.ask(prompt);
        }
        match rpassword::prompt_password(prompt) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            other => other.map(Some),
        }
    }
}

/// Nobody answers any more.
pub(super) fn ended() -> Failure {
    Failure::new("the input ended before everything was answered; nothing was changed")
}

pub(super) fn failed(error: &io::Error) -> Failure {
    Failure::io("cannot ask", error)
}

/// A question for yes or no.
pub(super) fn confirm(
    dialog: &mut dyn Dialog,
    question: &str,
    default: bool,
) -> Result<bool, Failure> {
    let choices = if default { "[Y/n]" } else { "[y/N]" };
    loop {
        let answer = dialog.ask(&format!("{question} {choices} "));
        let answer = answer.map_err(|error| failed(&error))?.ok_or_else(ended)?;
        match answer.to_lowercase().as_str() {
            "" => return Ok(default),
            "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            _ => say(dialog, "Please answer y or n.\n")?,
        }
    }
}

/// A choice from a list, by number or by value. `optional`: nothing is an answer, too.
pub(super) fn choose(
    dialog: &mut dyn Dialog,
    prompt: &str,
    choices: &[Choice],
    default: Option<&str>,
    optional: bool,
) -> Result<String, Failure> {
    let width = choices.iter().map(|choice| choice.value.chars().count());
    let width = width.max().unwrap_or(0);
    for (number, choice) in (1..).zip(choices) {
        let label = match choice.label.as_str() {
            "" => String::new(),
            label if label == choice.value => String::new(),
            label => format!("  {label}"),
        };
        let line = format!("  {number}) {:width$}{label}", choice.value);
        say(dialog, &format!("{}\n", line.trim_end()))?;
    }
    let shown = default.map_or_else(String::new, |default| format!(" [{default}]"));
    loop {
        let answer = dialog.ask(&format!("{prompt}{shown}: "));
        let answer = answer.map_err(|error| failed(&error))?.ok_or_else(ended)?;
        if answer.is_empty() {
            match default {
                Some(default) => return Ok(default.to_owned()),
                None if optional => return Ok(answer),
                None => {}
            }
        }
        // A value that is a number is more often meant than its place.
        if let Some(found) = choices.iter().find(|choice| choice.value == answer) {
            return Ok(found.value.clone());
        }
        let place = answer.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        if let Some(found) = place.and_then(|place| choices.get(place)) {
            return Ok(found.value.clone());
        }
        say(
            dialog,
            &format!("Please answer with a number from 1 to {}.\n", choices.len()),
        )?;
    }
}

pub(super) fn say(dialog: &mut dyn Dialog, text: &str) -> Result<(), Failure> {
    dialog.say(text).map_err(|error| failed(&error))
}
