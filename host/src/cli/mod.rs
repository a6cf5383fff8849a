//! The command line: data on stdout, the rest on stderr, errors as one line of what with an
//! optional `hint:`.

mod admin;
mod backend;
mod cache;
mod config;
mod failure;
pub mod log;
mod manual;
mod obscure;
mod options;
mod output;
mod plugin;
mod progress;
mod serve;
mod startup;
mod ways;
mod whereabouts;

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
    ///
    /// Prints where it listens and a section for rclone.conf, and serves until it is told to stop
    /// by Ctrl+C or SIGTERM. Then it finishes what is running, for as long as that takes: a request
    /// goes on while its bytes flow, one that stands still for 30 seconds is broken off, and a second
    /// signal stops at once. A flag wins over its environment variable, that over the config file,
    /// that over the default.
    Serve(Box<ServeOptions>),
    /// Look after the database of MD5s and metadata.
    #[command(after_help = EXIT_CODES)]
    Cache(cache::CacheArguments),
    /// Obscure a password for a config file.
    ///
    /// Without PASSWORD it is asked for, or read as a line from a stdin that is no terminal.
    /// An obscured password is hidden from a glance, not encrypted.
    #[command(after_help = EXIT_CODES)]
    Obscure(obscure::ObscureOptions),
    /// Look after the backends in the config directory: a session, or one step by a subcommand.
    #[command(after_help = EXIT_CODES)]
    Config(config::ConfigOptions),
    /// Print a completion script for a shell.
    ///
    /// For example: pys3local completions bash > ~/.local/share/bash-completion/completions/pys3local
    #[command(after_help = EXIT_CODES)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for each command into a directory.
    ///
    /// For example: pys3local man | man -l -
    #[command(after_help = EXIT_CODES)]
    Man {
        /// Where to write the pages
        directory: Option<std::path::PathBuf>,
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
    let matches = without_empty_variables(Arguments::command()).get_matches();
    match Arguments::from_arg_matches(&matches) {
        Ok(Arguments { command }) => Cli { command, matches },
        Err(error) => error.exit(),
    }
}

/// A variable that is set to nothing is not set, whatever its option takes.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &clap::Arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        value.is_some_and(|value| value.is_empty())
    };
    command
        .mut_args(move |arg| {
            if is_empty(&arg) {
                arg.env(clap::builder::Resettable::Reset)
            } else {
                arg
            }
        })
        .mut_subcommands(without_empty_variables)
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
        Some(Command::Cache(arguments)) => {
            let matches = cli.matches.subcommand_matches("cache");
            cache::run(arguments, matches)
        }
        Some(Command::Obscure(options)) => obscure::run(options),
        Some(Command::Config(options)) => config::run(options),
        Some(Command::Completions { shell }) => manual::completions(Arguments::command(), shell),
        Some(Command::Man { directory }) => manual::man(Arguments::command(), directory.as_deref()),
        Some(Command::Plugin(command)) => plugin::run(command),
        None => {
            let printed = Arguments::command().print_help();
            printed.map_err(|error| Failure::new(format!("cannot print the help: {error}")))
        }
    }
}

/// Threads for a command.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| Failure::io("cannot start threads", &error))
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
        for name in [
            "serve",
            "cache",
            "obscure",
            "config",
            "plugin",
            "completions",
            "man",
        ] {
            let help = command
                .find_subcommand_mut(name)
                .unwrap()
                .render_long_help();
            assert!(help.to_string().contains("Exit codes:"), "{name}");
        }
    }

    #[test]
    fn nothing_secret_is_in_the_debug_output_of_a_command_line() {
        for line in [
            "pys3local serve --secret-access-key hush",
            "pys3local obscure hush",
            "pys3local config add x --type y --set api_key=hush",
            "pys3local plugin check x.wasm --set token=hush",
        ] {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            let shown = format!("{arguments:?}");
            assert!(!shown.contains("hush"), "{shown}");
        }
    }

    /// The help as a terminal of 100 columns would show it, without anybody's environment.
    fn help(path: &[&str]) -> String {
        let mut command = Arguments::command().term_width(100);
        command.build();
        let mut found = &mut command;
        for name in path {
            found = found.find_subcommand_mut(name).unwrap();
        }
        let own = found.clone().mut_args(|arg| arg.hide_env_values(true));
        own.term_width(100).render_long_help().to_string()
    }

    #[test]
    fn the_help_texts_are_a_contract() {
        for path in [
            &[][..],
            &["serve"],
            &["cache"],
            &["cache", "stats"],
            &["cache", "cleanup"],
            &["cache", "vacuum"],
            &["cache", "migrate"],
            &["cache", "refresh"],
            &["cache", "verify"],
            &["cache", "backup"],
            &["cache", "restore"],
            &["cache", "rename"],
            &["plugin"],
            &["plugin", "check"],
            &["plugin", "inspect"],
            &["plugin", "list"],
            &["plugin", "install"],
            &["plugin", "remove"],
            &["plugin", "new"],
            &["obscure"],
            &["config"],
            &["config", "list"],
            &["config", "show"],
            &["config", "add"],
            &["config", "remove"],
            &["completions"],
            &["man"],
        ] {
            let name = [&["help"], path].concat().join("_");
            insta::assert_snapshot!(name, help(path));
        }
    }

    #[test]
    fn completions_and_manual_know_every_command() {
        let command = Arguments::command();
        let mut script = Vec::new();
        let shell = clap_complete::Shell::Bash;
        clap_complete::generate(shell, &mut command.clone(), "pys3local", &mut script);
        let script = String::from_utf8(script).unwrap();
        let dir = tempfile::tempdir().unwrap();
        manual::man(command.clone(), Some(dir.path())).unwrap();
        for sub in command.get_subcommands() {
            let name = sub.get_name();
            assert!(script.contains(name), "{name}");
            assert!(
                dir.path().join(format!("pys3local-{name}.1")).is_file(),
                "{name}"
            );
        }
        let serve = std::fs::read_to_string(dir.path().join("pys3local-serve.1")).unwrap();
        assert!(
            serve.contains("listen") && serve.contains("Exit codes"),
            "{serve}"
        );
    }
}
