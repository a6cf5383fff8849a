//! Which object a key names, and what is known about it: store and cache matched.

use super::locks::{KeyGuard, Place};
use super::portable::{first_lesson, has_words, with_told_tag};
use super::ports::{Lesson, Remembered, Row, RowTrust, StoreError, StoredObject};
use super::{Inner, ObjectHead, ServiceError};
use crate::model::{
    Bucket, ByteStream, ETag, Metadata, ObjectKey, ObjectState, PartSizes, Section,
};
use futures_util::{StreamExt as _, stream};
use std::ops::Range;
use std::sync::atomic::Ordering;

/// What a look should bring.
#[derive(Debug, Clone, Copy)]
pub(super) enum Want {
    /// The head alone.
    Head,
    /// The bytes too: all of them, or a range.
    Bytes(Option<Section>),
}

/// An object, described by its row if it has one.
pub(super) struct Found {
    /// What clients are told.
    pub(super) head: ObjectHead,
    /// Which state this is.
    pub(super) state: ObjectState,
    /// The parts that it was put in.
    pub(super) part_sizes: PartSizes,
    /// Somebody else has written a text beside it.
    pub(super) has_words: bool,
    /// Absent if only the head was wanted, and if the range lies behind the end.
    pub(super) bytes: Option<(Option<Range<u64>>, ByteStream)>,
}

/// What the store answered.
pub(super) struct Fetched {
    pub(super) stored: StoredObject,
    pub(super) bytes: Option<(Option<Range<u64>>, ByteStream)>,
}

/// A key may change so often under a look that does not hold its lock.
const LOOKS_WITHOUT_LOCK: u32 = 3;
/// And so often at all: under the lock only somebody else on the same storage can change it.
const LOOKS: u32 = 8;
/// So often an object is opened anew because the storage sends something else.
const OPENINGS: u32 = 3;

/// An imported row has no version. It describes an object that was not modified after it, give
/// or take the resolution of old file systems.
const IMPORT_SLACK_NANOS: i64 = 2_000_000_000;

impl Inner {
    /// Finds the object of a key. `holding`: the caller has the key's lock.
    pub(super) async fn look(
        &self,
        place: &Place,
        want: Want,
        holding: Option<&KeyGuard>,
    ) -> Result<Found, ServiceError> {
        if let Some(found) = self.look_up(place, want).await? {
            return Ok(found);
        }
        let mut own_guard = None;
        let mut trust_row = true;
        let mut openings = 0;
        let mut deletions = self.deletions.load(Ordering::SeqCst);
        let mut remembered = self.remembered(place).await?;
        for look in 0..LOOKS {
            if let Some(guard) = holding.or(own_guard.as_ref())
                && remembered.intent.is_some()
            {
                Box::pin(self.settle_leftover(guard)).await?;
                remembered = self.remembered(place).await?;
            }
            let row = remembered.row.as_ref().filter(|_| trust_row);
            let fetched = match self.fetch(place, want, row).await {
                Ok(fetched) => match remembered.row.as_ref() {
                    Some(row) if self.contradicts(want, row, &fetched.stored) => {
                        openings += 1;
                        remembered = Box::pin(self.check_size(place, row, openings)).await?;
                        continue;
                    }
                    Some(row) if describes(self.store.trust(), row, &fetched.stored) => {
                        if !trust_row && matches!(want, Want::Bytes(Some(Section::Part(_)))) {
                            // Where that part lies only the row says.
                            trust_row = true;
                            continue;
                        }
                        let Some(row) = remembered.row.take() else {
                            continue;
                        };
                        return Ok(self.found(place, fetched, row).await);
                    }
                    _ => Some(fetched),
                },
                Err(StoreError::Changed | StoreError::InvalidRange) => None,
                Err(StoreError::NoSuchKey) if row.is_some() && self.index.is_some() => {
                    let (vanished, guard) = (row.cloned(), holding.or(own_guard.as_ref()));
                    if let Some(row) = vanished {
                        Box::pin(self.forget_vanished(place, &row, guard)).await?;
                    }
                    remembered = self.remembered(place).await?;
                    if remembered.row.is_none() && remembered.intent.is_none() {
                        return Err(ServiceError::NoSuchKey);
                    }
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            // The row does not describe the object. Is a write under way, or just over?
            let before = deletions;
            deletions = self.deletions.load(Ordering::SeqCst);
            let now = self.remembered(place).await?;
            // Nobody of ours deletes a key that is locked.
            let none_deleted = holding.is_some()
                || own_guard.is_some()
                || before == self.deletions.load(Ordering::SeqCst);
            let at_rest = now == remembered && now.intent.is_none() && none_deleted;
            // Where a part of another state lay says nothing.
            let placed = row.is_none() || !matches!(want, Want::Bytes(Some(Section::Part(_))));
            if let Some(fetched) = fetched
                && at_rest
                && placed
            {
                if let Some(lesson) = first_lesson(&place.key, now.row.clone(), &fetched.stored) {
                    let row = lesson.row.clone();
                    Box::pin(self.learn_of_others(&place.bucket, lesson)).await;
                    if matches!(want, Want::Bytes(Some(Section::Part(_)))) {
                        // Now it is known where that part lies.
                        trust_row = true;
                        remembered.row = Some(row);
                        continue;
                    }
                    self.lookups.hit();
                    return Ok(found_by_row(fetched, row));
                }
                self.strangers.meet(place);
                self.lookups.miss();
                Box::pin(self.correct(place, now.row, &fetched.stored)).await;
                return Ok(found_without_row(fetched));
            }
            // At rest and yet changed: the row's size has made the range a wrong one.
            trust_row = !at_rest;
            remembered = now;
            let busy = remembered.intent.is_some() || look >= LOOKS_WITHOUT_LOCK;
            if busy && holding.is_none() && own_guard.is_none() {
                let guard = self.locks.lock(place).await;
                remembered = self.remembered(place).await?;
                if remembered.intent.is_some() {
                    Box::pin(self.settle_leftover(&guard)).await?;
                    remembered = self.remembered(place).await?;
                }
                own_guard = (look >= LOOKS_WITHOUT_LOCK).then_some(guard);
            }
        }
        Err(StoreError::Changed.into())
    }

    /// The object that this row describes. What it turns out to say besides is noted.
    async fn found(&self, place: &Place, fetched: Fetched, mut row: Row) -> Found {
        let trust = self.store.trust();
        if let Some(lesson) = adoption(trust, &place.key, &row, &fetched.stored) {
            row = lesson.row.clone();
            Box::pin(self.adopt(&place.bucket, vec![lesson])).await;
        }
        if row.etag.is_none() {
            self.strangers.meet(place);
        }
        self.lookups.hit();
        found_by_row(fetched, row)
    }

    /// Whether what was opened under an id has another size than the row of this id says, where an
    /// id has the same content for ever: then the one or the other is wrong.
    fn contradicts(&self, want: Want, row: &Row, stored: &StoredObject) -> bool {
        let is_same = row.state.id == stored.state.id && row.size != stored.size;
        is_same && matches!(want, Want::Bytes(_)) && self.store.trust() == RowTrust::Indexed
    }

    /// Asks the storage for the size of an object under whose id something else was opened. If the
    /// row is right, a web page of some gateway was sent with success, perhaps: that may pass.
    async fn check_size(
        &self,
        place: &Place,
        row: &Row,
        openings: u32,
    ) -> Result<Remembered, ServiceError> {
        let stored = self.store.stat(&place.bucket, &place.key, None).await?;
        if !describes(self.store.trust(), row, &stored) {
            self.correct(place, Some(row.clone()), &stored).await;
        } else if openings >= OPENINGS {
            let why = "the storage sends something else than the object".into();
            return Err(StoreError::Unavailable(why).into());
        }
        self.remembered(place).await
    }

    /// The head of the object that has this key now; `None` if there is none.
    pub(super) async fn present(
        &self,
        place: &Place,
        holding: Option<&KeyGuard>,
    ) -> Result<Option<Found>, ServiceError> {
        match self.look(place, Want::Head, holding).await {
            Ok(found) => Ok(Some(found)),
            Err(ServiceError::NoSuchKey) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Notes which states rows without a version have turned out to describe, and what texts
    /// beside objects say. Until it is noted each look finds out anew, so a failure is none of the
    /// reader's business. `true` if all of it was noted.
    pub(super) async fn adopt(&self, bucket: &Bucket, lessons: Vec<Lesson>) -> bool {
        self.cache
            .learn(bucket, lessons)
            .await
            .unwrap_or_else(|error| {
                tracing::debug!(%error, "what was found out about objects could not be noted");
                false
            })
    }

    /// What the cache says about a key.
    pub(super) async fn remembered(&self, place: &Place) -> Result<Remembered, ServiceError> {
        Ok(self.cache.object(&place.bucket, &place.key).await?)
    }

    /// Asks the store. [`StoreError::Changed`]: the range was made for another size.
    async fn fetch(
        &self,
        place: &Place,
        want: Want,
        row: Option<&Row>,
    ) -> Result<Fetched, StoreError> {
        let Place { bucket, key } = place;
        let known = row.map(|row| &row.state).filter(|state| !is_blank(state));
        let spec = match want {
            Want::Head => {
                let stored = self.store.stat(bucket, key, known).await?;
                let bytes = None;
                return Ok(Fetched { stored, bytes });
            }
            Want::Bytes(None) => {
                let (stored, bytes) = self.store.get(bucket, key, None, known).await?;
                let bytes = Some((None, bytes));
                return Ok(Fetched { stored, bytes });
            }
            Want::Bytes(Some(spec)) => spec,
        };
        let none = PartSizes::default();
        let parts = row.map_or(&none, |row| &row.part_sizes);
        let (size, stat) = if let Some(row) = row {
            (row.size, None)
        } else {
            let stat = self.store.stat(bucket, key, None).await?;
            (stat.size, Some(stat))
        };
        let Ok(range) = spec.resolve(size, parts) else {
            let stored = match stat {
                Some(stat) => stat,
                None => self.store.stat(bucket, key, known).await?,
            };
            if stored.size != size {
                return Err(StoreError::Changed);
            }
            let bytes = None;
            return Ok(Fetched { stored, bytes });
        };
        let known = stat.as_ref().map(|stat| &stat.state).or(known);
        if range.is_empty() {
            // Of nothing there is nothing to open: an object or a part without bytes.
            let stored = match stat {
                Some(stat) => stat,
                None => self.store.stat(bucket, key, known).await?,
            };
            if stored.size != size {
                return Err(StoreError::Changed);
            }
            let bytes = Some((Some(range), stream::empty().boxed()));
            return Ok(Fetched { stored, bytes });
        }
        let asked = Some(range.clone());
        let (mut stored, bytes) = self.store.get(bucket, key, asked, known).await?;
        if let Some(stat) = stat.filter(|stat| stat.state == stored.state) {
            if stat.size != stored.size {
                return Err(StoreError::Changed);
            }
            // A store that goes straight to an object tells less of it.
            stored = stat;
        }
        if spec.resolve(stored.size, parts) != Ok(range.clone()) {
            return Err(StoreError::Changed);
        }
        let bytes = Some((Some(range), bytes));
        Ok(Fetched { stored, bytes })
    }
}

fn is_blank(state: &ObjectState) -> bool {
    state.id.is_empty() && state.version.is_empty()
}

/// Whether a row tells about this very state of the object.
pub(super) fn describes(trust: RowTrust, row: &Row, stored: &StoredObject) -> bool {
    row.size == stored.size
        && match trust {
            RowTrust::Indexed => row.state.id == stored.state.id,
            RowTrust::Check if row.state.version.is_empty() => {
                stored.modified.0 <= row.modified.0.saturating_add(IMPORT_SLACK_NANOS)
            }
            RowTrust::Check => row.state == stored.state,
        }
}

/// What is learned when a row describes an object: the version if it has none, and the tag that
/// was forgotten if the text beside the object says it.
pub(super) fn adoption(
    trust: RowTrust,
    key: &ObjectKey,
    row: &Row,
    stored: &StoredObject,
) -> Option<Lesson> {
    let modified = match trust {
        // The time of the row is the one that clients were told.
        RowTrust::Check => row.modified,
        // It is the one at which an MD5 was noted.
        RowTrust::Indexed => stored.modified,
    };
    let with_version = (row.state.version.is_empty() && row.state != stored.state).then(|| Row {
        state: stored.state.clone(),
        modified,
        ..row.clone()
    });
    let with_tag = with_told_tag(with_version.as_ref().unwrap_or(row), stored);
    let learned = with_tag.or(with_version)?;
    Some(Lesson {
        key: key.clone(),
        expected: Some(row.clone()),
        row: learned,
        portable: false,
    })
}

pub(super) fn found_by_row(fetched: Fetched, row: Row) -> Found {
    let parts = row.part_sizes.count();
    let head = ObjectHead {
        size: row.size,
        etag: row.etag.unwrap_or_else(|| fallback_tag(&fetched.stored)),
        modified: row.modified,
        metadata: row.metadata,
        parts: (parts > 0).then_some(parts),
        checksum: row.checksum,
    };
    Found {
        head,
        part_sizes: row.part_sizes,
        has_words: has_words(&fetched.stored),
        state: fetched.stored.state,
        bytes: fetched.bytes,
    }
}

fn found_without_row(fetched: Fetched) -> Found {
    let Fetched { stored, bytes } = fetched;
    let has_words = has_words(&stored);
    let head = ObjectHead {
        size: stored.size,
        etag: fallback_tag(&stored),
        modified: stored.modified,
        metadata: Metadata {
            content_type: stored.content_type,
            ..Metadata::default()
        },
        parts: None,
        checksum: None,
    };
    Found {
        head,
        state: stored.state,
        part_sizes: PartSizes::default(),
        has_words,
        bytes,
    }
}

/// The tag of an object whose MD5 is unknown.
pub(super) fn fallback_tag(stored: &StoredObject) -> ETag {
    let ObjectState { id, version } = &stored.state;
    ETag::fallback(stored.hash.as_deref(), id, version)
}
