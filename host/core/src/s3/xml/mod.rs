//! S3's documents: reading those of requests and writing those of answers.

pub mod read;
pub mod write;
