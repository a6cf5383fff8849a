//! `pys3local plugin`: for people who write plugins, and for those who run them.

mod check;
mod new;

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
    /// Write a complete plugin to start from.
    #[command(after_help = super::EXIT_CODES)]
    New(new::NewOptions),
}

pub(super) fn run(command: PluginCommand) -> Result<(), Failure> {
    match command {
        PluginCommand::Check(options) => check::run(&options),
        PluginCommand::New(options) => new::run(&options),
    }
}
