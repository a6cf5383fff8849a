//! Questions to the service and its answers, in terms of the model.

use crate::model::{
    BucketName, ByteStream, Checksum, ChecksumAlgorithm, ChecksumPlan, ChecksumType, ETag,
    Metadata, NamedPart, ObjectChecksum, ObjectKey, PartNumber, PartSizes, RangeSpec, Section,
    Timestamp, UploadId,
};
use std::ops::Range;

/// `If-Match` and `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ETagCondition {
    /// `*`: any object.
    Any,
    /// One of these.
    OneOf(Vec<ETag>),
}

/// Conditions of a read, or on the source of a copy.
///
/// Dates are whole seconds since 1970, as HTTP dates are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadConditions {
    /// `If-Match`.
    pub if_match: Option<ETagCondition>,
    /// `If-None-Match`.
    pub if_none_match: Option<ETagCondition>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<i64>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: Option<i64>,
}

/// `If-Range`: of which object a range is wanted. Of any other the client wants all, since it has
/// nothing of that yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeCondition {
    /// The one with this tag.
    Tag(ETag),
    /// The one of this time, in seconds since 1970.
    Modified(i64),
    /// None that there is.
    Never,
}

/// Conditions of a write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteConditions {
    /// `If-Match`: the object must be there and have one of these tags.
    pub if_match: Option<ETagCondition>,
    /// `If-None-Match`: with `*`, the object must not be there.
    pub if_none_match: Option<ETagCondition>,
}

/// What HEAD and GET tell about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    /// Bytes of the whole object.
    pub size: u64,
    /// Its tag.
    pub etag: ETag,
    /// Last modification.
    pub modified: Timestamp,
    /// What the client said when it put the object.
    pub metadata: Metadata,
    /// How many parts it was put in.
    pub parts: Option<u16>,
    /// Of the bytes, if it is known.
    pub checksum: Option<ObjectChecksum>,
}

/// GetObjectAttributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// About the object.
    pub head: ObjectHead,
    /// Bytes of each part.
    pub part_sizes: PartSizes,
    /// Checksums of the parts; none if they are not known.
    pub part_checksums: Vec<Checksum>,
}

/// GetObject and HeadObject.
#[derive(Debug, Clone)]
pub struct ReadObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// `Range` or `partNumber`.
    pub section: Option<Section>,
    /// `If-Range`.
    pub if_range: Option<RangeCondition>,
    /// Conditions.
    pub conditions: ReadConditions,
}

/// An object that is being read.
pub struct ObjectReply {
    /// About the object.
    pub head: ObjectHead,
    /// The bytes that `body` holds, if a range was asked for and not ignored (206).
    pub range: Option<Range<u64>>,
    /// The bytes; an error takes the place of the end.
    pub body: ByteStream,
}

/// PutObject.
#[derive(Debug, Clone)]
pub struct PutObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// Headers to keep.
    pub metadata: Metadata,
    /// Conditions.
    pub conditions: WriteConditions,
}

/// An object as it is after a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its tag.
    pub etag: ETag,
    /// Its time.
    pub modified: Timestamp,
    /// Its checksum, if it is known.
    pub checksum: Option<ObjectChecksum>,
}

/// CopyObject.
#[derive(Debug, Clone)]
pub struct CopyObject {
    /// Bucket of the source.
    pub source_bucket: BucketName,
    /// Key of the source.
    pub source_key: ObjectKey,
    /// Conditions on the source (`x-amz-copy-source-if-*`).
    pub source_conditions: ReadConditions,
    /// Bucket of the copy.
    pub bucket: BucketName,
    /// Key of the copy.
    pub key: ObjectKey,
    /// New headers (`x-amz-metadata-directive: REPLACE`), or those of the source.
    pub metadata: Option<Metadata>,
    /// New tags (`x-amz-tagging-directive: REPLACE`), or those of the source.
    pub tags: Option<Vec<(String, String)>>,
    /// The checksum that the copy shall have, if not that of the source.
    pub checksum: Option<ChecksumAlgorithm>,
    /// Something else is to change (the storage class), so that an object may be copied onto
    /// itself.
    pub changes: bool,
    /// Conditions on the target.
    pub conditions: WriteConditions,
}

/// ListObjects, both versions.
#[derive(Debug, Clone)]
pub struct ListObjects {
    /// The bucket.
    pub bucket: BucketName,
    /// Only keys that start with this.
    pub prefix: String,
    /// Any text; never empty.
    pub delimiter: Option<String>,
    /// Marker, start-after or the content of a continuation token: only items behind this. If
    /// it equals a common prefix, the keys below that are skipped.
    pub after: Option<String>,
    /// 0 to 1000.
    pub max_keys: u16,
}

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// The key.
    pub key: ObjectKey,
    /// Bytes.
    pub size: u64,
    /// The tag.
    pub etag: ETag,
    /// Last modification.
    pub modified: Timestamp,
    /// Which checksum is known of it.
    pub checksum: Option<ChecksumPlan>,
}

/// A page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectPage {
    /// Objects in byte order of their keys.
    pub objects: Vec<ListedObject>,
    /// Common prefixes in the same order.
    pub prefixes: Vec<String>,
    /// The last item of this page, when more follow: pass it as `after` of the next question.
    pub next: Option<String>,
}

/// ListMultipartUploads.
#[derive(Debug, Clone)]
pub struct ListUploads {
    /// The bucket.
    pub bucket: BucketName,
    /// Only keys that start with this.
    pub prefix: String,
    /// Any text; never empty.
    pub delimiter: Option<String>,
    /// `key-marker`.
    pub key_marker: Option<String>,
    /// `upload-id-marker`; means something only beside a key marker.
    pub upload_id_marker: Option<UploadId>,
    /// 0 to 1000.
    pub max_uploads: u16,
}

/// An upload of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUpload {
    /// What it will become.
    pub key: ObjectKey,
    /// Its id.
    pub id: UploadId,
    /// Its start.
    pub started: Timestamp,
    /// Which checksums it shall have.
    pub plan: Option<ChecksumPlan>,
}

/// A page of uploads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UploadPage {
    /// By key, then start.
    pub uploads: Vec<ListedUpload>,
    /// Common prefixes.
    pub prefixes: Vec<String>,
    /// Markers of the next page (key or prefix, and the id if the last item is an upload),
    /// when more follow.
    pub next: Option<(String, Option<UploadId>)>,
}

/// What identifies an upload in a request.
#[derive(Debug, Clone)]
pub struct UploadRef {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The id.
    pub id: UploadId,
}

/// A part of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPart {
    /// Its number.
    pub number: PartNumber,
    /// Bytes.
    pub size: u64,
    /// Its tag, the MD5.
    pub etag: ETag,
    /// Its checksum.
    pub checksum: Option<Checksum>,
    /// When it arrived.
    pub modified: Timestamp,
}

/// A page of parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartPage {
    /// In order.
    pub parts: Vec<ListedPart>,
    /// Number of the last part of this page, when more follow.
    pub next: Option<u16>,
    /// Which checksums the client wished for.
    pub plan: Option<ChecksumPlan>,
}

/// CompleteMultipartUpload.
#[derive(Debug, Clone)]
pub struct CompleteUpload {
    /// Which upload.
    pub upload: UploadRef,
    /// The parts, in the client's order.
    pub parts: Vec<NamedPart>,
    /// The checksum that the object must have, as the client wrote it.
    pub checksum: Option<(ChecksumAlgorithm, String)>,
    /// What that checksum is made of.
    pub kind: Option<ChecksumType>,
    /// The bytes that the object must have.
    pub size: Option<u64>,
    /// Conditions.
    pub conditions: WriteConditions,
}

/// UploadPartCopy.
#[derive(Debug, Clone)]
pub struct CopyPart {
    /// Which upload.
    pub upload: UploadRef,
    /// Number of the new part.
    pub number: PartNumber,
    /// Bucket of the source.
    pub source_bucket: BucketName,
    /// Key of the source.
    pub source_key: ObjectKey,
    /// Which bytes of the source; all of it without.
    pub range: Option<RangeSpec>,
    /// Conditions on the source.
    pub source_conditions: ReadConditions,
}
