//! Requests, parsed and complete: from here on nothing looks at headers or queries.

mod bucket;
mod listing;
mod multipart;
mod object;
mod post;
mod tagging;

pub use bucket::{BucketsQuery, DeleteObjects, Deletion, Named};
pub use listing::{ListEcho, PartsQuery, UploadsEcho, Version};
pub use object::Answering;
pub use post::PostAnswer;
pub use tagging::{Attribute, AttributesQuery};

use super::address::Domains;
use super::auth::{Action, Authenticated, Authenticator, Rights};
use super::body;
use super::error::{Error, RequestError};
use super::header;
use super::listed::Listed;
use super::query::Query;
use super::response::OWNER;
use super::route::{BucketCall, ObjectCall, Route};
use super::setting::{Kept, Setting};
use super::tags::Tags;
use crate::model::{
    BucketName, BucketSetting, ByteStream, ChecksumPlan, Metadata, ObjectKey, PartNumber,
    Timestamp, Upload,
};
use crate::service::{
    CompleteUpload, CopyObject, CopyPart, ListObjects, ListUploads, MAX_PUT, PutObject, ReadObject,
    UploadRef, WriteConditions,
};
use bytes::Bytes;
use http::request::Parts;

/// Most bytes of a document: 10,000 parts with checksums, or 1000 long keys, fit easily.
const MAX_DOCUMENT: usize = 4 << 20;

/// One variant per operation, by AWS's names.
#[expect(
    missing_docs,
    reason = "the names are AWS's, and the whole description"
)]
pub enum Operation {
    ListBuckets(BucketsQuery, Rights),
    CreateBucket(BucketName, Tags),
    HeadBucket(BucketName),
    DeleteBucket(BucketName),
    GetBucketLocation(BucketName),
    ListObjects(ListObjects, ListEcho),
    ListMultipartUploads(ListUploads, UploadsEcho),
    DeleteObjects(DeleteObjects),
    PutObject(PutObject, Upload),
    PostObject(PutObject, Upload, PostAnswer),
    GetObject(ReadObject, Answering),
    HeadObject(ReadObject, Answering),
    DeleteObject(BucketName, ObjectKey, WriteConditions),
    GetObjectAttributes(AttributesQuery),
    GetObjectTagging(BucketName, ObjectKey),
    PutObjectTagging(BucketName, ObjectKey, Tags),
    DeleteObjectTagging(BucketName, ObjectKey),
    CopyObject(CopyObject),
    CreateMultipartUpload(BucketName, ObjectKey, Metadata, Option<ChecksumPlan>),
    UploadPart(UploadRef, PartNumber, Upload),
    UploadPartCopy(CopyPart),
    CompleteMultipartUpload(CompleteUpload, String),
    AbortMultipartUpload(UploadRef),
    ListParts(UploadRef, PartsQuery),
    GetSetting(BucketName, Setting),
    PutSetting(BucketName, Option<Kept>),
    RemoveSetting(BucketName, Option<BucketSetting>),
    ListConfigurations(BucketName, Listed),
    GetConfiguration(BucketName, String),
    GetObjectLock(BucketName),
    GetObjectAcl(ReadObject),
    KeepObjectAcl(ReadObject),
}

/// A request whose sender is known.
pub struct Request<'r> {
    /// The head.
    pub parts: &'r Parts,
    /// Its query.
    pub query: &'r Query,
    /// Who sent it, and how the body is signed.
    pub identity: &'r Authenticated,
    /// The gateway's region.
    pub region: &'r str,
    /// How clients reach the gateway: `http` or `https`.
    pub scheme: &'static str,
    /// Where buckets are hosts.
    pub domains: &'r Domains,
    /// Checks the policy of a form.
    pub authenticator: &'r Authenticator,
    /// The time of the request.
    pub now: Timestamp,
}

impl Operation {
    /// Reads everything that the operation needs. Object bytes are not touched: whatever is
    /// refused here is refused before the client was told to send them.
    pub async fn parse(
        route: Route,
        request: &Request<'_>,
        body: ByteStream,
    ) -> Result<Self, Error> {
        authorize(&route, request)?;
        expect_owner(request)?;
        refuse_unsupported(request)?;
        // A new bucket has an answer of its own.
        if !matches!(route, Route::Bucket(BucketCall::CreateBucket, _)) {
            check_acl(request)?;
        }
        match route {
            Route::ListBuckets => {
                let visible = request.identity.may_list_buckets()?;
                let query = BucketsQuery::parse(request.query, request.region)?;
                Ok(Self::ListBuckets(query, visible))
            }
            Route::Bucket(call, bucket) => Self::on_bucket(call, bucket, request, body).await,
            Route::Object(call, bucket, key) => {
                Self::on_object(call, (bucket, key), request, body).await
            }
        }
    }

    async fn on_bucket(
        call: BucketCall,
        bucket: BucketName,
        request: &Request<'_>,
        body: ByteStream,
    ) -> Result<Self, Error> {
        Ok(match call {
            BucketCall::HeadBucket => Self::HeadBucket(bucket),
            BucketCall::DeleteBucket => Self::DeleteBucket(bucket),
            BucketCall::GetBucketLocation => Self::GetBucketLocation(bucket),
            BucketCall::ListObjects => listing::objects(bucket, request.query)?,
            BucketCall::ListObjectsV2 => listing::objects_v2(bucket, request.query)?,
            BucketCall::ListObjectVersions => listing::versions(bucket, request.query)?,
            BucketCall::ListMultipartUploads => listing::uploads(bucket, request.query)?,
            BucketCall::GetSetting(setting) => Self::GetSetting(bucket, setting),
            BucketCall::PutSetting(setting) => {
                if setting == Setting::Cors {
                    require_digest(request)?;
                }
                Self::PutSetting(bucket, put_setting(setting, request, body).await?)
            }
            BucketCall::DeleteSetting(setting) => {
                setting.accept_removal()?;
                Self::RemoveSetting(bucket, setting.kept())
            }
            BucketCall::ListConfigurations(listed) => Self::ListConfigurations(bucket, listed),
            BucketCall::GetConfiguration(_) | BucketCall::DeleteConfiguration(_) => {
                let id = request.query.get("id").unwrap_or_default();
                Self::GetConfiguration(bucket, id.to_owned())
            }
            BucketCall::PostObject => post::post(bucket, request, body).await?,
            BucketCall::CreateBucket => {
                let document = request.document(body).await?;
                bucket::create(bucket, &document, request)?
            }
            BucketCall::DeleteObjects => {
                require_digest(request)?;
                let document = request.document(body).await?;
                Self::DeleteObjects(DeleteObjects::parse(bucket, &document)?)
            }
        })
    }

    async fn on_object(
        call: ObjectCall,
        target: (BucketName, ObjectKey),
        request: &Request<'_>,
        body: ByteStream,
    ) -> Result<Self, Error> {
        Ok(match call {
            ObjectCall::GetObject => object::get(target, request)?,
            ObjectCall::HeadObject => object::head(target, request)?,
            ObjectCall::PutObject => {
                let (put, upload) = object::put(target, request, body)?;
                Operation::PutObject(put, upload)
            }
            ObjectCall::DeleteObject => object::delete(target, request)?,
            ObjectCall::CopyObject => object::copy(target, request)?,
            ObjectCall::CreateMultipartUpload => multipart::create(target, request)?,
            ObjectCall::UploadPart => multipart::part(target, request, body)?,
            ObjectCall::AbortMultipartUpload => multipart::abort(target, request)?,
            ObjectCall::ListParts => multipart::list_parts(target, request)?,
            ObjectCall::UploadPartCopy => multipart::part_copy(target, request)?,
            ObjectCall::GetObjectAttributes => tagging::attributes(target, request)?,
            ObjectCall::GetObjectTagging => {
                let (bucket, key) = tagging::only_target(target, request)?;
                Self::GetObjectTagging(bucket, key)
            }
            ObjectCall::DeleteObjectTagging => {
                let (bucket, key) = tagging::only_target(target, request)?;
                Self::DeleteObjectTagging(bucket, key)
            }
            ObjectCall::GetObjectAcl => Self::GetObjectAcl(object::acl(target, request)?),
            ObjectCall::PutObjectAcl => {
                let object = object::acl(target, request)?;
                put_setting(Setting::Acl, request, body).await?;
                Self::KeepObjectAcl(object)
            }
            ObjectCall::GetObjectLock | ObjectCall::PutObjectLock => Self::GetObjectLock(target.0),
            ObjectCall::PutObjectTagging => {
                let document = request.document(body).await?;
                tagging::put_tags(target, &document, request)?
            }
            ObjectCall::CompleteMultipartUpload => {
                let document = request.completion(body).await?;
                multipart::complete(target, &document, request)?
            }
        })
    }
}

impl Request<'_> {
    /// The whole body, checked.
    async fn document(&self, body: ByteStream) -> Result<Bytes, Error> {
        let headers = &self.parts.headers;
        Ok(body::document(self.identity, headers, body, MAX_DOCUMENT).await?)
    }

    /// The same, where checksums in the headers are those of the object.
    async fn completion(&self, body: ByteStream) -> Result<Bytes, Error> {
        let headers = &self.parts.headers;
        Ok(body::completion(self.identity, headers, body, MAX_DOCUMENT).await?)
    }

    /// The body as object bytes.
    fn upload(&self, body: ByteStream) -> Result<Upload, Error> {
        let upload = body::upload(self.identity, &self.parts.headers, body)?;
        if upload.size > MAX_PUT {
            return Err(RequestError::EntityTooLarge(upload.size).into());
        }
        Ok(upload)
    }

    /// A header as text; what is not ASCII is as good as missing.
    fn header(&self, name: &http::HeaderName) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }
}

/// Checks what a setting shall be. An access control list may come as a header alone, which has
/// been checked already.
async fn put_setting(
    setting: Setting,
    request: &Request<'_>,
    body: ByteStream,
) -> Result<Option<Kept>, Error> {
    let document = request.document(body).await?;
    let in_header = request.header(&header::ACL).is_some();
    if setting == Setting::Acl && document.is_empty() {
        return if in_header {
            Ok(None)
        } else {
            Err(RequestError::NoAcl.into())
        };
    }
    setting.accept(&document)
}

/// Refuses what the sender may not do: to the bucket that the request is about, and to the one
/// that it copies from.
fn authorize(route: &Route, request: &Request<'_>) -> Result<(), Error> {
    let bucket = match route {
        // One shows each sender what is theirs; the other says in the form who sent it.
        Route::ListBuckets | Route::Bucket(BucketCall::PostObject, _) => return Ok(()),
        Route::Bucket(_, bucket) | Route::Object(_, bucket, _) => bucket,
    };
    let action = Action::of(&request.parts.method);
    request.identity.may(action, bucket)?;
    let headers = &request.parts.headers;
    if action == Action::Write && headers.contains_key(header::COPY_SOURCE) {
        let (bucket, _) = object::copy_source(headers)?;
        request.identity.may(Action::Read, &bucket)?;
    }
    Ok(())
}

/// The owner's account, in AWS's form.
const ACCOUNT: &str = "000000000000";

/// Refuses a client that takes the bucket for somebody else's.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html>
fn expect_owner(request: &Request<'_>) -> Result<(), RequestError> {
    let expected = [
        header::EXPECTED_BUCKET_OWNER,
        header::SOURCE_EXPECTED_BUCKET_OWNER,
    ];
    let mut named = expected.iter().filter_map(|name| request.header(name));
    match named.find(|owner| ![ACCOUNT, OWNER].contains(owner)) {
        Some(owner) => Err(RequestError::Owner(owner.to_owned())),
        None => Ok(()),
    }
}

/// Refuses a document that could have changed on its way unnoticed, where S3 does.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
fn require_digest(request: &Request<'_>) -> Result<(), RequestError> {
    if body::has_digest(&request.parts.headers) {
        Ok(())
    } else {
        Err(RequestError::NoDigest)
    }
}

/// Refuses what must not be ignored silently.
fn refuse_unsupported(request: &Request<'_>) -> Result<(), RequestError> {
    let refuse = |name: &str| Err(RequestError::UnsupportedHeader(name.to_owned()));
    for name in request.parts.headers.keys().map(http::HeaderName::as_str) {
        let family = header::UNSUPPORTED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix));
        if family || header::UNSUPPORTED.contains(&name) {
            return refuse(name);
        }
    }
    Ok(())
}

/// Canned access control lists that ask for what is so anyway: everything belongs to the one owner.
const HARMLESS_ACLS: [&str; 3] = ["private", "bucket-owner-full-control", "bucket-owner-read"];
/// The others that S3 knows.
const OTHER_ACLS: [&str; 5] = [
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "log-delivery-write",
];

/// Refuses to let anybody else than the owner at something.
fn check_acl(request: &Request<'_>) -> Result<(), RequestError> {
    if has_grants(request) {
        return Err(RequestError::Acl);
    }
    match request.header(&header::ACL) {
        None => Ok(()),
        Some(acl) if HARMLESS_ACLS.contains(&acl) => Ok(()),
        Some(acl) if OTHER_ACLS.contains(&acl) => Err(RequestError::Acl),
        Some(acl) => Err(RequestError::CannedAcl(acl.to_owned())),
    }
}

/// Whether headers name people who shall have rights.
fn has_grants(request: &Request<'_>) -> bool {
    let mut names = request.parts.headers.keys().map(http::HeaderName::as_str);
    names.any(|name| name.starts_with("x-amz-grant-"))
}

/// Checks the wish for a storage class. There is only one kind of storage, whatever its name.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>
fn check_storage_class(request: &Request<'_>) -> Result<(), RequestError> {
    const KNOWN: &[&str] = &[
        "STANDARD",
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER",
        "DEEP_ARCHIVE",
        "GLACIER_IR",
    ];
    match request.header(&header::STORAGE_CLASS) {
        Some(class) if !KNOWN.contains(&class) => Err(RequestError::StorageClass(class.to_owned())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
