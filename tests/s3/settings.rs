//! What clients configure of a bucket.

use pys3local_tests::Gateway;

const RULES: &str = "<CORSConfiguration><CORSRule><AllowedOrigin>https://*.example</AllowedOrigin>\
    <AllowedMethod>GET</AllowedMethod><ExposeHeader>ETag</ExposeHeader></CORSRule></CORSConfiguration>";

#[tokio::test]
async fn the_rules_of_a_bucket_about_web_pages_survive_a_restart() {
    let (mut gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "body").await;
    let put = s3.bucket("PUT", "bucket").query("cors", "").document(RULES);
    put.send().await.expect(200);
    gateway.restart();
    let s3 = gateway.s3();
    let page = "https://a.example";
    let asked = s3
        .object("OPTIONS", "bucket", "key")
        .header("origin", page)
        .header("access-control-request-method", "GET");
    let reply = asked.anonymous().send().await.expect(200);
    assert_eq!(reply.header("access-control-allow-origin"), Some(page));
    assert_eq!(reply.header("content-length"), Some("0"));
    let read = s3.get("bucket", "key").header("origin", page).send().await;
    assert_eq!(
        read.expect(200).header("access-control-expose-headers"),
        Some("ETag")
    );
    let other = s3.get("bucket", "key").header("origin", "https://other");
    let other = other.send().await.expect(200);
    assert_eq!(other.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_bucket_of_the_same_name_has_nothing_of_the_one_before() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let put = s3.bucket("PUT", "bucket").query("cors", "").document(RULES);
    put.send().await.expect(200);
    s3.bucket("DELETE", "bucket").send().await.expect(204);
    s3.create_bucket("bucket").await;
    let get = s3.bucket("GET", "bucket").query("cors", "").send().await;
    get.expect_error(404, "NoSuchCORSConfiguration");
}
