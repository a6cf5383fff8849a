//! The simulator as clients see it: their recorded traffic, every switch, every fault.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests too"
)]

mod client;
mod faults;
mod listing;
mod pydrime;
mod rclone;
mod switches;
