//! Adding a backend: what a plugin declares decides what is asked for and what is allowed.

use super::ask::ask;
use super::dialog::{self, Console, Dialog};
use super::site::Site;
use crate::backend::{Component, Description, Setting, SettingKind, available_types};
use crate::cli::backend::{plugin_config, revealed};
use crate::cli::plugin::words;
use crate::cli::{Failure, log, output};
use crate::config::edit::{self, NewSection, NewValue, Written};
use crate::config::{self, BackendConfig, ConfigError, DirGrant, SecretText, file};
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct AddOptions {
    /// The new backend's name, for --backend-config
    name: Option<String>,

    /// What it is: a built-in (local, drime), or the name of a plugin
    #[arg(long = "type", value_name = "TYPE", requires = "name")]
    kind: Option<String>,

    /// The file of its component, for a type that is neither built in nor in the plugin directory
    #[arg(long, value_name = "PATH", requires = "kind")]
    component: Option<PathBuf>,

    /// A setting, or another key of the section, as `sync` or `max_calls`, with the value as in the
    /// file; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair, requires = "kind")]
    settings: Vec<(String, SecretText)>,

    /// A setting that is asked for without echo, or read as a line from a stdin that is no
    /// terminal; may be repeated
    #[arg(long = "secret", value_name = "KEY", requires = "kind")]
    secrets: Vec<String>,

    /// Grant the hosts and directories that the plugin asks for (a built-in has them anyway)
    #[arg(long, requires = "kind")]
    grant: bool,

    /// Do not ask the service whether it accepts the settings
    #[arg(long, requires = "kind")]
    no_check: bool,

    /// Replace a backend of this name; apart from --type, what is not given anew stays as it is
    #[arg(long)]
    replace: bool,

    /// Print an object with `name`, `file`, and the keys that were `kept` and `removed`
    #[arg(long)]
    json: bool,
}

fn pair(text: &str) -> Result<(String, SecretText), &'static str> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), SecretText::new(value)))
}

/// `config add` on the command line.
pub(super) fn run(site: &Site, options: AddOptions) -> Result<(), Failure> {
    let (Some(name), Some(kind)) = (options.name.as_deref(), options.kind.clone()) else {
        if !io::stdin().is_terminal() {
            return Err(
                Failure::usage("--type is missing, and there is nobody to ask").hint(format!(
                    "types: {}",
                    available_types(site.plugin_dir()).join(", ")
                )),
            );
        }
        return ask(site, &mut Console, options.name.as_deref());
    };
    check_name(name).map_err(|why| Failure::usage(format!("{name:?} {why}")))?;
    if exists(site, name)? && !options.replace {
        return Err(Failure::new(format!("there is a backend {name:?} already"))
            .hint("--replace replaces it"));
    }
    let component_file = options.component;
    let component_file = component_file.map(|path| site.absolute(&path.display().to_string()));
    let mut section = NewSection {
        kind: kind.clone(),
        component: component_file,
        ..NewSection::default()
    };
    let mut given = split(site, options.settings, &mut section)?;
    let preview = |section: &NewSection| {
        let config = edit::preview(site.dir(), name, section, &[]);
        config.map_err(|error| match error {
            // What is in the file can be read, so it is about what was given.
            ConfigError::File { why, .. } if !section.settings.is_empty() => {
                Failure::usage(format!("--set: {why}"))
            }
            error => error.into(),
        })
    };
    let stored = preview(&section)?;
    let component = component(site, &stored)?;
    let description = component.description();
    for key in options.secrets {
        let secret = Console.ask_secret(&format!("{key}: "));
        let secret = secret.map_err(|error| dialog::failed(&error))?;
        given.insert(key, secret.ok_or_else(dialog::ended)?);
    }
    let new: Vec<String> = given.keys().cloned().collect();
    for (key, value) in revealed(&stored, description) {
        given.entry(key).or_insert(value);
    }
    for setting in &description.settings {
        if setting.kind == SettingKind::Directory
            && let Some(path) = given.get_mut(&setting.name)
        {
            if let Err(why) = setting.check(path) {
                return Err(Failure::usage(format!("{}: {why}", setting.name)));
            }
            *path = site.absolute(path).display().to_string();
        }
    }
    let (_, unknown) = component.check_settings(given.clone()).map_err(|error| {
        Failure::new(error.to_string())
            .hint("--set KEY=VALUE gives a setting, --secret KEY asks for one")
    })?;
    if let Some(key) = unknown.iter().find(|key| new.contains(key)) {
        let known: Vec<_> = description
            .settings
            .iter()
            .map(|s| s.name.as_str())
            .collect();
        return Err(
            Failure::usage(format!("the backend type {kind:?} has no setting {key:?}"))
                .hint(format!("it has: {}", known.join(", "))),
        );
    }
    if !options.no_check {
        check_values(site, &component, &given)?;
    }
    if options.grant && !component.is_built_in() {
        grant_what_is_not_given(&mut section, description, &given);
    }
    for setting in &description.settings {
        if let Some(value) = given.remove(&setting.name)
            && new.contains(&setting.name)
        {
            section
                .settings
                .push((setting.name.clone(), new_value(setting, value)));
        }
    }
    if !component.is_built_in() {
        warn_of_missing_grants(description, &preview(&section)?)?;
    }
    let written = edit::write(site.dir(), name, &section, &[])?;
    if options.json {
        return output::print(&super::pretty(&json!({
            "name": name,
            "file": written.path,
            "kept": written.kept,
            "removed": written.removed,
        })));
    }
    output::print(&added(site, name, &written))
}

/// Puts the program's own keys into the section, and answers the plugin's settings.
fn split(
    site: &Site,
    pairs: Vec<(String, SecretText)>,
    section: &mut NewSection,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut given = BTreeMap::new();
    for (key, value) in pairs {
        if config::is_own_key(&key) {
            let absolute = |path: &str| site.absolute(path);
            let value = NewValue::own(&key, value.expose(), &absolute);
            section.settings.push((key, value));
        } else if matches!(&*key, "type" | "component") {
            let what = format!("--set {key}: there is an option for that");
            return Err(Failure::usage(what).hint(format!("--{key} gives it")));
        } else {
            given.insert(key, value.expose().to_owned());
        }
    }
    Ok(given)
}

/// Grants what the plugin asks for, but leaves alone what was given in full.
fn grant_what_is_not_given(
    section: &mut NewSection,
    description: &Description,
    settings: &BTreeMap<String, String>,
) {
    let mut wishes = NewSection::default();
    grant(&mut wishes, description, settings);
    let is_given = |key: &str| section.settings.iter().any(|(given, _)| given == key);
    if !is_given("hosts") {
        section.hosts = wishes.hosts;
    }
    if !is_given("dirs") {
        section.dirs = wishes.dirs;
    }
}

/// What was done, and how to go on.
pub(super) fn added(site: &Site, name: &str, written: &Written) -> String {
    let line = |what: &str, keys: &[String]| match keys {
        [] => String::new(),
        keys => format!("{what}: {}\n", keys.join(", ")),
    };
    let done = if written.replaced {
        format!("Replaced {name} in")
    } else {
        format!("Added {name} to")
    };
    format!(
        "{done} {}\n{}{}Serve it: {}\n",
        written.path.display(),
        line("Kept from before", &written.kept),
        line("No longer there", &written.removed),
        site.serve_command(name)
    )
}

/// A plugin may do without what it asks for; most do not start.
fn warn_of_missing_grants(
    description: &Description,
    config: &BackendConfig,
) -> Result<(), Failure> {
    let missing = words::missing(description, &plugin_config(config)?.grants);
    if !missing.is_empty() {
        let text = format!(
            "{} is not granted what it asks for: {}. --grant grants it, and so does --set with \
             `dirs` or `hosts` as in the file.",
            config.kind,
            words::list(&missing)
        );
        log::warn_loudly(log::Options::default(), &text);
    }
    Ok(())
}

/// Asks the plugin which values its settings may have. What it has to ask its service for, a list
/// of workspaces say, shows whether the service accepts the others.
fn check_values(
    site: &Site,
    component: &Component,
    given: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    const HINT: &str = "--no-check adds it all the same";
    for setting in &component.description().settings {
        if !has_choices(setting) {
            continue;
        }
        let choices = site.wait(component.choices(&setting.name, given));
        let choices = choices.map_err(|error| Failure::of(error).hint(HINT))?;
        let Some(value) = given.get(&setting.name) else {
            continue;
        };
        let is_one = choices.iter().any(|choice| choice.value == *value);
        if !is_one && !choices.is_empty() {
            let known = choices.iter().map(|choice| match choice.label.as_str() {
                "" => choice.value.clone(),
                label => format!("{} ({label})", choice.value),
            });
            let known = known.collect::<Vec<_>>().join(", ");
            let what = format!("there is no {} {value}: it can be {known}", setting.name);
            return Err(Failure::new(what).hint(HINT));
        }
    }
    Ok(())
}

pub(super) fn has_choices(setting: &Setting) -> bool {
    !matches!(setting.kind, SettingKind::Secret | SettingKind::Directory)
}

pub(super) fn component(site: &Site, config: &BackendConfig) -> Result<Component, Failure> {
    site.component(config).map_err(|failure| {
        let types = available_types(site.plugin_dir());
        if config.component.is_some() || types.contains(&config.kind) {
            return failure;
        }
        failure.hint(format!("types: {}", types.join(", ")))
    })
}

pub(super) fn exists(site: &Site, name: &str) -> Result<bool, Failure> {
    Ok(file::names(site.dir())?.iter().any(|known| known == name))
}

/// Says what is wrong with a name, as in "NAME is …".
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("is no name");
    }
    if file::RESERVED.contains(&name) {
        return Err("is the name of a file with another meaning");
    }
    if name.contains(['/', '\\'])
        || name.chars().any(char::is_control)
        || name != name.trim()
        || name.starts_with(['.', '-'])
    {
        return Err("is no name for a backend: it must not contain / or \\, nor begin with . or -");
    }
    Ok(())
}

pub(super) fn new_value(setting: &Setting, value: String) -> NewValue {
    match setting.kind {
        SettingKind::Secret => NewValue::Secret(SecretText::new(value)),
        SettingKind::Number => match value.parse() {
            Ok(number) => NewValue::Number(number),
            Err(_) => NewValue::Text(value),
        },
        SettingKind::Flag => NewValue::Flag(value == "true"),
        SettingKind::Text | SettingKind::Directory => NewValue::Text(value),
    }
}

/// Grants what the plugin asks for.
pub(super) fn grant(
    section: &mut NewSection,
    description: &Description,
    given: &BTreeMap<String, String>,
) {
    section.hosts.clone_from(&description.hosts);
    for wish in &description.dirs {
        let setting = description.setting(&wish.setting);
        let default = setting.and_then(|setting| setting.default.as_ref());
        if let Some(host) = given.get(&wish.setting).or(default) {
            section.dirs.push(DirGrant {
                guest: wish.guest.clone(),
                host: host.into(),
                writable: wish.writable,
            });
        }
    }
}
