//! Who is let in, with a signature or without, and what the sender may do then.

use super::*;
use proptest::prelude::*;

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
fn a_request_is_signed_in_one_place_only() {
    let mut url = published_url();
    let header = get_object().headers[AUTHORIZATION].clone();
    url.headers.insert(AUTHORIZATION, header);
    assert_eq!(refusal(&url), Some(AuthError::SeveralMechanisms));
}

#[test]
fn open_access_asks_for_no_signature_and_still_reads_the_payload_mode() {
    let gate = Authenticator::new(Access::Open, REGION);
    let mode = |request: request::Builder| {
        let request = gate.authenticate(&head(request), NOW)?;
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
}
