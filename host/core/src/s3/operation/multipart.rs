//! Requests about uploads in parts.

use super::{Operation, Request, check_storage_class, listing, object};
use crate::model::{BucketName, ByteStream, ObjectKey, PartNumber, RangeSpec};
use crate::s3::error::{Error, PART_NUMBER, RequestError};
use crate::s3::xml::read;
use crate::s3::{address, checksums, conditions, header, metadata, percent};
use crate::service::{CompleteUpload, CopyPart, UploadRef};

/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html>
pub(super) fn create(
    (bucket, key): (BucketName, ObjectKey),
    request: &Request<'_>,
) -> Result<Operation, Error> {
    object::no_version(request.query)?;
    check_storage_class(request)?;
    let metadata = metadata::read(&request.parts.headers)?;
    let plan = checksums::plan(&request.parts.headers)?;
    Ok(Operation::CreateMultipartUpload(
        bucket, key, metadata, plan,
    ))
}

/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html>
pub(super) fn part(
    target: (BucketName, ObjectKey),
    request: &Request<'_>,
    body: ByteStream,
) -> Result<Operation, Error> {
    let upload = upload(target, request)?;
    let number = part_number(request)?;
    Ok(Operation::UploadPart(upload, number, request.upload(body)?))
}

/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html>
pub(super) fn part_copy(
    target: (BucketName, ObjectKey),
    request: &Request<'_>,
) -> Result<Operation, Error> {
    let upload = upload(target, request)?;
    let number = part_number(request)?;
    let headers = &request.parts.headers;
    let (source_bucket, source_key) = object::copy_source(headers)?;
    let range = headers.get(header::COPY_SOURCE_RANGE).map(|raw| {
        let raw = raw.to_str().unwrap_or_default();
        match RangeSpec::parse(raw) {
            Some(range @ RangeSpec::FromTo(..)) => Ok(range),
            _ => Err(RequestError::Argument {
                name: "x-amz-copy-source-range",
                value: raw.to_owned(),
                message: "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
            }),
        }
    });
    Ok(Operation::UploadPartCopy(CopyPart {
        upload,
        number,
        source_bucket,
        source_key,
        range: range.transpose()?,
        source_conditions: conditions::copy_source(headers),
    }))
}

/// `partNumber`.
pub(super) fn part_number(request: &Request<'_>) -> Result<PartNumber, RequestError> {
    let raw = request.query.get("partNumber").unwrap_or_default();
    let number = raw.parse().ok().and_then(PartNumber::new);
    number.ok_or_else(|| RequestError::Argument {
        name: "partNumber",
        value: raw.to_owned(),
        message: PART_NUMBER,
    })
}

/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
pub(super) fn complete(
    target: (BucketName, ObjectKey),
    document: &[u8],
    request: &Request<'_>,
) -> Result<Operation, Error> {
    let location = location(&target, request);
    let headers = &request.parts.headers;
    let size = headers.get(header::MP_OBJECT_SIZE).map(|raw| {
        let size = raw.to_str().ok().and_then(|raw| raw.parse().ok());
        size.ok_or_else(|| {
            RequestError::Invalid("Value for x-amz-mp-object-size header is invalid.".into())
        })
    });
    let complete = CompleteUpload {
        upload: upload(target, request)?,
        parts: read::complete_upload(document)?,
        checksum: checksums::of_object(headers)?,
        kind: checksums::kind(headers)?,
        size: size.transpose()?,
        conditions: conditions::write(headers)?,
    };
    Ok(Operation::CompleteMultipartUpload(complete, location))
}

/// The address of the new object, in the style of the request.
pub(super) fn location((bucket, key): &(BucketName, ObjectKey), request: &Request<'_>) -> String {
    let scheme = request.scheme;
    let host = address::host(request.parts).unwrap_or("localhost");
    let key = percent::encode(key.as_str());
    match request.domains.bucket_of(request.parts) {
        Some(_) => format!("{scheme}://{host}/{key}"),
        None => format!("{scheme}://{host}/{bucket}/{key}"),
    }
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
