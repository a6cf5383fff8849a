//! S3 over HTTP, from end to end: the real program, a real disk, one topic a file.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    clippy::doc_markdown,
    clippy::match_bool,
    reason = "a test fails by panicking"
)]

mod addressing;
mod auth;
mod buckets;
mod chunked;
mod conditions;
mod copy;
mod default_mode;
mod delete;
mod errors;
mod expect_continue;
mod forms;
mod keys;
mod list;
mod manners;
mod metadata;
mod multipart;
mod odd_keys;
mod parts;
mod presigned;
mod put_get;
mod range;
mod settings;
mod start;
