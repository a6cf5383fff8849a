//! Stores that are served in another way than the one they were written in.

use super::settled;
use pys3local_tests::gateway::{Gateway, Options};
use std::fs;

fn single() -> Options {
    Options::default().default_bucket()
}

fn objects() -> Options {
    Options::default()
}

fn plain() -> Options {
    Options::default().arg("--layout=plain")
}

/// The warning about the way in which a store is served, if there is one.
fn warned(gateway: &Gateway) -> Option<String> {
    let said = gateway.stderr();
    let home = gateway.home().to_str().unwrap();
    let line = said.lines().find(|line| line.contains(" is served "));
    line.map(|line| line.replace(home, "HOME"))
}

/// The same where there has to be one; it may be read a moment after the server listens.
#[track_caller]
fn warning(gateway: &Gateway) -> String {
    gateway.until_said(" is served ");
    warned(gateway).unwrap()
}

/// A store that was written in this way.
async fn written(options: Options, bucket: &str, key: &str) -> Gateway {
    let gateway = options.start();
    assert_eq!(warned(&gateway), None);
    let s3 = gateway.s3();
    s3.create_bucket(bucket).await;
    s3.store(bucket, key, "12345").await;
    settled(&gateway).await;
    gateway
}

/// Without a database, the directory alone has to tell.
fn forget(gateway: &mut Gateway) {
    gateway.kill9();
    fs::remove_dir_all(gateway.home().join(".config")).unwrap();
}

#[tokio::test]
async fn a_store_with_buckets_is_warned_about_when_it_is_served_in_another_way() {
    let mut gateway = written(objects(), "photos", "a/b").await;
    gateway.restart();
    assert_eq!(warned(&gateway), None);
    gateway.restart_as(single());
    let said = warning(&gateway);
    let expected = "WARNING: HOME/data is served as the one bucket `default`, but the database \
                    knows its objects in the bucket photos: use --allow-bucket-creation.";
    assert_eq!(said, expected);
    gateway.restart_as(plain());
    let said = warning(&gateway);
    assert!(
        said.ends_with("in the bucket photos: use --layout objects."),
        "{said}"
    );
    for (options, remedy) in [
        (single(), "use --allow-bucket-creation."),
        (plain(), "use --layout objects."),
    ] {
        forget(&mut gateway);
        gateway.restart_as(options);
        let said = warning(&gateway);
        assert!(said.ends_with(remedy), "{said}");
    }
    forget(&mut gateway);
    gateway.restart_as(objects());
    assert_eq!(warned(&gateway), None);
}

#[tokio::test]
async fn a_tree_of_files_is_warned_about_when_it_is_served_in_another_way() {
    let mut gateway = written(plain(), "photos", "a/b").await;
    gateway.restart();
    assert_eq!(warned(&gateway), None);
    gateway.restart_as(single());
    let said = warning(&gateway);
    assert!(
        said.ends_with("use --allow-bucket-creation --layout plain."),
        "{said}"
    );
    gateway.restart_as(objects());
    let said = warning(&gateway);
    assert!(
        said.ends_with("in the bucket photos: use --layout plain."),
        "{said}"
    );
    forget(&mut gateway);
    gateway.restart_as(objects());
    let said = warning(&gateway);
    assert!(
        said.contains("none of its directories is a bucket"),
        "{said}"
    );
    for options in [single(), plain()] {
        forget(&mut gateway);
        gateway.restart_as(options);
        assert_eq!(warned(&gateway), None);
    }
}

#[tokio::test]
async fn the_one_bucket_is_warned_about_when_it_is_served_as_many() {
    let mut gateway = written(single(), "default", "photos/objects/a").await;
    gateway.restart();
    assert_eq!(warned(&gateway), None);
    for options in [objects(), plain()] {
        gateway.restart_as(options);
        let said = warning(&gateway);
        assert!(
            said.ends_with("leave --allow-bucket-creation out."),
            "{said}"
        );
    }
}

#[tokio::test]
async fn odd_keys_and_objects_that_are_gone_are_no_reason_for_a_warning() {
    let mut gateway = written(plain(), "photos", "objects/a").await;
    let s3 = gateway.s3();
    s3.store("photos", "a//b", "12345").await;
    settled(&gateway).await;
    gateway.restart();
    assert_eq!(warned(&gateway), None);
    // The same keys, moved by hand to where another way has them.
    gateway.kill9();
    fs::remove_dir_all(gateway.data()).unwrap();
    fs::create_dir_all(gateway.data().join("other/objects")).unwrap();
    gateway.restart_as(objects());
    assert_eq!(warned(&gateway), None);
}
