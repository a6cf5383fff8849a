//! What the plugin answers when it cannot.

/// The errors of the plugin interface that this plugin uses, under the same names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented in wit/v0/types.wit")]
pub enum Error {
    NoSuchBucket,
    NoSuchKey,
    NoSuchUpload,
    AlreadyExists,
    NotEmpty,
    InvalidRange,
    Changed,
    Denied(String),
    Quota,
    Throttled(Option<u32>),
    Unavailable(String),
    Unsupported,
    Aborted,
    Other(String),
}
