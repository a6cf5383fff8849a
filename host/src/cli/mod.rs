//! The command line: data on stdout, the rest on stderr, errors as one line of what with an
//! optional `hint:`.

mod backend;
mod cache;
mod failure;
pub mod log;
mod obscure;
mod options;
mod output;
mod plugin;
mod progress;
mod serve;
mod startup;

pub use failure::Failure;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use options::ServeOptions;

const EXIT_CODES: &str = "\
Exit codes:
  0  done, or stopped in order
  1  something failed
  2  the command line is wrong
  3  some objects failed, as listed, and the others did not";

#[derive(Debug, Parser)]
#[command(
    name = "pys3local",
    version,
    about = "An S3-compatible gateway for backup software",
    after_help = EXIT_CODES,
    subcommand_precedence_over_arg = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve objects over S3.
    Serve(Box<ServeOptions>),
    /// Look after the database of MD5s and metadata.
    #[command(after_help = EXIT_CODES)]
    Cache(cache::CacheArguments),
    /// Obscure a password for a config file.
    ///
    /// Without PASSWORD it is asked for, or read as a line from a stdin that is no terminal.
    /// An obscured password is hidden from a glance, not encrypted.
    #[command(after_help = EXIT_CODES)]
    Obscure {
        /// The password; other users of the machine may see it in the list of processes
        password: Option<String>,
    },
    /// Write plugins, and look at those of others.
    #[command(subcommand, after_help = EXIT_CODES)]
    Plugin(plugin::PluginCommand),
}

/// What the command line asks for.
pub struct Cli {
    command: Option<Command>,
    matches: clap::ArgMatches,
}

/// Reads this process's command line. A wrong one, `--help` and `--version` end the process.
pub fn parse() -> Cli {
    let matches = Arguments::command().get_matches();
    match Arguments::from_arg_matches(&matches) {
        Ok(Arguments { command }) => Cli { command, matches },
        Err(error) => error.exit(),
    }
}

impl Cli {
    /// What to log, and how.
    pub fn log(&self) -> log::Options {
        match &self.command {
            Some(Command::Serve(options)) => log::Options {
                debug: options.debug,
                json: options.log_format == log::Format::Json,
            },
            _ => log::Options::default(),
        }
    }
}

/// Does it.
pub fn run(cli: Cli) -> Result<(), Failure> {
    let log = cli.log();
    match cli.command {
        Some(Command::Serve(options)) => {
            let matches = cli.matches.subcommand_matches("serve");
            serve::run(*options, matches, log)
        }
        Some(Command::Cache(arguments)) => cache::run(arguments),
        Some(Command::Obscure { password }) => obscure::run(password),
        Some(Command::Plugin(command)) => plugin::run(command),
        None => {
            let printed = Arguments::command().print_help();
            printed.map_err(|error| Failure::new(format!("cannot print the help: {error}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_exit_codes_are_in_every_help() {
        let mut command = Arguments::command();
        assert!(command.render_help().to_string().contains("Exit codes:"));
        for name in ["serve", "cache", "obscure", "plugin"] {
            let help = command
                .find_subcommand_mut(name)
                .unwrap()
                .render_long_help();
            assert!(help.to_string().contains("Exit codes:"), "{name}");
        }
    }
}
