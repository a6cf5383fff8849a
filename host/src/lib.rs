//! An S3-compatible gateway whose storage backends are WebAssembly components.
//!
//! ```text
//!  S3 client ── HTTP ──▶ http ──▶ s3 ──▶ service ──┬──▶ backend ──▶ [ component: local | yours ]
//!                        sockets  sign,  buckets,  │    wasmtime
//!                        limits   parse, objects,  │
//!                                 XML    uploads   └──▶ cache ──▶ metadata.db
//! ```
//!
//! # A tour
//! A request arrives at a connection of [`http`], which times it and hands head and body to
//! [`s3::Gateway::respond`]. There it is authenticated, routed, parsed into an operation, and
//! given to the [`service::Service`], the only place that knows in which order store and
//! cache are asked. The service owns two ports: [`service::ports::Store`] is implemented by
//! [`backend`], which runs a component and moves bodies around it, and
//! [`service::ports::Cache`] by [`cache`], which keeps in `SQLite` what storages forget. The
//! answer takes the same way back. Object bytes are a [`model::ByteStream`] all along.
//!
//! [`cli`] puts the layers together and takes them down in order; [`config`] tells it how.
//!
//! # Layers
//! | layer | knows | never sees |
//! |---|---|---|
//! | [`model`] | names and values with their rules | I/O, a runtime |
//! | [`service`] | what an S3 operation means | HTTP, XML, wasm, SQL |
//! | [`s3`] | bytes to operations and back | axum, sockets, wasm, SQL |
//! | [`http`] | listening, limits, shutdown | what an operation is |
//! | [`backend`] | components and what they may reach | S3 codes, requests of clients |
//! | [`cache`] | rows in `SQLite` | plugins, HTTP |
//! | [`config`] | files, flags, secrets, directories | a running gateway |
//! | [`cli`] | all of them | |
//!
//! `model`, `service` and `s3` are the crate `pys3local_core`, so that they build and test without
//! the component engine.
//!
//! # What never happens
//! - No object is held in memory, and none is collected to be looked at.
//! - No upload is published before its length, digests and signatures were checked.
//! - No reply ends well whose body did not.
//! - No acknowledged write is lost by a stop, however sudden.
//! - No reader sees the bytes of one state with the `ETag` of another.
//! - No plugin reaches a file, a host or a clock that its config section does not grant.
//! - No secret is printed in a log, an error or a `Debug` output.

pub mod backend;
pub mod cache;
pub mod cli;
pub mod config;
pub mod http;

pub use pys3local_core::{model, s3, service};
