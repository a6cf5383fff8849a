//! The command line, as users and their scripts meet it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod config;
mod obscure;
mod program;
mod terminal;
