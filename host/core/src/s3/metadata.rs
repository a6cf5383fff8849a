//! Headers that S3 keeps with an object, both ways.

use super::error::RequestError;
use super::header;
use super::query::Query;
use super::{tags, words};
use crate::model::Metadata;
use http::HeaderMap;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, EXPIRES,
    HeaderName, HeaderValue,
};

/// Most bytes of names (without prefix) and values of user metadata.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>
pub(super) const MAX_USER_BYTES: usize = 2048;

/// What objects are that nobody gave a type.
const DEFAULT_TYPE: &str = "binary/octet-stream";

/// Reads the metadata of a new object.
pub(super) fn read(headers: &HeaderMap) -> Result<Metadata, RequestError> {
    let system = |name| -> Result<_, RequestError> {
        let value = text(headers.get(&name), &name)?;
        Ok(value.filter(|value| !value.is_empty()))
    };
    let system_list = |name| -> Result<_, RequestError> {
        let value = list(headers, &name)?;
        Ok(Some(value).filter(|value| !value.is_empty()))
    };
    Ok(Metadata {
        content_type: system(CONTENT_TYPE)?,
        cache_control: system_list(CACHE_CONTROL)?,
        content_disposition: system(CONTENT_DISPOSITION)?,
        content_encoding: system_list(CONTENT_ENCODING)?.and_then(without_aws_chunked),
        content_language: system_list(CONTENT_LANGUAGE)?,
        expires: system(EXPIRES)?,
        user: user(headers)?,
        tags: tags::parse(headers.get(header::TAGGING))?,
    })
}

fn user(headers: &HeaderMap) -> Result<Vec<(String, String)>, RequestError> {
    let mut user: Vec<(String, String)> = Vec::new();
    let mut bytes = 0;
    for full_name in headers.keys() {
        let Some(name) = full_name.as_str().strip_prefix(header::META_PREFIX) else {
            continue;
        };
        let value = list(headers, full_name)?;
        bytes += name.len() + value.len();
        user.push((name.to_owned(), words::decode(&value).into_owned()));
    }
    if bytes > MAX_USER_BYTES {
        return Err(RequestError::MetadataTooLarge(bytes));
    }
    Ok(user)
}

/// A repeated header is one with a list for a value.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc9110#name-field-order>
fn list(headers: &HeaderMap, name: &HeaderName) -> Result<String, RequestError> {
    let mut values = Vec::new();
    for value in headers.get_all(name) {
        values.extend(text(Some(value), name)?);
    }
    Ok(values.join(","))
}

/// Values are UTF-8: that is what clients that send more than ASCII mean.
fn text(value: Option<&HeaderValue>, name: &HeaderName) -> Result<Option<String>, RequestError> {
    let Some(value) = value else { return Ok(None) };
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(RequestError::Argument {
            name: "header",
            value: name.to_string(),
            message: "The value of this header is not UTF-8",
        }),
    }
}

/// `aws-chunked` is how the request travels, not how the object is encoded.
fn without_aws_chunked(encoding: String) -> Option<String> {
    let is_ours = |coding: &str| coding.trim().eq_ignore_ascii_case("aws-chunked");
    if !encoding.split(',').any(is_ours) {
        return Some(encoding);
    }
    let rest: Vec<&str> = encoding
        .split(',')
        .filter(|coding| !is_ours(coding) && !coding.trim().is_empty())
        .map(str::trim)
        .collect();
    (!rest.is_empty()).then(|| rest.join(","))
}

/// Values that a GET asks for in place of the stored ones (`response-*` parameters).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides(Vec<(HeaderName, HeaderValue)>);

impl Overrides {
    /// Reads them from the query.
    pub fn parse(query: &Query) -> Result<Self, RequestError> {
        let mut all = Vec::new();
        for (parameter, name) in [
            ("response-cache-control", CACHE_CONTROL),
            ("response-content-disposition", CONTENT_DISPOSITION),
            ("response-content-encoding", CONTENT_ENCODING),
            ("response-content-language", CONTENT_LANGUAGE),
            ("response-content-type", CONTENT_TYPE),
            ("response-expires", EXPIRES),
        ] {
            let Some(value) = query.get(parameter) else {
                continue;
            };
            let value = HeaderValue::from_str(value).map_err(|_| RequestError::Argument {
                name: parameter,
                value: value.to_owned(),
                message: "This cannot be the value of a header",
            })?;
            all.push((name, value));
        }
        Ok(Self(all))
    }

    /// Puts those that concern caches in place of the stored ones.
    pub fn apply(&self, metadata: &mut Metadata) {
        for (name, value) in &self.0 {
            let stored = match *name {
                CACHE_CONTROL => &mut metadata.cache_control,
                EXPIRES => &mut metadata.expires,
                _ => continue,
            };
            *stored = value.to_str().ok().map(str::to_owned);
        }
    }

    /// Whether there is nothing to override.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Writes what caches need to know of an object that they have already.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc9110#name-304-not-modified>
pub(super) fn write_freshness(metadata: &Metadata, headers: &mut HeaderMap) {
    for (name, value) in [
        (CACHE_CONTROL, metadata.cache_control.as_deref()),
        (EXPIRES, metadata.expires.as_deref()),
    ] {
        if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
            headers.insert(name, value);
        }
    }
}

/// Writes the metadata of an object, with the overrides, into the headers of an answer.
pub(super) fn write(metadata: &Metadata, overrides: &Overrides, headers: &mut HeaderMap) {
    let content_type = metadata.content_type.as_deref().unwrap_or(DEFAULT_TYPE);
    let system = [
        (CONTENT_TYPE, Some(content_type)),
        (CACHE_CONTROL, metadata.cache_control.as_deref()),
        (CONTENT_DISPOSITION, metadata.content_disposition.as_deref()),
        (CONTENT_ENCODING, metadata.content_encoding.as_deref()),
        (CONTENT_LANGUAGE, metadata.content_language.as_deref()),
        (EXPIRES, metadata.expires.as_deref()),
    ];
    for (name, value) in system {
        // What came in as a header can go out as one. Rows from elsewhere may hold anything; a
        // value that is no header is left out rather than failing the whole read.
        if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
            headers.insert(name, value);
        }
    }
    for (name, value) in &metadata.user {
        let name = HeaderName::try_from(format!("{}{name}", header::META_PREFIX));
        let value = words::encode(value);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
    if !metadata.tags.is_empty() {
        headers.insert(header::TAGGING_COUNT, metadata.tags.len().into());
    }
    for (name, value) in &overrides.0 {
        headers.insert(name, value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn what_was_put_comes_back() {
        let sent = headers(&[
            ("content-type", "text/plain; charset=utf-8"),
            ("cache-control", "no-cache"),
            ("content-disposition", "attachment; filename=\"ü.txt\""),
            ("content-encoding", "gzip, br"),
            ("content-language", "de, en"),
            ("expires", "never"),
            ("x-amz-meta-mtime", "1700000000.25"),
            ("x-amz-meta-empty", ""),
        ]);
        let mut answer = HeaderMap::new();
        write(&read(&sent).unwrap(), &Overrides::default(), &mut answer);
        assert_eq!(answer, sent);
    }

    #[test]
    fn text_beyond_ascii_comes_back_as_an_encoded_word() {
        for sent in ["Zoë", "=?UTF-8?Q?Zo=C3=AB?="] {
            let kept = read(&headers(&[("x-amz-meta-name", sent)])).unwrap();
            assert_eq!(kept.user, [("name".to_owned(), "Zoë".to_owned())]);
            let mut answer = HeaderMap::new();
            write(&kept, &Overrides::default(), &mut answer);
            assert_eq!(answer["x-amz-meta-name"], "=?UTF-8?B?Wm/Dqw==?=");
        }
    }

    #[test]
    fn tags_are_counted_in_the_answer() {
        let kept = read(&headers(&[("x-amz-tagging", "a=1&b=2")])).unwrap();
        let mut answer = HeaderMap::new();
        write(&kept, &Overrides::default(), &mut answer);
        assert_eq!(answer["x-amz-tagging-count"], "2");
    }

    #[test]
    fn an_object_without_type_is_an_octet_stream() {
        let mut answer = HeaderMap::new();
        let metadata = read(&headers(&[("content-type", "")])).unwrap();
        assert_eq!(metadata.content_type, None);
        write(&metadata, &Overrides::default(), &mut answer);
        assert_eq!(answer, headers(&[("content-type", "binary/octet-stream")]));
    }

    #[test]
    fn aws_chunked_is_not_kept() {
        let kept = |value| read(&headers(&[("content-encoding", value)])).unwrap();
        assert_eq!(kept("aws-chunked").content_encoding, None);
        assert_eq!(kept("aws-chunked,").content_encoding, None);
        let gzip = kept("AWS-chunked, gzip").content_encoding;
        assert_eq!(gzip.as_deref(), Some("gzip"));
        let both = kept("gzip,br, aws-chunked").content_encoding;
        assert_eq!(both.as_deref(), Some("gzip,br"));
    }

    #[test]
    fn aws_chunked_in_a_line_of_its_own_hides_no_other_encoding() {
        for encodings in [["aws-chunked", "gzip"], ["gzip", "aws-chunked"]] {
            let sent = encodings.map(|encoding| ("content-encoding", encoding));
            let kept = read(&headers(&sent)).unwrap().content_encoding;
            assert_eq!(kept.as_deref(), Some("gzip"), "{encodings:?}");
        }
    }

    #[test]
    fn repeated_user_metadata_becomes_a_list() {
        let sent = headers(&[("x-amz-meta-a", "1"), ("x-amz-meta-a", "2")]);
        let user = read(&sent).unwrap().user;
        assert_eq!(user, vec![("a".to_owned(), "1,2".to_owned())]);
    }

    #[test]
    fn two_kilobytes_of_user_metadata_are_enough() {
        let sized = |n: usize| read(&headers(&[("x-amz-meta-ab", &"v".repeat(n))]));
        assert!(sized(2046).is_ok());
        assert_eq!(sized(2047), Err(RequestError::MetadataTooLarge(2049)));
    }

    #[test]
    fn a_value_that_is_not_utf8_is_refused() {
        let mut sent = HeaderMap::new();
        let latin1 = HeaderValue::from_bytes(b"Zo\xeb").unwrap();
        sent.insert("x-amz-meta-name", latin1);
        assert!(matches!(read(&sent), Err(RequestError::Argument { .. })));
    }

    #[test]
    fn a_get_can_ask_for_other_values() {
        let query = "response-content-type=text/x&response-expires=0&response-foo=1";
        let overrides = Overrides::parse(&Query::parse(Some(query)).unwrap()).unwrap();
        let mut answer = HeaderMap::new();
        let metadata = read(&headers(&[("content-type", "a/b"), ("expires", "1")])).unwrap();
        write(&metadata, &overrides, &mut answer);
        assert_eq!(
            answer,
            headers(&[("content-type", "text/x"), ("expires", "0")])
        );
    }

    #[test]
    fn a_line_break_cannot_be_smuggled_into_the_answer() {
        let query = Query::parse(Some("response-content-type=a%0D%0Ax:y")).unwrap();
        assert!(Overrides::parse(&query).is_err());
    }
}
