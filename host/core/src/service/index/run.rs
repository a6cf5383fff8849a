//! One folder: confirmed with one question where that is enough, else scanned page by page.

use super::{Applied, End, Folder, Found, Looks, Run, ScanPage, Tail, TailPage};
use crate::model::{Bucket, ETag, Metadata, ObjectKey, PartSizes, Timestamp};
use crate::service::portable::told;
use crate::service::ports::{Row, StoreError, StoredObject};
use crate::service::{Inner, ServiceError};
use std::time::Duration;

/// Pages of newest rows after which it is simpler to scan the whole folder.
const NEWEST_PAGES: u32 = 16;
/// So often at least a folder of several pages is only looked at before it is scanned again, and
/// so often for each so many rows: the scan costs a call then for each look.
const LOOKS: u64 = 20;
const ROWS_A_LOOK: u64 = 100;
/// Folders of one page that are not all new: so many are not made between two looks.
const MANY: usize = 50;
/// How old an object is whose text has not had its time yet, and one whose text comes no more.
const NEW: Duration = Duration::from_secs(30);
const OLD: Duration = Duration::from_hours(24);
/// So many pages in a row may be empty: a storage leaves out what is in its trash, perhaps.
const EMPTY_PAGES: u32 = 1000;

impl Inner {
    /// Brings what is known of a folder up to date. When others have taken the folder over
    /// meanwhile, it is left to them.
    pub(super) async fn run(
        &self,
        bucket: &Bucket,
        folder: &str,
        known: Folder,
    ) -> Result<(), ServiceError> {
        let resumed = match &known.run {
            Some(Run {
                began,
                cursor: Some(cursor),
                ..
            }) => Some((*began, cursor.clone())),
            _ => None,
        };
        if let Some((began, cursor)) = resumed {
            match self.scan(bucket, folder, began, Some(cursor)).await {
                // A cursor of another time, perhaps: from the start.
                Err(ServiceError::Internal(_)) => {}
                outcome => return outcome.map(drop),
            }
        }
        let began = Timestamp::now();
        self.cache.begin_run(bucket, folder, began).await?;
        let was_known = known.confirmed.is_some();
        if let (Some(_), Some(tail)) = (known.confirmed, known.tail)
            && self
                .may_confirm(bucket, folder, known.confirmed, began)
                .await?
            && self
                .confirm(bucket, folder, began, tail, known.newest)
                .await?
        {
            return Ok(());
        }
        let applied = self.scan(bucket, folder, began, None).await?;
        if let Some(index) = self.index.as_ref().filter(|_| was_known) {
            index.note_others(bucket, applied);
        }
        Ok(())
    }

    /// Whether a look at the end of a folder is enough this time. A count can be right by chance,
    /// so now and then the folder is scanned all the same: the more seldom the larger it is. And
    /// the text beside an object, which tells its tag, comes later than the object. Deletions may
    /// look more often than anything has to be confirmed, and do not count then.
    async fn may_confirm(
        &self,
        bucket: &Bucket,
        folder: &str,
        confirmed: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool, ServiceError> {
        let Some(index) = &self.index else {
            return Ok(false);
        };
        let place = (bucket.clone(), folder.to_owned());
        let Looks {
            count,
            counted,
            scanned,
        } = index.looks().get(&place).copied().unwrap_or_default();
        let lately = now - index.freshness.max_age;
        if counted.is_some_and(|at| at > lately && at <= now) {
            return Ok(true);
        }
        let untagged = self.cache.youngest_untagged(bucket, folder).await?;
        let may_be_told = untagged
            .zip(scanned.or(confirmed))
            .is_some_and(|(made, scanned)| may_be_told(made, scanned, now));
        let is_due =
            count >= LOOKS && count >= self.cache.content(bucket, folder).await? / ROWS_A_LOOK;
        let looks = if may_be_told || is_due {
            Looks {
                count: 0,
                counted: Some(now),
                scanned: Some(now),
            }
        } else {
            Looks {
                count: count + 1,
                counted: Some(now),
                scanned,
            }
        };
        index.looks().insert(place, looks);
        Ok(looks.count > 0)
    }

    /// Scans a folder from its start, unless that was done since `since`.
    pub(super) async fn rescan(
        &self,
        bucket: &Bucket,
        folder: &str,
        since: Timestamp,
    ) -> Result<Option<Applied>, ServiceError> {
        let Some(index) = &self.index else {
            return Ok(None);
        };
        let flight = (bucket.clone(), folder.to_owned());
        let _flight = index.flights.lock(&flight).await;
        match self.cache.folder(bucket, folder).await? {
            Some(known) if known.confirmed.is_none_or(|at| at < since) => {}
            _ => return Ok(None),
        }
        let began = Timestamp::now();
        self.cache.begin_run(bucket, folder, began).await?;
        self.scan(bucket, folder, began, None).await.map(Some)
    }

    /// Reads all pages of a folder from a cursor on.
    async fn scan(
        &self,
        bucket: &Bucket,
        folder: &str,
        began: Timestamp,
        mut cursor: Option<String>,
    ) -> Result<Applied, ServiceError> {
        let (mut before, mut empty) = (None, 0);
        let mut sum = Applied::default();
        loop {
            let page = self.store.scan(bucket, folder, cursor.as_deref()).await?;
            let next = page.next.clone();
            let is_empty = page.entries.is_empty() && page.folders.is_empty();
            empty = if is_empty { empty + 1 } else { 0 };
            if next.is_some() && (next == cursor || empty > EMPTY_PAGES) {
                return Err(standstill());
            }
            let found = found_in(page, cursor.clone(), before);
            let applied = self.cache.apply_run(bucket, folder, began, found).await?;
            let Some(applied) = applied else {
                return Ok(sum);
            };
            self.note_progress(bucket, applied);
            sum += applied;
            if next.is_none() {
                return Ok(sum);
            }
            (before, cursor) = (cursor, next);
        }
    }

    /// Asks once more for the last page of a folder: whether it has the rows that are expected,
    /// or only something new besides. `false` if the folder has to be scanned.
    async fn confirm(
        &self,
        bucket: &Bucket,
        folder: &str,
        began: Timestamp,
        tail: Tail,
        newest: Option<Timestamp>,
    ) -> Result<bool, ServiceError> {
        let first = self.expected(bucket, folder, tail.surplus).await?;
        let (mut cursor, mut before) = (tail.cursor, tail.before);
        let (mut told, mut added, mut on_page) = (0, 0, 0);
        let mut reaches_back = false;
        for pages in 0.. {
            let asked = self.store.scan(bucket, folder, Some(&cursor)).await;
            let page = match asked {
                // A cursor of another time, perhaps.
                Err(StoreError::Unsupported | StoreError::Other(_)) => return Ok(false),
                page => page?,
            };
            on_page = (page.entries.len() + page.folders.len()) as u64;
            let many = has_enough_folders(&page, newest);
            let next = page.next;
            let found = found(page.entries, page.folders, End::Newest);
            let applied = self.cache.apply_run(bucket, folder, began, found).await?;
            let Some(applied) = applied else {
                return Ok(true);
            };
            self.note_progress(bucket, applied);
            // What was refused does not count: it will go.
            told += i64::try_from(on_page.saturating_sub(applied.refused)).unwrap_or(i64::MAX);
            if let Some(index) = &self.index {
                index.note_others(bucket, applied);
            }
            if pages == 0 {
                reaches_back = many || reaches(applied, newest);
            }
            added += i64::try_from(applied.new + applied.folders).unwrap_or(i64::MAX);
            let Some(next) = next else {
                break;
            };
            if pages == NEWEST_PAGES || next == cursor {
                return Ok(false);
            }
            (before, cursor) = (Some(cursor), next);
        }
        // Own writes come in between.
        let (one, other) = (
            first + added,
            self.expected(bucket, folder, tail.surplus).await?,
        );
        // An empty page tells nothing: any number of rows may be missing before it.
        if told == 0 || !(one.min(other)..=one.max(other)).contains(&told) {
            return Ok(false);
        }
        // Something that others have made since the last time may hide on the page before one
        // that has own new objects alone.
        if !reaches_back {
            let Some(cursor) = &before else {
                return Ok(false);
            };
            let page = self.store.scan(bucket, folder, Some(cursor)).await?;
            let many = has_enough_folders(&page, newest);
            let found = found(page.entries, page.folders, End::Newest);
            let applied = self.cache.apply_run(bucket, folder, began, found).await?;
            let Some(applied) = applied else {
                return Ok(true);
            };
            let reaches_back = many || reaches(applied, newest);
            if applied.new + applied.folders > 0 || !reaches_back {
                return Ok(false);
            }
        }
        let end = End::Unchanged(TailPage {
            cursor,
            before,
            told: on_page,
        });
        let found = found(Vec::new(), Vec::new(), end);
        self.cache.apply_run(bucket, folder, began, found).await?;
        Ok(true)
    }

    /// How many objects and folders should be on the last page, and behind it.
    async fn expected(
        &self,
        bucket: &Bucket,
        folder: &str,
        surplus: i64,
    ) -> Result<i64, ServiceError> {
        let content = self.cache.content(bucket, folder).await?;
        Ok(i64::try_from(content)
            .unwrap_or(i64::MAX)
            .saturating_add(surplus))
    }
}

/// Whether it is worth looking for the text of an object that had none when its folder was scanned:
/// once it has had time to come, then whenever the object has become twice as old, and no more after
/// a day.
fn may_be_told(made: Timestamp, scanned: Timestamp, now: Timestamp) -> bool {
    let age = |then: Timestamp| then.0.saturating_sub(made.0);
    let (then, now) = (age(scanned), age(now));
    let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    now >= nanos(NEW) && (then < nanos(NEW) || then < nanos(OLD) && now / 2 >= then)
}

fn standstill() -> ServiceError {
    ServiceError::Internal("the store's scan does not move on".into())
}

/// Whether a page begins before everything that was made since `newest` was: it has an object that
/// was told by then. The time alone does not say so, because many are made in one second.
fn reaches(applied: Applied, newest: Option<Timestamp>) -> bool {
    let familiar = applied.familiar;
    familiar.is_some() && familiar <= newest
}

/// The same for a page of folders alone. They have no times.
fn has_enough_folders(page: &ScanPage, newest: Option<Timestamp>) -> bool {
    let folders = page.folders.len();
    page.entries.is_empty() && (newest.is_none() && folders > 0 || folders >= MANY)
}

/// A page of a whole scan, the cursor that led to it, and the one of the page before.
pub(in crate::service) fn found_in(
    page: ScanPage,
    cursor: Option<String>,
    before: Option<String>,
) -> Found {
    let told = (page.entries.len() + page.folders.len()) as u64;
    let end = match page.next {
        Some(next) => End::More(next),
        None => End::Whole(cursor.map(|cursor| TailPage {
            cursor,
            before,
            told,
        })),
    };
    found(page.entries, page.folders, end)
}

fn found(entries: Vec<(ObjectKey, StoredObject)>, folders: Vec<String>, end: End) -> Found {
    let entries = entries.into_iter();
    Found {
        entries: entries.map(|(key, stored)| (key, bare(stored))).collect(),
        folders,
        end,
    }
}

/// The row of an object of which the storage alone tells.
pub(super) fn bare(stored: StoredObject) -> Row {
    told(&stored).unwrap_or_else(|| Row {
        state: stored.state,
        size: stored.size,
        etag: None::<ETag>,
        checksum: None,
        part_sizes: PartSizes::default(),
        metadata: Metadata {
            content_type: stored.content_type,
            ..Metadata::default()
        },
        modified: stored.modified,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_did_not_come_is_looked_for_ever_more_seldom() {
        let made = Timestamp(1_700_000_000_000_000_000);
        let looks = |from: u64, step: u64, until: u64| {
            let at = |seconds: u64| made + Duration::from_secs(seconds);
            let (mut scanned, mut looks) = (at(from), 0);
            for now in (from..until)
                .step_by(usize::try_from(step).unwrap())
                .map(at)
            {
                if may_be_told(made, scanned, now) {
                    (scanned, looks) = (now, looks + 1);
                }
            }
            looks
        };
        assert_eq!(looks(1, 1, 30), 0);
        assert_eq!(looks(1, 60, 62), 1);
        assert_eq!(looks(1, 60, 7 * 86_400), 11);
        // One that was old already when it was first seen.
        assert_eq!(looks(2 * 86_400, 60, 9 * 86_400), 0);
    }
}
