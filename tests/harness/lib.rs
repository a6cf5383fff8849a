//! What the end-to-end suites and the load program share: a running gateway, a client that can
//! send right and wrong requests, and the signing of both.
//!
//! | module | what |
//! |---|---|
//! | [`artifacts`] | the program and the plugins to test |
//! | [`gateway`] | the real `pys3local serve`, on a free port, with its own directories |
//! | [`s3`] | one request to an S3 server, built step by step and sent |
//! | [`sign`] | AWS Signature V4: headers, presigned URLs, aws-chunked bodies |
//! | [`checker`] | a mixed load, and whether each key's history can be explained |
//! | [`command`] | other commands of the program |
//! | [`disk`] | a disk that is full |
//! | [`client`] | HTTP/1.1 over hyper, or over a bare socket |
//! | [`xml`] | reads answers |
//! | [`data`] | bytes to store |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::return_self_not_must_use,
    clippy::duration_suboptimal_units,
    clippy::match_bool,
    reason = "this is the support code of tests, and a test fails by panicking"
)]

pub mod artifacts;
pub mod checker;
pub mod client;
pub mod command;
pub mod disk;
pub mod gateway;
pub mod s3;
pub mod sign;
pub mod xml;

pub use client::Reply;
pub use gateway::Gateway;
pub use pys3local_core::contract::data;
pub use s3::{Call, S3};
