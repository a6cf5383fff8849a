//! The command line, as users and their scripts meet it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::float_cmp,
    reason = "a test fails by panicking, and counters are whole numbers"
)]

mod admin;
mod config;
mod disks;
mod exit_codes;
mod hostile;
mod obscure;
mod packaging;
mod plugins;
mod program;
mod secrets;
mod terminal;
