//! Signatures in the `Authorization` header, and what is signed by them.

use super::*;
use proptest::prelude::*;

// The next four: <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>

#[test]
fn the_published_get_object_is_accepted() {
    let request = check(&get_object()).unwrap();
    assert_eq!(request.access_key_id(), Some("AKIAIOSFODNN7EXAMPLE"));
    assert!(matches!(request.payload(), PayloadMode::Digest(_)));
}

#[test]
fn the_published_put_object_is_accepted() {
    // The path is not sent in its canonical form.
    let put = published(
        Request::put("/test$file.text")
            .header("date", "Fri, 24 May 2013 00:00:00 GMT")
            .header("x-amz-date", DATE)
            .header("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    );
    assert_eq!(refusal(&put), None);
}

#[test]
fn the_published_get_bucket_lifecycle_is_accepted() {
    let get = published(
        Request::get("/?lifecycle").header("x-amz-date", DATE),
        EMPTY,
        "host;x-amz-content-sha256;x-amz-date",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    );
    assert_eq!(refusal(&get), None);
}

#[test]
fn the_published_list_objects_is_accepted() {
    let list = published(
        Request::get("/?max-keys=2&prefix=J").header("x-amz-date", DATE),
        EMPTY,
        "host;x-amz-content-sha256;x-amz-date",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    );
    assert_eq!(refusal(&list), None);
}

#[test]
fn an_old_request_is_skewed_and_so_is_one_from_the_future() {
    let get = get_object();
    let at = |seconds| keys().authenticate(&get, after(seconds)).err();
    assert_eq!(at(900), None);
    for seconds in [901, -901] {
        let (signed, now) = (NOW, after(seconds));
        let skewed = Some(AuthError::RequestTimeTooSkewed { signed, now });
        assert_eq!(at(seconds), skewed);
    }
}

#[test]
fn any_change_of_a_signed_request_is_noticed() {
    type Change = fn(&mut request::Parts);
    let changes: [Change; 6] = [
        |head| head.method = http::Method::DELETE,
        |head| head.uri = "/test.txt2".parse().unwrap(),
        |head| head.uri = "/test.txt?acl".parse().unwrap(),
        |head| drop(head.headers.insert(HOST, "other".parse().unwrap())),
        |head| drop(head.headers.insert("range", "bytes=0-8".parse().unwrap())),
        |head| drop(head.headers.remove("range")),
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut get = get_object();
        change(&mut get);
        assert!(is_mismatch(refusal(&get).as_ref()), "{index}");
    }
    let mut get = get_object();
    get.headers
        .insert(X_AMZ_CONTENT_SHA256, "UNSIGNED-PAYLOAD".parse().unwrap());
    assert!(is_mismatch(refusal(&get).as_ref()));
}

#[test]
fn a_signature_that_is_no_signature_does_not_match() {
    for odd in ["", "f0", &"zz".repeat(32), &"00".repeat(33)] {
        let get = published(
            Request::get("/").header("x-amz-date", DATE),
            EMPTY,
            "host;x-amz-content-sha256;x-amz-date",
            odd,
        );
        assert!(is_mismatch(refusal(&get).as_ref()));
    }
}

#[test]
fn the_credential_has_the_date_of_the_request() {
    let signer = Signer::default();
    let get = Request::get("/").header(X_AMZ_DATE, "20130525T000000Z");
    assert!(matches!(
        refusal(&signer.sign(get, EMPTY)),
        Some(AuthError::AuthorizationHeaderMalformed(_))
    ));
}

#[test]
fn a_request_needs_a_date_in_one_of_two_headers() {
    let build = |name: &str, value: &str| {
        let get = Request::get("/").header(name, value);
        let mut head = published(get, EMPTY, "host", &"00".repeat(32));
        head.headers.remove("x-other");
        refusal(&head)
    };
    assert_eq!(build("x-other", "x"), Some(AuthError::MissingDate));
    assert_eq!(build("x-amz-date", "x"), Some(AuthError::InvalidDate));
    assert_eq!(build("date", "x"), Some(AuthError::InvalidDate));
}

#[test]
fn the_date_header_serves_when_there_is_no_other() {
    let signer = Signer::default();
    let date = "Fri, 24 May 2013 00:00:00 GMT";
    let mut head = signer.sign(Request::get("/").header("date", date), EMPTY);
    assert_eq!(refusal(&head), None);
    // The same signature with a list that leaves `x-amz-date` out.
    head.headers.remove(X_AMZ_DATE);
    let list = "date;host;x-amz-content-sha256";
    let hash = canonical::of(&head, list, EMPTY).hashes().next().unwrap();
    let scope = scope::Scope {
        day: "20130524",
        region: REGION,
    };
    let at = date::SignedAt::parse(date).unwrap();
    let signature = signature::SigningKey::derive(&credentials().secret_key, &scope)
        .sign_request(at, &scope.to_string(), &hash)
        .reveal();
    let text = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/{scope}, SignedHeaders={list}, Signature={signature}"
    );
    head.headers.insert(AUTHORIZATION, text.parse().unwrap());
    assert_eq!(refusal(&head), None);
}

#[test]
fn a_request_without_host_is_refused() {
    let mut get = get_object();
    get.headers.remove(HOST);
    assert_eq!(refusal(&get), Some(AuthError::MissingSecurityHeader));
}

#[test]
fn content_sha256_is_required_and_checked() {
    let signer = Signer::default();
    let mut head = signer.sign(Request::put("/"), EMPTY);
    head.headers.remove(X_AMZ_CONTENT_SHA256);
    assert_eq!(refusal(&head), Some(AuthError::MissingContentSha256));
    let head = signer.sign(Request::put("/"), "SOMETHING");
    assert_eq!(refusal(&head), Some(AuthError::InvalidContentSha256));
}

#[test]
fn a_path_may_be_sent_in_another_encoding_than_it_was_signed_in() {
    let signer = Signer::default();
    for (signed, sent) in [
        ("/b/a%20b", "/b/a%20b"),
        ("/b/a%2Ab", "/b/a*b"),
        ("/b/%C3%A9", "/b/%c3%a9"),
        ("/b//a/../b", "/b//a/../b"),
        ("/b/a%2Bb", "/b/a+b"),
        ("/b/100%25", "/b/100%25"),
    ] {
        let mut get = signer.sign(Request::get(signed), EMPTY);
        get.uri = sent.parse().unwrap();
        assert_eq!(refusal(&get), None, "{signed} {sent}");
    }
}

#[test]
fn a_path_may_be_signed_as_it_was_sent() {
    // The canonical path of this would be /b/a%2Bb.
    let get = Request::get("/b/a+b").header(X_AMZ_DATE, DATE);
    let list = "host;x-amz-content-sha256;x-amz-date";
    let plain = published(get, EMPTY, list, &"00".repeat(32));
    let hash = canonical::of(&plain, list, EMPTY).hashes().last().unwrap();
    let scope = scope::Scope {
        day: "20130524",
        region: REGION,
    };
    let at = date::SignedAt::parse(DATE).unwrap();
    let signature = signature::SigningKey::derive(&credentials().secret_key, &scope)
        .sign_request(at, &scope.to_string(), &hash)
        .reveal();
    let get = Request::get("/b/a+b").header(X_AMZ_DATE, DATE);
    assert_eq!(refusal(&published(get, EMPTY, list, &signature)), None);
}

#[test]
fn a_signing_key_is_good_for_its_day_and_key_only() {
    // The same authenticator, so that a key remembered for one must not serve the other.
    let other = credentials::Credentials {
        access_key_id: "other".into(),
        secret_key: "other".into(),
        rights: Rights::default(),
    };
    let authenticator = Authenticator::new(Access::keys(vec![other, credentials()]), REGION);
    let today = Signer::default();
    let tomorrow = Signer {
        date: "20130525T000000Z".into(),
        ..Signer::default()
    };
    let stranger = Signer {
        key_id: "other".into(),
        ..Signer::default()
    };
    let at = |signer: &Signer, now| {
        authenticator
            .authenticate(&signer.sign(Request::get("/"), EMPTY), now)
            .err()
    };
    for _ in 0..2 {
        assert_eq!(at(&today, NOW), None);
        assert_eq!(at(&tomorrow, after(86_400)), None);
        assert!(is_mismatch(at(&stranger, NOW).as_ref()));
    }
}

proptest! {
    #[test]
    fn a_request_signed_by_the_rules_is_accepted(
        path in "(/[a-z%+*~é ]{0,8}){1,3}",
        query in proptest::collection::vec(("[a-z-]{1,5}", "[a-z/é ~+]{0,5}"), 0..4),
        meta in "[!-~]{0,10}( {1,3}[!-~]{1,5})?",
    ) {
        let encode = |raw: &str| percent_encoding::utf8_percent_encode(raw, percent_encoding::NON_ALPHANUMERIC).to_string();
        let path: Vec<String> = path.split('/').map(encode).collect();
        let query: Vec<String> = query.iter().map(|(n, v)| format!("{n}={}", encode(v))).collect();
        let uri = format!("{}?{}", path.join("/"), query.join("&"));
        let request = Request::get(uri).header("x-amz-meta-a", meta);
        let head = Signer::default().sign(request, EMPTY);
        prop_assert_eq!(refusal(&head), None);
    }
}
