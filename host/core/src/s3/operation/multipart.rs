//! Requests about uploads in parts.

use super::{Operation, Request, check_storage_class, listing, object};
use crate::model::{BucketName, ByteStream, ObjectKey, PartNumber};
use crate::s3::error::{Error, PART_NUMBER, RequestError};
use crate::s3::xml::read;
use crate::s3::{address, conditions, metadata, percent};
use crate::service::{CompleteUpload, UploadRef};

/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html>
pub(super) fn create(
    (bucket, key): (BucketName, ObjectKey),
    request: &Request<'_>,
) -> Result<Operation, Error> {
    object::no_version(request.query)?;
    check_storage_class(request)?;
    let metadata = metadata::read(&request.parts.headers)?;
    Ok(Operation::CreateMultipartUpload(bucket, key, metadata))
}

/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html>
pub(super) fn part(
    target: (BucketName, ObjectKey),
    request: &Request<'_>,
    body: ByteStream,
) -> Result<Operation, Error> {
    let upload = upload(target, request)?;
    let raw = request.query.get("partNumber").unwrap_or_default();
    let number = raw.parse().ok().and_then(PartNumber::new);
    let number = number.ok_or_else(|| RequestError::Argument {
        name: "partNumber",
        value: raw.to_owned(),
        message: PART_NUMBER,
    })?;
    Ok(Operation::UploadPart(upload, number, request.upload(body)?))
}

/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
pub(super) fn complete(
    target: (BucketName, ObjectKey),
    document: &[u8],
    request: &Request<'_>,
) -> Result<Operation, Error> {
    let location = location(&target, request);
    let complete = CompleteUpload {
        upload: upload(target, request)?,
        parts: read::complete_upload(document)?,
        conditions: conditions::write(&request.parts.headers)?,
    };
    Ok(Operation::CompleteMultipartUpload(complete, location))
}

/// The address of the new object, in path style, which always works.
fn location((bucket, key): &(BucketName, ObjectKey), request: &Request<'_>) -> String {
    let scheme = request.parts.uri.scheme_str().unwrap_or("http");
    let host = address::host(request.parts).unwrap_or("localhost");
    format!(
        "{scheme}://{host}/{bucket}/{}",
        percent::encode(key.as_str())
    )
}

/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html>
pub(super) fn abort(
    target: (BucketName, ObjectKey),
    request: &Request<'_>,
) -> Result<Operation, Error> {
    Ok(Operation::AbortMultipartUpload(upload(target, request)?))
}

/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html>
pub(super) fn list_parts(
    target: (BucketName, ObjectKey),
    request: &Request<'_>,
) -> Result<Operation, Error> {
    let query = listing::parts(request.query)?;
    Ok(Operation::ListParts(upload(target, request)?, query))
}

fn upload(
    (bucket, key): (BucketName, ObjectKey),
    request: &Request<'_>,
) -> Result<UploadRef, RequestError> {
    object::no_version(request.query)?;
    let raw = request.query.get("uploadId").unwrap_or_default();
    let id = raw.parse();
    let id = id.map_err(|_| RequestError::UploadId(raw.to_owned()))?;
    Ok(UploadRef { bucket, key, id })
}
