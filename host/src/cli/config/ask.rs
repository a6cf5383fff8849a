//! Adding a backend in the session: one question after the other.

use super::add::{added, check_name, component, exists, grant, has_choices, new_value};
use super::dialog::{self, Dialog, say};
use super::site::Site;
use crate::backend::{Choice, Component, Setting, SettingKind, available_types};
use crate::cli::Failure;
use crate::config::edit::{self, NewSection};
use std::collections::BTreeMap;
use std::path::Path;

/// Adds a backend in the session.
pub(super) fn ask(site: &Site, dialog: &mut dyn Dialog, name: Option<&str>) -> Result<(), Failure> {
    let name = match name {
        Some(name) => {
            check_name(name).map_err(|why| Failure::usage(format!("{name:?} {why}")))?;
            name.to_owned()
        }
        None => ask_name(dialog)?,
    };
    if exists(site, &name)? {
        let question = format!("There is a backend {name:?} already. Replace it?");
        if !dialog::confirm(dialog, &question, false)? {
            return say(dialog, "Nothing was changed.\n");
        }
    }
    let types: Vec<_> = available_types(site.plugin_dir())
        .into_iter()
        .map(|value| Choice {
            value,
            label: String::new(),
        })
        .collect();
    let kind = dialog::choose(dialog, "Type", &types, None, false)?;
    let mut section = NewSection {
        kind: kind.clone(),
        ..NewSection::default()
    };
    let component = component(site, &edit::preview(site.dir(), &name, &section, &[])?)?;
    let description = component.description();
    let header = format!(
        "\n{} {}: {}\n",
        kind, description.version, description.summary
    );
    say(dialog, &header)?;
    let settings = description.settings.iter();
    let mut asked: Vec<&str> = settings.map(|setting| setting.name.as_str()).collect();
    let mut given = BTreeMap::new();
    let mut settings = description.settings.iter();
    while let Some(setting) = settings.next() {
        match ask_setting(site, dialog, &component, setting, &given)? {
            Answer::Default => {}
            Answer::Value(value) => {
                given.insert(setting.name.clone(), value.clone());
                section
                    .settings
                    .push((setting.name.clone(), new_value(setting, value)));
            }
            Answer::FromTheStart => {
                settings = description.settings.iter();
                given.clear();
                section.settings.clear();
            }
        }
    }
    let asks = !(description.hosts.is_empty() && description.dirs.is_empty());
    if asks && !component.is_built_in() {
        asked.extend(["hosts", "dirs"]);
        let mut wishes = NewSection::default();
        grant(&mut wishes, description, &given);
        say(dialog, "\nThis plugin asks for\n")?;
        for host in &wishes.hosts {
            say(dialog, &format!("  the host {host}\n"))?;
        }
        for dir in &wishes.dirs {
            let access = if dir.writable {
                "read and write"
            } else {
                "read"
            };
            say(
                dialog,
                &format!("  the directory {} ({access})\n", dir.host.display()),
            )?;
        }
        if dialog::confirm(dialog, "Grant it?", false)? {
            section.hosts = wishes.hosts;
            section.dirs = wishes.dirs;
        }
    }
    let written = edit::write(site.dir(), &name, &section, &asked)?;
    say(dialog, &format!("\n{}", added(site, &name, &written)))
}

fn ask_name(dialog: &mut dyn Dialog) -> Result<String, Failure> {
    loop {
        let name = dialog.ask("Name of the new backend: ");
        let name = name
            .map_err(|error| dialog::failed(&error))?
            .ok_or_else(dialog::ended)?;
        match check_name(&name) {
            Ok(()) => return Ok(name),
            Err(why) => say(dialog, &format!("{name:?} {why}.\n"))?,
        }
    }
}

/// What becomes of a setting.
enum Answer {
    Value(String),
    /// The plugin is to decide.
    Default,
    /// The plugin rejects what was answered before.
    FromTheStart,
}

/// A value for a setting.
fn ask_setting(
    site: &Site,
    dialog: &mut dyn Dialog,
    component: &Component,
    setting: &Setting,
    given: &BTreeMap<String, String>,
) -> Result<Answer, Failure> {
    let optional = if setting.required || setting.default.is_some() {
        ""
    } else {
        " (optional)"
    };
    say(
        dialog,
        &format!("\n{}{optional}: {}\n", setting.name, setting.help),
    )?;
    let mut choices = Vec::new();
    if has_choices(setting) {
        match site.wait(component.choices(&setting.name, given)) {
            Ok(found) => choices = found,
            Err(error) => {
                say(dialog, &format!("{error}\n"))?;
                let question = "Answer the questions before this one again?";
                if !given.is_empty() && dialog::confirm(dialog, question, true)? {
                    return Ok(Answer::FromTheStart);
                }
            }
        }
    }
    loop {
        let value = if choices.is_empty() {
            let default = setting
                .default
                .as_deref()
                .filter(|default| !default.is_empty());
            let shown = default.map_or_else(String::new, |default| format!(" [{default}]"));
            let prompt = format!("{}{shown}: ", setting.name);
            let answer = match setting.kind {
                SettingKind::Secret => dialog.ask_secret(&prompt),
                _ => dialog.ask(&prompt),
            };
            answer
                .map_err(|error| dialog::failed(&error))?
                .ok_or_else(dialog::ended)?
        } else {
            let optional = !setting.required;
            dialog::choose(
                dialog,
                &setting.name,
                &choices,
                setting.default.as_deref(),
                optional,
            )?
        };
        if value.is_empty() || Some(&value) == setting.default.as_ref() {
            if setting.required && setting.default.is_none() {
                say(dialog, "This one is needed.\n")?;
                continue;
            }
            return Ok(Answer::Default);
        }
        if let Err(why) = setting.check(&value) {
            say(dialog, &format!("{value:?} cannot be: {why}.\n"))?;
            continue;
        }
        if setting.kind != SettingKind::Directory {
            return Ok(Answer::Value(value));
        }
        if let Some(dir) = ask_directory(dialog, &site.absolute(&value))? {
            return Ok(Answer::Value(dir));
        }
    }
}

/// The directory, which is made if it is wanted; `None` to ask again.
fn ask_directory(dialog: &mut dyn Dialog, dir: &Path) -> Result<Option<String>, Failure> {
    let Some(text) = dir.to_str().map(str::to_owned) else {
        say(dialog, "The path is not UTF-8.\n")?;
        return Ok(None);
    };
    if dir.exists() && !dir.is_dir() {
        say(dialog, &format!("{text} is no directory.\n"))?;
        return Ok(None);
    }
    if !dir.exists()
        && dialog::confirm(dialog, &format!("{text} is not there. Make it?"), true)?
        && let Err(error) = std::fs::create_dir_all(dir)
    {
        let why = crate::config::error::io_text(&error);
        say(dialog, &format!("cannot make {text}: {why}\n"))?;
        return Ok(None);
    }
    Ok(Some(text))
}
