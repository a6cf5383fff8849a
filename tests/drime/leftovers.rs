//! Nothing stays behind in the service.

use crate::{Cloud, MIB};
use pys3local_tests::data;
use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The directories below `dir` that hold a file with this name.
fn holders(dir: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holders(&path, name));
        } else if entry.file_name() == name {
            found.push(dir.to_owned());
        }
    }
    found
}

fn make_old(dir: &Path) {
    let old = SystemTime::now() - Duration::from_hours(25);
    let times = FileTimes::new().set_modified(old);
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let file = File::options().write(true).open(entry.path()).unwrap();
        file.set_times(times).unwrap();
    }
    File::open(dir).unwrap().set_times(times).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_upload_leaves_nothing() {
    let cloud = Cloud::new().await;
    let upload = cloud.s3.create_upload("bucket", "key").await;
    for number in [1, 2] {
        let body = data::bytes(number.into(), 5 * MIB + number as usize);
        let stored = cloud.s3.store_part("bucket", "key", &upload, number, body);
        stored.await;
    }
    assert_eq!(cloud.simulator.open_uploads(), 1);
    let abort = cloud.s3.delete("bucket", "key").query("uploadId", &upload);
    abort.send().await.expect(204);
    assert_eq!(cloud.simulator.open_uploads(), 0);
    assert_eq!(
        holders(cloud.gateway.home(), "upload.json"),
        [] as [PathBuf; 0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_a_crash_left_behind_is_aborted_when_it_is_a_day_old() {
    let mut cloud = Cloud::new().await;
    let kept = cloud.s3.create_upload("bucket", "kept").await;
    let notes = holders(cloud.gateway.home(), "upload.json");
    // A large object whose parts never get through.
    cloud.script("storage:PUT /=delay-600000*");
    let put = cloud.s3.put("bucket", "big", data::bytes(1, 12 * MIB));
    let put = tokio::spawn(async move { put.try_send().await });
    cloud
        .gateway
        .until("it has begun", || cloud.simulator.open_uploads() == 2);
    cloud.gateway.until("it is noted", || {
        holders(cloud.gateway.home(), "upload.json").len() == 2
    });
    cloud.gateway.kill9();
    put.abort();

    cloud.gateway.restart();
    cloud.gateway.s3().list("bucket").send().await.expect(200);
    assert_eq!(cloud.simulator.open_uploads(), 2, "one is too young");

    cloud.gateway.kill9();
    for dir in holders(cloud.gateway.home(), "upload.json") {
        make_old(&dir);
    }
    cloud.gateway.restart();
    cloud
        .gateway
        .until("it is aborted", || cloud.simulator.open_uploads() == 1);
    cloud.gateway.until("only the other is noted", || {
        holders(cloud.gateway.home(), "upload.json") == notes
    });
    let listed = cloud.gateway.s3().bucket("GET", "bucket");
    let listed = listed.query("uploads", "").send().await.expect(200).xml();
    assert_eq!(listed.texts("Upload", "UploadId"), [kept]);
}
