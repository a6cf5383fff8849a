//! The plugin interface over [`misdeeds`](crate::misdeeds).

#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
pub(crate) mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit/v0",
        world: "pys3local:storage/plugin@0.1.0",
        generate_all,
    });
    use super::Component;
    export!(Component);
}

use crate::misdeeds::{self, SIZE, info, odd};
use crate::outside;
use bindings::exports::pys3local::storage::store::{ListQuery, ObjectBody, Page};
use bindings::exports::pys3local::storage::{setup, store};
use bindings::pys3local::storage::log;
use bindings::pys3local::storage::types::{
    BucketInfo, ByteRange, Error, ObjectInfo, ObjectRef, Receipt, UploadOptions,
};
use std::sync::OnceLock;
use wit_bindgen::{FutureReader, StreamReader, StreamResult};

pub(crate) struct Component;

static SETTINGS: OnceLock<Vec<(String, String)>> = OnceLock::new();

/// Does in this call what the config says of it: `CALL:MISDEED`.
async fn as_told_in(call: &str, settings: &[(String, String)]) {
    let told = settings.iter().find(|(name, _)| name == "misdeed");
    if let Some((at, misdeed)) = told.and_then(|(_, value)| value.split_once(':'))
        && at == call
    {
        misdeeds::commit(misdeed).await;
    }
}

/// Says what it was told, in every way that there is.
fn tell() -> Error {
    let told = format!("{:?}", SETTINGS.get());
    println!("{told}");
    eprintln!("{told}");
    log::write(log::Level::Error, &told);
    Error::Other(told)
}

impl setup::Guest for Component {
    fn describe() -> setup::Description {
        let misdeed = misdeeds::in_describe();
        let mut about = setup::Description {
            name: "hostile".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Does what it should not".into(),
            settings: vec![
                setup::Setting {
                    name: "misdeed".into(),
                    help: "CALL:MISDEED, for the calls without a bucket".into(),
                    kind: setup::SettingKind::Text,
                    required: false,
                    default: None,
                },
                setup::Setting {
                    name: "token".into(),
                    help: "is told to everybody in the bucket `tell`".into(),
                    kind: setup::SettingKind::Secret,
                    required: false,
                    default: None,
                },
            ],
            hosts: Vec::new(),
            dirs: Vec::new(),
        };
        match misdeed {
            "" => {}
            "flood" => about.hosts = vec!["x".repeat(100); 200_000],
            "huge-text" => about.summary = "text ".repeat(1 << 20),
            _ => wit_bindgen::block_on(misdeeds::commit(misdeed)),
        }
        about
    }

    async fn choices(
        _setting: String,
        settings: Vec<(String, String)>,
    ) -> Result<Vec<setup::Choice>, Error> {
        as_told_in("choices", &settings).await;
        Ok(Vec::new())
    }

    async fn configure(
        settings: Vec<(String, String)>,
        _context: setup::Context,
    ) -> Result<setup::Configured, Error> {
        as_told_in("configure", &settings).await;
        let told = settings.iter().find(|(name, _)| name == "misdeed");
        let told = told.map(|(_, value)| value.clone()).unwrap_or_default();
        let _ = SETTINGS.set(settings);
        let namespace = match told.as_str() {
            "configure:odd-namespace" => "two\nlines \u{1b}[31m".to_owned(),
            "configure:long-namespace" => "x".repeat(2000),
            _ => "hostile".to_owned(),
        };
        Ok(setup::Configured {
            namespace: Some(namespace),
            label: (told == "configure:huge-label").then_some(u64::MAX),
            capabilities: setup::Capabilities {
                trust: match told.as_str() {
                    "configure:indexed" => setup::RowTrust::Indexed,
                    _ => setup::RowTrust::Check,
                },
                stateless: true,
                portable_bytes: 0,
                max_put: None,
            },
        })
    }
}

impl store::Guest for Component {
    async fn list_buckets() -> Result<Vec<BucketInfo>, Error> {
        as_told_in("list-buckets", SETTINGS.get().map_or(&[], Vec::as_slice)).await;
        let bucket = |name: &str| BucketInfo {
            name: name.into(),
            created: 0,
        };
        Ok(vec![bucket("fine"), bucket("No Bucket Name"), bucket("..")])
    }

    async fn create_bucket(bucket: String) -> Result<(), Error> {
        misdeeds::commit(&bucket).await;
        Err(Error::Unsupported)
    }

    async fn stat_bucket(bucket: String) -> Result<BucketInfo, Error> {
        if bucket.ends_with("-bucket") {
            misdeeds::commit(bucket.trim_end_matches("-bucket")).await;
        }
        Ok(BucketInfo {
            name: bucket,
            created: 0,
        })
    }

    async fn delete_bucket(bucket: String) -> Result<(), Error> {
        misdeeds::commit(&bucket).await;
        Err(Error::Unsupported)
    }

    async fn put(
        bucket: String,
        _key: String,
        _size: u64,
        _options: UploadOptions,
        mut body: StreamReader<u8>,
        verdict: FutureReader<Result<Receipt, Error>>,
    ) -> Result<ObjectInfo, Error> {
        match bucket.as_str() {
            "verdict-first" => return Ok(info(verdict.await?.size)),
            "unread" => return Ok(info(SIZE)),
            _ => {}
        }
        let (mut piece, mut size) = (Vec::with_capacity(1 << 16), 0);
        loop {
            let status;
            (status, piece) = body.read(piece).await;
            size += piece.len() as u64;
            misdeeds::commit(&bucket).await;
            if !matches!(status, StreamResult::Complete(_)) {
                break;
            }
            piece.clear();
        }
        if bucket != "unasked" {
            verdict.await?;
        }
        let size = if bucket == "lying-size" {
            size - 1
        } else {
            size
        };
        Ok(ObjectInfo {
            size,
            ..odd(&bucket)
        })
    }

    async fn get(
        bucket: String,
        _key: String,
        _range: Option<ByteRange>,
        _known: Option<ObjectRef>,
    ) -> Result<ObjectBody, Error> {
        misdeeds::commit(&bucket).await;
        let body = misdeeds::body(&bucket);
        Ok(ObjectBody {
            info: odd(&bucket),
            body,
        })
    }

    async fn stat(
        bucket: String,
        key: String,
        known: Option<ObjectRef>,
    ) -> Result<ObjectInfo, Error> {
        misdeeds::commit(&bucket).await;
        if key == "never-told" && known.is_some() {
            return Err(Error::Other(format!("{known:?}")));
        }
        let mut found = odd(&bucket);
        match bucket.as_str() {
            "reach" => outside::reach(key).await?,
            "escape" => outside::escape(&key).await?,
            "pipe" => outside::pipe(&key).await?,
            "fetch" => return Err(Error::Other(outside::fetch(&key).await)),
            "fetch-flood" => {
                for _ in 0..2000 {
                    outside::fetch(&key).await;
                }
            }
            "inject" => return Err(Error::Other(outside::inject(&key).await)),
            "half-request" => return Err(Error::Other(outside::half_request(&key).await)),
            "environment" => {
                let all: Vec<_> = std::env::vars().collect();
                let arguments = std::env::args().count();
                return Err(Error::Other(format!("{all:?} {arguments}")));
            }
            "tell" => return Err(tell()),
            "panic" => panic!("{:?}", SETTINGS.get()),
            "huge-text" => return Err(Error::Other("text ".repeat(1 << 20))),
            "long-version" => found.state.version = "v".repeat(256),
            _ => {}
        }
        Ok(found)
    }

    async fn delete(bucket: String, _key: String, _known: Option<ObjectRef>) -> Result<(), Error> {
        misdeeds::commit(&bucket).await;
        Ok(())
    }

    async fn list(bucket: String, query: ListQuery) -> Result<Page, Error> {
        misdeeds::commit(&bucket).await;
        Ok(Page {
            entries: misdeeds::keys(&bucket, &query.prefix),
            prefixes: Vec::new(),
            more: bucket == "empty-more",
        })
    }
}
