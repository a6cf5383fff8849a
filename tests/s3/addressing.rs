//! Path-style and virtual-host-style addresses.

use pys3local_tests::client::Socket;
use pys3local_tests::gateway::Options;
use pys3local_tests::{Gateway, S3};

async fn with_domain() -> (Gateway, S3) {
    let gateway = Options::default()
        .arg("--domain")
        .arg("s3.example.test")
        .start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    (gateway, s3)
}

#[tokio::test]
async fn the_bucket_may_stand_in_the_host() {
    let (_gateway, s3) = with_domain().await;
    let virtual_host =
        |method: &str, path: &str| s3.call(method, path).host("bucket.s3.example.test:9000");
    virtual_host("PUT", "/dir/key")
        .body("body")
        .send()
        .await
        .expect(200);
    assert_eq!(
        virtual_host("GET", "/dir/key")
            .send()
            .await
            .expect(200)
            .text(),
        "body"
    );
    assert_eq!(s3.fetch("bucket", "dir/key").await, "body");
    let list = virtual_host("GET", "/")
        .query("list-type", "2")
        .send()
        .await
        .expect(200)
        .xml();
    assert_eq!(list.texts("Contents", "Key"), ["dir/key"]);
    virtual_host("HEAD", "/").send().await.expect(200);
    assert_eq!(
        virtual_host("GET", "/dir/key")
            .presign(60)
            .send()
            .await
            .expect(200)
            .text(),
        "body"
    );
}

#[tokio::test]
async fn a_url_for_one_bucket_does_not_open_another() {
    let (gateway, s3) = with_domain().await;
    s3.create_bucket("other").await;
    s3.store("bucket", "key", "for everybody with the URL")
        .await;
    s3.store("other", "key", "secret").await;
    let url = s3.call("GET", "/key").host("bucket.s3.example.test");
    let mut signed = url.presign(60);
    signed.request.set("connection", "close");
    let target = signed.request.target.clone();
    for (host, expected) in [
        ("bucket.s3.example.test", "HTTP/1.1 200"),
        ("other.s3.example.test", "HTTP/1.1 403"),
    ] {
        // `Host` stays as it was signed.
        signed.request.target = format!("http://{host}{target}");
        let mut socket = Socket::open(gateway.address()).await.unwrap();
        socket.send(&signed.request.head()).await.unwrap();
        let all = String::from_utf8(socket.rest().await.unwrap()).unwrap();
        assert!(all.starts_with(expected), "{host}: {all}");
        assert!(!all.contains("secret"), "{host}: {all}");
    }
}

#[tokio::test]
async fn a_key_in_a_virtual_host_may_look_like_a_bucket() {
    let (_gateway, s3) = with_domain().await;
    let put = s3
        .call("PUT", "/bucket/bucket")
        .host("bucket.s3.example.test")
        .body("x");
    put.send().await.expect(200);
    assert_eq!(s3.keys("bucket").await, ["bucket/bucket"]);
}

#[tokio::test]
async fn the_domain_itself_and_other_hosts_are_path_style() {
    let (_gateway, s3) = with_domain().await;
    s3.store("bucket", "key", "body").await;
    for host in [
        "s3.example.test",
        "S3.Example.Test:80",
        "localhost",
        "gateway.internal:10001",
    ] {
        let reply = s3.get("bucket", "key").host(host).send().await.expect(200);
        assert_eq!(reply.text(), "body", "{host}");
    }
}

#[tokio::test]
async fn a_virtual_host_creates_and_deletes_buckets() {
    let (_gateway, s3) = with_domain().await;
    let call = |method: &str| s3.call(method, "/").host("new-bucket.s3.example.test");
    call("PUT").send().await.expect(200);
    s3.bucket("HEAD", "new-bucket").send().await.expect(200);
    call("DELETE").send().await.expect(204);
    s3.bucket("HEAD", "new-bucket").send().await.expect(404);
}

#[tokio::test]
async fn a_slash_behind_the_bucket_changes_nothing() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    s3.call("HEAD", "/bucket/").send().await.expect(200);
    let list = s3
        .call("GET", "/bucket/")
        .query("list-type", "2")
        .send()
        .await
        .expect(200)
        .xml();
    assert_eq!(list.text("Name"), "bucket");
    s3.call("PUT", "/another/").send().await.expect(200);
    s3.bucket("HEAD", "another").send().await.expect(200);
}
