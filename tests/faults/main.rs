//! What must hold when something goes wrong: cut connections, crashes, stops, hands in the data
//! directory, files that are no plugins.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test fails by panicking"
)]

mod behind;
mod components;
mod crash;
mod cut_off;
mod linear;
mod plugin;
mod restart;
mod shutdown;
