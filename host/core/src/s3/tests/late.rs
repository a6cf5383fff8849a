//! Copies that take longer than clients wait for a status.

use super::*;
use crate::service::memory::Fault;
use std::time::Duration;

/// A gateway with an object `/abc/source`, whose storage takes its time from now on.
async fn slow() -> (Gateway, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::new(RowTrust::Check));
    let s3 = gateway_over(store.clone(), Access::Open, REGION);
    send(&s3, "PUT", "/abc", &[], "").await;
    send(&s3, "PUT", "/abc/source", &[], "bytes").await;
    store.slow_down(Duration::from_secs(18));
    (s3, store)
}

const COPY: &[(&str, &str)] = &[("x-amz-copy-source", "abc/source")];

/// What is behind the declaration, which white space may follow, but not precede.
fn behind_the_declaration(answer: &Answer) -> &str {
    let (declaration, rest) = answer.text.split_once('\n').unwrap();
    assert!(declaration.starts_with("<?xml "), "{}", answer.text);
    rest
}

#[tokio::test(start_paused = true)]
async fn a_long_copy_keeps_its_client_awake() {
    let (s3, _) = slow().await;
    let copy = send(&s3, "PUT", "/abc/copy", COPY, "").await;
    assert_eq!(copy.status, 200);
    let rest = behind_the_declaration(&copy);
    assert!(rest.starts_with("  <CopyObjectResult"), "{rest}");
    let put = send(&s3, "HEAD", "/abc/copy", &[], "").await;
    let etag = put.header("etag").replace('"', "&quot;");
    assert_eq!(copy.element("ETag"), etag);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_fails_late_says_so_in_its_document() {
    let (s3, store) = slow().await;
    store.fail_next(Fault::FailBefore);
    let copy = send(&s3, "PUT", "/abc/copy", COPY, "").await;
    assert_eq!(copy.status, 200);
    let rest = behind_the_declaration(&copy);
    assert!(
        rest.starts_with("  <Error><Code>ServiceUnavailable<"),
        "{rest}"
    );
    let id = copy.header("x-amz-request-id");
    assert_eq!(copy.element("RequestId"), id);
    let missing = send(&s3, "HEAD", "/abc/copy", &[], "").await;
    assert_eq!(missing.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_fails_soon_keeps_its_own_status() {
    let (s3, _) = slow().await;
    let nothing = [("x-amz-copy-source", "abc/nothing")];
    let copy = send(&s3, "PUT", "/abc/copy", &nothing, "").await;
    assert_eq!(
        (copy.status.as_u16(), copy.element("Code")),
        (404, "NoSuchKey")
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_copy_of_a_part_keeps_its_client_awake() {
    let (s3, _) = slow().await;
    let upload = send(&s3, "POST", "/abc/copy?uploads", &[], "").await;
    let id = upload.element("UploadId");
    let target = format!("/abc/copy?partNumber=1&uploadId={id}");
    let copy = send(&s3, "PUT", &target, COPY, "").await;
    assert_eq!(copy.status, 200);
    let rest = behind_the_declaration(&copy);
    assert!(rest.starts_with("  <CopyPartResult"), "{rest}");
}
