//! The plugin interface, version 0.1.0: types in and out, nothing else.

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
        path: "../../wit/v0",
        inline: "
            package pys3local:local;
            world local {
                include pys3local:storage/plugin@0.1.0;
                export pys3local:storage/multipart@0.1.0;
                export pys3local:storage/copy@0.1.0;
                export pys3local:storage/batch@0.1.0;
                export pys3local:storage/sweep@0.1.0;
            }
        ",
        world: "pys3local:local/local",
        generate_all,
    });
    use super::Component;
    export!(Component);
}

use crate::disk::Dir as _;
use crate::settings::{Layout, Settings};
use crate::wasi::WasiDir;
use crate::{Info, Local, Part, Query, Range, Receipt};
use bindings::exports::pys3local::storage::store::{ListQuery, ObjectBody, Page};
use bindings::exports::pys3local::storage::{batch, copy, multipart, setup, store, sweep};
use bindings::pys3local::storage::types::{
    self, BucketInfo, ByteRange, Entry, Error, ObjectInfo, ObjectRef, UploadOptions,
};
use bindings::wasi::filesystem::preopens::get_directories;
use std::sync::OnceLock;
use wit_bindgen::{FutureReader, StreamReader};

pub(crate) struct Component;

static LOCAL: OnceLock<Local<WasiDir>> = OnceLock::new();

fn local() -> Result<&'static Local<WasiDir>, Error> {
    LOCAL
        .get()
        .ok_or_else(|| Error::Other("called before configure".into()))
}

impl setup::Guest for Component {
    fn describe() -> setup::Description {
        let setting =
            |name: &str, help: &str, kind, required, default: Option<&str>| setup::Setting {
                name: name.into(),
                help: help.into(),
                kind,
                required,
                default: default.map(Into::into),
            };
        setup::Description {
            name: "local".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Buckets and objects in a directory of this machine".into(),
            settings: vec![
                setting(
                    "path",
                    "the directory, for example /srv/s3",
                    setup::SettingKind::Directory,
                    true,
                    None,
                ),
                setting(
                    "layout",
                    "where keys are: objects (BUCKET/objects/KEY) or plain (BUCKET/KEY)",
                    setup::SettingKind::Text,
                    false,
                    Some("objects"),
                ),
            ],
            hosts: Vec::new(),
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
        let choice = |(value, label): (&str, &str)| setup::Choice {
            value: value.into(),
            label: label.into(),
        };
        Ok(match setting.as_str() {
            "layout" => Layout::CHOICES.into_iter().map(choice).collect(),
            _ => Vec::new(),
        })
    }

    async fn configure(
        settings: Vec<(String, String)>,
        context: setup::Context,
    ) -> Result<setup::Configured, Error> {
        let pairs = settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let settings = Settings {
            layout: Layout::from_settings(pairs)?,
            single_bucket: context.single_bucket,
            durable: context.durable,
            instance: context.instance,
        };
        let Some((root, _)) = get_directories().into_iter().find(|(_, path)| path == "/") else {
            return Err(Error::Denied(
                "the directory of the setting path was not granted".into(),
            ));
        };
        if LOCAL.set(Local::new(WasiDir(root), settings)).is_err() {
            return Err(Error::Other("configured twice".into()));
        }
        Ok(setup::Configured {
            namespace: None,
            label: None,
            capabilities: setup::Capabilities {
                trust: setup::RowTrust::Check,
                stateless: true,
                portable_bytes: 0,
                max_put: None,
            },
        })
    }
}

impl store::Guest for Component {
    async fn list_buckets() -> Result<Vec<BucketInfo>, Error> {
        Ok(local()?
            .list_buckets()
            .await?
            .into_iter()
            .map(Into::into)
            .collect())
    }

    async fn create_bucket(bucket: String) -> Result<(), Error> {
        Ok(local()?.create_bucket(&bucket).await?)
    }

    async fn stat_bucket(bucket: String) -> Result<BucketInfo, Error> {
        Ok(local()?.stat_bucket(&bucket).await?.into())
    }

    async fn delete_bucket(bucket: String) -> Result<(), Error> {
        Ok(local()?.delete_bucket(&bucket).await?)
    }

    async fn put(
        bucket: String,
        key: String,
        _size: u64,
        _options: UploadOptions,
        body: StreamReader<u8>,
        verdict: FutureReader<Result<types::Receipt, Error>>,
    ) -> Result<ObjectInfo, Error> {
        // The gateway's own reason goes back as it came.
        let mut refused = None;
        let receipt = async {
            match verdict.await {
                Ok(receipt) => Ok(receipt.into()),
                Err(error) => {
                    refused = Some(error);
                    Err(crate::Error::Aborted)
                }
            }
        };
        let stored = local()?.put(&bucket, &key, body, receipt).await;
        match refused {
            Some(error) => Err(error),
            None => Ok(stored?.into()),
        }
    }

    async fn get(
        bucket: String,
        key: String,
        range: Option<ByteRange>,
        known: Option<ObjectRef>,
    ) -> Result<ObjectBody, Error> {
        let range = range.map(|range| Range {
            offset: range.offset,
            length: range.length,
        });
        let object = local()?.get(&bucket, &key, range, known.is_some()).await?;
        Ok(ObjectBody {
            info: object.info.into(),
            body: object.body,
        })
    }

    async fn stat(
        bucket: String,
        key: String,
        _known: Option<ObjectRef>,
    ) -> Result<ObjectInfo, Error> {
        Ok(local()?.stat(&bucket, &key).await?.into())
    }

    async fn delete(bucket: String, key: String, _known: Option<ObjectRef>) -> Result<(), Error> {
        Ok(local()?.delete(&bucket, &key).await?)
    }

    async fn list(bucket: String, query: ListQuery) -> Result<Page, Error> {
        let query = Query {
            prefix: query.prefix,
            after: query.after,
            shallow: query.shallow,
            limit: query.limit as usize,
        };
        let page = local()?.list(&bucket, &query).await?;
        let entry = |entry: crate::Entry| Entry {
            key: entry.key,
            info: entry.info.into(),
        };
        Ok(Page {
            entries: page.entries.into_iter().map(entry).collect(),
            prefixes: page.prefixes,
            more: page.more,
        })
    }
}

impl multipart::Guest for Component {
    fn rules() -> multipart::PartRules {
        multipart::PartRules {
            min_part: 0,
            max_part: i64::MAX.unsigned_abs(),
            max_parts: 10_000,
            equal_parts: false,
            preferred_part: 64 << 20,
            parallel: 16,
        }
    }

    async fn begin(bucket: String, _key: String, _options: UploadOptions) -> Result<String, Error> {
        Ok(local()?.begin(&bucket).await?)
    }

    async fn part(
        _bucket: String,
        _key: String,
        upload: String,
        options: multipart::PartOptions,
        body: StreamReader<u8>,
    ) -> Result<String, Error> {
        let multipart::PartOptions {
            number,
            size,
            offset,
        } = options;
        Ok(local()?.part(&upload, number, size, offset, body).await?)
    }

    async fn complete(
        bucket: String,
        key: String,
        upload: String,
        parts: Vec<multipart::PartRef>,
        _known: Option<ObjectRef>,
        receipt: types::Receipt,
    ) -> Result<ObjectInfo, Error> {
        let part = |part: multipart::PartRef| Part {
            size: part.size,
            token: part.token,
        };
        let parts: Vec<Part> = parts.into_iter().map(part).collect();
        Ok(local()?
            .complete(&bucket, &key, &upload, &parts, receipt.into())
            .await?
            .into())
    }

    async fn abort(_bucket: String, _key: String, upload: String) -> Result<(), Error> {
        Ok(local()?.abort(&upload).await?)
    }
}

impl sweep::Guest for Component {
    async fn sweep(before: i64, keep: Vec<String>) -> Result<u32, Error> {
        let local = local()?;
        // Not when it is configured, which is for each instance: this comes once for each start.
        if let Ok(Some(text)) = local.no_buckets().await {
            WasiDir::warn(&text);
        }
        Ok(local.sweep(before, &keep).await?)
    }
}

impl copy::Guest for Component {
    async fn copy(
        source: copy::Source,
        bucket: String,
        key: String,
        _known: Option<ObjectRef>,
        receipt: types::Receipt,
    ) -> Result<ObjectInfo, Error> {
        let from = (source.bucket.as_str(), source.key.as_str());
        let to = (bucket.as_str(), key.as_str());
        Ok(local()?
            .copy(from, &source.state.version, to, receipt.into())
            .await?
            .into())
    }
}

impl batch::Guest for Component {
    async fn delete_many(
        bucket: String,
        deletions: Vec<batch::Deletion>,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let local = local()?;
        let mut answers = Vec::with_capacity(deletions.len());
        for deletion in deletions {
            answers.push(
                local
                    .delete(&bucket, &deletion.key)
                    .await
                    .map_err(Into::into),
            );
            WasiDir::pause().await;
        }
        Ok(answers)
    }
}

impl From<types::Receipt> for Receipt {
    fn from(receipt: types::Receipt) -> Self {
        Self { size: receipt.size }
    }
}

impl From<Info> for ObjectInfo {
    fn from(info: Info) -> Self {
        Self {
            state: ObjectRef {
                id: String::new(),
                version: info.version,
            },
            size: info.size,
            modified: info.modified,
            hash: None,
            content_type: None,
            portable: None,
        }
    }
}

impl From<crate::Bucket> for BucketInfo {
    fn from(bucket: crate::Bucket) -> Self {
        Self {
            name: bucket.name,
            created: bucket.created,
        }
    }
}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        use crate::Error as E;
        match error {
            E::NoSuchBucket => Self::NoSuchBucket,
            E::NoSuchKey => Self::NoSuchKey,
            E::NoSuchUpload => Self::NoSuchUpload,
            E::AlreadyExists => Self::AlreadyExists,
            E::NotEmpty => Self::NotEmpty,
            E::InvalidName(why) => Self::InvalidName(why),
            E::InvalidRange => Self::InvalidRange,
            E::Changed => Self::Changed,
            E::Denied(why) => Self::Denied(why),
            E::NoSpace => Self::NoSpace,
            E::Quota => Self::Quota,
            E::Unavailable(why) => Self::Unavailable(why),
            E::Unsupported => Self::Unsupported,
            E::Aborted => Self::Aborted,
            E::Other(why) => Self::Other(why),
        }
    }
}
