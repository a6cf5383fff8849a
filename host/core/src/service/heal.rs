//! MD5s that are not known, or no longer right: objects are found, read, hashed and remembered.
//!
//! All of it is safe beside other processes that serve the same store: nothing is settled that
//! they may be working on, and what was found out is remembered only if neither the object nor
//! its row has changed meanwhile.

use super::digest::{Digests, digest};
use super::locks::Place;
use super::look::{adoption, describes};
use super::portable::{first_lesson, has_words};
use super::ports::{Lesson, Remembered, Row, StoreError, StoreListQuery, StorePage, StoredObject};
use super::{Inner, ServiceError};
use crate::model::{Bucket, BucketName, ETag, Metadata, ObjectKey, PartSizes, UploadError};

/// An object may change so often while it is read.
const ATTEMPTS: u32 = 3;

/// Objects of one question to the store.
const PAGE: u16 = 1000;

/// An object of the store, and whether its ETag is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surveyed {
    /// Its key.
    pub key: ObjectKey,
    /// Bytes.
    pub size: u64,
    /// Its ETag, if the cache knows the one of this state of the object.
    pub etag: Option<ETag>,
    /// What the text beside it says that the cache does not know.
    lesson: Option<Box<Lesson>>,
}

impl Surveyed {
    /// The ETag that is not in the cache but in the text beside the object, which need not be
    /// read then.
    pub fn told(&self) -> Option<&ETag> {
        self.lesson.as_ref()?.row.etag.as_ref()
    }
}

/// Some objects of a bucket, in byte order.
#[derive(Debug, Default)]
pub struct SurveyPage {
    /// The objects.
    pub objects: Vec<Surveyed>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<ObjectKey>,
}

/// What became of an object whose MD5 was to be found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healed {
    /// It is remembered now.
    Learned(ETag),
    /// Somebody is writing the object, and knows its MD5.
    BeingWritten,
    /// The object has been deleted.
    Gone,
}

/// What became of an object whose bytes were to be compared with its ETag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// They agree.
    Whole,
    /// They do not, and the storage says that the object has not changed since it was written.
    Rotten {
        /// The tag that is remembered.
        expected: ETag,
        /// The tag of the bytes.
        found: ETag,
    },
    /// There is no tag to compare them with.
    Unknown,
    /// The object has been deleted, or is being written.
    Gone,
}

/// Hears how many bytes were read, each time some were.
pub type OnRead<'a> = &'a (dyn Fn(u64) + Send + Sync);

impl Inner {
    pub(super) async fn survey(
        &self,
        bucket: &BucketName,
        after: Option<&ObjectKey>,
    ) -> Result<SurveyPage, ServiceError> {
        let bucket = self.bucket(bucket)?;
        let query = StoreListQuery {
            prefix: String::new(),
            after: after.map(|key| key.as_str().to_owned()),
            shallow: false,
            limit: PAGE,
        };
        let mut page = self.list_page(&bucket, query.clone()).await?;
        let mut remembered = self.rows_of(&bucket, &page).await?;
        let is_unknown =
            |found: &Remembered| found.row.as_ref().is_none_or(|row| row.etag.is_none());
        if self.index.is_some() && remembered.iter().any(is_unknown) {
            // An index has no texts that lie beside objects.
            page = self.store.list(&bucket, query).await?;
            remembered = self.rows_of(&bucket, &page).await?;
        }
        let last = page.entries.last().filter(|_| page.more);
        let next = last.map(|(key, _)| key.clone());
        let mut adoptions = Vec::new();
        let objects = page.entries.into_iter().zip(remembered);
        let objects = objects.map(|((key, stored), Remembered { row, .. })| {
            let trust = self.store.trust();
            let etag;
            let mut lesson = None;
            match row {
                Some(row) if describes(trust, &row, &stored) => {
                    let found = adoption(trust, &key, &row, &stored);
                    if row.etag.is_some() {
                        adoptions.extend(found);
                    } else {
                        lesson = found.filter(|lesson| lesson.row.etag.is_some());
                    }
                    etag = row.etag;
                }
                row => {
                    lesson = first_lesson(&key, row, &stored);
                    etag = None;
                }
            }
            Surveyed {
                key,
                size: stored.size,
                etag,
                lesson: lesson.map(Box::new),
            }
        });
        let objects = objects.collect();
        if !adoptions.is_empty() {
            self.adopt(&bucket, adoptions).await;
        }
        Ok(SurveyPage { objects, next })
    }

    async fn rows_of(
        &self,
        bucket: &Bucket,
        page: &StorePage,
    ) -> Result<Vec<Remembered>, ServiceError> {
        let keys: Vec<&ObjectKey> = page.entries.iter().map(|(key, _)| key).collect();
        Ok(self.cache.objects(bucket, &keys).await?)
    }

    pub(super) async fn believe(
        &self,
        bucket: &BucketName,
        object: &Surveyed,
    ) -> Result<bool, ServiceError> {
        let Some(lesson) = &object.lesson else {
            return Ok(false);
        };
        let bucket = self.bucket(bucket)?;
        let lessons = vec![Lesson::clone(lesson)];
        Ok(self.cache.learn(&bucket, lessons).await?)
    }

    pub(super) async fn heal(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        read: OnRead<'_>,
    ) -> Result<Healed, ServiceError> {
        let place = Place {
            bucket: self.bucket(bucket)?,
            key: key.clone(),
        };
        for _ in 0..ATTEMPTS {
            let Remembered { row, intent } = self.remembered(&place).await?;
            if intent.is_some() {
                return Ok(Healed::BeingWritten);
            }
            let shape = row
                .as_ref()
                .map_or_else(PartSizes::default, |row| row.part_sizes.clone());
            let Some((stored, digests)) = self.read(&place, &shape, read).await? else {
                return Ok(Healed::Gone);
            };
            // From here on no write of this process can come in between; what others do is seen
            // by comparing.
            let _guard = self.locks.lock(&place).await;
            if !self.is_still(&place, &stored).await? {
                continue;
            }
            let learned = match &row {
                Some(row) => self.merged(row, &stored, digests),
                None => bare(&stored, digests.whole),
            };
            let etag = learned.etag.clone();
            let lesson = Lesson {
                key: place.key.clone(),
                expected: row,
                row: learned,
                portable: self.keeps_portable() && !has_words(&stored),
            };
            let noted = self.cache.learn(&place.bucket, vec![lesson]).await?;
            if let (Some(etag), true) = (etag, noted) {
                self.portable.news();
                return Ok(Healed::Learned(etag));
            }
        }
        Err(StoreError::Changed.into())
    }

    pub(super) async fn verify(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        read: OnRead<'_>,
    ) -> Result<Verified, ServiceError> {
        let place = Place {
            bucket: self.bucket(bucket)?,
            key: key.clone(),
        };
        for _ in 0..ATTEMPTS {
            let Remembered { row, intent } = self.remembered(&place).await?;
            if intent.is_some() {
                return Ok(Verified::Gone);
            }
            let Some(row) = row else {
                return Ok(Verified::Unknown);
            };
            let Some(expected) = row.etag.clone() else {
                return Ok(Verified::Unknown);
            };
            if matches!(expected, ETag::Multipart { .. }) && row.part_sizes.is_empty() {
                return Ok(Verified::Unknown);
            }
            let Some((stored, digests)) = self.read(&place, &row.part_sizes, read).await? else {
                return Ok(Verified::Gone);
            };
            if !describes(self.store.trust(), &row, &stored) {
                return Ok(Verified::Unknown);
            }
            let found = digests.in_parts.unwrap_or(digests.whole);
            if found == expected {
                return Ok(Verified::Whole);
            }
            // A write that ran at the same time is no rot.
            let same_row = self.remembered(&place).await?.row == Some(row);
            if same_row && self.is_still(&place, &stored).await? {
                return Ok(Verified::Rotten { expected, found });
            }
        }
        Err(StoreError::Changed.into())
    }

    /// Reads an object to its end; `None` if there is none.
    async fn read(
        &self,
        place: &Place,
        shape: &PartSizes,
        read: OnRead<'_>,
    ) -> Result<Option<(StoredObject, Digests)>, ServiceError> {
        // By key, not by what a row knows: the row may be wrong.
        let opened = self.store.get(&place.bucket, &place.key, None, None).await;
        let (stored, bytes) = match opened {
            Ok(opened) => opened,
            Err(StoreError::NoSuchKey | StoreError::NoSuchBucket) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let failed = |error: std::io::Error| ServiceError::Unavailable(error.to_string());
        let digests = digest(bytes, shape, read).await.map_err(failed)?;
        if digests.size != stored.size {
            return Err(ServiceError::Unavailable(
                UploadError::Incomplete.to_string(),
            ));
        }
        Ok(Some((stored, digests)))
    }

    /// Whether the key still names this state of the object.
    async fn is_still(&self, place: &Place, stored: &StoredObject) -> Result<bool, ServiceError> {
        match self.store.stat(&place.bucket, &place.key, None).await {
            Ok(now) => Ok(now.state == stored.state && now.size == stored.size),
            Err(StoreError::NoSuchKey | StoreError::NoSuchBucket) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The row of an object that had one: what the client said stays if it was said about these
    /// very bytes, and so does the tag of an object that was put in parts.
    fn merged(&self, row: &Row, stored: &StoredObject, digests: Digests) -> Row {
        let Digests {
            whole, in_parts, ..
        } = digests;
        let in_shape = in_parts.unwrap_or_else(|| whole.clone());
        let described = describes(self.store.trust(), row, stored);
        let same = match &row.etag {
            Some(etag) => *etag == in_shape,
            None => described,
        };
        if !same {
            return bare(stored, whole);
        }
        Row {
            state: stored.state.clone(),
            etag: Some(in_shape),
            modified: if described {
                row.modified
            } else {
                stored.modified
            },
            ..row.clone()
        }
    }
}

/// The row of an object of which the storage alone tells.
fn bare(stored: &StoredObject, etag: ETag) -> Row {
    Row {
        state: stored.state.clone(),
        size: stored.size,
        etag: Some(etag),
        checksum: None,
        part_sizes: PartSizes::default(),
        metadata: Metadata {
            content_type: stored.content_type.clone(),
            ..Metadata::default()
        },
        modified: stored.modified,
    }
}
