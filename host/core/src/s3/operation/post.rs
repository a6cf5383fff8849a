//! PostObject: a form becomes the PutObject that it stands for, so that every rule about headers
//! is the same for both.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>

use super::{Operation, Request, object};
use crate::model::{BucketName, ByteStream, KeyError, ObjectKey, UploadError};
use crate::s3::address::AddressError;
use crate::s3::auth::{Action, AuthError, X_AMZ_SECURITY_TOKEN};
use crate::s3::error::Error;
use crate::s3::form::{self, Form, FormError, ReadError};
use crate::s3::header;
use crate::s3::query::Query;
use crate::s3::tags;
use crate::s3::xml::read;
use crate::service::ServiceError;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode, Uri};

/// How to answer a form that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostAnswer {
    /// Where to send the browser.
    pub redirect: Option<String>,
    /// 200, 201 or 204.
    pub status: StatusCode,
    /// The address of the object.
    pub location: String,
}

/// Fields that are headers of PutObject, beside those that begin with `x-amz-`.
const HEADERS: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "expires",
];
/// Fields about the signature.
const SIGNATURE: [&str; 4] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-signature",
];

pub(super) async fn post(
    bucket: BucketName,
    request: &Request<'_>,
    body: ByteStream,
) -> Result<Operation, Error> {
    let content_type = request.header(&CONTENT_TYPE).unwrap_or_default();
    let length = request.header(&CONTENT_LENGTH);
    let length = length.and_then(|length| length.parse().ok());
    let (form, file) = form::read(content_type, length, body)
        .await
        .map_err(read_error)?;

    let identity = request
        .authenticator
        .authenticate_policy(&form.signed_policy()?)?;
    let token = form.get(X_AMZ_SECURITY_TOKEN.as_str());
    if identity.access_key_id().is_some() && token.is_some_and(|token| !token.is_empty()) {
        return Err(AuthError::InvalidToken.into());
    }
    identity.may(Action::Write, &bucket)?;
    form.check_policy(bucket.as_str(), file.size, request.now)
        .map_err(FormError::Policy)?;

    let key = form.get("key").ok_or(FormError::Missing("key"))?;
    let key: ObjectKey = key.parse().map_err(|error| match error {
        KeyError::TooLong(bytes) => Error::Address(AddressError::KeyTooLong(bytes)),
        KeyError::Empty => Error::Form(FormError::Missing("key")),
    })?;
    let answer = answer(
        &form,
        super::multipart::location(&(bucket.clone(), key.clone()), request),
    );
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.headers = headers(&form, file.size)?;
    let put = Request {
        parts: &parts,
        query: &Query::default(),
        identity: &identity,
        ..*request
    };
    super::refuse_unsupported(&put)?;
    super::check_acl(&put)?;
    let (mut put, upload) = object::put((bucket, key), &put, file.body)?;
    // A document here, where PutObject has a header.
    if let Some(document) = form.get("tagging") {
        put.metadata.tags = read::tagging(document.as_bytes())?;
        tags::check(&put.metadata.tags, tags::MAX_OBJECT_TAGS)?;
    }
    Ok(Operation::PostObject(put, upload, answer))
}

/// What the fields mean as headers.
fn headers(form: &Form, size: u64) -> Result<HeaderMap, FormError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_LENGTH, size.into());
    for (name, value) in form.fields() {
        let name = match name {
            "acl" => header::ACL,
            name if HEADERS.contains(&name)
                || (name.starts_with("x-amz-") && !SIGNATURE.contains(&name)) =>
            {
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| FormError::Malformed)?
            }
            _ => continue,
        };
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| FormError::Malformed)?;
        headers.insert(name, value);
    }
    // The body is not a request of its own that could be framed or signed.
    headers.remove(crate::s3::auth::X_AMZ_CONTENT_SHA256);
    headers.remove(crate::s3::auth::X_AMZ_TRAILER);
    headers.remove(X_AMZ_SECURITY_TOKEN);
    Ok(headers)
}

fn answer(form: &Form, location: String) -> PostAnswer {
    let redirect = form.get("success_action_redirect").or(form.get("redirect"));
    // S3 takes one that is no address for none.
    let is_address = |text: &&str| {
        let scheme = text.parse::<Uri>().ok();
        let scheme = scheme.and_then(|uri| uri.scheme_str().map(str::to_owned));
        scheme.is_some_and(|scheme| scheme == "http" || scheme == "https")
    };
    PostAnswer {
        redirect: redirect.filter(is_address).map(str::to_owned),
        status: match form.get("success_action_status") {
            Some("200") => StatusCode::OK,
            Some("201") => StatusCode::CREATED,
            _ => StatusCode::NO_CONTENT,
        },
        location,
    }
}

fn read_error(error: ReadError) -> Error {
    match error {
        ReadError::Form(error) => error.into(),
        ReadError::NoLength => AuthError::MissingContentLength.into(),
        ReadError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            ServiceError::Upload(UploadError::Incomplete).into()
        }
        ReadError::Io(error) => ServiceError::Upload(UploadError::Io(error)).into(),
    }
}
