use super::*;
use crate::s3::Code;
use proptest::prelude::*;

const RULES: &str = "<CORSConfiguration>\
    <CORSRule><ID>one</ID><AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>\
    <AllowedMethod>POST</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader><AllowedHeader>Content-Type</AllowedHeader>\
    <ExposeHeader>ETag</ExposeHeader><ExposeHeader>x-amz-request-id</ExposeHeader><MaxAgeSeconds>3000</MaxAgeSeconds></CORSRule>\
    <CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>\
    </CORSConfiguration>";

fn cors() -> Cors {
    Cors::parse(RULES.as_bytes()).unwrap()
}

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().unwrap();
        map.insert(name, value.parse().unwrap());
    }
    map
}

fn ask(headers: &[(&str, &str)]) -> Result<Vec<(String, String)>, CorsError> {
    let answer = cors().preflight(&Page::parse(&map(headers))?)?;
    Ok(shown(&answer))
}

fn shown(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut shown: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .filter(|(name, _)| name != "vary")
        .collect();
    shown.sort();
    shown
}

fn expected(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| (format!("access-control-{name}"), (*value).to_owned()))
        .collect()
}

#[test]
fn a_preflight_is_answered_from_the_first_rule_that_fits() {
    assert_eq!(
        ask(&[
            ("origin", "https://app.example.com"),
            ("access-control-request-method", "PUT"),
            (
                "access-control-request-headers",
                "X-Amz-Date, content-type,"
            ),
        ]),
        Ok(expected(&[
            ("allow-credentials", "true"),
            ("allow-headers", "x-amz-date, content-type"),
            ("allow-methods", "PUT, POST"),
            ("allow-origin", "https://app.example.com"),
            ("expose-headers", "ETag, x-amz-request-id"),
            ("max-age", "3000"),
        ]))
    );
    assert_eq!(
        ask(&[("origin", "null"), ("access-control-request-method", "GET")]),
        Ok(expected(&[("allow-methods", "GET"), ("allow-origin", "*")]))
    );
}

#[test]
fn a_preflight_that_no_rule_fits_is_refused() {
    let put = ("access-control-request-method", "PUT");
    let page = ("origin", "https://app.example.com");
    for headers in [
        [("origin", "http://app.example.com"), put, ("x", "y")],
        [("origin", "https://example.com"), put, ("x", "y")],
        [
            page,
            ("access-control-request-method", "DELETE"),
            ("x", "y"),
        ],
        [page, put, ("access-control-request-headers", "range")],
        [
            ("origin", "https://other"),
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", "range"),
        ],
    ] {
        assert_eq!(ask(&headers), Err(CorsError::NotAllowed), "{headers:?}");
    }
    assert_eq!(ask(&[put]), Err(CorsError::NoOrigin));
    assert_eq!(ask(&[page]), Err(CorsError::Method("null".into())));
    let odd = ("access-control-request-method", "put");
    assert_eq!(ask(&[page, odd]), Err(CorsError::Method("put".into())));
}

#[test]
fn an_answer_says_what_a_page_may_know_of_it() {
    let vary = |headers: HeaderMap| headers.get(VARY).unwrap().to_str().unwrap().to_owned();
    let answered = |headers: &[(&str, &str)], method| {
        cors().answer(&Page::parse(&map(headers)).unwrap(), method)
    };
    let page = ("origin", "https://a.example.com");
    let answer = answered(&[page], "PUT").unwrap();
    assert_eq!(shown(&answer).len(), 5);
    assert!(vary(answer).starts_with("Origin, "));
    let anywhere = ("origin", "anything");
    let answer = answered(&[anywhere], "GET").unwrap();
    assert_eq!(
        shown(&answer),
        expected(&[("allow-methods", "GET"), ("allow-origin", "*")])
    );
    assert_eq!(answered(&[anywhere], "DELETE"), None);
    // A page that asks and sends at once is answered as it asked.
    let get = ("access-control-request-method", "GET");
    assert!(answered(&[anywhere, get], "DELETE").is_some());
    let range = ("access-control-request-headers", "range");
    assert_eq!(answered(&[anywhere, range], "GET"), None);
}

#[test]
fn rules_come_back_as_they_were_sent() {
    assert_eq!(Cors::parse(&cors().document()).unwrap(), cors());
}

#[test]
fn rules_that_cannot_be_are_refused() {
    let refused = |rule: &str| {
        let text = format!("<CORSConfiguration><CORSRule>{rule}</CORSRule></CORSConfiguration>");
        let error = Cors::parse(text.as_bytes()).unwrap_err();
        (error.code(), error.message().into_owned())
    };
    let origin = "<AllowedOrigin>*</AllowedOrigin>";
    let both = format!("{origin}<AllowedMethod>GET</AllowedMethod>");
    for (rule, text) in [
        (
            format!("{origin}<AllowedMethod>PATCH</AllowedMethod>"),
            "Found unsupported HTTP method in CORS config. Unsupported method is PATCH",
        ),
        (
            format!("{both}<AllowedOrigin>*.*</AllowedOrigin>"),
            "AllowedOrigin \"*.*\" can not have more than one wildcard.",
        ),
        (
            format!("{both}<AllowedHeader>**</AllowedHeader>"),
            "AllowedHeader \"**\" can not have more than one wildcard.",
        ),
        (
            format!("{both}<ExposeHeader>*</ExposeHeader>"),
            "ExposeHeader \"*\" contains wildcard. We currently do not support wildcard for ExposeHeader.",
        ),
    ] {
        assert_eq!(refused(&rule), (Code::InvalidRequest, text.to_owned()));
    }
    for rule in [
        String::new(),
        origin.to_owned(),
        "<AllowedMethod>GET</AllowedMethod>".to_owned(),
        format!("{both}<MaxAgeSeconds>-1</MaxAgeSeconds>"),
        format!("{both}<ID>{}</ID>", "x".repeat(256)),
        format!("{both}<Other/>"),
        format!("{both}<AllowedHeader>a\nb</AllowedHeader>"),
        format!("{both}<AllowedOrigin/>"),
    ] {
        assert_eq!(refused(&rule).0, Code::MalformedXml, "{rule}");
    }
    let many = format!("<CORSRule>{both}</CORSRule>").repeat(101);
    for document in [
        "<CORSConfiguration/>".to_owned(),
        format!("<CORSConfiguration>{many}</CORSConfiguration>"),
    ] {
        assert_eq!(
            Cors::parse(document.as_bytes()).unwrap_err().code(),
            Code::MalformedXml
        );
    }
}

proptest! {
    #[test]
    fn a_star_stands_for_any_text(start in "[a-c:/]{0,4}", middle in "[a-c:/]{0,4}", end in "[a-c:/]{0,4}") {
        let pattern = format!("{start}*{end}");
        let whole = format!("{start}{middle}{end}");
        prop_assert!(fits(&pattern, &whole));
        let odd = format!("x{whole}");
        prop_assert!(!fits(&pattern, &odd) || start.is_empty());
        prop_assert_eq!(fits(&start, &end), start == end);
        let short = format!("{start}{end}");
        let cut = &short[..short.len().saturating_sub(1)];
        prop_assert!(!fits(&pattern, cut) || cut.len() >= start.len() + end.len());
    }
}
