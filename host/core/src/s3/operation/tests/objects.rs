//! Objects that are read, copied or deleted.

use super::*;
use crate::model::{RangeSpec, Section};
use crate::s3::address::AddressError;
use crate::service::RangeCondition;
use proptest::prelude::*;

async fn get(headers: &[(&str, &str)]) -> ReadObject {
    match parse("GET", "/abc/k?versionId=null", headers, "").await {
        Ok(Operation::GetObject(read, _)) => read,
        Ok(_) => panic!("another operation"),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_range_may_depend_on_the_object() {
    let range = get(&[("range", "bytes=1-2")]).await;
    let asked = Some(Section::Range(RangeSpec::FromTo(1, 2)));
    assert_eq!((range.section, range.if_range), (asked, None));
    let depends = get(&[("range", "bytes=1-2"), ("if-range", "\"x\"")]).await;
    let tag = RangeCondition::Tag(ETag::parse("x").unwrap());
    assert_eq!((depends.section, depends.if_range), (asked, Some(tag)));
}

#[tokio::test]
async fn there_are_no_versions_but_null() {
    for (method, target) in [
        ("GET", "/abc/k?versionId=1"),
        ("HEAD", "/abc/k?versionId="),
        ("DELETE", "/abc/k?versionId=1"),
        ("PUT", "/abc/k?versionId=null"),
    ] {
        let code = code(method, target, &[("content-length", "0")], "").await;
        assert_eq!(code, Code::InvalidArgument, "{method} {target}");
    }
}

#[tokio::test]
async fn a_deletion_can_demand_a_tag_and_nothing_else() {
    let tag = [("if-match", "*")];
    let Ok(Operation::DeleteObject(_, _, conditions)) = parse("DELETE", "/abc/k", &tag, "").await
    else {
        panic!("no deletion");
    };
    assert!(!conditions.is_empty());
    let absent = [("if-none-match", "*")];
    let refused = code("DELETE", "/abc/k", &absent, "").await;
    assert_eq!(refused, Code::NotImplemented);
}

async fn copy(headers: &[(&str, &str)]) -> Result<CopyObject, Code> {
    match parse("PUT", "/abc/k", headers, "").await {
        Ok(Operation::CopyObject(copy)) => Ok(copy),
        Ok(_) => panic!("another operation"),
        Err(error) => Err(error.code()),
    }
}

#[tokio::test]
async fn a_copy_replaces_metadata_only_when_told_to() {
    let source = ("x-amz-copy-source", "def/k");
    let sent = ("content-type", "text/plain");
    let kept = copy(&[source, sent]).await.unwrap();
    assert_eq!(kept.metadata, None);
    let directive = |value| ("x-amz-metadata-directive", value);
    let kept = copy(&[source, sent, directive("COPY")]).await.unwrap();
    assert_eq!(kept.metadata, None);
    let replaced = copy(&[source, sent, directive("REPLACE")]).await.unwrap();
    let content_type = replaced.metadata.unwrap().content_type;
    assert_eq!(content_type.as_deref(), Some("text/plain"));
    let odd = copy(&[source, directive("MERGE")]).await;
    assert_eq!(odd.err(), Some(Code::InvalidArgument));
}

fn source(raw: &[u8]) -> Result<(String, String), Code> {
    match object::parse_source(raw) {
        Ok((bucket, key)) => Ok((bucket.to_string(), key.to_string())),
        Err(error) => Err(error.code()),
    }
}

#[test]
fn a_copy_source_is_read_encoded_or_not_with_or_without_slash() {
    let expected = Ok(("abc".to_owned(), "a b/ü+1".to_owned()));
    for raw in [
        "abc/a b/ü%2B1",
        "/abc/a+b/%C3%BC%2B1",
        "abc%2Fa%20b%2F%C3%BC%2B1",
        "/abc/a%20b/%C3%BC%2b1?versionId=null",
    ] {
        assert_eq!(source(raw.as_bytes()), expected, "{raw}");
    }
    let odd = Ok(("abc".to_owned(), "/a//b?c".to_owned()));
    assert_eq!(source(b"abc//a//b%3Fc"), odd);
}

#[test]
fn a_copy_source_that_names_no_object_is_refused() {
    for raw in [
        "",
        "/",
        "abc",
        "abc/",
        "abc/%zz",
        "abc/%ff",
        "abc/k?versionId=3",
        "abc/k?versionId=",
    ] {
        assert_eq!(source(raw.as_bytes()), Err(Code::InvalidArgument), "{raw}");
    }
    assert_eq!(source(b"abc/\xff"), Err(Code::InvalidArgument));
    assert_eq!(source(b"A_B/k"), Err(Code::InvalidBucketName));
    let arn = b"arn:aws:s3:us-west-2:123456789012:accesspoint/x/object/k";
    assert_eq!(source(arn), Err(Code::NotImplemented));
}

proptest! {
    #[test]
    fn any_encoded_key_survives_as_a_copy_source(key in "\\PC{1,200}|[\\x00-\\x20/%+?.]{1,40}") {
        let raw = format!("/abc/{}", crate::s3::percent::encode(&key));
        prop_assert_eq!(source(raw.as_bytes()), Ok(("abc".to_owned(), key)));
    }

    #[test]
    fn no_copy_source_makes_the_parser_panic(raw: Vec<u8>, text: String) {
        let _ = object::parse_source(&raw);
        let _ = object::parse_source(text.as_bytes());
    }

    #[test]
    fn a_key_that_is_too_long_is_called_that(extra in 1usize..100) {
        let raw = format!("abc/{}", "k".repeat(1024 + extra));
        let refused = object::parse_source(raw.as_bytes()).err();
        let named = matches!(refused, Some(Error::Address(AddressError::KeyTooLong(_))));
        prop_assert!(named);
    }
}
