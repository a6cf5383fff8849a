//! Parts of uploads on our own disk, for plugins that cannot take parts: when the upload is
//! completed they become the one body of a `put`.

use super::disk;
use super::plugin::Plugin;
use super::room::{Passing, Room};
use super::stream::Exactly;
use crate::model::{Bucket, ByteStream, ObjectKey, ObjectState, Timestamp};
use crate::service::ports::{
    PartOptions, PutOptions, Receipt, StoreError, StoredObject, StoredPart,
};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

/// A directory of spooled uploads, a directory each.
pub(super) struct Spool {
    root: PathBuf,
    durable: bool,
    /// A name that no other process or run has used, and a counter.
    run: String,
    next: AtomicU64,
    limit: u64,
    /// Known when somebody has asked for the first time.
    room: OnceCell<Arc<Room>>,
}

impl Spool {
    /// Nothing is created before the first upload.
    pub(super) fn new(root: PathBuf, durable: bool, limit: u64) -> Self {
        let now = std::time::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default()
            .as_nanos();
        let run = format!("{now:x}-{:x}", std::process::id());
        Self {
            root,
            durable,
            run,
            next: AtomicU64::new(0),
            limit,
            room: OnceCell::new(),
        }
    }

    async fn room(&self) -> Result<&Arc<Room>, StoreError> {
        let find = || async {
            let root = self.root.clone();
            let found = blocking(move || sizes(&root)).await?;
            Ok(Arc::new(Room::new(self.limit, found)))
        };
        self.room.get_or_try_init(find).await
    }

    /// Room for bytes that are soon gone, if there is any now.
    pub(super) async fn pass(&self, bytes: u64) -> Result<Option<Passing>, StoreError> {
        Ok(self.room().await?.pass(bytes))
    }

    fn fresh(&self) -> String {
        format!(
            "{}-{:x}",
            self.run,
            self.next.fetch_add(1, Ordering::Relaxed)
        )
    }

    /// The directory of an upload. Names come from our own rows; that they are ours is checked
    /// all the same, because they become paths.
    fn dir(&self, upload: &str) -> Result<PathBuf, StoreError> {
        if !is_ours(upload) {
            return Err(StoreError::NoSuchUpload);
        }
        Ok(self.root.join(upload))
    }

    /// The directory of an upload that is not over.
    pub(super) async fn existing(&self, upload: &str) -> Result<PathBuf, StoreError> {
        let dir = self.dir(upload)?;
        match blocking(move || dir.metadata().map(|_| dir)).await {
            Err(StoreError::NoSuchKey) => Err(StoreError::NoSuchUpload),
            found => found,
        }
    }

    pub(super) async fn begin(&self) -> Result<String, StoreError> {
        let upload = self.fresh();
        let dir = self.dir(&upload)?;
        blocking(move || std::fs::create_dir_all(dir)).await?;
        Ok(upload)
    }

    /// Makes the directory of an upload that the storage has begun, and notes there what it is:
    /// an upload that nobody remembers can be aborted by that.
    pub(super) async fn note(&self, dir: &str, begun: &Begun) -> Result<(), StoreError> {
        let dir = self.dir(dir)?;
        let text = serde_json::to_vec(begun).map_err(|error| failed(&error.into()))?;
        let durable = self.durable;
        blocking(move || {
            std::fs::create_dir_all(&dir)?;
            // It is there whole or not at all.
            let fresh = dir.join(FRESH_NOTE);
            let mut file = File::create(&fresh)?;
            file.write_all(&text)?;
            if durable {
                file.sync_data()?;
            }
            std::fs::rename(fresh, dir.join(NOTE))
        })
        .await
    }

    /// One part.
    pub(super) async fn open(
        &self,
        upload: &str,
        part: &StoredPart,
    ) -> Result<Arc<File>, StoreError> {
        if !is_ours(&part.token) {
            return Err(StoreError::Other("the spool: no such part".into()));
        }
        let path = self.existing(upload).await?.join(&part.token);
        blocking(move || File::open(path).map(Arc::new)).await
    }

    /// Keeps bytes in a file that has no name, and so goes with its last user.
    pub(super) async fn keep(
        &self,
        body: impl Stream<Item = io::Result<Bytes>> + Send,
    ) -> Result<Arc<File>, StoreError> {
        let path = self.root.join(self.fresh());
        let file = blocking(move || {
            if let Some(root) = path.parent() {
                std::fs::create_dir_all(root)?;
            }
            let file = File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path)?;
            std::fs::remove_file(&path)?;
            Ok(Arc::new(file))
        })
        .await?;
        let mut body = std::pin::pin!(body);
        let mut offset = 0;
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|_| StoreError::Aborted)?;
            let (target, at) = (Arc::clone(&file), offset);
            offset += piece.len() as u64;
            blocking(move || target.write_all_at(&piece, at)).await?;
        }
        Ok(file)
    }

    pub(super) async fn part(
        &self,
        upload: &str,
        options: PartOptions,
        body: ByteStream,
    ) -> Result<String, StoreError> {
        let token = self.fresh();
        let path = self.dir(upload)?.join(&token);
        let room = self.room().await?;
        room.stay(upload, options.size)?;
        let kept = self.write_part(path, options, body).await;
        if kept.is_err() {
            room.leave(upload, options.size);
        }
        kept.map(|()| token)
    }

    async fn write_part(
        &self,
        path: PathBuf,
        options: PartOptions,
        body: ByteStream,
    ) -> Result<(), StoreError> {
        let made = path.clone();
        let file = blocking(move || File::create_new(made))
            .await
            .map_err(|error| match error {
                StoreError::NoSuchKey => StoreError::NoSuchUpload,
                other => other,
            })?;
        let (file, durable) = (Arc::new(file), self.durable);
        let written = async {
            disk::write(Arc::clone(&file), body, 0)
                .await
                .map_err(|error| failed(&error))?;
            let length = file.metadata().map_err(|error| failed(&error))?.len();
            if length != options.size {
                return Err(StoreError::Aborted);
            }
            if durable {
                blocking(move || file.sync_data()).await?;
            }
            Ok(())
        };
        if let Err(error) = written.await {
            let _ = blocking(move || std::fs::remove_file(path)).await;
            return Err(error);
        }
        Ok(())
    }

    /// The parts as one body; each file is opened when its turn comes.
    pub(super) async fn body(
        &self,
        upload: &str,
        parts: Vec<StoredPart>,
    ) -> Result<ByteStream, StoreError> {
        let dir = self.existing(upload).await?;
        if !parts.iter().all(|part| is_ours(&part.token)) {
            return Err(StoreError::Other("the spool: no such part".into()));
        }
        let bodies = stream::iter(parts).then(move |part| {
            let path = dir.join(part.token);
            async move {
                match spawn_blocking(move || File::open(path)).await {
                    Ok(Ok(file)) => disk::read(Arc::new(file), (), 0),
                    Ok(Err(error)) => stream::once(async { Err(error) }).boxed(),
                    Err(error) => stream::once(async { Err(io::Error::other(error)) }).boxed(),
                }
            }
        });
        Ok(bodies.flatten().boxed())
    }

    pub(super) async fn remove(&self, upload: &str) -> Result<(), StoreError> {
        let dir = self.dir(upload)?;
        match blocking(move || std::fs::remove_dir_all(dir)).await {
            Ok(()) | Err(StoreError::NoSuchKey) => {}
            Err(error) => return Err(error),
        }
        if let Some(room) = self.room.get() {
            room.forget(upload);
        }
        Ok(())
    }

    /// Uploads that nobody has touched since `before`, except `keep`, and what is noted of them.
    /// One whose note cannot be read is left alone: without it, the storage would keep its parts.
    pub(super) async fn left_behind(
        &self,
        before: Timestamp,
        keep: &[String],
    ) -> Result<Vec<(String, Option<Begun>)>, StoreError> {
        let (root, keep) = (
            self.root.clone(),
            keep.iter().cloned().collect::<HashSet<_>>(),
        );
        blocking(move || {
            let mut found = Vec::new();
            let uploads = match std::fs::read_dir(root) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
                uploads => uploads?,
            };
            for upload in uploads {
                let upload = upload?;
                let name = upload.file_name().to_string_lossy().into_owned();
                if is_ours(&name) && !keep.contains(&name) && touched(&upload.path())? < before {
                    match read_note(&upload.path()) {
                        Ok(begun) => found.push((name, begun)),
                        Err(error) => tracing::warn!(
                            directory = %upload.path().display(), %error,
                            "an upload that was left behind stays: its note cannot be read"
                        ),
                    }
                }
            }
            Ok(found)
        })
        .await
    }
}

/// The file beside parts that says which upload of the storage they belong to. No part has such
/// a name.
const NOTE: &str = "upload.json";

/// The same while it is being written.
const FRESH_NOTE: &str = "upload.json.new";

/// What is noted of the upload in this directory, if anything is.
fn read_note(dir: &Path) -> io::Result<Option<Begun>> {
    match std::fs::read(dir.join(NOTE)) {
        Ok(note) => Ok(Some(serde_json::from_slice(&note)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// An upload in parts that a storage has begun.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Begun {
    /// Empty for the bucket of default-bucket mode.
    pub(super) bucket: String,
    pub(super) key: String,
    /// The storage's name of it.
    pub(super) upload: String,
}

/// Whether a name of an upload or a part can be one that we gave.
fn is_ours(name: &str) -> bool {
    let ours = |c: char| c.is_ascii_hexdigit() || c == '-';
    !name.is_empty() && name.chars().all(ours)
}

/// The bytes that wait in each directory of an upload.
fn sizes(root: &Path) -> io::Result<HashMap<String, u64>> {
    let mut found = HashMap::new();
    let uploads = match std::fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        uploads => uploads?,
    };
    for upload in uploads {
        let upload = upload?;
        if !upload.file_type()?.is_dir() {
            continue;
        }
        let mut bytes = 0;
        for file in std::fs::read_dir(upload.path())? {
            bytes += file?.metadata()?.len();
        }
        found.insert(upload.file_name().to_string_lossy().into_owned(), bytes);
    }
    Ok(found)
}

/// When anything in a directory was last written.
fn touched(dir: &Path) -> io::Result<Timestamp> {
    let mut last = Timestamp::from(dir.metadata()?.modified()?);
    for file in std::fs::read_dir(dir)? {
        last = last.max(file?.metadata()?.modified()?.into());
    }
    Ok(last)
}

impl Plugin {
    /// Completes a spooled upload: one `put` of all its parts. The spool is removed only after
    /// the object is there, so a failure can be followed by another try.
    pub(super) async fn put_spooled(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: &str,
        parts: Vec<StoredPart>,
        known: Option<&ObjectState>,
        receipt: Receipt,
    ) -> Result<StoredObject, StoreError> {
        let spool = self.spool();
        let body = spool.body(upload, parts).await?;
        let options = PutOptions {
            content_type: receipt.content_type.clone(),
            known: known.cloned(),
        };
        let (sender, verdict) = tokio::sync::oneshot::channel();
        let size = receipt.size;
        let mut pending = Some((sender, receipt));
        let mut announce = move || {
            if let Some((sender, receipt)) = pending.take() {
                let _ = sender.send(receipt);
            }
        };
        if size == 0 {
            announce();
        }
        // All parts were checked when they came; what is left to see is that they are all
        // there. The verdict goes out before the last bytes do, because nobody asks for more.
        let mut left = size;
        let body = Exactly::new(body, size).map(move |piece| {
            left = left.saturating_sub(piece.as_ref().map_or(0, |bytes| bytes.len() as u64));
            if left == 0 && piece.is_ok() {
                announce();
            }
            piece
        });
        let about = self.about(bucket, key);
        let stored = self
            .put_object(about, (bucket, key), (size, options), body.boxed(), verdict)
            .await?;
        if let Err(error) = spool.remove(upload).await {
            tracing::warn!("the parts of a completed upload could not be removed: {error}");
        }
        Ok(stored)
    }
}

async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let done = spawn_blocking(job)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| failed(&error))
}

fn failed(error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::NotFound => StoreError::NoSuchKey,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::NoSpace,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::Denied(format!("the spool directory: {error}"))
        }
        _ => StoreError::Other(format!("the spool: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_directory_whose_note_cannot_be_read_is_not_taken_for_one_without_a_note() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let spool = Spool::new(root.into(), true, u64::MAX);
        let begun = Begun {
            bucket: "bucket".into(),
            key: "key".into(),
            upload: "theirs".into(),
        };
        for dir in ["a1", "a2", "a3"] {
            spool.note(dir, &begun).await.unwrap();
        }
        let written = std::fs::read(root.join("a2").join(NOTE)).unwrap();
        std::fs::write(root.join("a2").join(NOTE), &written[..9]).unwrap();
        std::fs::remove_file(root.join("a3").join(NOTE)).unwrap();
        std::fs::create_dir(root.join("a3").join(NOTE)).unwrap();
        std::fs::create_dir(root.join("a4")).unwrap();
        spool.note("a5", &begun).await.unwrap();

        let later = Timestamp::now() + std::time::Duration::from_mins(1);
        let found = spool.left_behind(later, &["a5".to_owned()]).await.unwrap();
        let mut found: Vec<_> = found
            .into_iter()
            .map(|(dir, begun)| (dir, begun.map(|begun| begun.upload)))
            .collect();
        found.sort();
        let told = |dir: &str, upload: Option<&str>| (dir.to_owned(), upload.map(str::to_owned));
        assert_eq!(found, [told("a1", Some("theirs")), told("a4", None)]);
    }
}
