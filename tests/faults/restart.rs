//! Uploads in progress over a stop or a crash.

use pys3local_tests::Gateway;
use pys3local_tests::data::{self, multipart_etag};
use pys3local_tests::gateway::Options;

const MIB: usize = 1 << 20;

async fn goes_on(end: impl Fn(&mut Gateway)) {
    let mut gateway = Options::default().durable().start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    let start = s3.object("POST", "bucket", "key").query("uploads", "");
    let start = start
        .header("content-type", "text/x-long")
        .header("x-amz-meta-a", "1");
    let upload = start
        .send()
        .await
        .expect(200)
        .xml()
        .text("UploadId")
        .to_owned();
    let parts = [
        data::bytes(1, 5 * MIB),
        data::bytes(2, 6 * MIB),
        data::bytes(3, 100),
    ];
    let one = s3
        .store_part("bucket", "key", &upload, 1, parts[0].clone())
        .await;
    let three = s3
        .store_part("bucket", "key", &upload, 3, parts[2].clone())
        .await;

    end(&mut gateway);
    gateway.restart();
    let s3 = gateway.s3();
    let uploads = s3
        .bucket("GET", "bucket")
        .query("uploads", "")
        .send()
        .await
        .expect(200)
        .xml();
    assert_eq!(
        uploads.texts("Upload", "UploadId"),
        std::slice::from_ref(&upload)
    );
    let list = s3
        .get("bucket", "key")
        .query("uploadId", &upload)
        .send()
        .await
        .expect(200)
        .xml();
    assert_eq!(list.texts("Part", "PartNumber"), ["1", "3"]);
    assert_eq!(
        list.texts("Part", "ETag"),
        [format!("\"{one}\""), format!("\"{three}\"")]
    );
    s3.head("bucket", "key").send().await.expect(404);

    let two = s3
        .store_part("bucket", "key", &upload, 2, parts[1].clone())
        .await;
    let all = [(1, one), (2, two), (3, three)];
    s3.complete("bucket", "key", &upload, &all)
        .send()
        .await
        .expect(200);

    end(&mut gateway);
    gateway.restart();
    let s3 = gateway.s3();
    let reply = s3.get("bucket", "key").send().await.expect(200);
    assert!(reply.body == parts.concat());
    assert_eq!(reply.etag(), multipart_etag(&parts));
    assert_eq!(reply.header("content-type"), Some("text/x-long"));
    assert_eq!(reply.header("x-amz-meta-a"), Some("1"));
    let uploads = s3
        .bucket("GET", "bucket")
        .query("uploads", "")
        .send()
        .await
        .expect(200)
        .xml();
    assert_eq!(uploads.all("Upload").count(), 0);
}

#[tokio::test]
async fn an_upload_in_parts_goes_on_after_kill_9() {
    goes_on(Gateway::kill9).await;
}

#[tokio::test]
async fn an_upload_in_parts_goes_on_after_a_stop() {
    goes_on(|gateway| {
        gateway.terminate();
        assert!(gateway.wait().success());
    })
    .await;
}
