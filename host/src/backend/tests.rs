use super::*;
use crate::model::{Bucket, ETag};
use crate::service::ports::{PutOptions, Receipt, StoreError};
use bytes::Bytes;
use futures_util::StreamExt as _;

async fn local(path: &Path) -> Result<Backend, OpenError> {
    let settings = [("path".to_owned(), path.display().to_string())].into();
    let config = PluginConfig {
        kind: "local".into(),
        settings,
        ..PluginConfig::default()
    };
    let spool = path.join("spool");
    open(
        config,
        BackendOptions {
            single_bucket: true,
            spool,
            ..BackendOptions::default()
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_built_in_plugin_stores_and_returns_an_object() {
    let dir = tempfile::tempdir().unwrap();
    let backend = local(dir.path()).await.unwrap();
    assert_eq!(
        backend.namespace,
        format!("local:{}", dir.path().canonicalize().unwrap().display())
    );
    let (key, data) = ("a/b.txt".parse().unwrap(), Bytes::from_static(b"hello"));
    let (sender, verdict) = tokio::sync::oneshot::channel();
    let receipt = Receipt {
        size: 5,
        md5: Some([0; 16]),
        etag: ETag::Md5([0; 16]),
        content_type: None,
    };
    sender.send(receipt).unwrap();
    let body = futures_util::stream::iter([Ok(data.clone())]).boxed();
    let put = backend
        .store
        .put(&Bucket::Root, &key, 5, PutOptions::default(), body, verdict);
    let stored = put.await.unwrap();
    assert_eq!(std::fs::read(dir.path().join("a/b.txt")).unwrap(), data);
    let (found, body) = backend
        .store
        .get(&Bucket::Root, &key, None, None)
        .await
        .unwrap();
    assert_eq!(found.state, stored.state);
    let got: Vec<_> = body.map(Result::unwrap).collect().await;
    assert_eq!(got.concat(), data);
    let missing = backend
        .store
        .stat(&Bucket::Root, &"nothing".parse().unwrap(), None)
        .await;
    assert!(matches!(missing, Err(StoreError::NoSuchKey)));
    backend.shutdown();
    assert!(backend.store.stat(&Bucket::Root, &key, None).await.is_err());
}

#[tokio::test]
async fn a_component_other_than_the_pinned_one_does_not_start() {
    let load = async |sha256| {
        let config = PluginConfig {
            kind: "local".into(),
            sha256,
            ..PluginConfig::default()
        };
        Component::load(&config, &BackendOptions::default()).await
    };
    let own = load(None).await.unwrap().sha256();
    let pin = hex::decode(&own).unwrap().try_into().unwrap();
    assert_eq!(load(Some(pin)).await.unwrap().sha256(), own);
    let text = load(Some([0; 32])).await.err().unwrap().to_string();
    let expected = format!("cannot use built-in local: its SHA-256 is {own}, and the config pins");
    assert!(text.starts_with(&expected), "{text}");
}

#[tokio::test]
async fn a_backend_that_cannot_start_says_why_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.wasm");
    let start = async |kind: &str, bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        let component = (kind != "local" && kind != "other").then(|| file.clone());
        let config = PluginConfig {
            kind: kind.into(),
            component,
            ..PluginConfig::default()
        };
        open(config, BackendOptions::default())
            .await
            .err()
            .unwrap()
            .to_string()
    };
    for (kind, bytes, expected) in [
        ("mine", &b"hello"[..], "no WebAssembly file"),
        ("mine", b"\0asm\x01\0\0\0", "core WebAssembly module"),
        ("mine", b"\0asm\x0d\0\x01\0", "no storage plugin"),
        ("mine", b"\0asm\x0d\0\x01\0\xff", "cannot use"),
        ("other", b"", "no backend type"),
        ("local", b"", "needs the setting \"path\""),
    ] {
        let text = start(kind, bytes).await;
        assert!(text.contains(expected) && !text.contains('\n'), "{text}");
    }
}
