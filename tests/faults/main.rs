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
#[cfg(target_os = "linux")]
mod clock;
mod components;
mod crash;
#[cfg(target_os = "linux")]
mod crowd;
mod cut_off;
mod few_files;
mod linear;
#[cfg(target_os = "linux")]
mod permissions;
mod plugin;
mod restart;
#[cfg(target_os = "linux")]
mod rotten_disk;
mod shutdown;
