//! A component that was built from the first released interface: every function of it is called,
//! with values that must arrive and answers that must be understood.

use crate::guests;
use crate::rig::{accepted, collect, directory, key, options};
use futures_util::{StreamExt as _, stream};
use pys3local::backend::{Backend, Component, Grants, PluginConfig, SettingKind, open};
use pys3local_core::contract;
use pys3local_core::model::{Bucket, ByteStream, ObjectState, PartNumber, Timestamp};
use pys3local_core::service::ports::{
    PartOptions, PutOptions, RowTrust, StoreError, StoreListQuery, StoredPart,
};
use std::time::Duration;

const BODY: &[u8] = b"as released";

fn config() -> PluginConfig {
    PluginConfig {
        kind: "released".into(),
        component: Some(guests::component("released")),
        grants: Grants::default(),
        ..PluginConfig::default()
    }
}

fn body() -> ByteStream {
    stream::once(async { Ok(BODY.into()) }).boxed()
}

fn state() -> ObjectState {
    ObjectState {
        id: "id".into(),
        version: "1".into(),
    }
}

/// The words of an error.
#[track_caller]
fn words<T>(answer: Result<T, StoreError>) -> String {
    match answer.err().expect("an error") {
        StoreError::Other(words) => words,
        error => panic!("{error:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_component_of_the_first_version_says_of_itself_is_understood() {
    let dir = directory();
    let component = Component::load(&config(), &options(&dir)).await.unwrap();
    let said = component.description();
    assert_eq!((&*said.name, &*said.version), ("released", "0.1.0"));
    assert_eq!(said.settings[0].name, "colour");
    assert_eq!(said.settings[0].kind, SettingKind::Secret);
    assert_eq!(said.settings[0].default.as_deref(), Some("red"));
    assert_eq!(said.hosts, ["example.org"]);
    assert_eq!(
        (&*said.dirs[0].guest, &*said.dirs[0].setting),
        ("/", "path")
    );
    assert!(said.dirs[0].writable);
    let optional = component.optional_interfaces();
    for interface in ["multipart", "copy", "batch", "sweep", "portable"] {
        assert!(optional.contains(&interface), "{interface}: {optional:?}");
    }
    let choices = component.choices("colour", &[].into()).await.unwrap();
    assert_eq!((&*choices[0].value, &*choices[0].label), ("blue", "colour"));
}

async fn started() -> (Backend, tempfile::TempDir) {
    let dir = directory();
    (open(config(), options(&dir)).await.unwrap(), dir)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_the_first_version_stores_and_lists() {
    let (backend, _dir) = started().await;
    assert_eq!(backend.namespace, "released:released");
    assert_eq!(backend.label, Some(7));
    let store = &backend.store;
    assert_eq!(store.trust(), RowTrust::Indexed);
    assert_eq!(store.portable_bytes(), 500);
    let buckets = store.list_buckets().await.unwrap();
    assert_eq!(buckets[0].name.as_str(), "released");
    let name = "released".parse().unwrap();
    let bucket = Bucket::Named("released".parse().unwrap());
    assert_eq!(
        store.stat_bucket(&name).await.unwrap().created,
        Some(Timestamp(1))
    );
    let made = store.create_bucket(&name).await;
    assert!(matches!(made, Err(StoreError::BucketExists)), "{made:?}");
    let deleted = store.delete_bucket(&name).await;
    assert!(
        matches!(deleted, Err(StoreError::BucketNotEmpty)),
        "{deleted:?}"
    );

    let size = BODY.len() as u64;
    let (options, verdict) = (PutOptions::default(), accepted(size));
    let name = key("key");
    let put = store.put(&bucket, &name, size, options, body(), verdict);
    let put = put.await.unwrap();
    assert_eq!((put.state, put.size), (state(), size));
    let found = store.stat(&bucket, &key("key"), None).await.unwrap();
    assert_eq!(found.hash.as_deref(), Some("hash"));
    assert_eq!(found.content_type.as_deref(), Some("text/released"));
    assert_eq!(found.modified, Timestamp(1_000_000_000));
    let (_, whole) = store.get(&bucket, &key("key"), None, None).await.unwrap();
    assert_eq!(collect(whole).await.unwrap(), BODY);
    let range = store.get(&bucket, &key("key"), Some(3..6), None).await;
    assert_eq!(collect(range.unwrap().1).await.unwrap(), BODY[3..6]);
    let query = StoreListQuery {
        prefix: "a/".into(),
        after: None,
        shallow: false,
        limit: 10,
    };
    let page = store.list(&bucket, query).await.unwrap();
    assert_eq!(page.entries[0].0, key("a/key"));

    let old = state();
    let stat = store.stat(&bucket, &key("x"), Some(&old)).await;
    assert_eq!(words(stat), "stat x id/1");
    let waiting = store.stat(&bucket, &key("wait"), None).await.unwrap_err();
    let StoreError::Throttled { retry_after } = waiting else {
        panic!("{waiting:?}");
    };
    assert_eq!(retry_after, Some(Duration::from_millis(1500)));
    let delete = store.delete(&bucket, &key("x"), Some(&old)).await;
    assert_eq!(words(delete), "delete released x id/1");
    backend.shutdown();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_optional_interface_of_the_first_version_is_called() {
    let (backend, _dir) = started().await;
    let (store, old, x) = (&backend.store, state(), key("x"));
    let bucket = Bucket::Named("released".parse().unwrap());
    let begun = store.begin_upload(&bucket, &x, PutOptions::default());
    let upload = begun.await.unwrap();
    assert_eq!(upload, "released x");
    let part = PartOptions {
        number: PartNumber::new(3).unwrap(),
        size: 11,
        offset: Some(22),
    };
    let token = store.put_part(&bucket, &x, &upload, part, body());
    let token = token.await.unwrap();
    assert_eq!(token, "released x 3 11 Some(22) 11");
    let parts = vec![StoredPart {
        number: PartNumber::new(3).unwrap(),
        size: 11,
        token: token.clone(),
    }];
    let receipt = || contract::receipt(11);
    let completed = store.complete_upload(&bucket, &x, &upload, parts, None, receipt());
    assert_eq!(
        words(completed.await),
        format!("complete {upload} [3={token}] 11")
    );
    let aborted = store.abort_upload(&bucket, &x, &upload).await;
    assert_eq!(words(aborted), "abort released x released x");

    let (from, to) = ((&bucket, &x, &old), key("to"));
    let copied = store.copy(from, (&bucket, &to, None), receipt()).await;
    assert_eq!(words(copied), "copy released x id/1 to released to - 11");
    let deletions = vec![(key("gone"), None), (x.clone(), Some(state()))];
    let mut answers = store.delete_many(&bucket, deletions).await.unwrap();
    assert_eq!(words(answers.pop().unwrap()), "x id/1");
    answers.pop().unwrap().unwrap();
    let swept = store.sweep(Timestamp(5), vec!["up".into()]).await;
    assert_eq!(words(swept), "sweep 5 [\"up\"]");
    let texts = vec!["long".into(), "short".into()];
    let set = store.set_portable(&bucket, &x, &old, texts).await;
    assert_eq!(words(set), "portable released x id/1 [\"long\", \"short\"]");
    backend.shutdown();
}
