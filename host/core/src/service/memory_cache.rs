//! A [`Cache`] in memory, for tests.

mod fault;
mod index;
mod queue;

pub(crate) use fault::CacheFault;

use super::ports::{
    Cache, CacheError, Intent, Lesson, NEVER, PartRow, PortableJob, PortableQueue, Remembered, Row,
    UploadRow,
};
use crate::model::{Bucket, BucketSetting, Checksum, ObjectKey, Timestamp, UploadId};
use async_trait::async_trait;
use queue::Waiting;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub(crate) struct MemoryCache {
    state: Mutex<State>,
    calls: AtomicUsize,
}

/// The order of a listing: start and id come after the key.
type UploadOrder = (Bucket, ObjectKey, i64, UploadId);

#[derive(Default)]
struct State {
    objects: BTreeMap<(Bucket, ObjectKey), Remembered>,
    /// Since when the objects are known to have their keys.
    met: HashMap<(Bucket, ObjectKey), Timestamp>,
    index: index::Folders,
    part_checksums: HashMap<(Bucket, ObjectKey), Vec<Checksum>>,
    uploads: BTreeMap<UploadOrder, (UploadRow, BTreeMap<u16, PartRow>)>,
    settings: BTreeMap<(Bucket, BucketSetting), String>,
    portable: BTreeMap<i64, Waiting>,
    portable_number: i64,
    /// Counts the runs of the store.
    run: u64,
    fault: Option<CacheFault>,
}

impl State {
    fn find(&self, bucket: &Bucket, id: &UploadId) -> Option<UploadOrder> {
        let mut keys = self.uploads.keys();
        keys.find(|(at, _, _, name)| at == bucket && name == id)
            .cloned()
    }

    fn put_row(&mut self, at: (Bucket, ObjectKey), row: Row, met: Timestamp) {
        let remembered = self.objects.entry(at.clone()).or_default();
        let id = row.state.id.clone();
        let before = remembered.row.replace(row);
        if before.is_none_or(|before| before.state.id != id) {
            self.met.insert(at, met);
        }
    }

    fn fails(&mut self, fault: CacheFault) -> bool {
        let hit = self.fault == Some(fault);
        if hit {
            self.fault = None;
        }
        hit
    }
}

impl MemoryCache {
    pub(crate) fn fail_next(&self, fault: CacheFault) {
        self.state().fault = Some(fault);
    }

    pub(crate) fn fault_is_due(&self) -> bool {
        self.state().fault.is_some()
    }

    /// Calls since the last question.
    pub(crate) fn take_calls(&self) -> usize {
        self.calls.swap(0, Ordering::SeqCst)
    }

    pub(crate) fn open_intents(&self) -> usize {
        let state = self.state();
        let open = state.objects.values().filter(|r| r.intent.is_some());
        open.count()
    }

    /// Changes a row as an import would.
    pub(crate) fn edit_rows(&self, edit: impl Fn(&mut Row)) {
        let mut state = self.state();
        state
            .objects
            .values_mut()
            .filter_map(|r| r.row.as_mut())
            .for_each(edit);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self) -> MutexGuard<'_, State> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.state()
    }

    async fn hang_if(&self, fault: CacheFault) {
        let hangs = self.state().fails(fault);
        if hangs {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn object(&self, bucket: &Bucket, key: &ObjectKey) -> Result<Remembered, CacheError> {
        let address = (bucket.clone(), key.clone());
        Ok(self
            .call()
            .objects
            .get(&address)
            .cloned()
            .unwrap_or_default())
    }

    async fn objects(
        &self,
        bucket: &Bucket,
        keys: &[&ObjectKey],
    ) -> Result<Vec<Remembered>, CacheError> {
        let state = self.call();
        let get = |key: &&ObjectKey| {
            state
                .objects
                .get(&(bucket.clone(), (*key).clone()))
                .cloned()
        };
        Ok(keys
            .iter()
            .map(|key| get(key).unwrap_or_default())
            .collect())
    }

    async fn part_checksums(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
    ) -> Result<Vec<Checksum>, CacheError> {
        let address = (bucket.clone(), key.clone());
        Ok(self
            .call()
            .part_checksums
            .get(&address)
            .cloned()
            .unwrap_or_default())
    }

    async fn stale_uploads(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Bucket, UploadRow)>, CacheError> {
        let state = self.call();
        let old = state.uploads.iter().filter(|(_, (row, parts))| {
            row.started < before && parts.values().all(|part| part.modified < before)
        });
        Ok(old
            .take(limit)
            .map(|((bucket, ..), (row, _))| (bucket.clone(), row.clone()))
            .collect())
    }

    async fn announce(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        intent: Intent,
    ) -> Result<bool, CacheError> {
        self.hang_if(CacheFault::HangBeforeAnnounce).await;
        let address = (bucket.clone(), key.clone());
        {
            let mut state = self.call();
            let remembered = state.objects.entry(address).or_default();
            if remembered.intent.is_some() {
                return Ok(false);
            }
            remembered.intent = Some(intent);
        }
        self.hang_if(CacheFault::HangAfterAnnounce).await;
        // As a group commit would: others run meanwhile.
        tokio::task::yield_now().await;
        Ok(true)
    }

    async fn settle(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        row: Row,
        portable: bool,
    ) -> Result<(), CacheError> {
        tokio::task::yield_now().await;
        self.hang_if(CacheFault::HangBeforeSettle).await;
        if self.state().fails(CacheFault::FailSettle) {
            return Err(CacheError::Failed("the disk is worn out".into()));
        }
        {
            let mut state = self.call();
            let address = (bucket.clone(), key.clone());
            let remembered = state.objects.entry(address).or_default();
            let id = row.state.id.clone();
            let before = remembered.row.as_ref();
            let replaces = before.is_some_and(|before| before.state.id != id);
            let intent = remembered.intent.take();
            state.put_row((bucket.clone(), key.clone()), row, Timestamp::now());
            let sums = intent.as_ref().map(|intent| intent.part_checksums.clone());
            let upload = intent.and_then(|intent| intent.upload);
            let address = (bucket.clone(), key.clone());
            state
                .part_checksums
                .insert(address, sums.unwrap_or_default());
            if let Some(at) = upload.and_then(|id| state.find(bucket, &id)) {
                state.uploads.remove(&at);
            }
            if portable {
                state.enqueue(bucket, key, replaces);
            }
            let part = index::Part(std::cell::RefCell::new(&mut state), bucket);
            index::sure(crate::service::index::tables::written(
                &part,
                key,
                Timestamp::now(),
            ));
        }
        self.hang_if(CacheFault::HangAfterSettle).await;
        Ok(())
    }

    async fn settle_late(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        row: Row,
    ) -> Result<(), CacheError> {
        self.settle(bucket, key, row, false).await
    }

    async fn withdraw(&self, bucket: &Bucket, key: &ObjectKey) -> Result<(), CacheError> {
        let address = (bucket.clone(), key.clone());
        if let Some(remembered) = self.call().objects.get_mut(&address) {
            remembered.intent = None;
        }
        Ok(())
    }

    async fn forget(&self, bucket: &Bucket, keys: &[&ObjectKey]) -> Result<(), CacheError> {
        let mut state = self.call();
        for key in keys {
            let part = index::Part(std::cell::RefCell::new(&mut state), bucket);
            index::sure(crate::service::index::tables::forgotten(
                &part,
                key,
                Timestamp::now(),
            ));
            state.objects.remove(&(bucket.clone(), (*key).clone()));
            state.dequeue(bucket, key);
        }
        Ok(())
    }

    async fn learn(&self, bucket: &Bucket, lessons: Vec<Lesson>) -> Result<bool, CacheError> {
        let mut state = self.call();
        let mut all = true;
        for lesson in lessons {
            let address = (bucket.clone(), lesson.key.clone());
            let remembered = state.objects.entry(address).or_default();
            let as_expected = remembered.row == lesson.expected && remembered.intent.is_none();
            if as_expected {
                let address = (bucket.clone(), lesson.key.clone());
                state.put_row(address, lesson.row, Timestamp::now());
            }
            if as_expected && lesson.portable {
                state.enqueue(bucket, &lesson.key, false);
            }
            all &= as_expected;
        }
        Ok(all)
    }

    async fn intents(&self) -> Result<Vec<(Bucket, ObjectKey)>, CacheError> {
        let state = self.call();
        let open = state.objects.iter().filter(|(_, r)| r.intent.is_some());
        Ok(open.map(|(address, _)| address.clone()).collect())
    }

    async fn create_upload(&self, bucket: &Bucket, upload: UploadRow) -> Result<(), CacheError> {
        if self.state().fails(CacheFault::FailBegin) {
            return Err(CacheError::Failed("the disk is worn out".into()));
        }
        let at = (
            bucket.clone(),
            upload.key.clone(),
            upload.started.0,
            upload.id.clone(),
        );
        self.call().uploads.insert(at, (upload, BTreeMap::new()));
        Ok(())
    }

    async fn upload(
        &self,
        bucket: &Bucket,
        id: &UploadId,
    ) -> Result<Option<UploadRow>, CacheError> {
        let state = self.call();
        let at = state.find(bucket, id);
        Ok(at.map(|at| state.uploads[&at].0.clone()))
    }

    async fn uploads(
        &self,
        bucket: &Bucket,
        prefix: &str,
        after: Option<(&str, Option<&UploadId>)>,
        limit: usize,
    ) -> Result<Vec<UploadRow>, CacheError> {
        let state = self.call();
        let marker = after
            .and_then(|(_, id)| state.find(bucket, id?))
            .map(|(_, _, started, id)| (started, id));
        let is_behind = |key: &ObjectKey, started: i64, id: &UploadId| match after {
            None => true,
            Some((after, _)) if key.as_str() != after => key.as_str() > after,
            Some(_) => marker
                .as_ref()
                .is_some_and(|(s, i)| (started, id) > (*s, i)),
        };
        let mine = state.uploads.iter().filter(|((at, key, started, id), _)| {
            at == bucket && key.as_str().starts_with(prefix) && is_behind(key, *started, id)
        });
        Ok(mine.take(limit).map(|(_, (row, _))| row.clone()).collect())
    }

    async fn store_uploads(&self) -> Result<Vec<String>, CacheError> {
        let state = self.call();
        let uploads = state.uploads.values();
        Ok(uploads.map(|(row, _)| row.store_id.clone()).collect())
    }

    async fn delete_upload(&self, bucket: &Bucket, id: &UploadId) -> Result<(), CacheError> {
        let mut state = self.call();
        if let Some(at) = state.find(bucket, id) {
            state.uploads.remove(&at);
        }
        Ok(())
    }

    async fn put_part(
        &self,
        bucket: &Bucket,
        id: &UploadId,
        part: PartRow,
    ) -> Result<bool, CacheError> {
        let mut state = self.call();
        let Some(at) = state.find(bucket, id) else {
            return Ok(false);
        };
        if let Some((_, parts)) = state.uploads.get_mut(&at) {
            parts.insert(part.number.get(), part);
        }
        Ok(true)
    }

    async fn parts(
        &self,
        bucket: &Bucket,
        id: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<Vec<PartRow>, CacheError> {
        let state = self.call();
        let Some(at) = state.find(bucket, id) else {
            return Ok(Vec::new());
        };
        let parts = state.uploads[&at].1.range(after + 1..);
        Ok(parts.take(limit).map(|(_, part)| part.clone()).collect())
    }

    async fn setting(
        &self,
        bucket: &Bucket,
        setting: BucketSetting,
    ) -> Result<Option<String>, CacheError> {
        let found = self
            .call()
            .settings
            .get(&(bucket.clone(), setting))
            .cloned();
        Ok(found)
    }

    async fn set_setting(
        &self,
        bucket: &Bucket,
        setting: BucketSetting,
        document: Option<String>,
    ) -> Result<(), CacheError> {
        let mut state = self.call();
        if state.fails(CacheFault::FailSetting) {
            return Err(CacheError::Failed("the disk is worn out".into()));
        }
        let address = (bucket.clone(), setting);
        match document {
            Some(document) => drop(state.settings.insert(address, document)),
            None => drop(state.settings.remove(&address)),
        }
        Ok(())
    }

    async fn forget_settings(&self, bucket: &Bucket) -> Result<(), CacheError> {
        self.call().settings.retain(|(of, _), _| of != bucket);
        Ok(())
    }

    fn begin_store_run(&self) {
        self.state().run += 1;
    }

    async fn inherited(
        &self,
        bucket: &Bucket,
        keys: &[&ObjectKey],
    ) -> Result<Vec<bool>, CacheError> {
        let state = self.call();
        let inherited = |key: &&ObjectKey| {
            let job = state.waiting(bucket, key);
            job.is_some_and(|(_, job)| job.is_inherited(state.run))
        };
        Ok(keys.iter().map(inherited).collect())
    }

    async fn portable_queue(
        &self,
        since: Timestamp,
        limit: usize,
    ) -> Result<PortableQueue, CacheError> {
        let state = self.call();
        let is_due = state.portable.iter().filter(|(_, job)| job.since <= since);
        let jobs = is_due.take(limit).map(|(number, job)| {
            let (bucket, key) = (job.bucket.clone(), job.key.clone());
            let found = state.objects.get(&(bucket.clone(), key.clone()));
            PortableJob {
                number: *number,
                bucket,
                key,
                row: found.and_then(|found| found.row.clone()),
                inherited: job.is_inherited(state.run),
            }
        });
        Ok(PortableQueue {
            jobs: jobs.collect(),
            waiting: state
                .portable
                .values()
                .filter(|job| job.since < NEVER)
                .count() as u64,
        })
    }

    async fn portable_done(&self, numbers: Vec<i64>) -> Result<(), CacheError> {
        let mut state = self.call();
        state.portable.retain(|number, _| !numbers.contains(number));
        Ok(())
    }

    async fn portable_later(&self, numbers: Vec<i64>, since: Timestamp) -> Result<(), CacheError> {
        for (number, job) in &mut self.call().portable {
            if numbers.contains(number) {
                job.since = since;
            }
        }
        Ok(())
    }
}
