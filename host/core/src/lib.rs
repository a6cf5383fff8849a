//! What pys3local knows without I/O: the `model`, the `service` (what an S3 operation means)
//! and `s3` (bytes to operations and back).
//!
//! Calls go one way, `s3 → service → model`. Nothing in here opens a file, a socket or a
//! database: the service asks for these through its [`service::ports`], which the `pys3local`
//! crate implements. So this crate builds and tests in seconds, and fuzzers link only it. The
//! [`contract`] says what a store owes.

pub mod contract;
pub mod model;
pub mod s3;
pub mod service;
