//! Why a backend does not start.

use std::path::PathBuf;

/// Why a backend does not start. Displays as one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// `type` names nothing that there is.
    #[error("no backend type {kind:?}: built in is {built_in}{}", missing_in(plugin_dir.as_ref(), kind))]
    UnknownType {
        /// The type asked for.
        kind: String,
        /// Names of the built-in ones.
        built_in: String,
        /// Where else was searched.
        plugin_dir: Option<PathBuf>,
    },
    /// `component` beside a built-in type.
    #[error("{0:?} is built in and cannot be replaced by a file; give the type another name")]
    Shadowed(String),
    /// The component's file cannot be read.
    #[error("cannot read the component {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not a component, or of another world or version, or asking for imports that no plugin
    /// gets.
    #[error("cannot use {component}: {why}")]
    Refused {
        /// The file or built-in.
        component: String,
        /// What is wrong with it.
        why: String,
    },
    /// A required setting is missing.
    #[error("the backend type {kind:?} needs the setting {setting:?}: {help}")]
    MissingSetting {
        /// The type.
        kind: String,
        /// The setting.
        setting: String,
        /// Whether it is one.
        secret: bool,
        /// The plugin's own words about it.
        help: String,
    },
    /// A setting has a value that cannot be.
    #[error("the setting {setting:?} is wrong: {why}")]
    BadSetting {
        /// The setting.
        setting: String,
        /// What is wrong.
        why: String,
    },
    /// A directory that a plugin is to have cannot be used.
    #[error("cannot use the directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A grant would let a plugin write what the program itself relies on.
    #[error(
        "no plugin may write to {}: pys3local itself relies on {} in it",
        dir.display(),
        own.display()
    )]
    OwnPlace {
        /// The directory that was to be granted.
        dir: PathBuf,
        /// What is in it.
        own: PathBuf,
    },
    /// The plugin refused its configuration, or died over it.
    #[error("the plugin {plugin} does not start: {why}")]
    Configure {
        /// The plugin.
        plugin: String,
        /// Its words.
        why: String,
    },
    /// The plugin cannot say what values a setting may have, or rejects those before it.
    #[error("{plugin}: {why}")]
    Choices {
        /// The plugin.
        plugin: String,
        /// Its words.
        why: String,
    },
    /// The component engine could not be set up.
    #[error("the component engine does not start: {0}")]
    Engine(String),
}

fn missing_in(plugin_dir: Option<&PathBuf>, kind: &str) -> String {
    plugin_dir.map_or_else(String::new, |dir| {
        format!(
            ", and there is no {}",
            dir.join(format!("{kind}.wasm")).display()
        )
    })
}
