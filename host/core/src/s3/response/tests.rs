//! Whole answers, byte for byte: the documents are the contract.

use super::*;
use crate::model::{
    BucketName, Checksum, ChecksumAlgorithm, ChecksumPlan, Metadata, ObjectChecksum, ObjectKey,
    PartNumber, UploadId,
};
use crate::s3::address::Domains;
use crate::s3::operation::{Answering, ListEcho, PartsQuery, UploadsEcho, Version};
use crate::service::ports::StoredBucket;
use crate::service::{
    ListObjects, ListUploads, ListedObject, ListedPart, ListedUpload, ObjectHead, ObjectPage,
    ObjectReply, PartPage, ServiceError, UploadPage, UploadRef, Written,
};
use futures_util::StreamExt;

const TIME: Timestamp = Timestamp(784_111_777_250_000_000);
const TAG: ETag = ETag::Md5([0xab; 16]);

fn name() -> BucketName {
    "abc".parse().unwrap()
}

fn key(key: &str) -> ObjectKey {
    key.parse().unwrap()
}

fn upload() -> UploadRef {
    UploadRef {
        bucket: name(),
        key: key("a&b"),
        id: id("u1"),
    }
}

fn id(id: &str) -> UploadId {
    id.parse().unwrap()
}

/// The document without what they all begin with.
pub(super) fn xml(reply: &Reply) -> String {
    assert_eq!(header(reply, "content-type"), "application/xml");
    let ReplyBody::Full(document) = reply.body() else {
        panic!("no document");
    };
    std::str::from_utf8(document)
        .unwrap()
        .strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
        .unwrap()
        .replace(" xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"", " NS")
}

pub(super) fn header<'r>(reply: &'r Reply, name: &str) -> &'r str {
    match reply.headers().get(name) {
        Some(value) => value.to_str().unwrap(),
        None => "-",
    }
}

#[test]
fn list_buckets() {
    let stored = |name: &str, created| StoredBucket {
        name: name.parse().unwrap(),
        created,
    };
    let buckets = [stored("abc", Some(TIME)), stored("def", None)];
    let owner = "<Owner><ID>pys3local</ID><DisplayName>pys3local</DisplayName></Owner>";
    assert_eq!(
        xml(&bucket::list(&buckets, "", false, None)),
        format!(
            "<ListAllMyBucketsResult NS>{owner}<Buckets>\
             <Bucket><Name>abc</Name><CreationDate>1994-11-06T08:49:37.250Z</CreationDate></Bucket>\
             <Bucket><Name>def</Name><CreationDate>1970-01-01T00:00:00.000Z</CreationDate></Bucket>\
             </Buckets></ListAllMyBucketsResult>"
        )
    );
    assert_eq!(
        xml(&bucket::list(&buckets[1..], "d", true, Some("mars"))),
        format!(
            "<ListAllMyBucketsResult NS>{owner}<Buckets>\
             <Bucket><Name>def</Name><CreationDate>1970-01-01T00:00:00.000Z</CreationDate><BucketRegion>mars</BucketRegion></Bucket>\
             </Buckets><ContinuationToken>{}</ContinuationToken><Prefix>d</Prefix>\
             </ListAllMyBucketsResult>",
            token("def")
        )
    );
}

fn token(last: &str) -> String {
    crate::s3::token::encode(last)
}

#[test]
fn location_of_a_bucket() {
    let empty = "<LocationConstraint NS></LocationConstraint>";
    assert_eq!(xml(&bucket::location("us-east-1")), empty);
    let named = "<LocationConstraint NS>eu-west-1</LocationConstraint>";
    assert_eq!(xml(&bucket::location("eu-west-1")), named);
    assert_eq!(header(&bucket::created(&name()), "location"), "/abc");
    assert_eq!(header(&bucket::head("mars"), "x-amz-bucket-region"), "mars");
}

fn question(delimiter: Option<&str>, max_keys: u16) -> ListObjects {
    ListObjects {
        bucket: name(),
        prefix: "a b".into(),
        delimiter: delimiter.map(str::to_owned),
        after: None,
        max_keys,
    }
}

fn page(next: Option<&str>) -> ObjectPage {
    ObjectPage {
        objects: vec![ListedObject {
            key: key("a b&\u{1}"),
            size: 7,
            etag: TAG,
            modified: TIME,
            checksum: None,
        }],
        prefixes: vec!["a b/".into()],
        next: next.map(str::to_owned),
    }
}

const OWNER: &str = "<Owner><ID>pys3local</ID><DisplayName>pys3local</DisplayName></Owner>";

#[test]
fn list_objects() {
    let echo = ListEcho {
        encode: false,
        version: Version::V1 {
            marker: "a ".into(),
        },
    };
    let contents = format!(
        "<Contents><Key>a b&amp;&#x1;</Key><LastModified>1994-11-06T08:49:37.250Z</LastModified>\
         <ETag>&quot;abababababababababababababababab&quot;</ETag><Size>7</Size>{OWNER}\
         <StorageClass>STANDARD</StorageClass></Contents>\
         <CommonPrefixes><Prefix>a b/</Prefix></CommonPrefixes>"
    );
    assert_eq!(
        xml(&listing::objects(
            &question(Some("/"), 2),
            &echo,
            &page(Some("a b/"))
        )),
        format!(
            "<ListBucketResult NS><Name>abc</Name><Prefix>a b</Prefix><Marker>a </Marker>\
             <NextMarker>a b/</NextMarker><MaxKeys>2</MaxKeys><Delimiter>/</Delimiter>\
             <IsTruncated>true</IsTruncated>{contents}</ListBucketResult>"
        )
    );
    // Without a delimiter there is no NextMarker, truncated or not.
    assert_eq!(
        xml(&listing::objects(
            &question(None, 2),
            &echo,
            &page(Some("a b/"))
        )),
        format!(
            "<ListBucketResult NS><Name>abc</Name><Prefix>a b</Prefix><Marker>a </Marker>\
             <MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated>{contents}</ListBucketResult>"
        )
    );
}

#[test]
fn list_objects_v2_with_encoding() {
    let echo = ListEcho {
        encode: true,
        version: Version::V2 {
            start_after: Some("a b".into()),
            token: Some(token("a b")),
            owner: false,
        },
    };
    assert_eq!(
        xml(&listing::objects(
            &question(Some(" "), 2),
            &echo,
            &page(Some("a b/"))
        )),
        format!(
            "<ListBucketResult NS><Name>abc</Name><Prefix>a%20b</Prefix>\
             <StartAfter>a%20b</StartAfter><ContinuationToken>{}</ContinuationToken>\
             <NextContinuationToken>{}</NextContinuationToken><KeyCount>2</KeyCount>\
             <MaxKeys>2</MaxKeys><Delimiter>%20</Delimiter><EncodingType>url</EncodingType>\
             <IsTruncated>true</IsTruncated>\
             <Contents><Key>a%20b%26%01</Key><LastModified>1994-11-06T08:49:37.250Z</LastModified>\
             <ETag>&quot;abababababababababababababababab&quot;</ETag><Size>7</Size>\
             <StorageClass>STANDARD</StorageClass></Contents>\
             <CommonPrefixes><Prefix>a%20b/</Prefix></CommonPrefixes></ListBucketResult>",
            token("a b"),
            token("a b/"),
        )
    );
}

#[test]
fn a_page_without_room_is_not_truncated() {
    let echo = ListEcho {
        encode: false,
        version: Version::V2 {
            start_after: None,
            token: None,
            owner: true,
        },
    };
    let page = ObjectPage {
        next: Some("a".into()),
        ..ObjectPage::default()
    };
    assert_eq!(
        xml(&listing::objects(&question(None, 0), &echo, &page)),
        "<ListBucketResult NS><Name>abc</Name><Prefix>a b</Prefix><KeyCount>0</KeyCount>\
         <MaxKeys>0</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>"
    );
}

#[test]
fn list_uploads() {
    let request = ListUploads {
        bucket: name(),
        prefix: String::new(),
        delimiter: Some("/".into()),
        key_marker: Some("a+".into()),
        upload_id_marker: None,
        max_uploads: 2,
    };
    let echo = UploadsEcho {
        encode: true,
        upload_id_marker: "u0".into(),
    };
    let page = UploadPage {
        uploads: vec![ListedUpload {
            key: key("a b"),
            id: id("u1"),
            started: TIME,
            plan: Some(ChecksumPlan::USUAL),
        }],
        prefixes: vec!["c+/".into()],
        next: Some(("c+/".into(), None)),
    };
    let initiator = OWNER.replace("Owner", "Initiator");
    assert_eq!(
        xml(&listing::uploads(&request, &echo, &page)),
        format!(
            "<ListMultipartUploadsResult NS><Bucket>abc</Bucket><KeyMarker>a%2B</KeyMarker>\
             <UploadIdMarker>u0</UploadIdMarker><NextKeyMarker>c%2B/</NextKeyMarker>\
             <NextUploadIdMarker></NextUploadIdMarker><Prefix></Prefix><Delimiter>/</Delimiter>\
             <EncodingType>url</EncodingType><MaxUploads>2</MaxUploads><IsTruncated>true</IsTruncated>\
             <Upload><Key>a%20b</Key><UploadId>u1</UploadId>{initiator}{OWNER}\
             <StorageClass>STANDARD</StorageClass><Initiated>1994-11-06T08:49:37.250Z</Initiated>\
             <ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType></Upload>\
             <CommonPrefixes><Prefix>c%2B/</Prefix></CommonPrefixes></ListMultipartUploadsResult>"
        )
    );
}

#[test]
fn list_parts() {
    let part = |number| ListedPart {
        number: PartNumber::new(number).unwrap(),
        size: 5,
        etag: TAG,
        checksum: Checksum::new(ChecksumAlgorithm::Crc32, &[0; 4]),
        modified: TIME,
    };
    let page = PartPage {
        parts: vec![part(2)],
        next: Some(2),
        plan: Some(ChecksumPlan::USUAL),
    };
    let query = PartsQuery {
        after: 1,
        marker: 1,
        limit: 1,
    };
    let initiator = OWNER.replace("Owner", "Initiator");
    assert_eq!(
        xml(&multipart::parts(&upload(), query, &page)),
        format!(
            "<ListPartsResult NS><Bucket>abc</Bucket><Key>a&amp;b</Key><UploadId>u1</UploadId>\
             {initiator}{OWNER}<StorageClass>STANDARD</StorageClass>\
             <PartNumberMarker>1</PartNumberMarker><NextPartNumberMarker>2</NextPartNumberMarker>\
             <MaxParts>1</MaxParts><IsTruncated>true</IsTruncated>\
             <ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>\
             <Part><PartNumber>2</PartNumber><LastModified>1994-11-06T08:49:37.250Z</LastModified>\
             <ETag>&quot;abababababababababababababababab&quot;</ETag><Size>5</Size>\
             <ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>\
             </ListPartsResult>"
        )
    );
}

#[test]
fn steps_of_a_multipart_upload() {
    assert_eq!(
        xml(&multipart::created(&name(), &key("a&b"), &id("u1"), None)),
        "<InitiateMultipartUploadResult NS><Bucket>abc</Bucket><Key>a&amp;b</Key>\
         <UploadId>u1</UploadId></InitiateMultipartUploadResult>"
    );
    let written = Written {
        etag: ETag::Multipart {
            digest: [0xab; 16],
            parts: 2.try_into().unwrap(),
        },
        modified: TIME,
        checksum: Some(composite()),
    };
    assert_eq!(
        xml(&document(multipart::completed(
            &upload(),
            "http://h/abc/a%26b",
            &written
        ))),
        "<CompleteMultipartUploadResult NS><Location>http://h/abc/a%26b</Location>\
         <Bucket>abc</Bucket><Key>a&amp;b</Key>\
         <ETag>&quot;abababababababababababababababab-2&quot;</ETag><ChecksumCRC32>AAAAAA==-2</ChecksumCRC32>\
         <ChecksumType>COMPOSITE</ChecksumType></CompleteMultipartUploadResult>"
    );
}

#[test]
fn a_copy() {
    let copy = Written {
        etag: TAG,
        modified: TIME,
        checksum: None,
    };
    assert_eq!(
        xml(&document(object::copied(&copy))),
        "<CopyObjectResult NS><LastModified>1994-11-06T08:49:37.250Z</LastModified>\
         <ETag>&quot;abababababababababababababababab&quot;</ETag></CopyObjectResult>"
    );
}

#[test]
fn deletions_are_reported_unless_quiet_and_failures_always() {
    let outcomes = [
        (("a".to_owned(), Some("null".to_owned())), Ok(())),
        (
            ("b".to_owned(), None),
            Err(ServiceError::Denied("x".into()).into()),
        ),
    ];
    let failed =
        "<Error><Key>b</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    assert_eq!(
        xml(&object::deleted(&outcomes, false)),
        format!(
            "<DeleteResult NS><Deleted><Key>a</Key><VersionId>null</VersionId></Deleted>{failed}</DeleteResult>"
        )
    );
    assert_eq!(
        xml(&object::deleted(&outcomes, true)),
        format!("<DeleteResult NS>{failed}</DeleteResult>")
    );
}

pub(super) fn stored() -> ObjectHead {
    ObjectHead {
        size: 10,
        etag: TAG,
        modified: TIME,
        metadata: Metadata::default(),
        parts: Some(2),
        checksum: Some(composite()),
    }
}

fn composite() -> ObjectChecksum {
    ObjectChecksum {
        sum: Checksum::new(ChecksumAlgorithm::Crc32, &[0; 4]).unwrap(),
        parts: 2.try_into().ok(),
    }
}

#[test]
fn a_read_tells_about_the_object() {
    let reply = object::head(&stored(), None, false, &Answering::default());
    assert_eq!(reply.status(), StatusCode::OK);
    assert_eq!(header(&reply, "content-length"), "10");
    assert_eq!(header(&reply, "accept-ranges"), "bytes");
    assert_eq!(header(&reply, "content-range"), "-");
    assert_eq!(header(&reply, "content-type"), "binary/octet-stream");
    assert_eq!(
        header(&reply, "last-modified"),
        "Sun, 06 Nov 1994 08:49:37 GMT"
    );
    assert_eq!(
        header(&reply, "etag"),
        "\"abababababababababababababababab\""
    );
}

#[test]
fn a_checksum_and_the_number_of_parts_are_told_on_demand() {
    let plain = object::head(&stored(), None, false, &Answering::default());
    assert_eq!(header(&plain, "x-amz-checksum-crc32"), "-");
    assert_eq!(header(&plain, "x-amz-mp-parts-count"), "-");
    let answering = Answering {
        checksum: true,
        ..Answering::default()
    };
    let reply = object::head(&stored(), Some(&(0..5)), true, &answering);
    assert_eq!(header(&reply, "x-amz-checksum-crc32"), "AAAAAA==-2");
    assert_eq!(header(&reply, "x-amz-checksum-type"), "COMPOSITE");
    assert_eq!(header(&reply, "x-amz-mp-parts-count"), "2");
}

#[test]
fn a_range_is_partial_content() {
    let object = ObjectReply {
        head: stored(),
        range: Some(2..5),
        body: futures_util::stream::empty().boxed(),
    };
    let reply = object::get(object, false, &Answering::default());
    assert_eq!(reply.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(header(&reply, "content-length"), "3");
    assert_eq!(header(&reply, "content-range"), "bytes 2-4/10");
    assert!(matches!(reply.body(), ReplyBody::Stream { length: 3, .. }));
}

pub(super) fn request_id() -> RequestId {
    RequestId {
        id: "ID".into(),
        host: "HOST".into(),
    }
}

#[test]
fn every_answer_has_ids_a_server_and_a_length() {
    let reply = finish(no_content(), &Method::DELETE, &request_id());
    assert_eq!(header(&reply, "x-amz-request-id"), "ID");
    assert_eq!(header(&reply, "x-amz-id-2"), "HOST");
    assert_eq!(header(&reply, "server"), "pys3local");
    assert_eq!(header(&reply, "content-length"), "-");
    let written = Written {
        etag: TAG,
        modified: TIME,
        checksum: None,
    };
    let reply = finish(object::put(&written), &Method::PUT, &request_id());
    assert_eq!(header(&reply, "content-length"), "0");
    let reply = finish(bucket::location("mars"), &Method::GET, &request_id());
    let ReplyBody::Full(body) = reply.body() else {
        panic!("no document");
    };
    assert_eq!(header(&reply, "content-length"), body.len().to_string());
}

#[test]
fn an_answer_to_head_has_the_length_but_not_the_body() {
    let error = ServiceError::NoSuchKey.into();
    let request = http::Request::head("/abc/k").body(()).unwrap();
    let (request, ()) = request.into_parts();
    let asked = Asked::of(&request, &Domains::default());
    let reply = super::error(&error, &asked, &request_id());
    let reply = finish(reply, &Method::HEAD, &request_id());
    assert!(matches!(reply.body(), ReplyBody::Empty));
    assert_ne!(header(&reply, "content-length"), "0");
    let reply = object::head(&stored(), None, false, &Answering::default());
    let reply = finish(reply, &Method::HEAD, &request_id());
    assert_eq!(header(&reply, "content-length"), "10");
}
