//! The examples of AWS's page on Signature Version 2, whose secret and signatures are known.

use super::*;
use crate::model::Timestamp;
use crate::s3::address::Domains;
use crate::s3::auth::signer::{REGION, credentials};
use crate::s3::auth::{Access, Authenticated, Authenticator};
use http::header::{AUTHORIZATION, HOST};
use http::{Request, request};

fn is_mismatch(refusal: Option<&AuthError>) -> bool {
    matches!(refusal, Some(AuthError::SignatureDoesNotMatch(_)))
}

/// 27 Mar 2007 19:36:42, when the examples were signed, give or take some minutes.
const NOW: Timestamp = Timestamp(1_175_024_202_000_000_000);

fn check(head: &request::Parts) -> Result<Authenticated, AuthError> {
    let gate = Authenticator::new(Access::keys(vec![credentials()]), REGION);
    let gate = gate.with_domains(Domains::new(["s3.us-west-1.amazonaws.com"]));
    gate.authenticate(head, NOW)
}

fn head(request: request::Builder) -> request::Parts {
    request.body(()).unwrap().into_parts().0
}

fn published(request: request::Builder, signature: &str) -> request::Parts {
    head(request.header(
        AUTHORIZATION,
        format!("AWS AKIAIOSFODNN7EXAMPLE:{signature}"),
    ))
}

const BUCKET_HOST: &str = "awsexamplebucket1.s3.us-west-1.amazonaws.com";

fn get() -> request::Parts {
    let get = Request::get("/photos/puppy.jpg")
        .header(HOST, BUCKET_HOST)
        .header("date", "Tue, 27 Mar 2007 19:36:42 +0000");
    published(get, "qgk2+6Sv9/oM7G3qLEjTH1a1l1g=")
}

#[test]
fn the_published_requests_are_accepted() {
    assert!(check(&get()).is_ok());
    let put = Request::put("/photos/puppy.jpg")
        .header("content-type", "image/jpeg")
        .header("content-length", "94328")
        .header(HOST, BUCKET_HOST)
        .header("date", "Tue, 27 Mar 2007 21:15:45 +0000");
    // Signed later than the others.
    let later = Timestamp(1_175_030_145_000_000_000);
    let gate = Authenticator::new(Access::keys(vec![credentials()]), REGION)
        .with_domains(Domains::new(["s3.us-west-1.amazonaws.com"]));
    let put = published(put, "iqRzw+ileNPu1fhspnRs8nOjjIA=");
    assert!(gate.authenticate(&put, later).is_ok());
    let list = Request::get("/?prefix=photos&max-keys=50&marker=puppy")
        .header(HOST, BUCKET_HOST)
        .header("date", "Tue, 27 Mar 2007 19:42:41 +0000");
    assert!(check(&published(list, "m0WP8eCtspQl5Ahe6L1SozdX9YA=")).is_ok());
    let acl = Request::get("/?acl")
        .header(HOST, BUCKET_HOST)
        .header("date", "Tue, 27 Mar 2007 19:44:46 +0000");
    assert!(check(&published(acl, "82ZHiFIjc+WbcwFKGUVEQspPn+0=")).is_ok());
}

#[test]
fn the_text_has_the_date_the_amz_headers_and_the_resource() {
    let head = head(
        Request::put("/b/a%20b?uploads&x=1&response-expires=a%20b&acl=")
            .header("content-md5", "MD5")
            .header("date", "ignored")
            .header("x-amz-date", "DATE")
            .header("x-amz-meta-b", " 2 ")
            .header("x-amz-meta-a", "1")
            .header("x-amz-meta-b", "3"),
    );
    let text = text(&head, None, head.uri.path(), date_line(&head.headers));
    assert_eq!(
        String::from_utf8(text).unwrap(),
        "PUT\nMD5\n\n\nx-amz-date:DATE\nx-amz-meta-a:1\nx-amz-meta-b:2,3\n/b/a%20b?acl&response-expires=a b&uploads"
    );
}

#[test]
fn any_change_of_a_signed_request_is_noticed() {
    type Change = fn(&mut request::Parts);
    let changes: [Change; 5] = [
        |head| head.method = http::Method::DELETE,
        |head| head.uri = "/photos/kitten.jpg".parse().unwrap(),
        |head| head.uri = "/photos/puppy.jpg?acl".parse().unwrap(),
        |head| drop(head.headers.insert(HOST, "other".parse().unwrap())),
        |head| {
            let acl = "public-read".parse().unwrap();
            drop(head.headers.insert("x-amz-acl", acl));
        },
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut other = get();
        change(&mut other);
        let refused = check(&other).err();
        assert!(is_mismatch(refused.as_ref()), "{index}");
    }
}

#[test]
fn a_header_that_is_not_as_it_should_be_is_refused() {
    let with = |authorization: &str| {
        let mut head = get();
        head.headers
            .insert(AUTHORIZATION, authorization.parse().unwrap());
        check(&head).err()
    };
    for odd in ["AWS ", "AWS x", "AWS :sig"] {
        let refused = with(odd);
        assert!(
            matches!(
                refused,
                Some(AuthError::AuthorizationHeaderMalformed(_) | AuthError::UnsupportedScheme)
            ),
            "{odd}: {refused:?}"
        );
    }
    for odd in ["AWS AKIAIOSFODNN7EXAMPLE:", "AWS AKIAIOSFODNN7EXAMPLE:eA=="] {
        assert!(is_mismatch(with(odd).as_ref()), "{odd}");
    }
    let unknown = with("AWS nobody:qgk2+6Sv9/oM7G3qLEjTH1a1l1g=");
    assert_eq!(
        unknown,
        Some(AuthError::InvalidAccessKeyId("nobody".into()))
    );
    let mut dateless = get();
    dateless.headers.remove("date");
    assert_eq!(check(&dateless).err(), Some(AuthError::MissingDate));
    let mut old = get();
    old.headers
        .insert("date", "Tue, 27 Mar 2007 19:20:00 +0000".parse().unwrap());
    assert!(matches!(
        check(&old),
        Err(AuthError::RequestTimeTooSkewed { .. })
    ));
}

/// A URL signed by the rules.
fn url(path: &str, parameters: &str, expires: &str) -> request::Parts {
    let build = |signature: &str| {
        let uri = format!(
            "{path}?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires={expires}{parameters}&Signature={}",
            signature.replace('+', "%2B")
        );
        head(Request::get(uri).header(HOST, "localhost"))
    };
    let unsigned = build("");
    let text = text(&unsigned, None, unsigned.uri.path(), expires.as_bytes());
    build(&SignatureV2::of(&credentials().secret_key, &text).reveal())
}

#[test]
fn a_url_is_good_until_its_time_is_over() {
    let second = NOW.seconds();
    assert!(check(&url("/b/k", "&uploadId=1", &second.to_string())).is_ok());
    let old = url("/b/k", "", &(second - 1).to_string());
    assert!(matches!(check(&old), Err(AuthError::RequestExpired { .. })));
    assert_eq!(
        check(&url("/b/k", "", "soon")).err(),
        Some(AuthError::InvalidExpires)
    );
    for odd in [
        "/?AWSAccessKeyId=A&Expires=1",
        "/?Signature=A&Expires=1",
        "/?AWSAccessKeyId=A&Signature=A",
        "/?AWSAccessKeyId=A&Signature=A&Expires=1&Signature=A",
    ] {
        let refused = check(&head(Request::get(odd).header(HOST, "h"))).err();
        assert_eq!(refused, Some(AuthError::IncompleteUrl), "{odd}");
    }
    let mut both = url("/b/k", "", &second.to_string());
    both.headers
        .insert(AUTHORIZATION, "AWS a:b".parse().unwrap());
    assert_eq!(check(&both).err(), Some(AuthError::SeveralMechanisms));
    let mut moved = url("/b/k", "", &second.to_string());
    moved.uri = moved
        .uri
        .to_string()
        .replace("/b/k?", "/b/k?acl&")
        .parse()
        .unwrap();
    assert!(is_mismatch(check(&moved).err().as_ref()));
}

#[test]
fn headers_in_a_url_are_signed_as_headers() {
    let expires = NOW.seconds().to_string();
    let with = |signed: &str, sent: &str| {
        let mut request = url("/b/k", "", &expires);
        request.headers.extend(signed.split('&').filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let name: http::HeaderName = name.parse().ok()?;
            Some((name, value.parse().ok()?))
        }));
        let text = text(&request, None, request.uri.path(), expires.as_bytes());
        let signature = SignatureV2::of(&credentials().secret_key, &text).reveal();
        let uri = format!(
            "/b/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires={expires}&{sent}&Signature={}",
            signature.replace('+', "%2B")
        );
        check(&head(Request::get(uri).header(HOST, "localhost"))).err()
    };
    assert_eq!(with("x-amz-meta-a=b", "X-Amz-Meta-A=b"), None);
    assert_eq!(
        with("x-amz-copy-source=/b/c", "x-amz-copy-source=%2Fb%2Fc"),
        None
    );
    let sum = "x-amz-checksum-mode=ENABLED&x-amz-sdk-checksum-algorithm=SHA256";
    assert_eq!(with(sum, sum), None);
    for (signed, sent) in [
        ("", "x-amz-copy-source=/b/secret"),
        ("", "x-amz-checksum-mode=ENABLED"),
        ("", "X-AMZ-Copy-Source=/b/secret"),
        ("x-amz-meta-a=b", "x-amz-meta-a=c"),
        ("x-amz-meta-a=b", "x-amz-meta-a=b&x-amz-acl=private"),
        ("x-amz-meta-a=b", ""),
    ] {
        assert!(is_mismatch(with(signed, sent).as_ref()), "{sent}");
    }
}

#[test]
fn chunks_signed_by_version_4_are_refused() {
    let secret = credentials().secret_key;
    let put = Request::put("/b/k")
        .header(HOST, "localhost")
        .header("x-amz-date", "20070327T193642Z")
        .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    let mut put = head(put);
    let signature = SignatureV2::of(&secret, &text(&put, None, put.uri.path(), b"")).reveal();
    let value = format!("AWS AKIAIOSFODNN7EXAMPLE:{signature}");
    put.headers.insert(AUTHORIZATION, value.parse().unwrap());
    assert_eq!(check(&put).err(), Some(AuthError::InvalidContentSha256));
}

#[test]
fn a_signature_cannot_be_printed() {
    let signature = SignatureV2::of(&credentials().secret_key, b"text");
    assert_eq!(format!("{signature:?}"), "SignatureV2(..)");
}

#[test]
fn only_a_bucket_in_the_path_may_be_signed_with_a_slash_behind_it() {
    let paths = |path, host: Option<&str>| {
        let found: Vec<_> = signed_paths(path, host).map(String::from).collect();
        found.join(" ")
    };
    assert_eq!(paths("/bucket", None), "/bucket /bucket/");
    assert_eq!(paths("/bucket/", None), "/bucket/");
    assert_eq!(paths("/bucket/key", None), "/bucket/key");
    assert_eq!(paths("/key", Some("bucket")), "/key");
    assert_eq!(paths("", None), "/");
}
