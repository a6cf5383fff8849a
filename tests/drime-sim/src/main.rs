//! Runs the simulator until it is interrupted.

use clap::Parser;
use drime_sim::{Clock, Options, Script, Simulator, Switches, TOKEN, WORKSPACE};
use std::io::{self, Write};
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// A simulator of the Drime Cloud API.
#[derive(Parser)]
struct Command {
    /// Port of the API on 127.0.0.1; 0 for any.
    #[arg(long, default_value_t = 0)]
    api_port: u16,
    /// Port of the storage.
    #[arg(long, default_value_t = 0)]
    storage_port: u16,
    /// Port of the control server: GET /counters, /log, /entries, /uploads; POST /reset, /fault,
    /// /calm, /switch, /advance.
    #[arg(long, default_value_t = 0)]
    control_port: u16,
    /// Tokens to accept instead of the usual one.
    #[arg(long)]
    token: Vec<String>,
    /// Load the account from this directory at the start, and save it there at the end.
    #[arg(long)]
    state: Option<PathBuf>,
    /// The time stands still, except for POST /advance.
    #[arg(long)]
    frozen_clock: bool,
    /// `[storage:]METHOD PATH=STEP,…[*]`; steps: pass, STATUS, after-STATUS, reset-before,
    /// reset-after, delay-MS, html; `*` at the end begins again.
    #[arg(long)]
    fault: Vec<Script>,
    #[command(flatten)]
    switches: Switches,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let command = Command::parse();
    let simulator = Simulator::start(Options {
        switches: command.switches,
        clock: if command.frozen_clock {
            Clock::frozen()
        } else {
            Clock::system()
        },
        state: command.state,
        ports: [command.api_port, command.storage_port, command.control_port],
    })
    .await?;
    for script in command.fault {
        simulator.script(script);
    }
    let tokens: Vec<&str> = command.token.iter().map(String::as_str).collect();
    if !tokens.is_empty() {
        simulator.set_tokens(&tokens);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "API: {}", simulator.api_url())?;
    writeln!(out, "Storage: {}", simulator.storage_url())?;
    writeln!(out, "Control: {}", simulator.control_url())?;
    writeln!(out, "Token: {}", tokens.first().unwrap_or(&TOKEN))?;
    writeln!(out, "Workspaces: 0, {WORKSPACE}")?;
    out.flush()?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    simulator.save(None)
}
