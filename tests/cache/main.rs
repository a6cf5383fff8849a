//! `pys3local cache`, from end to end: the real program, its database, and what it prints.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::doc_markdown,
    reason = "a test fails by panicking"
)]

mod cleanup;
mod copies;
mod imported;
mod migrate;
mod places;
mod stats;
mod ways;
mod whereabouts;

use pys3local_tests::command::Program;
use pys3local_tests::gateway::Gateway;
use std::fs;
use std::time::Duration;
use tempfile::TempDir;

/// Written by the Python program.
const OLD: &[u8] = include_bytes!("../../host/src/cache/tests/fixtures/python-0.2.1.db");

fn home() -> (TempDir, Program) {
    let home = TempDir::with_prefix("pys3local-test-").unwrap();
    let program = Program::in_home(home.path());
    (home, program)
}

/// A home with the database of the Python program.
fn old_home() -> (TempDir, Program) {
    let (home, program) = home();
    fs::create_dir_all(program.config()).unwrap();
    fs::write(program.config().join("metadata.db"), OLD).unwrap();
    (home, program)
}

/// Waits until the database has the rows of everything that was put: those of small objects come a
/// moment after the answer.
async fn settled(gateway: &Gateway) {
    let path = gateway.home().join(".config/pys3local/metadata.db");
    let db = rusqlite::Connection::open(path).unwrap();
    let open = || -> u32 {
        let query = "SELECT count(*) FROM intents";
        db.query_row(query, [], |row| row.get(0)).unwrap()
    };
    while open() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
