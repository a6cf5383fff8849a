//! A clock that jumps while the gateway runs. A library in front of the system's plays the clock:
//! it adds what a file says to the time of day.

use pys3local_tests::Gateway;
use pys3local_tests::S3;
use pys3local_tests::data::{self, md5_hex};
use pys3local_tests::gateway::Options;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, now);
    const char *path = getenv("CLOCK_OFFSET");
    if (failed || id != CLOCK_REALTIME || !path) return failed;
    FILE *file = fopen(path, "re");
    long offset = 0;
    if (file) {
        if (fscanf(file, "%ld", &offset) != 1) offset = 0;
        fclose(file);
    }
    now->tv_sec += offset;
    return 0;
}
"#;

struct Clock {
    dir: TempDir,
}

impl Clock {
    /// A gateway whose clock can be set.
    fn start() -> (Self, Gateway) {
        let dir = TempDir::with_prefix("pys3local-clock-").unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        std::fs::write(path("clock.c"), CLOCK).unwrap();
        std::fs::write(path("offset"), "0").unwrap();
        let mut compiler = Command::new("cc");
        compiler.args([
            "-shared",
            "-fPIC",
            "-o",
            &path("clock.so"),
            &path("clock.c"),
            "-ldl",
        ]);
        assert!(compiler.status().expect("a C compiler").success());
        let options = Options::default()
            .env("LD_PRELOAD", path("clock.so"))
            .env("CLOCK_OFFSET", path("offset"));
        (Self { dir }, options.start())
    }

    fn jump(&self, to: Duration) {
        let next: &Path = &self.dir.path().join("next");
        std::fs::write(next, to.whole_seconds().to_string()).unwrap();
        std::fs::rename(next, self.dir.path().join("offset")).unwrap();
    }
}

async fn put(s3: &S3, key: &str, body: &'static str, at: OffsetDateTime) {
    let reply = s3.put("bucket", key, body).at(at).send().await.expect(200);
    assert_eq!(reply.etag(), md5_hex(body.as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_costs_neither_objects_nor_their_tags() {
    let (clock, mut gateway) = Clock::start();
    let now = OffsetDateTime::now_utc();
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    put(&s3, "key", "one", now).await;
    let upload = s3.create_upload("bucket", "parts").await;
    let mut expected = "one";
    for (days, next) in [
        (400, "two"),
        (-400, "six"),
        (0, "ten"),
        (-3, "odd"),
        (3, "end"),
    ] {
        let there = now + Duration::days(days);
        clock.jump(Duration::days(days));
        // The gateway lives in its own time: a signature of ours is of another day.
        let skewed = s3.get("bucket", "key").at(now).send().await;
        if days != 0 {
            skewed.expect_error(403, "RequestTimeTooSkewed");
        }
        let reply = s3.get("bucket", "key").at(there).send().await.expect(200);
        assert!(
            reply.body == expected && reply.etag() == md5_hex(expected.as_bytes()),
            "{days}"
        );
        // The same size, and maybe an older time than what it replaces.
        put(&s3, "key", next, there).await;
        put(&s3, next, next, there).await;
        expected = next;
        let reply = s3.get("bucket", "key").at(there).send().await.expect(200);
        assert!(
            reply.body == next && reply.etag() == md5_hex(next.as_bytes()),
            "{days}"
        );
        let not_changed = s3.get("bucket", "key").header(
            "if-none-match",
            &format!("\"{}\"", md5_hex(next.as_bytes())),
        );
        not_changed.at(there).send().await.expect(304);
    }
    clock.jump(Duration::ZERO);
    gateway.restart();
    let s3 = gateway.s3();
    assert_eq!(
        s3.keys("bucket").await,
        ["end", "key", "odd", "six", "ten", "two"]
    );
    for key in ["end", "odd", "six", "ten", "two", "key"] {
        let reply = s3.get("bucket", key).send().await.expect(200);
        let body = if key == "key" { "end" } else { key };
        assert!(
            reply.body == body && reply.etag() == md5_hex(body.as_bytes()),
            "{key}"
        );
    }
    // It may have expired in the meantime, but it is not half there.
    let part = s3
        .part("bucket", "parts", &upload, 1, data::bytes(1, 10))
        .send()
        .await;
    if part.status != 404 {
        let list = [(1, part.expect(200).etag().to_owned())];
        s3.complete("bucket", "parts", &upload, &list)
            .send()
            .await
            .expect(200);
        assert!(s3.fetch("bucket", "parts").await == data::bytes(1, 10));
    }
}
