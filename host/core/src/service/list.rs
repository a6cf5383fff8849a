//! ListObjects.

use super::locks::Place;
use super::look::{adoption, describes, fallback_tag};
use super::pager::{Listed, Pager};
use super::portable::first_lesson;
use super::ports::{Remembered, StoredObject};
use super::{Inner, ListObjects, ListedObject, ObjectPage, ServiceError};
use crate::model::{Bucket, ETag, ObjectChecksum, ObjectKey};
use std::sync::atomic::Ordering;

impl Inner {
    pub(super) async fn list_objects(
        &self,
        request: ListObjects,
    ) -> Result<ObjectPage, ServiceError> {
        let bucket = self.bucket(&request.bucket)?;
        if request.max_keys == 0 {
            self.require_bucket(&bucket).await?;
        }
        let mut pager = Pager::new(
            request.prefix,
            request.delimiter,
            request.after,
            request.max_keys,
        );
        let deletions = self.deletions.load(Ordering::SeqCst);
        while let Some(query) = pager.wants() {
            pager.accept(self.list_page(&bucket, query).await?)?;
        }
        let Listed {
            entries,
            prefixes,
            next,
        } = pager.finish();
        Ok(ObjectPage {
            objects: self.describe(&bucket, entries, deletions).await?,
            prefixes,
            next,
        })
    }

    /// Adds what the cache knows to entries of the store. `deletions` is their count before the
    /// store was asked.
    async fn describe(
        &self,
        bucket: &Bucket,
        entries: Vec<(ObjectKey, StoredObject)>,
        deletions: u64,
    ) -> Result<Vec<ListedObject>, ServiceError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<&ObjectKey> = entries.iter().map(|(key, _)| key).collect();
        // Asked after the store: a row can only be newer than the entry.
        let remembered = self.cache.objects(bucket, &keys).await?;
        let none_deleted = self.deletions.load(Ordering::SeqCst) == deletions;
        let mut objects = Vec::with_capacity(entries.len());
        let mut adoptions = Vec::new();
        for ((key, stored), remembered) in entries.into_iter().zip(remembered) {
            let trust = self.store.trust();
            match remembered {
                Remembered {
                    row: Some(mut row), ..
                } if describes(trust, &row, &stored) => {
                    if let Some(lesson) = adoption(trust, &key, &row, &stored) {
                        row = lesson.row.clone();
                        adoptions.push(lesson);
                    }
                    objects.push(ListedObject {
                        etag: match row.etag {
                            Some(etag) => etag,
                            None => self.stranger(bucket, &key, &stored),
                        },
                        key,
                        size: row.size,
                        modified: row.modified,
                        checksum: row.checksum.as_ref().map(ObjectChecksum::plan),
                    });
                }
                Remembered {
                    row: None,
                    intent: None,
                } if none_deleted => {
                    let lesson = first_lesson(&key, None, &stored);
                    let learned = lesson.as_ref().map(|lesson| &lesson.row);
                    let told = learned.and_then(|row| row.etag.clone());
                    let checksum = learned.and_then(|row| row.checksum.as_ref());
                    let checksum = checksum.map(ObjectChecksum::plan);
                    adoptions.extend(lesson);
                    objects.push(ListedObject {
                        etag: told.unwrap_or_else(|| self.stranger(bucket, &key, &stored)),
                        key,
                        size: stored.size,
                        modified: stored.modified,
                        checksum,
                    });
                }
                // Being written, or written or deleted since, or changed behind our back.
                _ => {
                    let bucket = bucket.clone();
                    let place = Place { bucket, key };
                    if let Some(found) = self.present(&place, None).await? {
                        objects.push(ListedObject {
                            key: place.key,
                            size: found.head.size,
                            etag: found.head.etag,
                            modified: found.head.modified,
                            checksum: found.head.checksum.as_ref().map(ObjectChecksum::plan),
                        });
                    }
                }
            }
        }
        if !adoptions.is_empty() {
            self.adopt(bucket, adoptions).await;
        }
        Ok(objects)
    }

    /// The tag of an object whose MD5 is not known.
    fn stranger(&self, bucket: &Bucket, key: &ObjectKey, stored: &StoredObject) -> ETag {
        self.strangers.meet(&Place {
            bucket: bucket.clone(),
            key: key.clone(),
        });
        fallback_tag(stored)
    }
}
