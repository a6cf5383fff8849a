//! Each function of the world `full-plugin`.

#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit/released/0.1.0",
        world: "pys3local:storage/full-plugin@0.1.0",
        generate_all,
    });
    use super::Component;
    export!(Component);
}

use bindings::exports::pys3local::storage::{
    batch, copy, multipart, portable, scan, setup, store, sweep,
};
use bindings::pys3local::storage::log;
use bindings::pys3local::storage::types::{
    BucketInfo, ByteRange, Entry, Error, ObjectInfo, ObjectRef, Receipt, UploadOptions,
};
use bindings::wit_stream;
use wit_bindgen::{FutureReader, StreamReader, StreamResult};

struct Component;

/// The bytes of every object.
const BODY: &[u8] = b"as released";

fn info() -> ObjectInfo {
    ObjectInfo {
        state: ObjectRef {
            id: "id".into(),
            version: "1".into(),
        },
        size: BODY.len() as u64,
        modified: 1_000_000_000,
        hash: Some("hash".into()),
        content_type: Some("text/released".into()),
        portable: None,
    }
}

fn state(state: &ObjectRef) -> String {
    format!("{}/{}", state.id, state.version)
}

fn known(known: Option<&ObjectRef>) -> String {
    known.map_or_else(|| "-".into(), state)
}

fn repeat<T>(words: std::fmt::Arguments<'_>) -> Result<T, Error> {
    Err(Error::Other(words.to_string()))
}

impl setup::Guest for Component {
    fn describe() -> setup::Description {
        setup::Description {
            name: "released".into(),
            version: "0.1.0".into(),
            summary: "Built from the first released interface".into(),
            settings: vec![setup::Setting {
                name: "colour".into(),
                help: "which colour".into(),
                kind: setup::SettingKind::Secret,
                required: false,
                default: Some("red".into()),
            }],
            hosts: vec!["example.org".into()],
            dirs: vec![setup::DirRequest {
                guest_path: "/".into(),
                setting: "path".into(),
                writable: true,
            }],
        }
    }

    async fn choices(
        setting: String,
        _settings: Vec<(String, String)>,
    ) -> Result<Vec<setup::Choice>, Error> {
        Ok(vec![setup::Choice {
            value: "blue".into(),
            label: setting,
        }])
    }

    async fn configure(
        settings: Vec<(String, String)>,
        context: setup::Context,
    ) -> Result<setup::Configured, Error> {
        let instance = &context.instance;
        log::write(log::Level::Debug, &format!("{instance}: {settings:?}"));
        Ok(setup::Configured {
            namespace: Some("released".into()),
            label: Some(7),
            capabilities: setup::Capabilities {
                trust: setup::RowTrust::Indexed,
                stateless: false,
                portable_bytes: 500,
                max_put: Some(1 << 30),
            },
        })
    }
}

impl store::Guest for Component {
    async fn list_buckets() -> Result<Vec<BucketInfo>, Error> {
        let bucket = BucketInfo {
            name: "released".into(),
            created: 1,
        };
        Ok(vec![bucket])
    }

    async fn create_bucket(_bucket: String) -> Result<(), Error> {
        Err(Error::AlreadyExists)
    }

    async fn stat_bucket(bucket: String) -> Result<BucketInfo, Error> {
        Ok(BucketInfo {
            name: bucket,
            created: 1,
        })
    }

    async fn delete_bucket(_bucket: String) -> Result<(), Error> {
        Err(Error::NotEmpty)
    }

    async fn put(
        _bucket: String,
        _key: String,
        size: u64,
        _options: UploadOptions,
        mut body: StreamReader<u8>,
        verdict: FutureReader<Result<Receipt, Error>>,
    ) -> Result<ObjectInfo, Error> {
        let (mut all, mut piece) = (Vec::new(), Vec::with_capacity(1 << 16));
        loop {
            let status;
            (status, piece) = body.read(piece).await;
            all.append(&mut piece);
            if !matches!(status, StreamResult::Complete(_)) {
                break;
            }
        }
        let receipt = verdict.await?;
        if all != BODY || receipt.size != size {
            return Err(Error::Quota);
        }
        Ok(info())
    }

    async fn get(
        _bucket: String,
        _key: String,
        range: Option<ByteRange>,
        _known: Option<ObjectRef>,
    ) -> Result<store::ObjectBody, Error> {
        let (from, count) = range.map_or((0, BODY.len()), |range| {
            let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
            (place(range.offset), place(range.length))
        });
        let bytes = BODY.iter().skip(from).take(count).copied().collect();
        let (mut writer, body) = wit_stream::new();
        wit_bindgen::spawn_local(async move {
            writer.write_all(bytes).await;
        });
        Ok(store::ObjectBody { info: info(), body })
    }

    async fn stat(
        _bucket: String,
        key: String,
        state: Option<ObjectRef>,
    ) -> Result<ObjectInfo, Error> {
        match key.as_str() {
            "key" => Ok(info()),
            "wait" => Err(Error::Throttled(Some(1500))),
            _ => repeat(format_args!("stat {key} {}", known(state.as_ref()))),
        }
    }

    async fn delete(bucket: String, key: String, state: Option<ObjectRef>) -> Result<(), Error> {
        repeat(format_args!(
            "delete {bucket} {key} {}",
            known(state.as_ref())
        ))
    }

    async fn list(_bucket: String, query: store::ListQuery) -> Result<store::Page, Error> {
        let key = format!("{}key", query.prefix);
        Ok(store::Page {
            entries: vec![Entry { key, info: info() }],
            prefixes: Vec::new(),
            more: false,
        })
    }
}

impl multipart::Guest for Component {
    fn rules() -> multipart::PartRules {
        multipart::PartRules {
            min_part: 1,
            max_part: 1 << 30,
            max_parts: 10_000,
            equal_parts: false,
            preferred_part: 1 << 20,
            parallel: 4,
        }
    }

    async fn begin(bucket: String, key: String, _: UploadOptions) -> Result<String, Error> {
        Ok(format!("{bucket} {key}"))
    }

    async fn part(
        _bucket: String,
        _key: String,
        upload: String,
        options: multipart::PartOptions,
        body: StreamReader<u8>,
    ) -> Result<String, Error> {
        let bytes = body.collect().await.len();
        let multipart::PartOptions {
            number,
            size,
            offset,
        } = options;
        Ok(format!("{upload} {number} {size} {offset:?} {bytes}"))
    }

    async fn complete(
        _bucket: String,
        _key: String,
        upload: String,
        parts: Vec<multipart::PartRef>,
        _known: Option<ObjectRef>,
        receipt: Receipt,
    ) -> Result<ObjectInfo, Error> {
        let part = |part: &multipart::PartRef| format!("{}={}", part.number, part.token);
        let parts: Vec<_> = parts.iter().map(part).collect();
        let parts = parts.join(",");
        repeat(format_args!("complete {upload} [{parts}] {}", receipt.size))
    }

    async fn abort(bucket: String, key: String, upload: String) -> Result<(), Error> {
        repeat(format_args!("abort {bucket} {key} {upload}"))
    }
}

impl copy::Guest for Component {
    async fn copy(
        source: copy::Source,
        bucket: String,
        key: String,
        old: Option<ObjectRef>,
        receipt: Receipt,
    ) -> Result<ObjectInfo, Error> {
        let from = format!("{} {} {}", source.bucket, source.key, state(&source.state));
        let (old, size) = (known(old.as_ref()), receipt.size);
        repeat(format_args!("copy {from} to {bucket} {key} {old} {size}"))
    }
}

impl batch::Guest for Component {
    async fn delete_many(
        _bucket: String,
        deletions: Vec<batch::Deletion>,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let answer = |deletion: &batch::Deletion| match deletion.key.as_str() {
            "gone" => Ok(()),
            key => repeat(format_args!("{key} {}", known(deletion.known.as_ref()))),
        };
        Ok(deletions.iter().map(answer).collect())
    }
}

impl sweep::Guest for Component {
    async fn sweep(before: i64, keep: Vec<String>) -> Result<u32, Error> {
        repeat(format_args!("sweep {before} {keep:?}"))
    }
}

impl portable::Guest for Component {
    async fn set(
        bucket: String,
        key: String,
        of: ObjectRef,
        texts: Vec<String>,
    ) -> Result<(), Error> {
        repeat(format_args!(
            "portable {bucket} {key} {} {texts:?}",
            state(&of)
        ))
    }
}

impl scan::Guest for Component {
    async fn scan(
        _bucket: String,
        folder: String,
        _cursor: Option<String>,
    ) -> Result<scan::ScanPage, Error> {
        Ok(scan::ScanPage {
            entries: Vec::new(),
            folders: vec![folder],
            next: None,
        })
    }
}
