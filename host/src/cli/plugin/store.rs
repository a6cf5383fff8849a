//! The directory of plugins: `plugin list`, `install` and `remove`.

use super::subject::kind_of;
use crate::backend::{BackendOptions, Component, OpenError, PluginConfig, available_types};
use crate::cli::options::Directories;
use crate::cli::{Failure, output};
use crate::config::private_dir;
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct ListOptions {
    /// Print an array of objects with `type`, `version`, `summary`, `built_in` and `error`
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    directories: Directories,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct InstallOptions {
    /// The component's file
    file: PathBuf,

    /// What config sections call it [default: the file's name]
    #[arg(long = "as", value_name = "TYPE")]
    kind: Option<String>,

    /// Replace a plugin of this name
    #[arg(long)]
    replace: bool,

    #[command(flatten)]
    directories: Directories,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RemoveOptions {
    /// What config sections call it
    kind: String,

    #[command(flatten)]
    directories: Directories,
}

pub(super) fn list(options: &ListOptions) -> Result<(), Failure> {
    let places = options.directories.places()?;
    let how = BackendOptions {
        plugin_dir: Some(options.directories.plugin_dir(&places)),
        compile_cache: places.compile_cache(),
        ..BackendOptions::default()
    };
    let runtime = crate::cli::runtime()?;
    let mut rows = Vec::new();
    for kind in available_types(how.plugin_dir.as_deref()) {
        let config = PluginConfig {
            kind: kind.clone(),
            ..PluginConfig::default()
        };
        rows.push((kind, runtime.block_on(Component::load(&config, &how))));
    }
    if options.json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|(kind, found)| row_json(kind, found))
            .collect();
        return output::print(&format!("{:#}\n", Value::from(rows)));
    }
    let width = rows
        .iter()
        .map(|(kind, _)| kind.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for (kind, found) in &rows {
        let about = match found {
            Ok(component) => {
                let about = component.description();
                let place = if component.is_built_in() {
                    ", built in"
                } else {
                    ""
                };
                format!("{} ({}{place})", about.summary, about.version)
            }
            Err(error) => format!("unusable: {error}"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{kind:width$}  {about}");
    }
    output::print(&text)
}

fn row_json(kind: &str, found: &Result<Component, OpenError>) -> Value {
    match found {
        Ok(component) => json!({
            "type": kind,
            "version": component.description().version,
            "summary": component.description().summary,
            "built_in": component.is_built_in(),
            "error": null,
        }),
        Err(error) => json!({
            "type": kind,
            "version": null,
            "summary": null,
            "built_in": false,
            "error": error.to_string(),
        }),
    }
}

pub(super) fn install(options: &InstallOptions) -> Result<(), Failure> {
    let places = options.directories.places()?;
    let dir = options.directories.plugin_dir(&places);
    let kind = options
        .kind
        .clone()
        .unwrap_or_else(|| kind_of(&options.file));
    let target = target(&dir, &kind)?;
    let config = PluginConfig {
        kind: kind.clone(),
        component: Some(options.file.clone()),
        ..PluginConfig::default()
    };
    let how = BackendOptions {
        compile_cache: places.compile_cache(),
        ..BackendOptions::default()
    };
    // Nothing that the program cannot use is installed.
    let loaded = crate::cli::runtime()?.block_on(Component::load(&config, &how));
    let component = loaded.map_err(Failure::of)?;
    if target.exists() && !options.replace {
        return Err(Failure::new(format!("there is a plugin {kind:?} already"))
            .hint("--replace replaces it, --as gives it another name"));
    }
    let copied = copy(&options.file, &target);
    copied.map_err(|error| Failure::io(&format!("cannot write {}", target.display()), &error))?;
    output::print(&format!(
        "Installed {kind} {} as {}\nAdd a backend: pys3local config add NAME --type {kind}{}\n",
        component.description().version,
        target.display(),
        options.directories.again()
    ))
}

pub(super) fn remove(options: &RemoveOptions) -> Result<(), Failure> {
    let places = options.directories.places()?;
    let dir = options.directories.plugin_dir(&places);
    let target = target(&dir, &options.kind)?;
    if let Err(error) = std::fs::remove_file(&target) {
        let failure = Failure::io(&format!("cannot remove {}", target.display()), &error);
        let mut types = available_types(Some(&dir));
        types.retain(|kind| !available_types(None).contains(kind));
        return Err(match types.as_slice() {
            [] => failure.hint("no plugin is installed; the built-in ones stay"),
            types => failure.hint(format!("installed are: {}", types.join(", "))),
        });
    }
    output::print(&format!("Removed {}\n", target.display()))
}

/// Where a plugin of this type lies.
fn target(dir: &Path, kind: &str) -> Result<PathBuf, Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if kind.is_empty() || !kind.chars().all(plain) {
        let why = format!("{kind:?} is not the name of a plugin (letters, digits, `-`, `_`)");
        return Err(Failure::usage(why));
    }
    if available_types(None)
        .iter()
        .any(|built_in| built_in == kind)
    {
        return Err(Failure::usage(format!("{kind:?} is built in")));
    }
    Ok(dir.join(format!("{kind}.wasm")))
}

/// Makes the directory if it is not there. Plugins are no secrets, and a service may run as another
/// user than whoever installs them; the config directory around it is for its owner alone.
fn make_dir(dir: &Path) -> io::Result<()> {
    if let Some(parent) = dir.parent() {
        private_dir(parent)?;
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o755);
    builder.create(dir)
}

/// Copies at once: a gateway that starts meanwhile sees the old file or the new one.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let dir = to.parent().unwrap_or(Path::new("/"));
    make_dir(dir)?;
    let mut new = tempfile::Builder::new()
        .prefix(".plugin.")
        .tempfile_in(dir)?;
    // Whatever the umask says: a service of another user reads it.
    #[cfg(unix)]
    new.as_file()
        .set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    new.write_all(&std::fs::read(from)?)?;
    new.as_file().sync_all()?;
    new.persist(to).map(drop).map_err(|error| error.error)
}
