//! Errors as answers, and what of the request they repeat.

use super::{Reply, RequestId, document, ok, set, set_state};
use crate::s3::address::{Address, Domains};
use crate::s3::auth::{AuthError, X_AMZ_CONTENT_SHA256, X_AMZ_DECODED_CONTENT_LENGTH};
use crate::s3::body::CONTENT_MD5;
use crate::s3::cors::CorsError;
use crate::s3::error::{Code, Error};
use crate::s3::query::Query;
use crate::s3::route::RouteError;
use crate::s3::xml::write;
use crate::s3::{header, metadata};
use crate::service::ServiceError;
use bytes::Bytes;
use http::HeaderName;
use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, RANGE, RETRY_AFTER,
};
use http::request::Parts;
use std::borrow::Cow;

/// An error as its status, headers and document.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
pub(crate) fn error(error: &Error, asked: &Asked<'_>, id: &RequestId) -> Reply {
    let (status, ..) = error.code().wire();
    let mut reply = if error.code() == Code::NotModified {
        ok()
    } else {
        document(error_document(error, asked, id))
    };
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    match error {
        Error::Service(ServiceError::NotModified(object)) => {
            set_state(headers, &object.etag, object.modified);
            metadata::write_freshness(&object.metadata, headers);
            headers.insert(CONTENT_LENGTH, object.size.into());
        }
        Error::Service(ServiceError::InvalidRange { size }) => {
            set(headers, CONTENT_RANGE, format_args!("bytes */{size}"));
        }
        Error::Service(ServiceError::Busy {
            retry_after: Some(delay),
        }) => set(headers, RETRY_AFTER, delay.as_millis().div_ceil(1000)),
        Error::Route(RouteError::MethodNotAllowed { allow }) => set(headers, ALLOW, allow),
        _ => {}
    }
    reply
}

pub(in crate::s3) fn error_document(error: &Error, asked: &Asked<'_>, id: &RequestId) -> Bytes {
    write::bare_document("Error", |document| {
        document.text("Code", error.code().wire().1);
        document.text("Message", error.message());
        for (name, value) in error.details().into_iter().chain(asked.details(error)) {
            document.text(name, value);
        }
        document.text("Resource", asked.parts.uri.path());
        document.text("RequestId", &id.id);
        document.text("HostId", &id.host);
    })
}

/// The request that an error is the answer to.
#[derive(Debug, Clone)]
pub(crate) struct Asked<'r> {
    parts: Cow<'r, Parts>,
    address: Option<Address>,
}

impl<'r> Asked<'r> {
    /// A request to a gateway with these domains.
    pub(crate) fn of(parts: &'r Parts, domains: &Domains) -> Self {
        Self {
            parts: Cow::Borrowed(parts),
            address: Address::parse(parts, domains).ok(),
        }
    }

    /// The same for as long as it takes.
    pub(crate) fn into_owned(self) -> Asked<'static> {
        Asked {
            parts: Cow::Owned(self.parts.into_owned()),
            address: self.address,
        }
    }

    /// The elements about an error that are parts of the request.
    fn details(&self, error: &Error) -> Vec<(&'static str, String)> {
        use {AuthError as A, ServiceError as S};
        let all = match error {
            Error::Cors(CorsError::NoBucket | CorsError::NotEnabled) => {
                vec![self.page_method(), ("ResourceType", Some("BUCKET".into()))]
            }
            Error::Cors(CorsError::NotAllowed) => {
                vec![self.page_method(), ("ResourceType", Some(self.kind()))]
            }
            Error::Route(RouteError::MethodNotAllowed { .. }) => vec![
                ("Method", Some(self.parts.method.to_string())),
                ("ResourceType", Some(self.kind())),
            ],
            Error::NotConfigured(_)
            | Error::Service(S::NoSuchBucket | S::BucketNotEmpty | S::BucketExists) => {
                vec![("BucketName", self.bucket())]
            }
            Error::Service(S::NoSuchKey) => vec![("Key", self.key())],
            Error::Service(S::NoSuchUpload | S::InvalidPart { .. } | S::DisplacedPart { .. }) => {
                vec![("UploadId", self.parameter("uploadId"))]
            }
            Error::Service(S::InvalidRange { .. }) => {
                vec![("RangeRequested", self.header(&RANGE))]
            }
            Error::Service(S::NoSuchPart { .. }) => {
                vec![("PartNumberRequested", self.parameter("partNumber"))]
            }
            Error::Service(S::CopyRange { .. }) => self.argument(&header::COPY_SOURCE_RANGE),
            Error::Auth(A::InvalidDigest) => vec![("Content-MD5", self.header(&CONTENT_MD5))],
            Error::Auth(A::InvalidContentSha256) => self.argument(&X_AMZ_CONTENT_SHA256),
            Error::Auth(A::InvalidContentLength) => self.argument(&CONTENT_LENGTH),
            Error::Auth(A::InvalidDecodedLength) => self.argument(&X_AMZ_DECODED_CONTENT_LENGTH),
            Error::Auth(A::RequestExpired { .. }) => {
                vec![("X-Amz-Expires", self.parameter("X-Amz-Expires"))]
            }
            _ => Vec::new(),
        };
        let known = all.into_iter();
        known
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }

    fn kind(&self) -> String {
        let kind = match self.address {
            Some(Address::Object(..)) => "OBJECT",
            Some(Address::Bucket(_)) => "BUCKET",
            Some(Address::Service) | None => "SERVICE",
        };
        kind.to_owned()
    }

    /// The bucket or key that is missing is the address, except that what a copy lacks may be its
    /// source.
    fn missing(&self) -> Option<&Address> {
        let copy = self.parts.headers.contains_key(header::COPY_SOURCE);
        self.address.as_ref().filter(|_| !copy)
    }

    fn bucket(&self) -> Option<String> {
        self.missing()?.bucket().map(ToString::to_string)
    }

    fn key(&self) -> Option<String> {
        match self.missing()? {
            Address::Object(_, key) => Some(key.to_string()),
            _ => None,
        }
    }

    /// What the page wants to do.
    fn page_method(&self) -> (&'static str, Option<String>) {
        let method = self.header(&ACCESS_CONTROL_REQUEST_METHOD);
        ("Method", Some(method.unwrap_or_else(|| "OPTIONS".into())))
    }

    fn argument(&self, name: &HeaderName) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("ArgumentName", Some(name.to_string())),
            ("ArgumentValue", self.header(name)),
        ]
    }

    fn header(&self, name: &HeaderName) -> Option<String> {
        let value = self.parts.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let query = Query::parse(self.parts.uri.query()).ok()?;
        query.get(name).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests;
