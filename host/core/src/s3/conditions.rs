//! The `If-*` headers.

use super::date;
use super::error::RequestError;
use super::header;
use crate::model::ETag;
use crate::service::{ETagCondition, RangeCondition, ReadConditions, WriteConditions};
use http::HeaderMap;
use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};

/// Conditions of a read.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc9110#name-conditional-requests>
pub(super) fn read(headers: &HeaderMap) -> ReadConditions {
    ReadConditions {
        if_match: tags(headers, &IF_MATCH, Weak::Never),
        if_none_match: tags(headers, &IF_NONE_MATCH, Weak::Match),
        if_modified_since: date(headers, &IF_MODIFIED_SINCE),
        if_unmodified_since: date(headers, &IF_UNMODIFIED_SINCE),
    }
}

/// `If-Range`, a tag or a date. A weak tag is as good as another one, and so is what is neither.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc9110#name-if-range>
pub(super) fn range(headers: &HeaderMap) -> Option<RangeCondition> {
    let raw = headers.get(IF_RANGE)?.to_str().unwrap_or_default().trim();
    let tag = || ETag::parse(raw).filter(|_| !raw.starts_with("W/"));
    Some(match date::parse(raw) {
        Some(time) => RangeCondition::Modified(time),
        None => tag().map_or(RangeCondition::Never, RangeCondition::Tag),
    })
}

/// Conditions on the source of a copy.
pub(super) fn copy_source(headers: &HeaderMap) -> ReadConditions {
    ReadConditions {
        if_match: tags(headers, &header::COPY_SOURCE_IF_MATCH, Weak::Never),
        if_none_match: tags(headers, &header::COPY_SOURCE_IF_NONE_MATCH, Weak::Match),
        if_modified_since: date(headers, &header::COPY_SOURCE_IF_MODIFIED_SINCE),
        if_unmodified_since: date(headers, &header::COPY_SOURCE_IF_UNMODIFIED_SINCE),
    }
}

/// Conditions of a write. S3 knows `If-Match` and `If-None-Match: *` there; every other condition
/// is refused, because a write must not happen in spite of it.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>
pub(super) fn write(headers: &HeaderMap) -> Result<WriteConditions, RequestError> {
    refuse(headers, &[IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE])?;
    let if_none_match = tags(headers, &IF_NONE_MATCH, Weak::Match);
    if let Some(ETagCondition::OneOf(_)) = if_none_match {
        refuse(headers, &[IF_NONE_MATCH])?;
    }
    Ok(WriteConditions {
        if_match: tags(headers, &IF_MATCH, Weak::Never),
        if_none_match,
    })
}

/// Conditions of a deletion: `If-Match` alone.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html>
pub(super) fn delete(headers: &HeaderMap) -> Result<WriteConditions, RequestError> {
    let others = [
        IF_NONE_MATCH,
        IF_MODIFIED_SINCE,
        IF_UNMODIFIED_SINCE,
        HeaderName::from_static("x-amz-if-match-last-modified-time"),
        HeaderName::from_static("x-amz-if-match-size"),
    ];
    refuse(headers, &others)?;
    Ok(WriteConditions {
        if_match: tags(headers, &IF_MATCH, Weak::Never),
        if_none_match: None,
    })
}

/// One tag or `*`, as documents have it.
pub(super) fn tag(raw: &str) -> ETagCondition {
    match raw.trim() {
        "*" => ETagCondition::Any,
        raw => ETagCondition::OneOf(ETag::parse(raw).into_iter().collect()),
    }
}

fn refuse(headers: &HeaderMap, names: &[HeaderName]) -> Result<(), RequestError> {
    match names.iter().find(|name| headers.contains_key(*name)) {
        Some(name) => Err(RequestError::UnsupportedHeader(name.to_string())),
        None => Ok(()),
    }
}

/// What a weak tag (`W/"…"`) of a client is good for.
#[derive(Clone, Copy, PartialEq)]
enum Weak {
    /// It means the same as the strong one.
    Match,
    /// It never matches.
    Never,
}

fn tags(headers: &HeaderMap, name: &HeaderName, weak: Weak) -> Option<ETagCondition> {
    if !headers.contains_key(name) {
        return None;
    }
    let mut tags = Vec::new();
    for value in headers.get_all(name) {
        let text = String::from_utf8_lossy(value.as_bytes());
        // None of our tags has a comma in it.
        for item in text.split(',').map(str::trim) {
            let (item, is_weak) = match item.strip_prefix("W/") {
                Some(strong) => (strong, true),
                None => (item, false),
            };
            if item == "*" {
                return Some(ETagCondition::Any);
            }
            if !is_weak || weak == Weak::Match {
                tags.extend(ETag::parse(item));
            }
        }
    }
    Some(ETagCondition::OneOf(tags))
}

/// A malformed date is no condition.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<i64> {
    date::parse(headers.get(name)?.to_str().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn md5(byte: u8) -> ETag {
        ETag::Md5([byte; 16])
    }

    const A: &str = "\"abababababababababababababababab\"";
    const B: &str = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";

    #[test]
    fn a_range_is_of_a_strong_tag_or_of_a_date() {
        let of = |raw: &str| range(&headers(&[(IF_RANGE, raw)]));
        assert_eq!(of(A), Some(RangeCondition::Tag(md5(0xab))));
        assert_eq!(of(B), Some(RangeCondition::Tag(md5(0xcd))));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(of(date), Some(RangeCondition::Modified(784_111_777)));
        for weak in [&format!("W/{A}"), "", "W/", "*"] {
            let condition = of(weak);
            let never = matches!(
                condition,
                Some(RangeCondition::Never | RangeCondition::Tag(ETag::Opaque(_)))
            );
            assert!(never, "{weak}: {condition:?}");
        }
        assert_eq!(range(&HeaderMap::new()), None);
    }

    #[test]
    fn tags_come_in_lists_with_and_without_quotes() {
        let both = headers(&[(IF_MATCH, &format!("{A} , {B}")), (IF_MATCH, A)]);
        let expected = ETagCondition::OneOf(vec![md5(0xab), md5(0xcd), md5(0xab)]);
        assert_eq!(read(&both).if_match, Some(expected));
        let any = headers(&[(IF_MATCH, " * ")]);
        assert_eq!(read(&any).if_match, Some(ETagCondition::Any));
        assert_eq!(read(&HeaderMap::new()), ReadConditions::default());
    }

    #[test]
    fn a_weak_tag_matches_only_where_weak_comparison_is_asked_for() {
        let weak = format!("W/{A}");
        let read = read(&headers(&[(IF_MATCH, &weak), (IF_NONE_MATCH, &weak)]));
        assert_eq!(read.if_match, Some(ETagCondition::OneOf(vec![])));
        let same = ETagCondition::OneOf(vec![md5(0xab)]);
        assert_eq!(read.if_none_match, Some(same));
    }

    #[test]
    fn a_malformed_date_is_no_condition() {
        let conditions = read(&headers(&[
            (IF_MODIFIED_SINCE, "Sun Nov  6 08:49:37 1994"),
            (IF_UNMODIFIED_SINCE, "yesterday"),
        ]));
        assert_eq!(conditions.if_modified_since, Some(784_111_777));
        assert_eq!(conditions.if_unmodified_since, None);
    }

    #[test]
    fn conditions_on_the_source_do_not_mix_with_those_on_the_target() {
        let headers = headers(&[(header::COPY_SOURCE_IF_MATCH, A), (IF_NONE_MATCH, "*")]);
        assert_eq!(copy_source(&headers).if_none_match, None);
        assert!(copy_source(&headers).if_match.is_some());
        let write = write(&headers).unwrap();
        assert_eq!(write.if_match, None);
        assert_eq!(write.if_none_match, Some(ETagCondition::Any));
    }

    #[test]
    fn a_write_is_not_done_in_spite_of_a_condition_that_writes_do_not_know() {
        for (name, value) in [
            (IF_NONE_MATCH, A),
            (IF_MODIFIED_SINCE, "Sun Nov  6 08:49:37 1994"),
            (IF_UNMODIFIED_SINCE, "yesterday"),
        ] {
            let refused = Err(RequestError::UnsupportedHeader(name.to_string()));
            assert_eq!(write(&headers(&[(name, value)])), refused);
        }
        let wish = delete(&headers(&[(IF_MATCH, "*")])).unwrap();
        assert_eq!(wish.if_match, Some(ETagCondition::Any));
        assert!(delete(&headers(&[(IF_NONE_MATCH, "*")])).is_err());
    }

    proptest! {
        #[test]
        fn no_value_makes_the_parser_panic(raw in "[ -~\u{80}-\u{ff}]{0,60}") {
            if let Ok(value) = raw.parse::<http::HeaderValue>() {
                let mut headers = HeaderMap::new();
                headers.insert(IF_MATCH, value.clone());
                headers.insert(IF_MODIFIED_SINCE, value);
                let _ = read(&headers);
            }
        }
    }
}
