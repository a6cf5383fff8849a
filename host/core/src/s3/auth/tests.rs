use super::signer::{DATE, NOW, REGION, Signer, credentials};
use super::*;
use crate::model::Timestamp;
use http::header::{AUTHORIZATION, HOST};
use http::{Request, request};
use proptest::prelude::*;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn keys() -> Authenticator {
    Authenticator::new(Access::keys(vec![credentials()]), REGION)
}

fn open() -> Authenticator {
    Authenticator::new(Access::Open, REGION)
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

// The next four: <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>

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

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>
fn published_url() -> request::Parts {
    head(
        Request::get("/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
            .header(HOST, "examplebucket.s3.amazonaws.com"),
    )
}

#[test]
fn the_published_presigned_url_is_accepted_for_a_day() {
    let url = published_url();
    let at = |seconds| keys().authenticate(&url, after(seconds)).err();
    assert_eq!(at(0), None);
    assert_eq!(at(86_400), None);
    let expires = after(86_400);
    let now = after(86_401);
    assert_eq!(at(86_401), Some(AuthError::RequestExpired { expires, now }));
    assert_eq!(at(-900), None);
    assert_eq!(at(-901), Some(AuthError::RequestNotYetValid));
    assert_eq!(check(&url).unwrap().payload(), &PayloadMode::Unsigned);
}

#[test]
fn an_unsigned_request_is_denied() {
    let get = head(Request::get("/bucket/key").header(HOST, "localhost"));
    let somebody = check(&get).unwrap();
    let bucket = "bucket".parse().unwrap();
    for action in [Action::Read, Action::Write] {
        assert_eq!(somebody.may(action, &bucket), Err(AuthError::AccessDenied));
    }
    assert_eq!(somebody.may_list_buckets(), Err(AuthError::AccessDenied));
}

#[test]
fn who_did_not_sign_may_read_public_buckets_and_nothing_else() {
    let access = Access::Keys {
        pairs: vec![credentials()],
        public: vec![BucketPattern::parse("site").unwrap()],
    };
    let get = head(Request::get("/site/key").header(HOST, "localhost"));
    let gate = Authenticator::new(access, REGION);
    let somebody = gate.authenticate(&get, NOW).unwrap();
    let may = |action, name: &str| somebody.may(action, &name.parse().unwrap()).is_ok();
    assert!(may(Action::Read, "site"));
    assert!(!may(Action::Write, "site"));
    assert!(!may(Action::Read, "other"));
    assert!(somebody.may_list_buckets().is_err());
    // Whoever claims to be somebody is checked, even there.
    let liar = Signer {
        key_id: "nobody".into(),
        ..Signer::default()
    };
    let liar = liar.sign(Request::get("/site/key"), EMPTY);
    assert!(gate.authenticate(&liar, NOW).is_err());
}

#[test]
fn a_key_is_good_for_what_its_rights_say() {
    let mut reader = credentials();
    reader.rights = Rights {
        read_only: true,
        buckets: BucketPattern::parse("logs-*").map(|pattern| vec![pattern]),
        ..Rights::default()
    };
    let access = Access::Keys {
        pairs: vec![reader],
        public: vec![BucketPattern::parse("site").unwrap()],
    };
    let gate = Authenticator::new(access, REGION);
    let get = Signer::default().sign(Request::get("/"), EMPTY);
    let sender = gate.authenticate(&get, NOW).unwrap();
    let may = |action, name: &str| sender.may(action, &name.parse().unwrap()).is_ok();
    assert!(may(Action::Read, "logs-1"));
    assert!(!may(Action::Write, "logs-1"));
    assert!(!may(Action::Read, "other"));
    // As anybody may, but it is none of its buckets.
    assert!(may(Action::Read, "site"));
    assert!(!may(Action::Write, "site"));
    let visible = sender.may_list_buckets().unwrap();
    assert!(visible.include(&"logs-1".parse().unwrap()));
    assert!(!visible.include(&"other".parse().unwrap()));
    assert!(!visible.include(&"site".parse().unwrap()));
}

#[test]
fn a_token_of_temporary_credentials_is_refused() {
    let signer = Signer::default();
    let header = signer.sign(Request::get("/").header("x-amz-security-token", "t"), EMPTY);
    assert_eq!(refusal(&header), Some(AuthError::InvalidToken));
    let url = signer.presign("/", "&X-Amz-Security-Token=t", "60");
    assert_eq!(refusal(&url), Some(AuthError::InvalidToken));
    // An empty one is what a variable of the environment leaves behind.
    let header = signer.sign(Request::get("/").header("x-amz-security-token", ""), EMPTY);
    assert_eq!(refusal(&header), None);
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
fn an_unknown_key_is_named_in_the_error() {
    let signer = Signer {
        key_id: "nobody".into(),
        ..Signer::default()
    };
    let unknown = Some(AuthError::InvalidAccessKeyId("nobody".into()));
    assert_eq!(refusal(&signer.sign(Request::get("/"), EMPTY)), unknown);
    assert_eq!(refusal(&signer.presign("/", "", "60")), unknown);
}

#[test]
fn the_expected_region_is_told_and_may_be_asked_for() {
    let signer = Signer {
        region: "eu-west-1".into(),
        ..Signer::default()
    };
    let wrong = |place| {
        Some(AuthError::WrongRegion {
            place,
            sent: "eu-west-1".into(),
            expected: REGION.into(),
        })
    };
    let get = signer.sign(Request::get("/bucket"), EMPTY);
    assert_eq!(refusal(&get), wrong(Place::Header));
    let url = signer.presign("/bucket", "", "60");
    assert_eq!(refusal(&url), wrong(Place::Query));
    assert_eq!(
        refusal(&get).unwrap().to_string(),
        "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-1'"
    );
    let location = signer.sign(Request::get("/bucket?location"), EMPTY);
    assert_eq!(refusal(&location), None);
    let put = signer.sign(Request::put("/bucket?location"), EMPTY);
    assert!(refusal(&put).is_some());
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
fn x_amz_headers_that_are_not_signed_are_refused() {
    let unsigned = |names: &[&str]| {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        Some(AuthError::HeadersNotSigned(names))
    };
    let signer = Signer::default();
    for mut head in [
        signer.sign(Request::get("/"), EMPTY),
        signer.presign("/", "", "60"),
    ] {
        head.headers.insert("x-other", "1".parse().unwrap());
        assert_eq!(refusal(&head), None);
        head.headers.insert("x-amz-meta-a", "1".parse().unwrap());
        assert_eq!(refusal(&head), unsigned(&["x-amz-meta-a"]));
    }
    let mut url = signer.presign("/", "", "60");
    url.headers
        .insert(X_AMZ_CONTENT_SHA256, EMPTY.parse().unwrap());
    assert_eq!(refusal(&url), unsigned(&["x-amz-content-sha256"]));

    let hostless = published(
        Request::get("/").header("x-amz-date", DATE),
        EMPTY,
        "x-amz-content-sha256;x-amz-date",
        &"00".repeat(32),
    );
    assert_eq!(refusal(&hostless), unsigned(&["host"]));
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
fn a_request_is_signed_in_one_place_only() {
    let mut url = published_url();
    let header = get_object().headers[AUTHORIZATION].clone();
    url.headers.insert(AUTHORIZATION, header);
    assert_eq!(refusal(&url), Some(AuthError::SeveralMechanisms));
}

#[test]
fn a_url_is_valid_for_a_second_to_a_week() {
    let signer = Signer::default();
    for good in ["1", "604800"] {
        assert_eq!(refusal(&signer.presign("/", "", good)), None, "{good}");
    }
    for bad in ["0", "-1", "604801", "", "x", "99999999999999999999999"] {
        assert!(
            matches!(
                refusal(&signer.presign("/", "", bad)),
                Some(AuthError::AuthorizationQueryParametersError(_))
            ),
            "{bad}"
        );
    }
}

#[test]
fn a_url_is_good_for_the_host_that_it_was_signed_for() {
    let url = Signer::default().presign("/b/k", "", "60");
    assert_eq!(refusal(&url), None);
    let mut same = url.clone();
    same.uri = format!("http://localhost{}", url.uri).parse().unwrap();
    assert_eq!(refusal(&same), None);
    // The header still says what was signed, but it does not count.
    let mut other = url.clone();
    other.uri = format!("http://other.localhost{}", url.uri)
        .parse()
        .unwrap();
    assert!(is_mismatch(refusal(&other).as_ref()));
}

#[test]
fn parameters_that_a_url_has_besides_are_signed_too() {
    let signer = Signer::default();
    let url = signer.presign("/b/k", "&response-content-type=a%2Fb&uploadId=x", "60");
    assert_eq!(refusal(&url), None);
    for (from, to) in [
        ("uploadId=x", "uploadId=y"),
        ("uploadId=x", "x=x"),
        ("a%2Fb", "b"),
    ] {
        let mut changed = url.clone();
        changed.uri = url.uri.to_string().replace(from, to).parse().unwrap();
        assert!(is_mismatch(refusal(&changed).as_ref()));
    }
    let mut added = url.clone();
    added.uri = format!("{}&more=1", url.uri).parse().unwrap();
    assert!(is_mismatch(refusal(&added).as_ref()));
}

#[test]
fn an_incomplete_or_doubled_url_is_malformed() {
    let url = published_url().uri.to_string();
    let (path, query) = url.split_once('?').unwrap();
    let fields: Vec<&str> = query.split('&').collect();
    for index in 0..fields.len() {
        let mut fewer = fields.clone();
        let field = fewer.remove(index);
        let more = [query, field].join("&");
        for query in [fewer.join("&"), more] {
            let get = Request::get(format!("{path}?{query}"))
                .header(HOST, "examplebucket.s3.amazonaws.com");
            assert!(
                matches!(
                    refusal(&head(get)),
                    Some(AuthError::AuthorizationQueryParametersError(_))
                ),
                "{query}"
            );
        }
    }
}

#[test]
fn the_payload_mode_may_stand_in_the_url() {
    let signer = Signer::default();
    let url = signer.presign("/b/k", "&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD", "60");
    assert_eq!(check(&url).unwrap().payload(), &PayloadMode::Unsigned);
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
fn open_access_accepts_anything_and_still_reads_the_payload_mode() {
    let mode = |request: request::Builder| {
        let request = open().authenticate(&head(request), NOW)?;
        assert_eq!(request.access_key_id(), None);
        assert!(request.chunk_signer().is_none());
        Ok::<_, AuthError>(request.payload().clone())
    };
    let put = || Request::put("/b/k").header(AUTHORIZATION, "nonsense");
    let chunked = |signed, trailer| Ok(PayloadMode::Chunked { signed, trailer });
    assert_eq!(mode(put()), Ok(PayloadMode::Unsigned));
    assert_eq!(
        mode(put().header(X_AMZ_CONTENT_SHA256, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")),
        chunked(true, false)
    );
    assert_eq!(
        mode(put().header(X_AMZ_TRAILER, "x-amz-checksum-crc32")),
        chunked(false, true)
    );
    assert_eq!(
        mode(
            put()
                .header("content-encoding", "gzip, aws-chunked")
                .header(X_AMZ_DECODED_CONTENT_LENGTH, "1")
        ),
        chunked(false, false)
    );
    assert_eq!(
        mode(put().header(X_AMZ_CONTENT_SHA256, "x")),
        Err(AuthError::InvalidContentSha256)
    );
}

#[test]
fn nothing_secret_is_in_the_debug_output() {
    let authenticator = keys();
    let signer = Signer::default();
    let put = signer.sign(
        Request::put("/b/k").header(X_AMZ_DECODED_CONTENT_LENGTH, "0"),
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    );
    let request = authenticator.authenticate(&put, NOW).unwrap();
    let text = format!("{authenticator:?} {request:?}");
    let sent = put.headers[AUTHORIZATION].to_str().unwrap();
    let (_, signature) = sent.rsplit_once('=').unwrap();
    assert!(request.chunk_signer().is_some());
    assert!(!text.contains("wJalr") && !text.contains(signature));
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
    fn no_request_makes_the_check_panic(
        query in "(X-Amz-(Algorithm|Credential|Date|Expires|SignedHeaders|Signature)=[a-zA-Z0-9%/;-]{0,20}&){0,7}",
        authorization in "(AWS4-HMAC-SHA256 Credential=)?[ -~]{0,60}",
        header in any::<bool>(),
    ) {
        let mut request = Request::get(format!("/?{query}")).header(HOST, "localhost");
        if header {
            request = request.header(AUTHORIZATION, authorization);
        }
        let bucket = "bucket".parse().unwrap();
        let checked = check(&head(request));
        prop_assert!(checked.and_then(|sender| sender.may(Action::Read, &bucket)).is_err());
    }

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
