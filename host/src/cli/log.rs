//! The log, on stderr.

use clap::ValueEnum;
use std::io::{IsTerminal, Write};
use tracing_subscriber::EnvFilter;

/// What to log, and how.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// A line for each request, among others.
    pub debug: bool,
    /// A JSON object a line.
    pub json: bool,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: a JSON object a line.
    Json,
}

/// Where a library logs the very values that pass it, whatever `RUST_LOG` says: what a plugin prints,
/// before its secrets are cut out, and the URLs that it asks for, which may be signed.
const NEVER: [&str; 2] = [
    "wasmtime_wasi::p2::write_stream=off",
    "wasmtime_wasi_http::p3::bindings=off",
];

/// Starts logging. `RUST_LOG` decides what is logged, if it is set and makes sense.
pub fn start(options: Options) {
    // A plugin that cannot connect says so itself, in better words, after it has tried again.
    let level = if options.debug {
        "info,pys3local=debug,pys3local_core=debug"
    } else {
        "warn,pys3local=info,pys3local_core=info,wasmtime_wasi_http=error"
    };
    let filter = match std::env::var("RUST_LOG") {
        Ok(wanted) if !wanted.is_empty() => EnvFilter::try_new(wanted),
        _ => EnvFilter::try_new(level),
    };
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(level));
    let never = NEVER.iter().filter_map(|place| place.parse().ok());
    let filter = never.fold(filter, EnvFilter::add_directive);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Where nobody reads the log any more, that must not be complained of in the same place:
        // it would be a panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    // Fails only if there is a log already, and then that one does.
    let _ = if options.json {
        log.json().flatten_event(true).try_init()
    } else {
        log.with_ansi(is_coloured(std::io::stderr().is_terminal()))
            .with_target(false)
            .try_init()
    };
}

/// Whether to colour: terminals only, and not against the user's will.
/// Spec: <https://no-color.org>
pub(super) fn is_coloured(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Says what must not be overlooked, whatever the log's level: in the log's own form where
/// programs read it, and as plain lines for people.
pub(super) fn warn_loudly(options: Options, text: &str) {
    if options.json {
        tracing::warn!("{text}");
        return;
    }
    let mut stderr = std::io::stderr();
    let (start, end) = if is_coloured(stderr.is_terminal()) {
        ("\x1b[1;33m", "\x1b[0m")
    } else {
        ("", "")
    };
    // Nobody can be warned whose stderr is closed.
    let _ = writeln!(stderr, "{start}WARNING:{end} {text}");
}
