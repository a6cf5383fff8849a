//! The index in memory, by the rules that every cache uses.

use super::{MemoryCache, State};
use crate::model::{Bucket, ObjectKey, Timestamp};
use crate::service::index::tables::{self, Extent, Mark, Tables};
use crate::service::index::{Applied, Folder, Found, Fresh, IndexCache, IndexCounts};
use crate::service::ports::{CacheError, Remembered, Row, StoreListQuery, StorePage, StoredObject};
use async_trait::async_trait;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;

#[derive(Default)]
pub(super) struct Folders {
    folders: BTreeMap<(Bucket, String), Folder>,
    marks: BTreeMap<(Bucket, String, String), Mark>,
}

/// The part of the state that belongs to a bucket.
pub(super) struct Part<'a>(pub(super) RefCell<&'a mut State>, pub(super) &'a Bucket);

impl Part<'_> {
    fn at(&self, text: &str) -> (Bucket, String) {
        (self.1.clone(), text.to_owned())
    }
}

impl Tables for Part<'_> {
    type Error = Infallible;

    fn folder(&self, folder: &str) -> Result<Option<Folder>, Infallible> {
        let state = self.0.borrow();
        Ok(state.index.folders.get(&self.at(folder)).cloned())
    }

    fn put_folder(&self, folder: &str, known: &Folder) -> Result<(), Infallible> {
        let mut state = self.0.borrow_mut();
        state.index.folders.insert(self.at(folder), known.clone());
        Ok(())
    }

    fn folder_from(&self, from: &str) -> Result<Option<(String, Folder)>, Infallible> {
        let state = self.0.borrow();
        let found = state.index.folders.range(self.at(from)..).next();
        let found = found.filter(|((bucket, _), _)| bucket == self.1);
        Ok(found.map(|((_, name), folder)| (name.clone(), folder.clone())))
    }

    fn drop_folder(&self, folder: &str) -> Result<(), Infallible> {
        let mut state = self.0.borrow_mut();
        let marks = &mut state.index.marks;
        marks.retain(|(bucket, of, _), _| bucket != self.1 || of != folder);
        state.index.folders.remove(&self.at(folder));
        Ok(())
    }

    fn mark(&self, folder: &str, name: &str) -> Result<Option<Mark>, Infallible> {
        let at = (self.1.clone(), folder.to_owned(), name.to_owned());
        Ok(self.0.borrow().index.marks.get(&at).cloned())
    }

    fn put_mark(&self, folder: &str, name: &str, mark: Mark) -> Result<(), Infallible> {
        let at = (self.1.clone(), folder.to_owned(), name.to_owned());
        self.0.borrow_mut().index.marks.insert(at, mark);
        Ok(())
    }

    fn clear_marks(&self, folder: &str, ours: Timestamp) -> Result<(), Infallible> {
        let mut state = self.0.borrow_mut();
        let marks = &mut state.index.marks;
        marks.retain(|(bucket, of, _), mark| {
            bucket != self.1 || of != folder || mark.ours().is_some_and(|at| at > ours)
        });
        Ok(())
    }

    fn expire_marks(&self, ours: Timestamp) -> Result<(), Infallible> {
        let mut state = self.0.borrow_mut();
        let Folders { folders, marks } = &mut state.index;
        marks.retain(|(bucket, of, _), mark| {
            let folder = folders.get(&(bucket.clone(), of.clone()));
            let is_run = folder.is_some_and(|folder| folder.run.is_some());
            bucket != self.1 || is_run || mark.ours().is_none_or(|at| at > ours)
        });
        Ok(())
    }

    fn key_from(&self, from: &str) -> Result<Option<ObjectKey>, Infallible> {
        let state = self.0.borrow();
        let mut rows = state.objects.iter().filter(|((bucket, key), remembered)| {
            bucket == self.1 && key.as_str() >= from && remembered.row.is_some()
        });
        Ok(rows.next().map(|((_, key), _)| key.clone()))
    }

    fn remembered(&self, key: &ObjectKey) -> Result<Remembered, Infallible> {
        let at = (self.1.clone(), key.clone());
        let found = self.0.borrow().objects.get(&at).cloned();
        Ok(found.unwrap_or_default())
    }

    fn put_row(
        &self,
        key: &ObjectKey,
        _: Option<&Row>,
        row: &Row,
        met: Timestamp,
    ) -> Result<(), Infallible> {
        let at = (self.1.clone(), key.clone());
        self.0.borrow_mut().put_row(at, row.clone(), met);
        Ok(())
    }

    fn met(&self, key: &ObjectKey) -> Result<Option<Timestamp>, Infallible> {
        let at = (self.1.clone(), key.clone());
        let state = self.0.borrow();
        let known = state.objects.get(&at);
        let is_known = known.is_some_and(|known| known.row.is_some());
        let met = state.met.get(&at).copied();
        Ok(is_known.then(|| met.unwrap_or(Timestamp(0))))
    }

    fn note_double(&self, key: &ObjectKey) -> Result<(), Infallible> {
        self.0.borrow_mut().note_double(self.1, key);
        Ok(())
    }

    fn owes_text(&self, key: &ObjectKey) -> Result<bool, Infallible> {
        let state = self.0.borrow();
        let job = state.waiting(self.1, key);
        Ok(job.is_some_and(|(_, job)| job.owes))
    }

    fn drop_row(&self, key: &ObjectKey) -> Result<(), Infallible> {
        let at = (self.1.clone(), key.clone());
        let mut state = self.0.borrow_mut();
        state.objects.remove(&at);
        state.dequeue(self.1, key);
        Ok(())
    }
}

pub(super) fn sure<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

impl MemoryCache {
    fn part<T>(&self, bucket: &Bucket, act: impl FnOnce(&Part<'_>) -> Result<T, Infallible>) -> T {
        let mut state = self.call();
        sure(act(&Part(RefCell::new(&mut state), bucket)))
    }

    /// Everything that is known of a bucket's folders.
    pub(crate) fn folders(&self, bucket: &Bucket) -> BTreeMap<String, Folder> {
        let state = self.state();
        let all = state.index.folders.iter();
        all.filter(|((of, _), _)| of == bucket)
            .map(|((_, name), folder)| (name.clone(), folder.clone()))
            .collect()
    }

    /// Marks that runs have made.
    pub(crate) fn marks(&self) -> usize {
        let state = self.state();
        let marks = state.index.marks.values();
        marks.filter(|mark| mark.ours().is_none()).count()
    }

    /// As if all that was written had been written then.
    pub(crate) fn age_marks(&self, then: Timestamp) {
        for mark in self.state().index.marks.values_mut() {
            match mark {
                Mark::Ours(at) | Mark::Deleted(at, _) => *at = then,
                Mark::Seen | Mark::Doubtful => {}
            }
        }
    }

    /// As if all folders had been confirmed then.
    pub(crate) fn age_folders(&self, then: Timestamp) {
        for folder in self.state().index.folders.values_mut() {
            folder.confirmed = folder.confirmed.map(|at| at.min(then));
        }
    }

    /// Marks of what was written.
    pub(crate) fn own_marks(&self) -> usize {
        let others = self.marks();
        self.state().index.marks.len() - others
    }
}

#[async_trait]
impl IndexCache for MemoryCache {
    async fn open_index(&self, bucket: &Bucket) -> Result<(), CacheError> {
        self.part(bucket, |part| match part.folder("")? {
            None => part.put_folder("", &Folder::default()),
            Some(_) => Ok(()),
        });
        Ok(())
    }

    async fn drop_index(&self, bucket: &Bucket) -> Result<(), CacheError> {
        let mut state = self.call();
        state.index.folders.retain(|(of, _), _| of != bucket);
        state.index.marks.retain(|(of, ..), _| of != bucket);
        Ok(())
    }

    async fn index_page(
        &self,
        bucket: &Bucket,
        query: &StoreListQuery,
        fresh: Fresh,
    ) -> Result<(StorePage, Vec<String>), CacheError> {
        Ok(self.part(bucket, |part| {
            let mut page = StorePage::default();
            let mut from = query.prefix.clone();
            let (mut last, mut beyond) = (None, None);
            while let Some(key) = part.key_from(&from)? {
                let Some(rest) = key.as_str().strip_prefix(query.prefix.as_str()) else {
                    break;
                };
                from = format!("{key}\0");
                let slash = rest.find('/').filter(|_| query.shallow);
                let group = slash.map(|at| format!("{}{}", query.prefix, &rest[..=at]));
                let name = group.clone().unwrap_or_else(|| key.as_str().to_owned());
                let passed = query.after.as_ref().is_some_and(|after| {
                    key.as_str() <= after.as_str() || group.as_ref() == Some(after)
                });
                if passed || last.as_ref() == Some(&name) {
                    continue;
                }
                if page.entries.len() + page.prefixes.len() == usize::from(query.limit) {
                    page.more = true;
                    beyond = Some(name);
                    break;
                }
                last = Some(name);
                if let Some(group) = group {
                    page.prefixes.push(group);
                } else if let Some(row) = part.remembered(&key)?.row {
                    let stored = StoredObject {
                        state: row.state,
                        size: row.size,
                        modified: row.modified,
                        hash: None,
                        content_type: row.metadata.content_type,
                        portable: None,
                    };
                    page.entries.push((key, stored));
                }
            }
            let extent = Extent {
                prefix: &query.prefix,
                shallow: query.shallow,
                after: query.after.as_deref(),
                last: beyond.as_deref(),
            };
            Ok((page, tables::stale(part, extent, fresh, 64)?))
        }))
    }

    async fn stale_folders(
        &self,
        bucket: &Bucket,
        folder: &str,
        fresh: Fresh,
    ) -> Result<Vec<String>, CacheError> {
        Ok(self.part(bucket, |part| tables::stale_above(part, folder, fresh)))
    }

    async fn folder(&self, bucket: &Bucket, folder: &str) -> Result<Option<Folder>, CacheError> {
        Ok(self.part(bucket, |part| part.folder(folder)))
    }

    async fn content(&self, bucket: &Bucket, folder: &str) -> Result<u64, CacheError> {
        Ok(self.part(bucket, |part| tables::content(part, folder)))
    }

    async fn youngest_untagged(
        &self,
        bucket: &Bucket,
        folder: &str,
    ) -> Result<Option<Timestamp>, CacheError> {
        let state = self.state();
        let rows = state.objects.iter().filter_map(|((of, key), known)| {
            let is_in = of == bucket && tables::folder_of(key.as_str()) == folder;
            known.row.as_ref().filter(|_| is_in)
        });
        let untagged = rows.filter(|row| row.etag.is_none());
        Ok(untagged.map(|row| row.modified).max())
    }

    async fn unconfirmed(
        &self,
        bucket: &Bucket,
        keys: &[&ObjectKey],
        exclusive: bool,
    ) -> Result<Vec<Option<Timestamp>>, CacheError> {
        Ok(self.part(bucket, |part| {
            let keys = keys.iter();
            keys.map(|key| tables::unconfirmed(part, key, exclusive))
                .collect()
        }))
    }

    async fn begin_run(
        &self,
        bucket: &Bucket,
        folder: &str,
        began: Timestamp,
    ) -> Result<(), CacheError> {
        self.part(bucket, |part| tables::begin(part, folder, began));
        Ok(())
    }

    async fn apply_run(
        &self,
        bucket: &Bucket,
        folder: &str,
        began: Timestamp,
        found: Found,
    ) -> Result<Option<Applied>, CacheError> {
        Ok(self.part(bucket, |part| tables::apply(part, folder, began, found)))
    }

    async fn unscanned(&self, bucket: &Bucket, limit: usize) -> Result<Vec<String>, CacheError> {
        let folders = self.folders(bucket).into_iter();
        let unscanned = folders.filter(|(_, folder)| folder.confirmed.is_none());
        Ok(unscanned.map(|(name, _)| name).take(limit).collect())
    }

    async fn folders_behind(
        &self,
        bucket: &Bucket,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, CacheError> {
        let folders = self.folders(bucket).into_keys();
        let behind = folders.filter(|name| after.is_none_or(|after| name.as_str() > after));
        Ok(behind.take(limit).collect())
    }

    async fn index_counts(&self, bucket: &Bucket) -> Result<IndexCounts, CacheError> {
        let folders = self.folders(bucket);
        let unscanned = folders.values().filter(|folder| folder.confirmed.is_none());
        let unscanned = unscanned.count() as u64;
        let state = self.state();
        let rows = state.objects.iter();
        let rows = rows.filter(|((of, _), known)| of == bucket && known.row.is_some());
        Ok(IndexCounts {
            folders: folders.len() as u64,
            unscanned,
            rows: rows.count() as u64,
        })
    }

    async fn unfinished_indexes(&self) -> Result<Vec<Bucket>, CacheError> {
        let state = self.state();
        let folders = state.index.folders.iter();
        let unscanned = folders.filter(|(_, folder)| folder.confirmed.is_none());
        let mut buckets: Vec<Bucket> = unscanned.map(|((of, _), _)| of.clone()).collect();
        buckets.dedup();
        Ok(buckets)
    }
}
