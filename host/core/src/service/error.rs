//! What can go wrong with an operation, in terms of what the client asked.

use super::ObjectHead;
use super::ports::{CacheError, StoreError};
use crate::model::{ETag, UploadError};
use std::time::Duration;

/// The reason why an operation failed. `s3::error` maps each to a code and a status.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The bucket is not there.
    #[error("no such bucket")]
    NoSuchBucket,
    /// The object is not there.
    #[error("no such key")]
    NoSuchKey,
    /// The upload is unknown, completed or aborted.
    #[error("no such upload")]
    NoSuchUpload,
    /// The bucket to create is there already (and ours, as all are).
    #[error("the bucket exists")]
    BucketExists,
    /// The bucket to delete holds objects.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// The range lies behind the end of an object of `size` bytes.
    #[error("the range lies behind the end of the object")]
    InvalidRange {
        /// Bytes of the object.
        size: u64,
    },
    /// The object has not so many parts.
    #[error("the object has no such part")]
    NoSuchPart {
        /// How many it has.
        parts: u16,
    },
    /// A read whose condition says "you have it already" (304); carries what there is.
    #[error("not modified")]
    NotModified(Box<ObjectHead>),
    /// A condition does not hold (412); carries the header's name as AWS spells it.
    #[error("the condition {0} does not hold")]
    PreconditionFailed(&'static str),
    /// A conditional write lost against a concurrent one (409).
    #[error("a concurrent write interfered")]
    ConditionalConflict,
    /// The bytes to copy are not all in a source of `size` bytes.
    #[error("the range is not in the source")]
    CopyRange {
        /// Bytes of the source.
        size: u64,
    },
    /// The checksums of an upload do not go together; the text is for the client.
    #[error("{0}")]
    Checksums(String),
    /// The object is larger than what one copy may take.
    #[error("the source of a copy is too large")]
    SourceTooLarge,
    /// A part in the list is missing or its ETag is another.
    #[error("a part is missing or has another ETag")]
    InvalidPart {
        /// Its number.
        number: u16,
        /// The ETag in the list.
        etag: ETag,
    },
    /// There is no part in the list.
    #[error("no parts")]
    NoParts,
    /// A part before this one was sent again with another size, which the storage cannot have.
    #[error("part {number} has to be sent again")]
    DisplacedPart {
        /// The part that has to be sent again, and so have all behind it.
        number: u16,
    },
    /// The parts in the list are not in ascending order.
    #[error("the parts are not in ascending order")]
    InvalidPartOrder,
    /// A part other than the last is smaller than 5 MiB.
    #[error("a part is too small")]
    PartTooSmall {
        /// Its number.
        number: u16,
        /// Its bytes.
        size: u64,
        /// Its ETag.
        etag: ETag,
    },
    /// A copy onto itself that changes nothing.
    #[error("a copy onto itself must change something")]
    CopyOntoItself,
    /// Larger than S3 allows for one put or copy (5 GiB) or for an object.
    #[error("too large")]
    TooLarge,
    /// The storage cannot represent the name.
    #[error("the storage cannot represent the name: {0}")]
    InvalidName(String),
    /// The upload is not what the client declared.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The storage refuses.
    #[error("the storage refuses: {0}")]
    Denied(String),
    /// The disk is full.
    #[error("no space left")]
    NoSpace,
    /// The account's limit is reached.
    #[error("the quota is exhausted")]
    Quota,
    /// The storage asks for patience.
    #[error("the storage asks to slow down")]
    Busy {
        /// How long, if it said so.
        retry_after: Option<Duration>,
    },
    /// A passing failure; the client may try again.
    #[error("the storage is unavailable: {0}")]
    Unavailable(String),
    /// The plugin never does that.
    #[error("the storage does not support this")]
    Unsupported,
    /// Something failed on our side.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSuchBucket => Self::NoSuchBucket,
            StoreError::NoSuchKey => Self::NoSuchKey,
            StoreError::NoSuchUpload => Self::NoSuchUpload,
            StoreError::BucketExists => Self::BucketExists,
            StoreError::BucketNotEmpty => Self::BucketNotEmpty,
            StoreError::InvalidName(text) => Self::InvalidName(text),
            StoreError::Changed => Self::Unavailable("the object kept changing".into()),
            StoreError::Denied(text) => Self::Denied(text),
            StoreError::NoSpace => Self::NoSpace,
            StoreError::Quota => Self::Quota,
            StoreError::Throttled { retry_after } => Self::Busy { retry_after },
            StoreError::Unavailable(text) => Self::Unavailable(text),
            StoreError::Unsupported => Self::Unsupported,
            StoreError::Displaced { number } => Self::DisplacedPart { number },
            StoreError::InvalidRange => Self::InvalidRange { size: 0 },
            StoreError::Aborted => Self::Upload(UploadError::Incomplete),
            StoreError::Other(text) => Self::Internal(text),
        }
    }
}

impl From<CacheError> for ServiceError {
    fn from(error: CacheError) -> Self {
        if matches!(error, CacheError::NoSpace(_)) {
            return Self::NoSpace;
        }
        let mut text = error.to_string();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Self::Internal(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_without_room_is_a_full_disk_to_clients_and_any_other_failure_is_not() {
        let full = ServiceError::from(CacheError::NoSpace("no pages left".into()));
        assert!(matches!(full, ServiceError::NoSpace), "{full}");
        let failed = ServiceError::from(CacheError::Failed("a bad page".into()));
        assert!(
            matches!(&failed, ServiceError::Internal(text) if text.ends_with("failed: a bad page")),
            "{failed}"
        );
    }
}
