//! What the host calls.

pub mod bindings {
    wit_bindgen::generate!({
        // Your plugin has a copy of the released folder that it is made for.
        path: "../../../wit/released/0.1.0",
        world: "pys3local:storage/plugin@0.1.0",
        generate_all,
    });
    use super::Vault;
    export!(Vault);
}

use crate::files::{self, Object, fault};
use crate::names;
use crate::sealed::{Seal, State};
use bindings::exports::pys3local::storage::store::{ListQuery, ObjectBody, Page};
use bindings::exports::pys3local::storage::{setup, store};
use bindings::pys3local::storage::types::{
    BucketInfo, ByteRange, Entry, Error, ObjectInfo, ObjectRef, Receipt, UploadOptions,
};
use bindings::wasi::filesystem::preopens::get_directories;
use bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags,
};
use bindings::wasi::random::random::get_random_bytes;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use wit_bindgen::{FutureReader, StreamReader};

pub struct Vault;

/// An instance, once it is configured.
struct Opened {
    root: Descriptor,
    key: [u8; 32],
    instance: String,
    durable: bool,
    drafts: AtomicU64,
}

static OPENED: OnceLock<Opened> = OnceLock::new();
/// What is not published lies apart from the buckets, so that no listing sees it.
const DRAFTS: &str = "drafts";
const BUCKETS: &str = "buckets";

fn opened() -> Result<&'static Opened, Error> {
    OPENED
        .get()
        .ok_or_else(|| Error::Other("called before configure".into()))
}

impl Opened {
    /// The directory of a bucket that is there. In default-bucket mode its name is empty.
    async fn bucket(&self, name: &str) -> Result<String, Error> {
        let dir = format!("{BUCKETS}/{name}").trim_end_matches('/').to_owned();
        match self.root.stat_at(PathFlags::empty(), dir.clone()).await {
            Ok(_) => Ok(dir),
            Err(ErrorCode::NoEntry) => Err(Error::NoSuchBucket),
            Err(code) => Err(fault(code)),
        }
    }

    async fn object(&self, bucket: &str, key: &str) -> Result<Object, Error> {
        let base = self.bucket(bucket).await?;
        Object::open(&self.root, format!("{base}/{}", names::path(key))).await
    }

    fn seal(&self, state: State, bucket: &str, key: &str) -> Seal {
        Seal::new(&self.key, state, bucket, key)
    }

    async fn sync_dir(&self, dir: &str) -> Result<(), ErrorCode> {
        let (open, flags) = (OpenFlags::DIRECTORY, DescriptorFlags::READ);
        let dir = self
            .root
            .open_at(PathFlags::empty(), dir.to_owned(), open, flags);
        dir.await?.sync().await
    }
}

/// 64 hexadecimal digits as bytes.
fn parse_key(text: &str) -> Option<[u8; 32]> {
    let digit = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes = (0..text.len())
        .step_by(2)
        .map(digit)
        .collect::<Option<Vec<u8>>>()?;
    bytes.try_into().ok()
}

impl setup::Guest for Vault {
    fn describe() -> setup::Description {
        setup::Description {
            name: "vault".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Encrypted objects in a directory".into(),
            settings: vec![setup::Setting {
                name: "password".into(),
                help: "the key: 64 hexadecimal digits, as `openssl rand -hex 32` makes them".into(),
                kind: setup::SettingKind::Secret,
                required: true,
                default: None,
            }],
            hosts: Vec::new(),
            dirs: Vec::new(),
        }
    }

    async fn choices(
        _setting: String,
        _settings: Vec<(String, String)>,
    ) -> Result<Vec<setup::Choice>, Error> {
        Ok(Vec::new())
    }

    async fn configure(
        settings: Vec<(String, String)>,
        context: setup::Context,
    ) -> Result<setup::Configured, Error> {
        let key = settings.iter().find(|(name, _)| name == "password");
        let Some(key) = key.and_then(|(_, text)| parse_key(text.trim())) else {
            return Err(Error::Denied(
                "`password` is not 64 hexadecimal digits".into(),
            ));
        };
        let Some((root, _)) = get_directories().into_iter().find(|(_, path)| path == "/") else {
            return Err(Error::Denied("no directory was granted as /".into()));
        };
        for dir in [DRAFTS, BUCKETS] {
            match root.create_directory_at(dir.into()).await {
                Ok(()) | Err(ErrorCode::Exist) => {}
                Err(code) => return Err(fault(code)),
            }
        }
        let opened = Opened {
            root,
            key,
            instance: context.instance,
            durable: context.durable,
            drafts: AtomicU64::new(0),
        };
        if OPENED.set(opened).is_err() {
            return Err(Error::Other("configured twice".into()));
        }
        Ok(setup::Configured {
            namespace: None, // The granted directory is the namespace.
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

impl store::Guest for Vault {
    async fn list_buckets() -> Result<Vec<BucketInfo>, Error> {
        let (_, dirs) = files::walk(&opened()?.root, BUCKETS).await.map_err(fault)?;
        let names = dirs.into_iter().filter(|name| !name.contains('/'));
        Ok(names.map(|name| BucketInfo { name, created: 0 }).collect())
    }

    async fn create_bucket(bucket: String) -> Result<(), Error> {
        let made = opened()?
            .root
            .create_directory_at(format!("{BUCKETS}/{bucket}"));
        match made.await {
            Err(ErrorCode::Exist) => Err(Error::AlreadyExists),
            made => made.map_err(fault),
        }
    }

    async fn stat_bucket(bucket: String) -> Result<BucketInfo, Error> {
        opened()?.bucket(&bucket).await?;
        Ok(BucketInfo {
            name: bucket,
            created: 0,
        })
    }

    async fn delete_bucket(bucket: String) -> Result<(), Error> {
        let vault = opened()?;
        let base = vault.bucket(&bucket).await?;
        let (files, dirs) = files::walk(&vault.root, &base).await.map_err(fault)?;
        if !files.is_empty() {
            return Err(Error::NotEmpty);
        }
        let below = dirs.iter().rev().map(|dir| format!("{base}/{dir}"));
        for dir in below.chain([base.clone()]) {
            vault.root.remove_directory_at(dir).await.map_err(fault)?;
        }
        Ok(())
    }

    async fn put(
        bucket: String,
        key: String,
        size: u64,
        _options: UploadOptions,
        body: StreamReader<u8>,
        verdict: FutureReader<Result<Receipt, Error>>,
    ) -> Result<ObjectInfo, Error> {
        let vault = opened()?;
        let base = vault.bucket(&bucket).await?;
        let number = vault.drafts.fetch_add(1, Ordering::Relaxed);
        let draft = format!("{DRAFTS}/{}-{number:x}", vault.instance);
        let publish = async {
            let random = get_random_bytes(16).try_into();
            let state: State = random.map_err(|_| Error::Other("no random bytes".into()))?;
            let seal = vault.seal(state, &bucket, &key);
            let sealed = (&seal, &state);
            let file = files::write(&vault.root, draft.clone(), sealed, size, body).await?;
            // Whether everything that we have read was whole and correct.
            verdict.await?;
            if vault.durable {
                file.sync().await.map_err(fault)?;
            }
            let path = format!("{base}/{}", names::path(&key));
            files::make_parents(&vault.root, &path).await?;
            let moved = vault
                .root
                .rename_at(draft.clone(), &vault.root, path.clone());
            moved.await.map_err(fault)?;
            if vault.durable
                && let Some((dir, _)) = path.rsplit_once('/')
            {
                vault.sync_dir(dir).await.map_err(fault)?;
            }
            Ok(Object::open(&vault.root, path).await?.info)
        };
        let stored = publish.await;
        if stored.is_err() {
            // It may not have been made at all.
            let _ = vault.root.unlink_file_at(draft.clone()).await;
        }
        stored
    }

    async fn get(
        bucket: String,
        key: String,
        range: Option<ByteRange>,
        _known: Option<ObjectRef>,
    ) -> Result<ObjectBody, Error> {
        let vault = opened()?;
        let object = vault.object(&bucket, &key).await?;
        let size = object.info.size;
        let (offset, length) = match range {
            Some(range) if range.offset >= size => return Err(Error::InvalidRange),
            Some(range) => (range.offset, range.length.min(size - range.offset)),
            None => (0, size),
        };
        let info = object.info.clone();
        let seal = vault.seal(object.state, &bucket, &key);
        let body = object.read(seal, offset, length);
        Ok(ObjectBody { info, body })
    }

    async fn stat(
        bucket: String,
        key: String,
        _known: Option<ObjectRef>,
    ) -> Result<ObjectInfo, Error> {
        Ok(opened()?.object(&bucket, &key).await?.info)
    }

    async fn delete(bucket: String, key: String, _known: Option<ObjectRef>) -> Result<(), Error> {
        let vault = opened()?;
        let base = vault.bucket(&bucket).await?;
        let path = format!("{base}/{}", names::path(&key));
        match vault.root.unlink_file_at(path).await {
            Ok(()) | Err(ErrorCode::NoEntry | ErrorCode::NotDirectory) => Ok(()),
            Err(code) => Err(fault(code)),
        }
    }

    async fn list(bucket: String, query: ListQuery) -> Result<Page, Error> {
        let vault = opened()?;
        let base = vault.bucket(&bucket).await?;
        let (files, _) = files::walk(&vault.root, &base).await.map_err(fault)?;
        let mut keys: Vec<_> = files.iter().filter_map(|path| names::key(path)).collect();
        keys.sort_unstable();
        let mut page = Page {
            entries: Vec::new(),
            prefixes: Vec::new(),
            more: false,
        };
        for key in keys {
            let Some(rest) = key.strip_prefix(&query.prefix) else {
                continue;
            };
            let slash = rest.find('/').filter(|_| query.shallow);
            let group = slash.map(|at| &key[..=query.prefix.len() + at]);
            let item = group.unwrap_or(&key);
            // A prefix is behind `after` while one of its keys is, unless it was named itself.
            let seen = |after: &String| key <= *after || item == after;
            if query.after.as_ref().is_some_and(seen)
                || page.prefixes.last().is_some_and(|last| last == item)
            {
                continue;
            }
            if page.entries.len() + page.prefixes.len() >= query.limit as usize {
                page.more = true;
                break;
            }
            if let Some(group) = group {
                page.prefixes.push(group.into());
                continue;
            }
            match vault.object(&bucket, &key).await {
                Ok(object) => page.entries.push(Entry {
                    key,
                    info: object.info,
                }),
                // Deleted since we looked.
                Err(Error::NoSuchKey) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(page)
    }
}
