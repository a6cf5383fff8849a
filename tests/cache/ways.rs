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

/// There is one, and it ends like this.
#[track_caller]
fn assert_warned(gateway: &Gateway, ending: &str) {
    let said = warned(gateway);
    assert!(
        said.as_ref().is_some_and(|said| said.ends_with(ending)),
        "{said:?}"
    );
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
    let expected = "WARNING: HOME/data is served as the one bucket `default`, but the database \
                    knows its objects in the bucket photos: use --allow-bucket-creation.";
    assert_eq!(warned(&gateway).as_deref(), Some(expected));
    gateway.restart_as(plain());
    assert_warned(&gateway, "in the bucket photos: use --layout objects.");
    for (options, remedy) in [
        (single(), "use --allow-bucket-creation."),
        (plain(), "use --layout objects."),
    ] {
        forget(&mut gateway);
        gateway.restart_as(options);
        assert_warned(&gateway, remedy);
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
    assert_warned(&gateway, "use --allow-bucket-creation --layout plain.");
    gateway.restart_as(objects());
    assert_warned(&gateway, "in the bucket photos: use --layout plain.");
    forget(&mut gateway);
    gateway.restart_as(objects());
    let said = warned(&gateway).unwrap();
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
        assert_warned(&gateway, "leave --allow-bucket-creation out.");
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
