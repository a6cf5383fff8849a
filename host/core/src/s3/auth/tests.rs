//! Requests of all kinds, and what is let in.

mod access;
mod header;
mod presigned;

use super::signer::{DATE, NOW, REGION, Signer, credentials};
use super::*;
use crate::model::Timestamp;
use http::header::{AUTHORIZATION, HOST};
use http::{Request, request};

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn keys() -> Authenticator {
    Authenticator::new(Access::keys(vec![credentials()]), REGION)
}

fn head(request: request::Builder) -> request::Parts {
    request.body(()).unwrap().into_parts().0
}

fn check(head: &request::Parts) -> Result<Authenticated, AuthError> {
    keys().authenticate(head, NOW)
}

fn is_mismatch(refusal: Option<&AuthError>) -> bool {
    matches!(refusal, Some(AuthError::SignatureDoesNotMatch(_)))
}

fn refusal(head: &request::Parts) -> Option<AuthError> {
    check(head).err()
}

fn after(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds * 1_000_000_000)
}

/// An example from the AWS documentation, whose signature is known.
fn published(
    request: request::Builder,
    sha256: &str,
    signed: &str,
    signature: &str,
) -> request::Parts {
    head(
        request
            .header(HOST, "examplebucket.s3.amazonaws.com")
            .header("x-amz-content-sha256", sha256)
            .header(
                AUTHORIZATION,
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders={signed},Signature={signature}"
                ),
            ),
    )
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>
fn get_object() -> request::Parts {
    published(
        Request::get("/test.txt")
            .header("range", "bytes=0-9")
            .header("x-amz-date", DATE),
        EMPTY,
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    )
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>
fn published_url() -> request::Parts {
    head(
        Request::get("/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
            .header(HOST, "examplebucket.s3.amazonaws.com"),
    )
}
