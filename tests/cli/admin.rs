//! `--admin-listen`: health and metrics.

use pys3local_tests::gateway::{Gateway, Options};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

fn start() -> (Gateway, SocketAddr) {
    let gateway = Options::default()
        .arg("--admin-listen")
        .arg("127.0.0.1:0")
        .start();
    gateway.until("the start-up text", || {
        gateway.stdout().contains("Health, metrics:")
    });
    let text = gateway.stdout();
    let line = text
        .lines()
        .find(|line| line.contains("Health, metrics:"))
        .unwrap();
    let address = line
        .rsplit("http://")
        .next()
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    (gateway, address)
}

/// Status line and body.
fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut socket = TcpStream::connect(address).unwrap();
    write!(
        socket,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut reply = String::new();
    socket.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

fn sample(text: &str, start: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(start));
    let line = line.unwrap_or_else(|| panic!("no {start} in\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn requests_plugin_calls_and_knowledge_are_counted() {
    let (gateway, admin) = start();
    assert_eq!(get(admin, "/health/live").0, "HTTP/1.1 200 OK");
    assert_eq!(
        get(admin, "/health/ready"),
        ("HTTP/1.1 200 OK".into(), "ready\n".into())
    );
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    s3.store("bucket", "key", "hello").await;
    s3.fetch("bucket", "key").await;
    std::fs::write(gateway.data().join("bucket/objects/stranger"), "x").unwrap();
    for _ in 0..3 {
        let stranger = s3.head("bucket", "stranger").send().await;
        let etag = stranger
            .header("etag")
            .unwrap()
            .trim_matches('"')
            .to_owned();
        // What 32 hex digits look like, a client takes for an MD5.
        assert!(etag.starts_with("x-"), "{etag}");
    }
    let warning = "the MD5 of this object is unknown";
    gateway.until_said(warning);
    let warnings = gateway.stderr().matches(warning).count();
    assert_eq!(warnings, 1, "{}", gateway.stderr());
    s3.get("bucket", "missing").send().await.expect(404);
    let (status, text) = get(admin, "/metrics");
    assert_eq!(status, "HTTP/1.1 200 OK");
    let of = |operation: &str, code: &str| {
        sample(
            &text,
            &format!(
                "pys3local_request_duration_seconds_count{{operation=\"{operation}\",code=\"{code}\"}}"
            ),
        )
    };
    assert_eq!(of("PutObject", "OK"), 1.0);
    assert_eq!(of("GetObject", "OK"), 1.0);
    assert_eq!(of("HeadObject", "OK"), 3.0);
    let bucket = "pys3local_request_duration_seconds_bucket{le=\"+Inf\",operation=\"GetObject\",code=\"OK\"}";
    assert_eq!(sample(&text, bucket), 1.0);
    assert_eq!(of("GetObject", "NoSuchKey"), 1.0);
    assert_eq!(sample(&text, "pys3local_received_bytes_total"), 5.0);
    assert!(sample(&text, "pys3local_sent_bytes_total") >= 5.0);
    assert_eq!(sample(&text, "pys3local_cache_hits_total"), 1.0);
    assert_eq!(sample(&text, "pys3local_cache_misses_total"), 3.0);
    assert_eq!(sample(&text, "pys3local_etags_without_md5_total"), 3.0);
    assert!(
        sample(
            &text,
            "pys3local_plugin_call_duration_seconds_count{function=\"put\",outcome=\"ok\"}"
        ) >= 1.0
    );
    // What is left of an earlier run is looked for beside serving.
    gateway.until("an empty queue", || {
        sample(&get(admin, "/metrics").1, "pys3local_plugin_queue_depth") == 0.0
    });
    assert_eq!(sample(&text, "pys3local_plugin_restarts_total"), 0.0);
    assert!(sample(&text, "pys3local_connections") >= 0.0);
    assert!(text.contains("pys3local_build_info{version="), "{text}");
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn what_is_not_asked_about_is_not_there() {
    let (gateway, admin) = start();
    assert_eq!(get(admin, "/").0, "HTTP/1.1 404 Not Found");
    // And on the S3 side the paths are buckets.
    assert_ne!(get(gateway.address(), "/metrics").0, "HTTP/1.1 200 OK");
}

#[test]
fn a_taken_address_is_named_with_its_option() {
    let (_gateway, admin) = start();
    let failed = Options::default()
        .arg("--admin-listen")
        .arg(admin.to_string())
        .try_start();
    let failed = failed.err().expect("a start on a port that is taken");
    assert_eq!(failed.code, Some(1));
    assert!(
        failed.stderr.contains("choose one with --admin-listen"),
        "{failed}"
    );
}

#[tokio::test]
async fn a_database_that_is_replaced_under_a_running_server_is_said_and_makes_it_unready() {
    let (gateway, admin) = start();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    s3.store("bucket", "key", "hello").await;
    assert_eq!(get(admin, "/health/ready").1, "ready\n");
    let database = gateway.home().join(".config/pys3local/metadata.db");
    let copy = database.with_file_name("copy.db");
    std::fs::copy(&database, &copy).unwrap();
    std::fs::rename(&copy, &database).unwrap();
    // The server finds out by itself after a write, whatever becomes of that.
    s3.put("bucket", "key", "again").send().await;
    gateway.until_said("was deleted or replaced");
    assert_eq!(
        get(admin, "/health/ready"),
        (
            "HTTP/1.1 503 Service Unavailable".into(),
            "the metadata database was deleted or replaced\n".into()
        )
    );
    let said = gateway.stderr();
    assert_eq!(said.matches("was deleted or replaced").count(), 1, "{said}");
}
