//! The program: flags, logging, exit code. Everything else is in the library.

use pys3local::cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::parse();
    cli::log::start(cli.log());
    match cli::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
