//! The program: flags, logging, exit code. Everything else is in the library.

use pys3local::cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    share_memory_between_threads();
    // A connection and a file for each request soon pass the customary 1024. As many as we may have.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let cli = cli::parse();
    let log = cli.log();
    cli::log::start(log);
    match cli::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(log),
    }
}

/// Two heaps for all threads. By default the C library gives every thread one of its own, and what
/// a thread has freed there helps no other: with bodies that wander between threads, that is
/// half of this program's memory.
fn share_memory_between_threads() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[allow(unsafe_code, reason = "the C library's own interface")]
    // SAFETY: no other thread runs yet, and any value is valid.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}
