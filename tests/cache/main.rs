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
mod whereabouts;

use pys3local_tests::command::Program;
use std::fs;
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
