use super::*;
use crate::model::{ETag, Metadata, Timestamp};
use crate::s3::auth::Mismatch;
use crate::s3::cors::CorsError;
use crate::service::ObjectHead;
use std::io;
use std::time::Duration;

fn wire(error: impl Into<Error>) -> (u16, &'static str) {
    let (status, name, _) = error.into().code().wire();
    (status.as_u16(), name)
}

#[test]
fn failures_of_the_service_have_the_codes_of_s3() {
    use ServiceError as S;
    let head = ObjectHead {
        size: 1,
        etag: ETag::Md5([0; 16]),
        modified: Timestamp(0),
        metadata: Metadata::default(),
        parts: None,
        checksum: None,
    };
    for (error, expected) in [
        (S::NoSuchBucket, (404, "NoSuchBucket")),
        (S::NoSuchKey, (404, "NoSuchKey")),
        (S::NoSuchUpload, (404, "NoSuchUpload")),
        (S::BucketExists, (409, "BucketAlreadyOwnedByYou")),
        (S::BucketNotEmpty, (409, "BucketNotEmpty")),
        (S::InvalidRange { size: 1 }, (416, "InvalidRange")),
        (S::NotModified(Box::new(head)), (304, "NotModified")),
        (
            S::PreconditionFailed("If-Match"),
            (412, "PreconditionFailed"),
        ),
        (S::ConditionalConflict, (409, "ConditionalRequestConflict")),
        (
            S::InvalidPart {
                number: 1,
                etag: ETag::Md5([0; 16]),
            },
            (400, "InvalidPart"),
        ),
        (S::DisplacedPart { number: 1 }, (400, "InvalidPart")),
        (S::InvalidPartOrder, (400, "InvalidPartOrder")),
        (
            S::PartTooSmall {
                number: 1,
                size: 1,
                etag: ETag::Md5([0; 16]),
            },
            (400, "EntityTooSmall"),
        ),
        (S::NoSuchPart { parts: 1 }, (416, "InvalidPartNumber")),
        (S::CopyRange { size: 1 }, (400, "InvalidArgument")),
        (S::Checksums("x".into()), (400, "InvalidRequest")),
        (S::SourceTooLarge, (400, "InvalidRequest")),
        (S::NoParts, (400, "InvalidRequest")),
        (S::CopyOntoItself, (400, "InvalidRequest")),
        (S::TooLarge, (400, "EntityTooLarge")),
        (S::InvalidName("x".into()), (400, "InvalidArgument")),
        (S::Denied("x".into()), (403, "AccessDenied")),
        (S::NoSpace, (507, "InsufficientStorage")),
        (S::Quota, (507, "QuotaExceeded")),
        (
            S::Busy {
                retry_after: Some(Duration::ZERO),
            },
            (503, "SlowDown"),
        ),
        (S::Unavailable("x".into()), (503, "ServiceUnavailable")),
        (S::Unsupported, (501, "NotImplemented")),
        (S::Internal("x".into()), (500, "InternalError")),
    ] {
        let text = error.to_string();
        assert_eq!(wire(error), expected, "{text}");
    }
}

#[test]
fn a_body_that_is_not_as_declared_is_the_clients_mistake() {
    use UploadError as U;
    for (error, expected) in [
        (U::Incomplete, (400, "IncompleteBody")),
        (U::TooLong, (400, "IncompleteBody")),
        (
            U::Md5Mismatch {
                expected: [0; 16],
                computed: [1; 16],
            },
            (400, "BadDigest"),
        ),
        (
            U::Sha256Mismatch {
                expected: [0; 32],
                computed: [1; 32],
            },
            (400, "XAmzContentSHA256Mismatch"),
        ),
        (U::ChunkSignature, (403, "SignatureDoesNotMatch")),
        (U::ChecksumMismatch("CRC32"), (400, "BadDigest")),
        (U::Malformed("chunk"), (400, "InvalidRequest")),
        (
            U::Io(io::ErrorKind::TimedOut.into()),
            (400, "RequestTimeout"),
        ),
        (
            U::Io(io::ErrorKind::ConnectionReset.into()),
            (400, "IncompleteBody"),
        ),
    ] {
        let text = error.to_string();
        assert_eq!(wire(ServiceError::Upload(error)), expected, "{text}");
    }
}

#[test]
fn refusals_at_the_door_have_the_codes_of_s3() {
    assert_eq!(wire(AuthError::AccessDenied), (403, "AccessDenied"));
    let (expires, signed, now) = (Timestamp(0), Timestamp(0), Timestamp(0));
    assert_eq!(
        wire(AuthError::RequestExpired { expires, now }),
        (403, "AccessDenied")
    );
    assert_eq!(wire(AuthError::InvalidToken), (400, "InvalidToken"));
    let mismatch = Mismatch {
        access_key_id: "AKID".into(),
        signature: "ab".into(),
        text: b"text".to_vec(),
        canonical: None,
    };
    assert_eq!(
        wire(AuthError::SignatureDoesNotMatch(Box::new(mismatch))),
        (403, "SignatureDoesNotMatch")
    );
    assert_eq!(
        wire(AuthError::RequestTimeTooSkewed { signed, now }),
        (403, "RequestTimeTooSkewed")
    );
    assert_eq!(
        wire(AuthError::MissingContentLength),
        (411, "MissingContentLength")
    );
    assert_eq!(wire(AuthError::InvalidDigest), (400, "InvalidDigest"));
    assert_eq!(wire(AuthError::UnsupportedScheme), (400, "InvalidArgument"));
    assert_eq!(wire(AddressError::Uri), (400, "InvalidURI"));
    assert_eq!(
        wire(AddressError::KeyTooLong(1025)),
        (400, "KeyTooLongError")
    );
    assert_eq!(
        wire(RouteError::NotImplemented("acl")),
        (501, "NotImplemented")
    );
    assert_eq!(
        wire(RouteError::MethodNotAllowed { allow: "GET" }),
        (405, "MethodNotAllowed")
    );
    assert_eq!(wire(CorsError::NotEnabled), (403, "AccessForbidden"));
    assert_eq!(wire(XmlError::Malformed("x")), (400, "MalformedXML"));
    assert_eq!(
        wire(DocumentError::TooLarge),
        (400, "MaxMessageLengthExceeded")
    );
}

#[test]
fn what_the_storage_said_is_not_for_clients() {
    let secret = "s3cr3t /srv/data";
    for error in [
        ServiceError::Internal(secret.into()),
        ServiceError::Unavailable(secret.into()),
        ServiceError::Denied(secret.into()),
        ServiceError::InvalidName(secret.into()),
        ServiceError::Upload(UploadError::Io(io::Error::other(secret))),
    ] {
        let error = Error::from(error);
        assert!(!error.message().contains("s3cr3t"), "{error}");
        assert_eq!(error.details(), vec![], "{error}");
    }
}
