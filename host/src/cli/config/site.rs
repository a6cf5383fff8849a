//! The config directory and the plugins that its backends can be.

use super::show::Shown;
use crate::backend::{BackendOptions, Component};
use crate::cli::Failure;
use crate::cli::backend::plugin_config;
use crate::cli::options::Directories;
use crate::cli::whereabouts::quoted;
use crate::config::places::from_home;
use crate::config::{BackendConfig, Places, file};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A backend as the list shows it.
pub(super) struct Row {
    pub(super) name: String,
    /// `None` when its section makes no sense.
    pub(super) kind: Option<String>,
    pub(super) file: PathBuf,
}

pub(super) struct Site {
    /// The options that named the places, to be said again.
    again: String,
    places: Places,
    options: BackendOptions,
    runtime: tokio::runtime::Runtime,
}

impl Site {
    pub(super) fn new(directories: &Directories) -> Result<Self, Failure> {
        let places = directories.places()?;
        let options = BackendOptions {
            plugin_dir: Some(directories.plugin_dir(&places)),
            compile_cache: places.compile_cache(),
            ..BackendOptions::default()
        };
        Ok(Self {
            again: directories.again(),
            places,
            options,
            runtime: crate::cli::runtime()?,
        })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.places.config
    }

    /// The command that serves a backend from here.
    pub(super) fn serve_command(&self, name: &str) -> String {
        let name = quoted(name);
        format!("pys3local serve{} --backend-config {name}", self.again)
    }

    pub(super) fn plugin_dir(&self) -> Option<&Path> {
        self.options.plugin_dir.as_deref()
    }

    /// A path as a person wrote it on a command line or in a session.
    pub(super) fn absolute(&self, path: &str) -> PathBuf {
        self.places.absolute(&from_home(path))
    }

    /// The component of a backend, which then can be asked what it wants.
    pub(super) fn component(&self, backend: &BackendConfig) -> Result<Component, Failure> {
        let config = plugin_config(backend)?;
        let loaded = self.wait(Component::load(&config, &self.options));
        loaded.map_err(Failure::of)
    }

    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Warns of files whose secrets others can read.
    pub(super) fn warn_of_exposed(&self) {
        for exposed in crate::config::all_exposed(self.dir()) {
            tracing::warn!("{exposed}");
        }
    }

    /// All backends. One that makes no sense is in the list, too, and the log says what is wrong.
    pub(super) fn list(&self) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        for name in file::names(self.dir())? {
            let file = file::locate(self.dir(), &name)?;
            let kind = match file::load(self.dir(), &name) {
                Ok((backend, _)) => Some(backend.kind),
                Err(error) => {
                    tracing::warn!("{error}");
                    None
                }
            };
            rows.push(Row { name, kind, file });
        }
        Ok(rows)
    }

    /// The list for people.
    pub(super) fn table(&self, rows: &[Row]) -> String {
        if rows.is_empty() {
            return format!(
                "No backends in {}; `pys3local config add` adds one.\n",
                self.dir().display()
            );
        }
        let kind = |row: &Row| row.kind.clone().unwrap_or_else(|| "?".into());
        let width = |text: &dyn Fn(&Row) -> usize| rows.iter().map(text).max().unwrap_or(0).max(4);
        let names = width(&|row| row.name.chars().count());
        let kinds = width(&|row| kind(row).chars().count());
        let mut text = format!("{:names$}  {:kinds$}  FILE\n", "NAME", "TYPE");
        for row in rows {
            let file = row.file.display();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{:names$}  {:kinds$}  {file}", row.name, kind(row));
        }
        text
    }

    pub(super) fn show(&self, name: &str, reveal: bool) -> Result<Shown, Failure> {
        let (backend, path) = file::load(self.dir(), name)?;
        // Without the plugin we do not know all secrets, and guess.
        let component = self.component(&backend);
        let description = component.as_ref().map(Component::description);
        Ok(Shown::new(name, path, backend, description.ok(), reveal))
    }
}
