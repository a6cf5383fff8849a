//! Every header name that the S3 protocol adds to HTTP's own (those are in [`http::header`]).

use http::HeaderName;

macro_rules! names {
    ($($(#[$doc:meta])* $constant:ident = $name:literal;)*) => {
        $($(#[$doc])* pub(super) const $constant: HeaderName = HeaderName::from_static($name);)*
    };
}

names! {
    /// Names a request in answers and in the log.
    REQUEST_ID = "x-amz-request-id";
    /// Names the process that answered.
    ID_2 = "x-amz-id-2";
    /// Region of a bucket.
    BUCKET_REGION = "x-amz-bucket-region";
    /// Canned access control list.
    ACL = "x-amz-acl";
    /// Storage class to put an object in.
    STORAGE_CLASS = "x-amz-storage-class";
    /// Tags of a new object.
    TAGGING = "x-amz-tagging";
    /// Who the client believes the owner of the bucket is.
    EXPECTED_BUCKET_OWNER = "x-amz-expected-bucket-owner";
    /// The same for the source of a copy.
    SOURCE_EXPECTED_BUCKET_OWNER = "x-amz-source-expected-bucket-owner";
    /// Whether access control lists count in a new bucket.
    OBJECT_OWNERSHIP = "x-amz-object-ownership";
    /// Wish for object lock in a new bucket.
    BUCKET_OBJECT_LOCK = "x-amz-bucket-object-lock-enabled";
    /// Source of a copy.
    COPY_SOURCE = "x-amz-copy-source";
    /// `COPY` or `REPLACE`.
    METADATA_DIRECTIVE = "x-amz-metadata-directive";
    /// `COPY` or `REPLACE`, for tags.
    TAGGING_DIRECTIVE = "x-amz-tagging-directive";
    /// How many tags an object has.
    TAGGING_COUNT = "x-amz-tagging-count";
    /// Which bytes of the source become a part.
    COPY_SOURCE_RANGE = "x-amz-copy-source-range";
    /// How many parts an object was put in.
    MP_PARTS_COUNT = "x-amz-mp-parts-count";
    /// How many bytes the parts of an upload are together.
    MP_OBJECT_SIZE = "x-amz-mp-object-size";
    /// Which attributes to tell.
    OBJECT_ATTRIBUTES = "x-amz-object-attributes";
    /// `ENABLED`: a read is to tell the checksum.
    CHECKSUM_MODE = "x-amz-checksum-mode";
    /// By which algorithm checksums are to be.
    CHECKSUM_ALGORITHM = "x-amz-checksum-algorithm";
    /// `COMPOSITE` or `FULL_OBJECT`.
    CHECKSUM_TYPE = "x-amz-checksum-type";
    /// `If-Match` on the source of a copy.
    COPY_SOURCE_IF_MATCH = "x-amz-copy-source-if-match";
    /// `If-None-Match` on the source of a copy.
    COPY_SOURCE_IF_NONE_MATCH = "x-amz-copy-source-if-none-match";
    /// `If-Modified-Since` on the source of a copy.
    COPY_SOURCE_IF_MODIFIED_SINCE = "x-amz-copy-source-if-modified-since";
    /// `If-Unmodified-Since` on the source of a copy.
    COPY_SOURCE_IF_UNMODIFIED_SINCE = "x-amz-copy-source-if-unmodified-since";
}

/// What the names of checksums of a body begin with.
pub(super) const CHECKSUM_PREFIX: &str = "x-amz-checksum-";

/// What the names of user metadata begin with.
pub(super) const META_PREFIX: &str = "x-amz-meta-";

/// Headers that ask for something that the gateway does not do, and whose being ignored would
/// deceive the client (an object that it believes encrypted, locked or public).
pub(super) const UNSUPPORTED: &[&str] = &[
    "x-amz-rename-source",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
];

/// The same, for families of headers.
pub(super) const UNSUPPORTED_PREFIXES: &[&str] = &[
    "x-amz-copy-source-server-side-encryption",
    "x-amz-object-lock-",
    "x-amz-server-side-encryption",
];
