//! `pys3local plugin inspect`.

use super::subject::Subject;
use super::words;
use crate::backend::{BackendOptions, Component, SettingKind};
use crate::cli::backend::revealed;
use crate::cli::options::Directories;
use crate::cli::{Failure, output};
use clap::Args;
use std::collections::BTreeMap;
use std::fmt::Write as _;

#[derive(Debug, Args)]
pub(in crate::cli) struct InspectOptions {
    #[command(flatten)]
    subject: Subject,

    #[command(flatten)]
    directories: Directories,
}

pub(super) fn run(options: &InspectOptions) -> Result<(), Failure> {
    let places = options.directories.places()?;
    let (config, section) = options.subject.find(&places)?;
    let how = BackendOptions {
        plugin_dir: Some(options.directories.plugin_dir(&places)),
        compile_cache: places.compile_cache(),
        ..BackendOptions::default()
    };
    let runtime = crate::cli::runtime()?;
    let loaded = runtime.block_on(Component::load(&config, &how));
    let component = loaded.map_err(Failure::of)?;
    let settings = match &section {
        Some(section) => revealed(section, component.description()),
        None => BTreeMap::new(),
    };
    output::print(&text(&component, section.is_some(), &settings)?)
}

/// Everything that is known of a component, for people.
fn text(
    component: &Component,
    configured: bool,
    settings: &BTreeMap<String, String>,
) -> Result<String, Failure> {
    let about = component.description();
    let mut text = format!("{} {}: {}\n", about.name, about.version, about.summary);
    // As a config section pins it.
    let _ = writeln!(text, "\nsha256 = \"{}\"", component.sha256());
    let mut section = |title: &str, items: &[String]| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n{title}");
        if items.is_empty() {
            text.push_str("  nothing\n");
        }
        for item in items {
            let _ = writeln!(text, "  {item}");
        }
    };
    let width = component
        .imports()
        .iter()
        .map(String::len)
        .max()
        .unwrap_or(0);
    let imports = component.imports().iter();
    let imports = imports.map(|name| format!("{name:width$}  {}", words::import(name)));
    section("Imports", &imports.collect::<Vec<_>>());
    let optional = component.optional_interfaces();
    let optional: Vec<_> = optional.into_iter().map(str::to_owned).collect();
    section("Optional interfaces", &optional);
    let declared = about.settings.iter().map(|setting| {
        let kind = match setting.kind {
            SettingKind::Text => "text",
            SettingKind::Secret => "secret",
            SettingKind::Number => "number",
            SettingKind::Flag => "true or false",
            SettingKind::Directory => "directory",
        };
        let needed = match &setting.default {
            Some(default) => format!(", default {default:?}"),
            None if setting.required => ", required".to_owned(),
            None => String::new(),
        };
        format!("{} ({kind}{needed}): {}", setting.name, setting.help)
    });
    section("Settings", &declared.collect::<Vec<_>>());
    let grants = component.reach(settings).map_err(Failure::of)?;
    let missing = words::missing(about, &grants);
    if configured || component.is_built_in() {
        section("May reach", &words::reach(&grants));
        section("Asks for and is not granted", &missing);
    } else {
        section(
            "Asks for, and has only what a config section grants",
            &missing,
        );
    }
    Ok(text)
}
