//! Signatures in a URL: for how long, for whom and for what they are good.

use super::*;

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
