//! ListObjects.

use super::locks::Place;
use super::look::{describes, fallback_tag};
use super::pager::{Listed, Pager};
use super::ports::{Remembered, StoredObject};
use super::{Inner, ListObjects, ListedObject, ObjectPage, ServiceError};
use crate::model::{Bucket, ObjectKey};
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
            pager.accept(self.store.list(&bucket, query).await?)?;
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
        for ((key, stored), remembered) in entries.into_iter().zip(remembered) {
            let trust = self.store.trust();
            match remembered {
                Remembered { row: Some(row), .. } if describes(trust, &row, &stored) => {
                    objects.push(ListedObject {
                        key,
                        size: row.size,
                        etag: row.etag,
                        modified: row.modified,
                    });
                }
                Remembered {
                    row: None,
                    intent: None,
                } if none_deleted => objects.push(ListedObject {
                    key,
                    size: stored.size,
                    etag: fallback_tag(&stored),
                    modified: stored.modified,
                }),
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
                        });
                    }
                }
            }
        }
        Ok(objects)
    }
}
