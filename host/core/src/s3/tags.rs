//! Tags, and the rules they keep.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html>

use super::error::RequestError;
use super::percent;
use http::HeaderValue;

/// Keys and values, in the client's order.
pub(super) type Tags = Vec<(String, String)>;

/// Most tags of an object.
pub(super) const MAX_OBJECT_TAGS: usize = 10;
/// Most tags of a bucket.
pub(super) const MAX_BUCKET_TAGS: usize = 50;

const MAX_KEY_CHARS: usize = 128;
const MAX_VALUE_CHARS: usize = 256;

/// Checks tags that shall belong to something that takes `most` of them.
pub(super) fn check(tags: &Tags, most: usize) -> Result<(), RequestError> {
    if tags.len() > most {
        return Err(RequestError::TooManyTags(most));
    }
    for (index, (key, value)) in tags.iter().enumerate() {
        let broken = |message, value: Option<&String>| RequestError::Tag {
            message,
            key: key.clone(),
            value: value.cloned(),
        };
        let length = key.chars().count();
        if length == 0 || length > MAX_KEY_CHARS || !key.chars().all(is_legal) {
            return Err(broken("The TagKey you have provided is invalid", None));
        }
        if value.chars().count() > MAX_VALUE_CHARS || !value.chars().all(is_legal) {
            return Err(broken(
                "The TagValue you have provided is invalid",
                Some(value),
            ));
        }
        if key
            .get(..4)
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"))
        {
            return Err(broken(
                "System tags cannot be added/updated by requester",
                None,
            ));
        }
        if tags.iter().skip(index + 1).any(|(other, _)| other == key) {
            return Err(broken(
                "Cannot provide multiple Tags with the same key",
                None,
            ));
        }
    }
    Ok(())
}

fn is_legal(char: char) -> bool {
    char.is_alphanumeric() || char.is_whitespace() || "_.:/=+-@".contains(char)
}

/// Reads `x-amz-tagging`: pairs as in a query.
pub(super) fn parse(header: Option<&HeaderValue>) -> Result<Tags, RequestError> {
    let Some(header) = header else {
        return Ok(Tags::new());
    };
    let malformed = || RequestError::Argument {
        name: "x-amz-tagging",
        value: String::from_utf8_lossy(header.as_bytes()).into_owned(),
        message: "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
    };
    let text = header.to_str().map_err(|_| malformed())?;
    let decode = |raw: &str| percent::decode(&raw.replace('+', " ")).map_err(|_| malformed());
    let mut tags = Tags::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decode(key)?, decode(value)?);
        if tags.iter().any(|(other, _)| *other == key) {
            return Err(malformed());
        }
        tags.push((key, value));
    }
    check(&tags, MAX_OBJECT_TAGS)?;
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(raw: &str) -> Result<Tags, RequestError> {
        parse(Some(&raw.parse().unwrap()))
    }

    fn pairs(pairs: &[(&str, &str)]) -> Tags {
        let pairs = pairs.iter();
        pairs
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn tags_come_as_a_query() {
        let tags = read("a=1&b+c=%C3%BC%20x&empty=&bare&").unwrap();
        let expected = [("a", "1"), ("b c", "ü x"), ("empty", ""), ("bare", "")];
        assert_eq!(tags, pairs(&expected));
        assert_eq!(parse(None).unwrap(), Tags::new());
        assert_eq!(read("").unwrap(), Tags::new());
    }

    #[test]
    fn a_header_that_is_no_query_is_refused() {
        for bad in ["a=%zz", "a=1&a=2", "a=%FF"] {
            assert!(
                matches!(read(bad), Err(RequestError::Argument { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn each_rule_of_tags_is_kept() {
        let long = |n| "k".repeat(n);
        for good in [
            (long(128), String::new()),
            ("a b_.:/=+-@Z9é".into(), long(256)),
        ] {
            assert_eq!(check(&vec![good], 1), Ok(()));
        }
        for bad in [
            (String::new(), "v".to_owned()),
            (long(129), String::new()),
            ("k".to_owned(), long(257)),
            ("a&b".to_owned(), String::new()),
            ("k".to_owned(), "<".to_owned()),
            ("aws:x".to_owned(), String::new()),
        ] {
            assert!(matches!(
                check(&vec![bad], 1),
                Err(RequestError::Tag { .. })
            ));
        }
        let twice = pairs(&[("a", "1"), ("a", "2")]);
        assert!(matches!(check(&twice, 9), Err(RequestError::Tag { .. })));
        assert_eq!(
            check(&pairs(&[("a", ""), ("b", "")]), 1),
            Err(RequestError::TooManyTags(1))
        );
    }

    proptest! {
        #[test]
        fn no_header_makes_the_parser_panic(raw in "[ -~]{0,60}") {
            let _ = read(&raw);
        }
    }
}
