//! What the plugin answers when it cannot.

use crate::disk::Fault;

/// The errors of the plugin interface that this plugin uses, under the same names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented in wit/v0/types.wit")]
pub enum Error {
    NoSuchBucket,
    NoSuchKey,
    NoSuchUpload,
    AlreadyExists,
    NotEmpty,
    InvalidName(String),
    InvalidRange,
    Changed,
    Denied(String),
    NoSpace,
    Quota,
    Unavailable(String),
    Unsupported,
    Aborted,
    Other(String),
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::BadName => Self::InvalidName("the file system cannot hold this name".into()),
            Fault::Denied(why) => Self::Denied(why.into()),
            Fault::NoSpace => Self::NoSpace,
            Fault::Quota => Self::Quota,
            Fault::TooManyFiles => Self::Unavailable("too many files are open".into()),
            Fault::Other(why) => Self::Other(why),
            // Where these mean something, the caller has looked at them first.
            Fault::Missing => Self::Unavailable("a file or directory vanished meanwhile".into()),
            Fault::Exists | Fault::NotDirectory | Fault::IsDirectory | Fault::NotEmpty => {
                Self::Unavailable("files and directories changed meanwhile".into())
            }
        }
    }
}
