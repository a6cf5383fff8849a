//! What can be wrong with a request that is signed and has an operation.

use crate::s3::setting::Setting;

/// What can be wrong with the parameters and headers of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The query is not percent-encoded UTF-8.
    #[error("the query cannot be decoded")]
    Query,
    /// A parameter or header has a value that it cannot have.
    #[error("{name}: {message}")]
    Argument {
        /// Its name.
        name: &'static str,
        /// What the client sent.
        value: String,
        /// The rule, in AWS's words where they are known.
        message: &'static str,
    },
    /// A header asks for something that the gateway does not do.
    #[error("the header {0} is not supported")]
    UnsupportedHeader(String),
    /// A setting of a bucket would have to be enforced.
    #[error("the setting {0:?} cannot be changed")]
    Setting(Setting),
    /// Nobody says what versioning shall be.
    #[error("no status of versioning")]
    NoVersioningStatus,
    /// Somebody else than the owner shall get at something.
    #[error("access control lists are not supported")]
    Acl,
    /// A canned access control list that nobody knows.
    #[error("unknown access control list {0:?}")]
    CannedAcl(String),
    /// The same for a new bucket.
    #[error("a bucket cannot have an access control list")]
    BucketAcl,
    /// The names and values of `x-amz-meta-*` have more than 2 KB; carries how many.
    #[error("{0} bytes of user metadata are too many")]
    MetadataTooLarge(usize),
    /// Headers that do not go together, or a value that cannot be; carries the text for clients.
    #[error("{0}")]
    Invalid(String),
    /// A tag that breaks a rule.
    #[error("{message}")]
    Tag {
        /// The rule, in AWS's words.
        message: &'static str,
        /// The key of the tag.
        key: String,
        /// Its value, if that is what breaks the rule.
        value: Option<String>,
    },
    /// More tags than something can have.
    #[error("more than {0} tags")]
    TooManyTags(usize),
    /// A storage class that nobody knows.
    #[error("unknown storage class {0:?}")]
    StorageClass(String),
    /// The bucket shall be in a region that is not ours.
    #[error("the location {0:?} is not ours")]
    Location(String),
    /// The bucket has another owner than the client believes.
    #[error("the owner is not {0:?}")]
    Owner(String),
    /// The document has neither MD5 nor checksum, and the operation is too dangerous without.
    #[error("neither Content-MD5 nor a checksum")]
    NoDigest,
    /// A retention or legal hold in a bucket that has no object lock.
    #[error("the bucket has no object lock")]
    NoObjectLock,
    /// Neither a header nor a document says what the access control list shall be.
    #[error("no access control list")]
    NoAcl,
    /// A version that no object has.
    #[error("no version {0:?}")]
    Version(String),
    /// The bucket shall be in a region that nobody has.
    #[error("no location {0:?}")]
    UnknownLocation(String),
    /// No configuration of this kind has that name.
    #[error("no configuration {0:?}")]
    NoSuchConfiguration(String),
    /// A body beyond the limit for one request.
    #[error("{0} bytes are too many for one request")]
    EntityTooLarge(u64),
    /// A document beyond its limit.
    #[error("the document is too large")]
    DocumentTooLarge,
    /// An upload id that cannot be one of ours.
    #[error("no such upload")]
    UploadId(String),
}
