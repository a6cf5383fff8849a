//! Objects: get, stat, put, delete and copy.

use crate::disk::{Dir, Fault, File, Kind, Stat};
use crate::layout::{self, Mark, child, join, parent};
use crate::{Error, Local, TMP};
use futures_util::future;

/// What is known about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Size and modification time: differs between any two states of a key.
    pub version: String,
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified: i64,
}

impl From<Stat> for Info {
    fn from(stat: Stat) -> Self {
        let version = format!("{:x}.{:x}", stat.size, stat.modified);
        Self {
            version,
            size: stat.size,
            modified: stat.modified,
        }
    }
}

/// An object that was opened for reading.
#[derive(Debug)]
pub struct Object<B> {
    /// The state that was opened.
    pub info: Info,
    /// The bytes from the start of the range; they may run on behind its end.
    pub body: B,
}

/// A part of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

/// What a finished upload was, as far as this plugin cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Bytes.
    pub size: u64,
}

/// How often a look-up starts again when files come and go under it.
const ATTEMPTS: usize = 4;

impl<D: Dir> Local<D> {
    /// Open an object. `known` says that the gateway has seen it before.
    pub async fn get(
        &self,
        bucket: &str,
        key: &str,
        range: Option<Range>,
        known: bool,
    ) -> Result<Object<D::Body>, Error> {
        let base = self.base(bucket).await?;
        let (file, stat) = self.open(&base, key, known).await?;
        let offset = range.map_or(0, |range| range.offset);
        if range.is_some() && offset >= stat.size {
            return Err(Error::InvalidRange);
        }
        Ok(Object {
            info: stat.into(),
            body: file.read(offset),
        })
    }

    /// An open object and its state.
    async fn open(&self, base: &str, key: &str, known: bool) -> Result<(D::File, Stat), Error> {
        let mut path = join(base, &layout::path(key));
        let mut direct = self.is_direct(base, &path).await;
        for _ in 0..ATTEMPTS {
            // Opening a pipe would wait for somebody to write into it. An object that the
            // gateway knows was none, and saves this look.
            let regular = direct
                && (known
                    || self
                        .tree
                        .look(&path)
                        .await?
                        .is_some_and(|stat| stat.kind == Kind::File));
            if regular {
                match self.tree.open(&path).await {
                    Ok(file) => {
                        let stat = file.stat().await?;
                        if stat.kind == Kind::File {
                            return Ok((file, stat));
                        }
                    }
                    Err(fault) if fault.is_race() => {}
                    Err(fault) => return Err(fault.into()),
                }
            }
            match self.find(base, key).await? {
                Some((found, _)) => (path, direct) = (found, true),
                None => break,
            }
        }
        Err(self.or_no_bucket(base, Error::NoSuchKey).await)
    }

    /// The state of an object.
    pub async fn stat(&self, bucket: &str, key: &str) -> Result<Info, Error> {
        let base = self.base(bucket).await?;
        match self.place(&base, key).await? {
            Some((_, stat)) => Ok(stat.into()),
            None => Err(self.or_no_bucket(&base, Error::NoSuchKey).await),
        }
    }

    /// Where an object is, and its state.
    async fn place(&self, base: &str, key: &str) -> Result<Option<(String, Stat)>, Fault> {
        let path = join(base, &layout::path(key));
        if self.is_direct(base, &path).await {
            match self.tree.look_here(&path).await? {
                Some(stat) if stat.kind == Kind::File => return Ok(Some((path, stat))),
                _ => {}
            }
        }
        self.find(base, key).await
    }

    /// Where an object is, under any of the names that it and its directories may have.
    pub(crate) async fn find(
        &self,
        base: &str,
        key: &str,
    ) -> Result<Option<(String, Stat)>, Fault> {
        let segments: Vec<&str> = key.split('/').collect();
        let mut near = self.tree.nearby();
        let mut open = vec![(0, base.to_owned())];
        while let Some((depth, dir)) = open.pop() {
            let Some(segment) = segments.get(depth) else {
                continue;
            };
            let last = depth + 1 == segments.len();
            // The ordinary name is tried first; directories are a stack.
            let (marks, wanted) = if last {
                ([Mark::None, Mark::File], Kind::File)
            } else {
                ([Mark::Directory, Mark::None], Kind::Directory)
            };
            for mark in marks {
                let path = child(&dir, segment, depth == 0, mark);
                match near.look_here(&path).await? {
                    Some(stat) if stat.kind != wanted => {}
                    Some(stat) if last => return Ok(Some((path, stat))),
                    Some(_) => open.push((depth + 1, path)),
                    None => {}
                }
            }
        }
        Ok(None)
    }

    /// Store an object: first all of `body`, and then what `verdict` decides.
    pub async fn put(
        &self,
        bucket: &str,
        key: &str,
        body: D::Body,
        verdict: impl Future<Output = Result<Receipt, Error>>,
    ) -> Result<Info, Error> {
        let base = self.existing_base(bucket).await?;
        let (tmp, file) = self.create_tmp().await?;
        let stored = async {
            // A body that was left unread has no verdict worth waiting for.
            file.write(body, 0).await?;
            // What the gateway decides, it makes durable first: the disk does both at once.
            let (receipt, sealed) = future::join(verdict, self.seal(&file)).await;
            let receipt = receipt?;
            sealed?;
            self.publish(&base, key, &tmp, &file, receipt.size).await
        };
        let stored = stored.await;
        if stored.is_err() {
            self.discard(&tmp, file).await;
        }
        stored
    }

    /// A new temporary file.
    pub(crate) async fn create_tmp(&self) -> Result<(String, D::File), Error> {
        let path = join(TMP, &self.unique());
        match self.tree.create(&path).await {
            Err(Fault::Missing) => {
                self.make_dirs(TMP).await?;
                Ok((path.clone(), self.tree.create(&path).await?))
            }
            created => Ok((path, created?)),
        }
    }

    /// Make a private directory and those above it.
    pub(crate) async fn make_dirs(&self, path: &str) -> Result<(), Error> {
        let ends = path
            .match_indices('/')
            .map(|(at, _)| at)
            .chain([path.len()]);
        for dir in ends.filter_map(|end| path.get(..end)) {
            match self.tree.make_dir(dir).await {
                Ok(()) | Err(Fault::Exists) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        Ok(())
    }

    /// Remove a temporary file.
    pub(crate) async fn discard(&self, tmp: &str, file: D::File) {
        // Closed first: else its end would come with the close, and all wait for a large one.
        drop(file);
        match self.tree.remove_file(tmp).await {
            Ok(()) | Err(Fault::Missing) => {}
            Err(fault) => D::warn(&format!("{tmp} stays behind: {fault:?}")),
        }
    }

    /// Delete an object, and the directories that were there for it only.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), Error> {
        let base = self.base(bucket).await?;
        for _ in 0..ATTEMPTS {
            let Some((path, _)) = self.place(&base, key).await? else {
                if base.is_empty() || self.tree.is_dir(&base).await? {
                    return Ok(());
                }
                return Err(Error::NoSuchBucket);
            };
            match self.tree.remove_file(&path).await {
                Ok(()) => return self.deleted(&base, &path).await,
                Err(fault) if fault.is_race() => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        Err(Error::Unavailable("the object moves about".into()))
    }

    async fn deleted(&self, base: &str, path: &str) -> Result<(), Error> {
        let dir = parent(path);
        if self.settings.durable {
            match self.tree.sync_dir(dir).await {
                // It went with its directory, or with its bucket.
                Err(fault) if fault.is_missing() => {}
                synced => synced?,
            }
        }
        self.tree.prune(dir, base).await;
        Ok(())
    }

    /// Copy an object whose state is still `version`.
    pub async fn copy(
        &self,
        source: (&str, &str),
        version: &str,
        target: (&str, &str),
        receipt: Receipt,
    ) -> Result<Info, Error> {
        let source_base = self.base(source.0).await?;
        let base = self.existing_base(target.0).await?;
        let (from, stat) = self.open(&source_base, source.1, true).await?;
        if Info::from(stat).version != version {
            return Err(Error::Changed);
        }
        let (tmp, file) = self.create_tmp().await?;
        let stored = async {
            file.write(from.read(0), 0).await?;
            if from.stat().await? != stat {
                return Err(Error::Changed);
            }
            self.seal(&file).await?;
            self.publish(&base, target.1, &tmp, &file, receipt.size)
                .await
        };
        let stored = stored.await;
        if stored.is_err() {
            self.discard(&tmp, file).await;
        }
        stored
    }
}
