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
            package pys3local:drime;
            world drime {
                include pys3local:storage/plugin@0.1.0;
                export pys3local:storage/multipart@0.1.0;
                export pys3local:storage/copy@0.1.0;
                export pys3local:storage/batch@0.1.0;
                export pys3local:storage/scan@0.1.0;
                export pys3local:storage/portable@0.1.0;
            }
        ",
        world: "pys3local:drime/drime",
        generate_all,
    });
    use super::Component;
    export!(Component);
}

use crate::client::Client;
use crate::settings::{BASE, Settings, workspaces};
use crate::upload::LARGEST;
use crate::wasi::WasiNet;
use crate::{Drime, Info, Item, Known, Part, Query, Range};
use bindings::exports::pys3local::storage::store::{ListQuery, ObjectBody, Page};
use bindings::exports::pys3local::storage::{batch, copy, multipart, portable, scan, setup, store};
use bindings::pys3local::storage::types::{
    self, BucketInfo, ByteRange, Entry, Error, ObjectInfo, ObjectRef, UploadOptions,
};
use futures_util::FutureExt as _;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use wit_bindgen::{FutureReader, StreamReader};

pub(crate) struct Component;

thread_local! {
    static DRIME: OnceCell<Rc<Drime<WasiNet>>> = const { OnceCell::new() };
}

fn drime() -> Result<Rc<Drime<WasiNet>>, Error> {
    DRIME
        .with(|drime| drime.get().cloned())
        .ok_or_else(|| Error::Other("called before configure".into()))
}

impl setup::Guest for Component {
    fn describe() -> setup::Description {
        use setup::SettingKind::{Number, Secret, Text};
        let setting =
            |name: &str, help: &str, kind, required, default: Option<&str>| setup::Setting {
                name: name.into(),
                help: help.into(),
                kind,
                required,
                default: default.map(Into::into),
            };
        setup::Description {
            name: "drime".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Buckets and objects in a Drime Cloud account".into(),
            settings: vec![
                setting(
                    "api_key",
                    "the API key, from the account settings at app.drime.cloud (developers, API access tokens)",
                    Secret,
                    true,
                    None,
                ),
                setting(
                    "base_url",
                    "where the API is; nobody needs another one but those who test",
                    Text,
                    false,
                    Some(BASE),
                ),
                setting(
                    "workspace_id",
                    "the workspace, 0 for the personal space",
                    Number,
                    false,
                    Some("0"),
                ),
                setting(
                    "root_folder",
                    "the folder that holds the buckets, for example backups/s3; made if it is not there",
                    Text,
                    false,
                    None,
                ),
                setting(
                    "delete",
                    "where deleted objects go: trash or forever",
                    Text,
                    false,
                    Some("trash"),
                ),
            ],
            hosts: vec![
                "app.drime.cloud".into(),
                "*.r2.cloudflarestorage.com".into(),
            ],
            dirs: Vec::new(),
        }
    }

    async fn choices(
        name: String,
        settings: Vec<(String, String)>,
    ) -> Result<Vec<setup::Choice>, Error> {
        let choice = |value: &str, label: &str| setup::Choice {
            value: value.into(),
            label: label.into(),
        };
        match name.as_str() {
            "delete" => Ok(vec![
                choice("trash", "the trash, where they count against the quota"),
                choice("forever", "nowhere: they are gone"),
            ]),
            "workspace_id" => {
                let settings = Settings::read(&settings, false)?;
                let client = Client::new(WasiNet, settings.base, settings.token);
                crate::settings::user(&client).await?;
                let found = workspaces(&client).await?;
                crate::settings::warn_if_full(&client, settings.workspace).await;
                Ok(found
                    .iter()
                    .map(|(id, name)| choice(&id.to_string(), name))
                    .collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn configure(
        settings: Vec<(String, String)>,
        context: setup::Context,
    ) -> Result<setup::Configured, Error> {
        let settings = Settings::read(&settings, context.single_bucket)?;
        let started = Rc::new(Drime::start(WasiNet, settings).await?);
        let configured = setup::Configured {
            namespace: Some(started.namespace()),
            label: u64::try_from(started.workspace()).ok(),
            capabilities: setup::Capabilities {
                trust: setup::RowTrust::Indexed,
                stateless: false,
                portable_bytes: 4096,
                max_put: Some(LARGEST),
            },
        };
        if DRIME.with(|drime| drime.set(started)).is_err() {
            return Err(Error::Other("configured twice".into()));
        }
        Ok(configured)
    }
}

impl store::Guest for Component {
    async fn list_buckets() -> Result<Vec<BucketInfo>, Error> {
        let found = drime()?.list_buckets().await?;
        Ok(found.into_iter().map(Into::into).collect())
    }

    async fn create_bucket(bucket: String) -> Result<(), Error> {
        Ok(drime()?.create_bucket(&bucket).await?)
    }

    async fn stat_bucket(bucket: String) -> Result<BucketInfo, Error> {
        Ok(drime()?.stat_bucket(&bucket).await?.into())
    }

    async fn delete_bucket(bucket: String) -> Result<(), Error> {
        Ok(drime()?.delete_bucket(&bucket).await?)
    }

    async fn put(
        bucket: String,
        key: String,
        size: u64,
        options: UploadOptions,
        body: StreamReader<u8>,
        verdict: FutureReader<Result<types::Receipt, Error>>,
    ) -> Result<ObjectInfo, Error> {
        // The gateway's own reason goes back as it came.
        let refused = Rc::new(RefCell::new(None));
        let reason = Rc::clone(&refused);
        let gate = async move {
            match verdict.await {
                Ok(_) => true,
                Err(error) => {
                    reason.replace(Some(error));
                    false
                }
            }
        };
        let options_of = (
            options.content_type.as_deref(),
            options.known.map(Into::into),
        );
        let stored = drime()?
            .put((&bucket, &key), size, options_of, body, gate.boxed_local())
            .await;
        match refused.take() {
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
        let known = known.map(Into::into);
        let object = drime()?.get(&bucket, &key, range, known).await?;
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
        Ok(drime()?.stat(&bucket, &key).await?.into())
    }

    async fn delete(bucket: String, key: String, known: Option<ObjectRef>) -> Result<(), Error> {
        Ok(drime()?
            .delete(&bucket, &key, known.map(Into::into))
            .await?)
    }

    async fn list(bucket: String, query: ListQuery) -> Result<Page, Error> {
        let query = Query {
            prefix: query.prefix,
            after: query.after,
            shallow: query.shallow,
            limit: query.limit as usize,
        };
        let page = drime()?.walk(&bucket, &query).await?;
        Ok(Page {
            entries: page.entries.into_iter().map(Into::into).collect(),
            prefixes: page.prefixes,
            more: page.more,
        })
    }
}

impl multipart::Guest for Component {
    fn rules() -> multipart::PartRules {
        multipart::PartRules {
            min_part: LARGEST,
            max_part: 5 << 30,
            max_parts: 10_000,
            equal_parts: true,
            preferred_part: 8 << 20,
            parallel: 4,
        }
    }

    async fn begin(bucket: String, key: String, options: UploadOptions) -> Result<String, Error> {
        let kind = options.content_type.as_deref();
        Ok(drime()?.begin((&bucket, &key), kind).await?)
    }

    async fn part(
        _bucket: String,
        _key: String,
        upload: String,
        options: multipart::PartOptions,
        body: StreamReader<u8>,
    ) -> Result<String, Error> {
        Ok(drime()?
            .part(&upload, options.number, options.size, body)
            .await?)
    }

    async fn complete(
        bucket: String,
        key: String,
        upload: String,
        parts: Vec<multipart::PartRef>,
        known: Option<ObjectRef>,
        receipt: types::Receipt,
    ) -> Result<ObjectInfo, Error> {
        let part = |part: multipart::PartRef| Part {
            number: part.number,
            size: part.size,
            token: part.token,
        };
        let parts: Vec<Part> = parts.into_iter().map(part).collect();
        let options = (receipt.content_type.as_deref(), known.map(Into::into));
        let done = drime()?
            .complete((&bucket, &key), &upload, &parts, options)
            .await?;
        Ok(done.into())
    }

    async fn abort(_bucket: String, _key: String, upload: String) -> Result<(), Error> {
        Ok(drime()?.abort(&upload).await?)
    }
}

impl copy::Guest for Component {
    async fn copy(
        source: copy::Source,
        bucket: String,
        key: String,
        known: Option<ObjectRef>,
        receipt: types::Receipt,
    ) -> Result<ObjectInfo, Error> {
        let state = source.state.into();
        let known = known.map(Into::into);
        let from = (source.bucket.as_str(), source.key.as_str(), &state);
        Ok(drime()?
            .copy(from, (&bucket, &key), known, receipt.size)
            .await?
            .into())
    }
}

impl batch::Guest for Component {
    async fn delete_many(
        bucket: String,
        deletions: Vec<batch::Deletion>,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let deletions: Vec<_> = deletions
            .into_iter()
            .map(|deletion| (deletion.key, deletion.known.map(Into::into)))
            .collect();
        let answers = drime()?.delete_many(&bucket, &deletions).await?;
        let answers = answers.into_iter();
        Ok(answers.map(|answer| answer.map_err(Into::into)).collect())
    }
}

impl scan::Guest for Component {
    async fn scan(
        bucket: String,
        folder: String,
        cursor: Option<String>,
    ) -> Result<scan::ScanPage, Error> {
        let page = drime()?.scan(&bucket, &folder, cursor.as_deref()).await?;
        Ok(scan::ScanPage {
            entries: page.entries.into_iter().map(Into::into).collect(),
            folders: page.folders,
            next: page.next,
        })
    }
}

impl portable::Guest for Component {
    async fn set(
        bucket: String,
        key: String,
        state: ObjectRef,
        texts: Vec<String>,
    ) -> Result<(), Error> {
        let (place, known) = ((bucket.as_str(), key.as_str()), state.into());
        Ok(drime()?.set_portable(place, &known, &texts).await?)
    }
}

impl From<ObjectRef> for Known {
    fn from(state: ObjectRef) -> Self {
        Self {
            id: state.id,
            version: state.version,
        }
    }
}

impl From<Info> for ObjectInfo {
    fn from(info: Info) -> Self {
        Self {
            state: ObjectRef {
                id: info.id,
                version: info.version,
            },
            size: info.size,
            modified: info.modified,
            hash: None,
            content_type: info.content_type,
            portable: info.portable,
        }
    }
}

impl From<Item> for Entry {
    fn from(item: Item) -> Self {
        Self {
            key: item.key,
            info: item.info.into(),
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
            E::InvalidRange => Self::InvalidRange,
            E::Changed => Self::Changed,
            E::Denied(why) => Self::Denied(why),
            E::Quota => Self::Quota,
            E::Throttled(delay) => Self::Throttled(delay),
            E::Unavailable(why) => Self::Unavailable(why),
            E::Unsupported => Self::Unsupported,
            E::Aborted => Self::Aborted,
            E::Other(why) => Self::Other(why),
        }
    }
}
