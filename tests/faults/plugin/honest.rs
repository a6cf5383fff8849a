//! Plugins that do nothing wrong: one that may do little at once, and one that encrypts.

use pys3local_tests::gateway::Options;
use pys3local_tests::{artifacts, data};

#[tokio::test(flavor = "multi_thread")]
async fn as_many_conditional_writes_as_there_may_be_calls_do_not_wait_for_each_other() {
    let toml =
        "[few]\ntype = \"local\"\npath = \"{data}\"\nmax_calls = 1\ncall_timeout = \"20 s\"\n";
    let gateway = Options::default().backend("few", toml).start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    let puts: Vec<_> = (0..12)
        .map(|n| {
            let put = s3.put("bucket", &format!("key {n}"), vec![b'x'; 100_000]);
            tokio::spawn(put.header("if-none-match", "*").send())
        })
        .collect();
    for put in puts {
        put.await.unwrap().expect(200);
    }
    // Of one key, with deletions in between, which wait for the key and not for a turn.
    let calls: Vec<_> = (0..24)
        .map(|n| {
            let s3 = s3.clone();
            let call = match n % 3 {
                0 => s3.put("bucket", "one", vec![b'y'; 100_000]),
                1 => s3.put("bucket", "one", "z").header("if-match", "*"),
                _ => s3.delete("bucket", "one"),
            };
            tokio::spawn(call.send())
        })
        .collect();
    for call in calls {
        let reply = call.await.unwrap();
        assert!(!reply.status.is_server_error(), "{}", reply.text());
    }
    // The last call of the one key may be a deletion.
    let keys = s3.keys("bucket").await.len();
    assert!((12..=13).contains(&keys), "{keys}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_encrypts_every_byte_serves_like_any_other() {
    let component = artifacts::component("plugin-vault").unwrap();
    let toml = format!(
        "[vault]\ntype = \"vault\"\ncomponent = \"{}\"\npassword = \"{}\"\n\
         dirs = [{{ host = \"{{data}}\", guest = \"/\", writable = true }}]\n",
        component.display(),
        "5e".repeat(32)
    );
    let options = Options::default().backend("vault", &toml).arg("--debug");
    let mut gateway = options.env("RUST_LOG", "trace").start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    let body = data::bytes(1, 3_000_000);
    let etag = s3.store("bucket", "a/../key", body.clone()).await;
    let copy = s3
        .put("bucket", "copy", "")
        .header("x-amz-copy-source", "bucket/a/../key");
    copy.send().await.expect(200);
    let upload = s3.create_upload("bucket", "parts").await;
    let mut list = Vec::new();
    let parts = [data::bytes(2, 5 << 20), data::bytes(3, 99)];
    for (number, part) in (1..).zip(&parts) {
        list.push((
            number,
            s3.store_part("bucket", "parts", &upload, number, part.clone())
                .await,
        ));
    }
    s3.complete("bucket", "parts", &upload, &list)
        .send()
        .await
        .expect(200);
    gateway.restart();
    let s3 = gateway.s3();
    assert_eq!(s3.keys("bucket").await, ["a/../key", "copy", "parts"]);
    for key in ["a/../key", "copy"] {
        let reply = s3.get("bucket", key).send().await.expect(200);
        assert!(reply.body == body && reply.etag() == etag, "{key}");
    }
    assert!(s3.fetch("bucket", "parts").await == parts.concat());
    let range = s3
        .get("bucket", "copy")
        .header("range", "bytes=1000000-1000099");
    assert!(range.send().await.expect(206).body == body[1_000_000..1_000_100]);
    let said = gateway.stdout() + &gateway.stderr();
    assert!(!said.contains(&"5e".repeat(8)), "{said}");
    // The bytes on the disk are not the bytes of the client.
    let needle = &body[1000..1064];
    for (file, _) in gateway.files() {
        let bytes = std::fs::read(gateway.data().join(&file)).unwrap();
        assert!(
            !bytes.windows(needle.len()).any(|window| window == needle),
            "{file}"
        );
    }
}
