//! The port [`Cache`] over the database.

use super::Shared;
use super::queries::{self, BucketNo, NamespaceNo, Numbers, Run};
use super::worker::WriteError;
use super::write::Write;
use crate::model::{Bucket, BucketSetting, Checksum, ObjectKey, Timestamp, UploadId};
use crate::service::ports::{
    Cache, CacheError, Intent, Lesson, PartRow, PortableQueue, Remembered, Row, UploadRow,
};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The part of the database that belongs to one store. Clones share everything.
#[derive(Clone)]
pub struct NamespaceCache {
    shared: Arc<Shared>,
    number: NamespaceNo,
    /// Numbers of committed buckets; they never change.
    buckets: Arc<RwLock<HashMap<Box<str>, BucketNo>>>,
    /// Numbers of buckets with imported rows.
    imported: Arc<HashMap<Box<str>, BucketNo>>,
    /// Buckets have indexes, which own writes keep exact.
    indexed: Arc<AtomicBool>,
    /// In nanoseconds since 1970.
    run: Arc<AtomicI64>,
}

impl NamespaceCache {
    pub(super) fn new(
        shared: Arc<Shared>,
        number: NamespaceNo,
        imported: HashMap<Box<str>, BucketNo>,
    ) -> Self {
        Self {
            shared,
            number,
            buckets: Arc::default(),
            imported: Arc::new(imported),
            indexed: Arc::default(),
            run: Arc::new(AtomicI64::new(Timestamp::now().0)),
        }
    }

    fn run(&self) -> Run {
        Run(self.run.load(Ordering::Relaxed))
    }

    fn numbers(&self, bucket: &Bucket) -> Result<Numbers, CacheError> {
        Ok(Numbers {
            own: self.find(bucket)?,
            imported: self.imported_number(bucket),
        })
    }

    /// `None` when nothing was ever written to this bucket.
    fn find(&self, bucket: &Bucket) -> Result<Option<BucketNo>, CacheError> {
        let name = bucket.as_str();
        let known = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(&number) = known.get(name) {
            return Ok(Some(number));
        }
        drop(known);
        let found = self
            .shared
            .readers
            .with(|db| queries::find_bucket(db, self.number, name))
            .map_err(failed)?;
        if let Some(number) = found {
            let mut known = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
            known.insert(name.into(), number);
        }
        Ok(found)
    }

    /// Gives the bucket a number if it has none. In a commit of its own: a number that is
    /// remembered must not be rolled back.
    pub(super) async fn find_or_intern(&self, bucket: &Bucket) -> Result<BucketNo, CacheError> {
        if let Some(number) = self.find(bucket)? {
            return Ok(number);
        }
        let name = bucket.as_str().into();
        self.write(Write::InternBucket(self.number, name)).await?;
        self.find(bucket)?
            .ok_or_else(|| failed(rusqlite::Error::QueryReturnedNoRows))
    }

    pub(super) fn imported_number(&self, bucket: &Bucket) -> Option<BucketNo> {
        self.imported.get(bucket.as_str()).copied()
    }

    pub(super) fn keep_index(&self) {
        self.indexed.store(true, Ordering::Relaxed);
    }

    /// A write that an index has to know of.
    async fn write_indexed(&self, write: Write) -> Result<bool, CacheError> {
        if self.indexed.load(Ordering::Relaxed) {
            return self.write(Write::Indexed(Box::new(write))).await;
        }
        self.write(write).await
    }

    /// Sees to it that the database has what was answered already. If that fails, what is read is
    /// what a crash leaves: intents that may be settled.
    async fn catch_up(&self) {
        if let Err(error) = self.shared.writer.catch_up().await {
            tracing::debug!(%error, "rows of new objects wait to be written");
        }
    }

    /// What is late of a bucket; to be asked for before the database is.
    fn late(&self, numbers: Numbers) -> Vec<Arc<Write>> {
        let own = numbers
            .own
            .map(|bucket| self.shared.writer.late_rows(bucket));
        own.unwrap_or_default()
    }

    /// Reads about the whole namespace.
    pub(super) fn read_all<T>(
        &self,
        read: impl FnOnce(&rusqlite::Connection, NamespaceNo) -> rusqlite::Result<T>,
    ) -> Result<T, CacheError> {
        let readers = &self.shared.readers;
        readers.with(|db| read(db, self.number)).map_err(failed)
    }

    pub(super) async fn write(&self, write: Write) -> Result<bool, CacheError> {
        self.shared.writer.write(write).await.map_err(failed)
    }

    /// Reads about a bucket; the default when nothing was ever written to it.
    pub(super) fn read<T: Default>(
        &self,
        bucket: &Bucket,
        read: impl FnOnce(&rusqlite::Connection, BucketNo) -> rusqlite::Result<T>,
    ) -> Result<T, CacheError> {
        let Some(number) = self.find(bucket)? else {
            return Ok(T::default());
        };
        let snapshot = |db: &rusqlite::Connection| read(db, number);
        self.shared.readers.snapshot(snapshot).map_err(failed)
    }
}

/// A late row goes before the intent that it follows from. Without that, another process has written
/// meanwhile.
fn put_late(late: &[Arc<Write>], key: &ObjectKey, found: &mut Remembered) {
    let Some(intent) = &found.intent else {
        return;
    };
    let mut rows = late.iter().rev().filter_map(|write| write.late_row());
    if let Some((.., row)) = rows.find(|(_, of, _)| *of == key)
        && row.size == intent.size
        && row.etag.as_ref() == Some(&intent.etag)
    {
        found.row = Some(row.clone());
        found.intent = None;
    }
}

fn failed(error: impl Into<WriteError>) -> CacheError {
    error.into().into()
}

#[async_trait]
impl Cache for NamespaceCache {
    async fn object(&self, bucket: &Bucket, key: &ObjectKey) -> Result<Remembered, CacheError> {
        let numbers = self.numbers(bucket)?;
        let late = self.late(numbers);
        let found = self
            .shared
            .readers
            .with(|db| queries::look_up(db, numbers, [key]))
            .map_err(failed)?;
        let mut found = found.into_iter().next().unwrap_or_default();
        put_late(&late, key, &mut found);
        Ok(found)
    }

    async fn objects(
        &self,
        bucket: &Bucket,
        keys: &[&ObjectKey],
    ) -> Result<Vec<Remembered>, CacheError> {
        let numbers = self.numbers(bucket)?;
        let late = self.late(numbers);
        let mut found = self
            .shared
            .readers
            .snapshot(|db| queries::look_up_page(db, numbers, keys))
            .map_err(failed)?;
        for (key, found) in keys.iter().zip(&mut found) {
            put_late(&late, key, found);
        }
        Ok(found)
    }

    async fn part_checksums(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
    ) -> Result<Vec<Checksum>, CacheError> {
        self.catch_up().await;
        self.read(bucket, |db, bucket| {
            queries::part_checksums(db, bucket, key)
        })
    }

    async fn stale_uploads(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Bucket, UploadRow)>, CacheError> {
        self.shared
            .readers
            .with(|db| queries::stale_uploads(db, self.number, before, limit))
            .map_err(failed)
    }

    async fn announce(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        intent: Intent,
    ) -> Result<bool, CacheError> {
        let bucket = self.find_or_intern(bucket).await?;
        self.write(Write::Announce(bucket, key.clone(), intent))
            .await
    }

    async fn settle(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        row: Row,
        portable: bool,
    ) -> Result<(), CacheError> {
        let bucket = self.find_or_intern(bucket).await?;
        let portable = portable.then(|| self.run());
        self.write_indexed(Write::Settle(bucket, key.clone(), row, portable))
            .await
            .map(drop)
    }

    async fn settle_late(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        row: Row,
    ) -> Result<(), CacheError> {
        let bucket = self.find_or_intern(bucket).await?;
        let late = Write::SettleLate(bucket, key.clone(), row);
        self.shared.writer.write_late(late).await.map_err(failed)
    }

    async fn learn(&self, bucket: &Bucket, lessons: Vec<Lesson>) -> Result<bool, CacheError> {
        let imported = self.imported_number(bucket);
        let bucket = self.find_or_intern(bucket).await?;
        self.write(Write::Learn(bucket, imported, lessons)).await
    }

    async fn withdraw(&self, bucket: &Bucket, key: &ObjectKey) -> Result<(), CacheError> {
        let Some(bucket) = self.find(bucket)? else {
            return Ok(());
        };
        self.write(Write::Withdraw(bucket, key.clone()))
            .await
            .map(drop)
    }

    async fn forget(&self, bucket: &Bucket, keys: &[&ObjectKey]) -> Result<(), CacheError> {
        let Some(bucket) = self.find(bucket)? else {
            return Ok(());
        };
        let keys = keys.iter().copied().cloned().collect();
        self.write_indexed(Write::Forget(bucket, keys))
            .await
            .map(drop)
    }

    async fn intents(&self) -> Result<Vec<(Bucket, ObjectKey)>, CacheError> {
        self.catch_up().await;
        self.shared
            .readers
            .with(|db| queries::intents(db, self.number))
            .map_err(failed)
    }

    async fn create_upload(&self, bucket: &Bucket, upload: UploadRow) -> Result<(), CacheError> {
        let bucket = self.find_or_intern(bucket).await?;
        self.write(Write::CreateUpload(bucket, upload))
            .await
            .map(drop)
    }

    async fn upload(
        &self,
        bucket: &Bucket,
        id: &UploadId,
    ) -> Result<Option<UploadRow>, CacheError> {
        self.read(bucket, |db, bucket| queries::upload(db, bucket, id))
    }

    async fn uploads(
        &self,
        bucket: &Bucket,
        prefix: &str,
        after: Option<(&str, Option<&UploadId>)>,
        limit: usize,
    ) -> Result<Vec<UploadRow>, CacheError> {
        self.read(bucket, |db, bucket| {
            queries::uploads(db, bucket, prefix, after, limit)
        })
    }

    async fn store_uploads(&self) -> Result<Vec<String>, CacheError> {
        self.shared
            .readers
            .with(|db| queries::store_uploads(db, self.number))
            .map_err(failed)
    }

    async fn delete_upload(&self, bucket: &Bucket, id: &UploadId) -> Result<(), CacheError> {
        let Some(bucket) = self.find(bucket)? else {
            return Ok(());
        };
        self.write(Write::DeleteUpload(bucket, id.clone()))
            .await
            .map(drop)
    }

    async fn put_part(
        &self,
        bucket: &Bucket,
        id: &UploadId,
        part: PartRow,
    ) -> Result<bool, CacheError> {
        let Some(bucket) = self.find(bucket)? else {
            return Ok(false);
        };
        self.write(Write::PutPart(bucket, id.clone(), part)).await
    }

    async fn parts(
        &self,
        bucket: &Bucket,
        id: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<Vec<PartRow>, CacheError> {
        self.read(bucket, |db, bucket| {
            queries::parts(db, bucket, id, after, limit)
        })
    }

    async fn setting(
        &self,
        bucket: &Bucket,
        setting: BucketSetting,
    ) -> Result<Option<String>, CacheError> {
        self.read(bucket, |db, bucket| queries::setting(db, bucket, setting))
    }

    async fn set_setting(
        &self,
        bucket: &Bucket,
        setting: BucketSetting,
        document: Option<String>,
    ) -> Result<(), CacheError> {
        let bucket = self.find_or_intern(bucket).await?;
        self.write(Write::SetSetting(bucket, setting, document))
            .await
            .map(drop)
    }

    async fn forget_settings(&self, bucket: &Bucket) -> Result<(), CacheError> {
        let Some(bucket) = self.find(bucket)? else {
            return Ok(());
        };
        self.write(Write::ForgetSettings(bucket)).await.map(drop)
    }

    fn begin_store_run(&self) {
        // Another one in any case, whatever the clock says.
        self.run.fetch_max(Timestamp::now().0, Ordering::Relaxed);
        self.run.fetch_add(1, Ordering::Relaxed);
    }

    async fn inherited(
        &self,
        bucket: &Bucket,
        keys: &[&ObjectKey],
    ) -> Result<Vec<bool>, CacheError> {
        let mut inherited = self.read(bucket, |db, bucket| {
            queries::inherited(db, bucket, keys, self.run())
        })?;
        // There is no answer if nothing was ever written to this bucket.
        inherited.resize(keys.len(), false);
        Ok(inherited)
    }

    async fn portable_queue(
        &self,
        since: Timestamp,
        limit: usize,
    ) -> Result<PortableQueue, CacheError> {
        let due = (since, self.run());
        self.shared
            .readers
            .snapshot(|db| queries::portable_queue(db, self.number, due, limit))
            .map_err(failed)
    }

    async fn portable_done(&self, numbers: Vec<i64>) -> Result<(), CacheError> {
        self.write(Write::PortableDone(numbers)).await.map(drop)
    }

    async fn portable_later(&self, numbers: Vec<i64>, since: Timestamp) -> Result<(), CacheError> {
        let later = Write::PortableLater(numbers, since);
        self.write(later).await.map(drop)
    }
}
