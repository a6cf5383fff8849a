//! The plugin interface over [`files`].

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

use crate::files::{self, Object, fault};
use crate::names;
use bindings::exports::pys3local::storage::store::{ListQuery, ObjectBody, Page};
use bindings::exports::pys3local::storage::{setup, store};
use bindings::pys3local::storage::types::{
    BucketInfo, ByteRange, Entry, Error, ObjectInfo, ObjectRef, Receipt, UploadOptions,
};
use bindings::wasi::filesystem::preopens::get_directories;
use bindings::wasi::filesystem::types::{Descriptor, ErrorCode, PathFlags};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use wit_bindgen::{FutureReader, StreamReader};

pub(crate) struct Component;

struct Disk {
    root: Descriptor,
    instance: String,
    serial: AtomicU64,
}

static DISK: OnceLock<Disk> = OnceLock::new();
/// The directory of things that are not finished, and of the buckets beside it.
const TMP: &str = "tmp";
const BUCKETS: &str = "buckets";

fn disk() -> Result<&'static Disk, Error> {
    DISK.get()
        .ok_or_else(|| Error::Other("called before configure".into()))
}

/// The directory of a bucket that is there.
async fn existing(disk: &Disk, bucket: &str) -> Result<String, Error> {
    let dir = format!("{BUCKETS}/{bucket}");
    match disk.root.stat_at(PathFlags::empty(), dir.clone()).await {
        Ok(_) => Ok(dir),
        Err(ErrorCode::NoEntry) => Err(Error::NoSuchBucket),
        Err(code) => Err(fault(code)),
    }
}

impl setup::Guest for Component {
    fn describe() -> setup::Description {
        setup::Description {
            name: "wrapper".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Changes every byte of what it stores".into(),
            settings: Vec::new(),
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
        _settings: Vec<(String, String)>,
        context: setup::Context,
    ) -> Result<setup::Configured, Error> {
        let Some((root, _)) = get_directories().into_iter().find(|(_, path)| path == "/") else {
            return Err(Error::Denied("no directory was granted".into()));
        };
        for dir in [TMP, BUCKETS] {
            match root.create_directory_at(dir.into()).await {
                Ok(()) | Err(ErrorCode::Exist) => {}
                Err(code) => return Err(fault(code)),
            }
        }
        let disk = Disk {
            root,
            instance: context.instance,
            serial: AtomicU64::new(0),
        };
        if DISK.set(disk).is_err() {
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
        let (_, dirs) = files::walk(&disk()?.root, BUCKETS).await.map_err(fault)?;
        let names = dirs.into_iter().filter(|name| !name.contains('/'));
        Ok(names.map(|name| BucketInfo { name, created: 0 }).collect())
    }

    async fn create_bucket(bucket: String) -> Result<(), Error> {
        let dir = format!("{BUCKETS}/{bucket}");
        match disk()?.root.create_directory_at(dir).await {
            Err(ErrorCode::Exist) => Err(Error::AlreadyExists),
            made => made.map_err(fault),
        }
    }

    async fn stat_bucket(bucket: String) -> Result<BucketInfo, Error> {
        existing(disk()?, &bucket).await?;
        Ok(BucketInfo {
            name: bucket,
            created: 0,
        })
    }

    async fn delete_bucket(bucket: String) -> Result<(), Error> {
        let disk = disk()?;
        let base = existing(disk, &bucket).await?;
        let (files, dirs) = files::walk(&disk.root, &base).await.map_err(fault)?;
        if !files.is_empty() {
            return Err(Error::NotEmpty);
        }
        let below = dirs.iter().rev().map(|dir| format!("{base}/{dir}"));
        for dir in below.chain([base.clone()]) {
            disk.root.remove_directory_at(dir).await.map_err(fault)?;
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
        let disk = disk()?;
        let base = existing(disk, &bucket).await?;
        let serial = disk.serial.fetch_add(1, Ordering::Relaxed);
        let version = format!("{}-{serial:x}", disk.instance);
        let draft = format!("{TMP}/{version}");
        let publish = async {
            let moved = files::write(&disk.root, draft.clone(), &version, body).await?;
            verdict.await?;
            if moved != size {
                return Err(Error::Other("a body of another size".into()));
            }
            let path = format!("{base}/{}", names::path(&key));
            files::make_parents(&disk.root, &path).await?;
            let from = draft.clone();
            let moved = disk.root.rename_at(from, &disk.root, path.clone()).await;
            moved.map_err(fault)?;
            Ok(Object::open(&disk.root, path).await?.info)
        };
        let stored = publish.await;
        if stored.is_err() {
            // It may not have been made at all.
            let _ = disk.root.unlink_file_at(draft.clone()).await;
        }
        stored
    }

    async fn get(
        bucket: String,
        key: String,
        range: Option<ByteRange>,
        _known: Option<ObjectRef>,
    ) -> Result<ObjectBody, Error> {
        let disk = disk()?;
        let base = existing(disk, &bucket).await?;
        let path = format!("{base}/{}", names::path(&key));
        let object = Object::open(&disk.root, path).await?;
        let size = object.info.size;
        let (offset, length) = match range {
            Some(range) if range.offset >= size => return Err(Error::InvalidRange),
            Some(range) => (range.offset, range.length),
            None => (0, size),
        };
        let body = object.read(offset, length.min(size - offset));
        Ok(ObjectBody {
            info: object.info,
            body,
        })
    }

    async fn stat(
        bucket: String,
        key: String,
        _known: Option<ObjectRef>,
    ) -> Result<ObjectInfo, Error> {
        let disk = disk()?;
        let base = existing(disk, &bucket).await?;
        let path = format!("{base}/{}", names::path(&key));
        Ok(Object::open(&disk.root, path).await?.info)
    }

    async fn delete(bucket: String, key: String, _known: Option<ObjectRef>) -> Result<(), Error> {
        let disk = disk()?;
        let base = existing(disk, &bucket).await?;
        let path = format!("{base}/{}", names::path(&key));
        match disk.root.unlink_file_at(path).await {
            Ok(()) | Err(ErrorCode::NoEntry) => Ok(()),
            Err(code) => Err(fault(code)),
        }
    }

    async fn list(bucket: String, query: ListQuery) -> Result<Page, Error> {
        let disk = disk()?;
        let base = existing(disk, &bucket).await?;
        let (files, _) = files::walk(&disk.root, &base).await.map_err(fault)?;
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
            let group = slash.map(|at| key.split_at(query.prefix.len() + at + 1).0);
            let item = group.unwrap_or(&key);
            // A prefix is behind `after` as long as one of its keys is, unless it was named.
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
            let path = format!("{base}/{}", names::path(&key));
            match Object::open(&disk.root, path).await {
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
