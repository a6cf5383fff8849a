//! Names and values with their rules. No I/O, no runtime: owning a value means it was checked.

pub mod body;
pub mod bucket;
pub mod checksum;
pub mod etag;
pub mod key;
pub mod md5;
pub mod metadata;
pub mod object;
pub mod portable;
pub mod range;
pub mod setting;
pub mod upload;

pub use self::md5::Md5;
pub use body::{ByteStream, Piece, Upload, UploadError, Wanted};
pub use bucket::{Bucket, BucketName, BucketNameError};
pub use checksum::{
    Checksum, ChecksumAlgorithm, ChecksumPlan, ChecksumType, NamedPart, ObjectChecksum, Summing,
};
pub use etag::ETag;
pub use key::{KeyError, ObjectKey};
pub use metadata::Metadata;
pub use object::{ObjectState, Timestamp};
pub use portable::Portable;
pub use range::{RangeError, RangeSpec, Section};
pub use setting::BucketSetting;
pub use upload::{PartNumber, PartSizes, UploadId};
