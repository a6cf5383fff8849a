//! How the gateway behaves as a server of HTTP, over bare sockets.

use pys3local_tests::client::{Outgoing, Socket};
use pys3local_tests::xml::Element;
use pys3local_tests::{Gateway, S3};

/// Sends one request and reads until the connection ends.
async fn exchange(gateway: &Gateway, bytes: &[u8]) -> String {
    let mut socket = Socket::open(gateway.address()).await.unwrap();
    // The answer may come, and the connection end, before all was sent.
    let _ = socket.send(bytes).await;
    let _ = socket.finish().await;
    let mut all = String::new();
    while let Ok(Some((status, head, body))) = socket.answer().await {
        all = format!("{all}{status}\n{head}{}\n", String::from_utf8_lossy(&body));
    }
    all
}

fn bytes(request: &Outgoing, body: &[u8]) -> Vec<u8> {
    [&request.head(), body].concat()
}

async fn still_serves(s3: &S3) {
    s3.store("bucket", "alive", "yes").await;
    assert_eq!(s3.fetch("bucket", "alive").await, "yes");
}

#[tokio::test]
async fn a_body_with_two_lengths_never_becomes_two_requests() {
    let (gateway, s3) = Gateway::with_bucket().await;
    let smuggled = "DELETE /bucket/alive HTTP/1.1\r\nhost: x\r\n\r\n";
    s3.store("bucket", "alive", "yes").await;
    for (length, framed) in [
        (5, format!("0\r\n\r\n{smuggled}")),
        (5 + smuggled.len(), format!("0\r\n\r\n{smuggled}")),
    ] {
        let mut request = s3
            .put("bucket", "key", "")
            .payload("UNSIGNED-PAYLOAD")
            .sign()
            .request;
        request.set("content-length", length.to_string());
        request.set("transfer-encoding", "chunked");
        let all = exchange(&gateway, &bytes(&request, framed.as_bytes())).await;
        let answers = all.matches("HTTP/1.1 ").count();
        assert!(answers <= 1, "{answers} answers: {all}");
    }
    for (name, values) in [
        ("content-length", &["5", "6"][..]),
        ("content-length", &["5, 6"]),
        ("content-length", &["-1"]),
        ("content-length", &["99999999999999999999"]),
        ("transfer-encoding", &["gzip"]),
        ("transfer-encoding", &["chunked, gzip"]),
    ] {
        let mut request = s3.put("bucket", "key", "").sign().request;
        request.remove("content-length");
        for value in values {
            request.headers.push((name.into(), (*value).into()));
        }
        let all = exchange(&gateway, &bytes(&request, b"hello")).await;
        assert!(
            all.starts_with("40") || all.starts_with("411") || all.starts_with("501"),
            "{name} {values:?}: {all}"
        );
        assert_eq!(all.matches("HTTP/1.1 ").count(), 1, "{all}");
    }
    s3.head("bucket", "key").send().await.expect(404);
    assert_eq!(s3.fetch("bucket", "alive").await, "yes");
}

#[tokio::test]
async fn heads_that_servers_read_differently_never_become_two_requests() {
    let (gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "alive", "yes").await;
    let smuggled = "DELETE /bucket/alive HTTP/1.1\r\nhost: x\r\n\r\n";
    let length = smuggled.len();
    for head in [
        // Names and values that one server reads and another does not.
        format!("content-length : {length}"),
        format!("content-length: {length}\r\n content-length: 0"),
        format!("content-length: +{length}"),
        format!("content-length: 0x{length:x}"),
        format!("content-length:\0{length}"),
        format!("x: y\rcontent-length: {length}"),
        format!("x: y\ncontent-length: {length}\ntransfer-encoding: chunked"),
        "transfer-encoding : chunked".into(),
        "transfer-encoding: xchunked".into(),
        "transfer-encoding: chunked\r\ntransfer-encoding: identity".into(),
        "transfer-encoding:\x0bchunked".into(),
        "transfer-encoding: \"chunked\"".into(),
    ] {
        let text = format!("PUT /bucket/key HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n{smuggled}");
        let all = exchange(&gateway, text.as_bytes()).await;
        let answers = all.matches("HTTP/1.1 ").count();
        assert!(answers <= 1, "{head:?}: {answers} answers: {all}");
        assert!(!all.starts_with('2'), "{head:?}: {all}");
    }
    // Chunks of odd sizes.
    for size in ["-1", "0x5", "5 5", "ffffffffffffffffff", "5;\n", "g", ""] {
        let mut request = s3
            .put("bucket", "key", "")
            .payload("UNSIGNED-PAYLOAD")
            .sign()
            .request;
        request.remove("content-length");
        request.set("transfer-encoding", "chunked");
        let body = format!("{size}\r\nhello\r\n0\r\n\r\n{smuggled}");
        let all = exchange(&gateway, &bytes(&request, body.as_bytes())).await;
        let answers = all.matches("HTTP/1.1 ").count();
        assert!(answers <= 1 && !all.starts_with('2'), "{size:?}: {all}");
    }
    s3.head("bucket", "key").send().await.expect(404);
    assert_eq!(s3.fetch("bucket", "alive").await, "yes");
}

#[tokio::test]
async fn every_answer_has_its_length_and_names_itself() {
    let (gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "body").await;
    let mut socket = Socket::open(gateway.address()).await.unwrap();
    // One connection: errors of requests do not end it.
    for (call, status) in [
        (s3.get("bucket", "key"), 200),
        (s3.get("bucket", "missing"), 404),
        (s3.get("missing", "key"), 404),
        (s3.list("bucket"), 200),
        (s3.get("bucket", "key").header("range", "bytes=9-"), 416),
        (s3.get("bucket", "key").query("torrent", ""), 501),
        (s3.object("PATCH", "bucket", "key"), 405),
        (s3.get("bucket", "key").header("if-none-match", "*"), 304),
        (s3.put("bucket", "key", ""), 200),
        (s3.delete("bucket", "key"), 204),
        (s3.call("GET", "/A_B"), 400),
        (s3.call("GET", "/"), 200),
    ] {
        let request = call.sign().request;
        let what = format!("{} {}", request.method, request.target);
        socket.send(&request.head()).await.unwrap();
        let (found, head, _) = socket.answer().await.unwrap().unwrap();
        let head = head.to_ascii_lowercase();
        assert_eq!(found, status, "{what}: {head}");
        let has_length = head.contains("\r\ncontent-length: ");
        assert_eq!(has_length, ![204, 304].contains(&status), "{what}: {head}");
        for name in [
            "server: pys3local\r\n",
            "date: ",
            "x-amz-request-id: ",
            "x-amz-id-2: ",
        ] {
            assert!(head.contains(&format!("\r\n{name}")), "{what}: {head}");
        }
        assert!(!head.contains("connection: close"), "{what}: {head}");
        assert_eq!(
            head.contains("\r\nallow: "),
            status == 405,
            "{what}: {head}"
        );
    }
    let stranger = s3
        .get("bucket", "key")
        .sign()
        .set("authorization", "nonsense")
        .request;
    socket.send(&stranger.head()).await.unwrap();
    assert_eq!(socket.answer().await.unwrap().unwrap().0, 400);
    socket
        .send(&s3.head("bucket", "key").sign().request.head())
        .await
        .unwrap();
    // No body, though the document has a length.
    assert_eq!(socket.head().await.unwrap().unwrap().0, 404);
    socket
        .send(&s3.call("GET", "/").sign().request.head())
        .await
        .unwrap();
    assert_eq!(socket.answer().await.unwrap().unwrap().0, 200);
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused_and_cost_only_their_connection() {
    let (gateway, s3) = Gateway::with_bucket().await;
    let mut wide = s3.get("bucket", "key").sign().request;
    wide.set("x-amz-meta-a", "x".repeat(1 << 20));
    let mut many = s3.get("bucket", "key").sign().request;
    for number in 0..2000 {
        many.set(&format!("x-amz-meta-{number}"), "x");
    }
    let mut long = s3.get("bucket", "key").sign().request;
    long.target = format!("/bucket/{}", "k".repeat(100_000));
    for request in [wide, many, long] {
        let all = exchange(&gateway, &request.head()).await;
        let refused = ["431", "414", "400"]
            .iter()
            .any(|status| all.starts_with(status));
        assert!(refused, "{}", all.get(..200).unwrap_or(&all));
    }
    still_serves(&s3).await;
}

#[tokio::test]
async fn documents_that_grow_when_they_are_read_are_refused() {
    let (gateway, s3) = Gateway::with_bucket().await;
    s3.store("bucket", "key", "body").await;
    let upload = s3.create_upload("bucket", "key").await;
    let before = gateway.peak_memory();
    let mut laughs = String::new();
    for n in 1..10 {
        let ten = format!("&l{};", n - 1).repeat(10);
        laughs = format!("{laughs}<!ENTITY l{n} \"{ten}\">");
    }
    let bomb = |root: &str| {
        format!(
            "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY l0 \"lol\">{laughs}]><{root}>&l9;</{root}>"
        )
    };
    let deep = |root: &str| format!("<{root}>{}", "<a>".repeat(100_000));
    let file = |root: &str| {
        format!("<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><{root}>&f;</{root}>")
    };
    let undefined = |root: &str| format!("<{root}>&lol;</{root}>");
    for make in [&bomb as &dyn Fn(&str) -> String, &deep, &file, &undefined] {
        let complete = s3
            .object("POST", "bucket", "key")
            .query("uploadId", &upload);
        let tagging = s3.object("PUT", "bucket", "key").query("tagging", "");
        let cors = s3.bucket("PUT", "bucket").query("cors", "");
        for reply in [
            s3.delete_many("bucket", &make("Delete")).send().await,
            complete.body(make("CompleteMultipartUpload")).send().await,
            tagging.body(make("Tagging")).send().await,
            cors.document(&make("CORSConfiguration")).send().await,
            s3.bucket("PUT", "other")
                .body(make("CreateBucketConfiguration"))
                .send()
                .await,
        ] {
            reply.expect_error(400, "MalformedXML");
        }
    }
    let grown = gateway.peak_memory().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes");
    s3.bucket("HEAD", "other").send().await.expect(404);
    still_serves(&s3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stalls_in_the_middle_of_a_head_is_left() {
    let (gateway, s3) = Gateway::with_bucket().await;
    let whole = "GET /bucket/key HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut stalled = Vec::new();
    for half in ["G", "GET /bucket/k", &whole[..whole.len() - 2]] {
        for earlier in [0, 1] {
            let mut socket = Socket::open(gateway.address()).await.unwrap();
            for _ in 0..earlier {
                socket.send(whole.as_bytes()).await.unwrap();
                let (status, ..) = socket.answer().await.unwrap().unwrap();
                assert_eq!(status, 403);
            }
            socket.send(half.as_bytes()).await.unwrap();
            stalled.push(tokio::spawn(async move { socket.rest().await }));
        }
    }
    // One that sends a little of it now and then is no better.
    let mut slow = Socket::open(gateway.address()).await.unwrap();
    let trickle = tokio::spawn(async move {
        for _ in 0..120 {
            if slow.send(b"G").await.is_err() {
                return true;
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        false
    });
    still_serves(&s3).await;
    for socket in stalled {
        // It ends, and at the most with an answer that says why.
        let rest = socket.await.unwrap().unwrap();
        let rest = String::from_utf8_lossy(&rest);
        assert!(
            rest.is_empty() || rest.starts_with("HTTP/1.1 408"),
            "{rest}"
        );
    }
    assert!(trickle.await.unwrap(), "a head may take for ever");
    still_serves(&s3).await;
}

#[tokio::test]
async fn a_request_has_the_date_that_it_was_signed_with() {
    let (_gateway, s3) = Gateway::with_bucket().await;
    let get = || s3.list("bucket").sign();
    let stamp = get().request.header("x-amz-date").unwrap().to_owned();
    for (date, code) in [
        ("20200101T000000Z", "AuthorizationHeaderMalformed"),
        ("soon", "AccessDenied"),
        ("", "AccessDenied"),
        (&*stamp.replace('Z', ""), "AccessDenied"),
    ] {
        let reply = get().set("x-amz-date", date).send().await;
        assert!(reply.status.is_client_error(), "{date}");
        assert_eq!(reply.xml().text("Code"), code, "{date}");
    }
    let without = get().without("x-amz-date").send().await;
    assert_eq!(without.status, 403);
    // `Date` is what proxies and libraries set; the other one counts where both are there.
    let both = get()
        .set("date", "Thu, 01 Jan 1970 00:00:00 GMT")
        .send()
        .await;
    both.expect(200);
}

#[tokio::test]
async fn what_is_no_request_is_answered_as_an_error_of_s3() {
    let (gateway, s3) = Gateway::with_bucket().await;
    let good = s3.head("bucket", "missing").sign().request.head();
    let put = "PUT /bucket/key HTTP/1.1\r\nhost: x\r\n";
    let many: Vec<String> = (0..2000)
        .map(|n| format!("x-amz-meta-{n}: v\r\n"))
        .collect();
    let many = many.concat();
    for (bytes, code) in [
        ("GET /a b HTTP/1.1\r\n\r\n".to_owned(), "BadRequest"),
        ("GET /b?x=\"y\" HTTP/1.1\r\n\r\n".into(), "BadRequest"),
        ("\x16\x03\x01 hello\r\n\r\n".into(), "BadRequest"),
        (format!("{put}na me: x\r\n\r\n"), "BadRequest"),
        (format!("{put}content-length: -1\r\n\r\n"), "BadRequest"),
        (
            format!("{put}content-length: 1\r\ncontent-length: 2\r\n\r\n"),
            "BadRequest",
        ),
        (
            format!("GET /{} HTTP/1.1\r\n\r\n", "k".repeat(70_000)),
            "RequestHeaderSectionTooLarge",
        ),
        (format!("{put}{many}\r\n"), "RequestHeaderSectionTooLarge"),
        (
            format!("{put}x: {}\r\n\r\n", "v".repeat(2_000_000)),
            "RequestHeaderSectionTooLarge",
        ),
    ] {
        let what = &bytes[..bytes.len().min(60)];
        // The first one of a connection, the next one, and one that comes in the same piece.
        for mut before in [None, Some(true), Some(false)] {
            let mut socket = Socket::open(gateway.address()).await.unwrap();
            let mut sent = bytes.clone().into_bytes();
            if before == Some(false) {
                sent = [&good, &*sent].concat();
            }
            if before == Some(true) {
                socket.send(&good).await.unwrap();
                assert_eq!(socket.head().await.unwrap().unwrap().0, 404);
                before = None;
            }
            // Not all of it may be taken any more when it is refused.
            let _ = socket.send(&sent).await;
            if before.is_some() {
                let (status, head) = socket.head().await.unwrap().unwrap();
                assert_eq!(status, 404, "{what}: {head}");
                assert!(head.contains("x-amz-request-id: "), "{what}: {head}");
            }
            let (status, head, body) = socket.answer().await.unwrap().unwrap();
            assert_eq!(status, 400, "{what}: {head}");
            let error = Element::parse(std::str::from_utf8(&body).unwrap());
            assert_eq!(
                (&*error.name, error.text("Code")),
                ("Error", code),
                "{what}"
            );
            let id = format!("x-amz-request-id: {}\r\n", error.text("RequestId"));
            assert!(head.contains(&id), "{what}: {head}");
            for field in ["connection: close\r\n", "server: pys3local\r\n", "date: "] {
                assert_eq!(head.matches(field).count(), 1, "{what}: {head}");
            }
            let _ = socket.finish().await;
            assert!(socket.answer().await.unwrap().is_none(), "{what}");
        }
    }
    still_serves(&s3).await;
}
