use super::*;
use proptest::prelude::*;
use std::fmt::Write;

fn entry(key: &str) -> DeleteEntry {
    DeleteEntry {
        key: key.to_owned(),
        ..DeleteEntry::default()
    }
}

#[test]
fn namespaces_comments_unknown_elements_and_whitespace_do_not_matter() {
    let document = br#"<?xml version="1.0" encoding="UTF-8"?>
        <!-- hello -->
        <s3:Delete xmlns:s3="http://s3.amazonaws.com/doc/2006-03-01/">
          <s3:Quiet> true </s3:Quiet>
          <Future><Object>no</Object><Key>no</Key></Future>
          <s3:Object attribute="x"><s3:Key>a</s3:Key><VersionId/></s3:Object>
          <Object><Key> b
c</Key></Object>
        </s3:Delete>
        <!-- bye -->"#;
    let expected = Delete {
        quiet: true,
        objects: vec![entry("a"), entry(" b\nc")],
    };
    assert_eq!(delete(document), Ok(expected));
}

#[test]
fn entities_and_cdata_are_text() {
    let document = "\u{feff}<Delete><Object><Key>&lt;&amp;&#65;&#x1;<![CDATA[<&]]>&quot;é</Key></Object></Delete>";
    let objects = delete(document.as_bytes()).unwrap().objects;
    assert_eq!(objects, vec![entry("<&A\u{1}<&\"é")]);
}

#[test]
fn versions_and_conditions_of_a_deletion_are_noticed() {
    let document = b"<Delete><Object><Key>a</Key><VersionId>v</VersionId><ETag>x</ETag></Object>\
        <Object><Key>b</Key></Object></Delete>";
    let expected = DeleteEntry {
        key: "a".into(),
        version: Some("v".into()),
        etag: Some("x".into()),
        conditional: false,
    };
    let objects = delete(document).unwrap().objects;
    assert_eq!(objects, vec![expected, entry("b")]);
}

#[test]
fn a_document_that_is_not_the_expected_one_is_malformed() {
    for document in [
        "",
        "text",
        "<Delete>",
        "<Delete></Delete>",
        "<Delete/>",
        "<Delete><Object></Object></Delete>",
        "<Delete><Object><Key></Key></Object></Delete>",
        "<Delete><Object><Key>a</Object></Key></Delete>",
        "<Delete><Object><Key>&nbsp;</Key></Object></Delete>",
        "<Delete><Object><Key>&#0;</Key></Object></Delete>",
        "<Remove><Object><Key>a</Key></Object></Remove>",
        "<Delete><Object><Key>a</Key></Object></Delete><Delete/>",
        "<Delete><Object><Key>a</Key></Object></Delete>text",
        "<Delete><Object><Key>a</Key></Object></Delete",
        "<!DOCTYPE Delete [<!ENTITY e 'x'>]><Delete><Object><Key>a</Key></Object></Delete>",
    ] {
        let refused = delete(document.as_bytes());
        assert!(
            matches!(refused, Err(XmlError::Malformed(_))),
            "{document}: {refused:?}"
        );
    }
    assert!(delete(b"<Delete><Object><Key>\xff</Key></Object></Delete>").is_err());
}

#[test]
fn a_thousand_keys_are_enough() {
    let document = |n| {
        format!(
            "<Delete>{}</Delete>",
            "<Object><Key>a</Key></Object>".repeat(n)
        )
    };
    assert_eq!(
        delete(document(1000).as_bytes()).unwrap().objects.len(),
        1000
    );
    assert_eq!(
        delete(document(1001).as_bytes()),
        Err(XmlError::Malformed("too many keys"))
    );
}

#[test]
fn deep_nesting_is_refused() {
    let document = format!("<Delete>{}", "<a>".repeat(1_000));
    assert_eq!(
        delete(document.as_bytes()),
        Err(XmlError::Malformed("too deep"))
    );
}

#[test]
fn parts_are_read_in_the_clients_order() {
    let document = br#"<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
        <Part><ETag>&quot;abababababababababababababababab&quot;</ETag><PartNumber> 2 </PartNumber>
          <ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>
        <Part><PartNumber>1</PartNumber><ETag>cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd</ETag></Part>
        </CompleteMultipartUpload>"#;
    let part = |number, byte, checksum| NamedPart {
        number: PartNumber::new(number).unwrap(),
        etag: ETag::Md5([byte; 16]),
        checksum,
    };
    let sum = Checksum::new(crate::model::ChecksumAlgorithm::Crc32, &[0; 4]);
    assert_eq!(
        complete_upload(document),
        Ok(vec![part(2, 0xab, sum), part(1, 0xcd, None)])
    );
}

#[test]
fn a_part_needs_a_number_and_a_tag() {
    let one = |part: &str| {
        complete_upload(
            format!("<CompleteMultipartUpload><Part>{part}</Part></CompleteMultipartUpload>")
                .as_bytes(),
        )
    };
    assert!(matches!(one(""), Err(XmlError::Malformed(_))));
    assert!(matches!(one("<ETag>a</ETag>"), Err(XmlError::Malformed(_))));
    let no_tag = "<PartNumber>1</PartNumber><ETag>\"\"</ETag>";
    assert!(matches!(one(no_tag), Err(XmlError::Malformed(_))));
    for number in ["0", "10001", "-1", "one", ""] {
        let part = format!("<PartNumber>{number}</PartNumber><ETag>a</ETag>");
        assert_eq!(one(&part), Err(XmlError::PartNumber), "{number}");
    }
}

#[test]
fn ten_thousand_parts_are_enough() {
    let document = |n| {
        let mut document = String::from("<CompleteMultipartUpload>");
        for _ in 0..n {
            document.push_str("<Part><PartNumber>1</PartNumber><ETag>a</ETag></Part>");
        }
        write!(document, "</CompleteMultipartUpload>").unwrap();
        document
    };
    assert_eq!(
        complete_upload(document(10_000).as_bytes()).unwrap().len(),
        10_000
    );
    assert_eq!(
        complete_upload(document(10_001).as_bytes()),
        Err(XmlError::Malformed("too many parts"))
    );
}

#[test]
fn the_location_of_a_new_bucket_is_optional() {
    let wrapped = |inner: &str| {
        create_bucket(
            format!("<CreateBucketConfiguration>{inner}</CreateBucketConfiguration>").as_bytes(),
        )
    };
    let none = Ok(NewBucket::default());
    assert_eq!(create_bucket(b""), none);
    assert_eq!(create_bucket(b" \n"), none);
    assert_eq!(wrapped(""), none);
    assert_eq!(wrapped("<LocationConstraint/>"), none);
    let asked = "<LocationConstraint>eu-west-1</LocationConstraint>\
                 <Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>";
    assert_eq!(
        wrapped(asked),
        Ok(NewBucket {
            location: Some("eu-west-1".into()),
            tags: vec![("a".into(), "b".into())],
            special: false,
        })
    );
    assert!(wrapped("<Tags><Tag><Key>a</Key></Tag></Tags>").is_err());
    assert!(create_bucket(b"eu-west-1").is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(raw: Vec<u8>) {
        let _ = delete(&raw);
        let _ = complete_upload(&raw);
        let _ = create_bucket(&raw);
    }

    #[test]
    fn no_markup_makes_a_reader_panic(raw in "(<[/?!]?(Delete|Object|Key|Part|ETag|a)[/?]?>|&#?[a-z0-9]{0,3};?|<!\\[CDATA\\[|\\]\\]>|-->|<!--|\\PC){0,40}") {
        let _ = delete(format!("<Delete>{raw}</Delete>").as_bytes());
        let _ = complete_upload(format!("<CompleteMultipartUpload>{raw}").as_bytes());
    }
}

#[test]
fn tags_are_read_in_order_and_need_key_and_value() {
    let document = |tags: &str| {
        let document = format!("<Tagging><TagSet>{tags}</TagSet></Tagging>");
        tagging(document.as_bytes())
    };
    let tag = "<Tag><Value>1</Value><Key>a</Key></Tag>";
    let pair = ("a".to_owned(), "1".to_owned());
    assert_eq!(document(&tag.repeat(2)), Ok(vec![pair.clone(), pair]));
    assert_eq!(document(""), Ok(vec![]));
    assert!(document("<Tag><Key>a</Key></Tag>").is_err());
    assert!(tagging(b"<Tagging></Tagging>").is_err());
    assert!(tagging(b"").is_err());
}
