//! `pys3local plugin`: for people who write plugins, and for those who run them.

mod check;
mod inspect;
mod new;
mod store;
mod subject;
pub(in crate::cli) mod words;

use super::Failure;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PluginCommand {
    /// Check that a component keeps the contract of storage plugins.
    ///
    /// Runs the plugin with its settings and grants, stores and reads objects in buckets of its
    /// own, and says of each fact whether it holds. Use a storage that holds nothing of value:
    /// a plugin under test may do anything to it.
    #[command(after_help = super::EXIT_CODES)]
    Check(Box<check::CheckOptions>),
    /// Say what a plugin is, what it imports, and what it may reach.
    ///
    /// Without a config that is what it asks for; with one, what it is granted and what is missing.
    #[command(after_help = super::EXIT_CODES)]
    Inspect(inspect::InspectOptions),
    /// List the built-in plugins and those in the directory of plugins.
    #[command(visible_alias = "ls", after_help = super::EXIT_CODES)]
    List(store::ListOptions),
    /// Check a component and copy it into the directory of plugins.
    #[command(after_help = super::EXIT_CODES)]
    Install(store::InstallOptions),
    /// Remove a plugin from the directory of plugins. What it has stored stays as it is.
    #[command(visible_alias = "rm", after_help = super::EXIT_CODES)]
    Remove(store::RemoveOptions),
    /// Write a complete plugin to start from.
    #[command(after_help = super::EXIT_CODES)]
    New(new::NewOptions),
}

pub(super) fn run(command: PluginCommand) -> Result<(), Failure> {
    match command {
        PluginCommand::Check(options) => check::run(&options),
        PluginCommand::Inspect(options) => inspect::run(&options),
        PluginCommand::List(options) => store::list(&options),
        PluginCommand::Install(options) => store::install(&options),
        PluginCommand::Remove(options) => store::remove(&options),
        PluginCommand::New(options) => new::run(&options),
    }
}
