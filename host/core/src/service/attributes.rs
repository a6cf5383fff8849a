//! What is known about an object beside its bytes: attributes and tags.

use super::gate::to_the_end;
use super::locks::Place;
use super::look::{Found, Want};
use super::ports::{Lesson, Row, RowTrust, StoreError};
use super::precondition::check_read;
use super::{Attributes, Inner, ReadConditions, ServiceError};
use crate::model::{BucketName, Checksum, ObjectChecksum, ObjectKey, ObjectState, PartSizes};
use std::sync::Arc;

/// A row may be changed by another process so often.
const ATTEMPTS: u32 = 5;

impl Inner {
    pub(super) async fn object_attributes(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        conditions: &ReadConditions,
    ) -> Result<Attributes, ServiceError> {
        let place = Place {
            bucket: self.bucket(bucket)?,
            key: key.clone(),
        };
        let found = self.look(&place, Want::Head, None).await?;
        check_read(conditions, &found.head)?;
        let Found {
            head, part_sizes, ..
        } = found;
        let part_checksums = self
            .part_checksums(&place, head.checksum.as_ref(), &part_sizes)
            .await?;
        Ok(Attributes {
            head,
            part_sizes,
            part_checksums,
        })
    }

    /// Checksums of the parts of this very state of the object; none if they are not known.
    pub(super) async fn part_checksums(
        &self,
        place: &Place,
        whole: Option<&ObjectChecksum>,
        sizes: &PartSizes,
    ) -> Result<Vec<Checksum>, ServiceError> {
        let (Some(whole), false) = (whole, sizes.is_empty()) else {
            return Ok(Vec::new());
        };
        let sums = self.cache.part_checksums(&place.bucket, &place.key).await?;
        // They may be those of another state, which was put since.
        let ours = agree(whole, sizes, &sums);
        Ok(if ours { sums } else { Vec::new() })
    }

    pub(super) async fn object_tags(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Vec<(String, String)>, ServiceError> {
        let place = Place {
            bucket: self.bucket(bucket)?,
            key: key.clone(),
        };
        let found = self.look(&place, Want::Head, None).await?;
        Ok(found.head.metadata.tags)
    }

    pub(super) async fn set_object_tags(
        self: &Arc<Self>,
        bucket: &BucketName,
        key: &ObjectKey,
        tags: Vec<(String, String)>,
    ) -> Result<(), ServiceError> {
        let place = Place {
            bucket: self.bucket(bucket)?,
            key: key.clone(),
        };
        let inner = Arc::clone(self);
        to_the_end(move |_| async move { inner.retag(&place, &tags).await }).await
    }

    /// Whether the look has found its head in this row.
    fn is_of(&self, row: &Row, state: &ObjectState) -> bool {
        match self.store.trust() {
            RowTrust::Check => row.state == *state,
            RowTrust::Indexed => row.state.id == state.id,
        }
    }

    async fn retag(&self, place: &Place, tags: &[(String, String)]) -> Result<(), ServiceError> {
        let guard = self.locks.lock(place).await;
        for _ in 0..ATTEMPTS {
            let found = self.look(place, Want::Head, Some(&guard)).await?;
            let expected = self.remembered(place).await?.row;
            let mut row = match &expected {
                Some(row) if self.is_of(row, &found.state) => row.clone(),
                // Its ETag stays unknown: tagging does not read the object.
                _ => stranger(&found),
            };
            row.metadata.tags = tags.to_vec();
            let lesson = Lesson {
                key: place.key.clone(),
                expected,
                row,
                portable: self.keeps_portable() && !found.has_words,
            };
            if self.cache.learn(&place.bucket, vec![lesson]).await? {
                self.portable.news();
                return Ok(());
            }
        }
        Err(StoreError::Changed.into())
    }
}

/// A first row for an object of which the storage alone tells.
fn stranger(found: &Found) -> Row {
    Row {
        state: found.state.clone(),
        size: found.head.size,
        etag: None,
        checksum: None,
        part_sizes: PartSizes::default(),
        metadata: found.head.metadata.clone(),
        modified: found.head.modified,
    }
}

fn agree(whole: &ObjectChecksum, sizes: &PartSizes, sums: &[Checksum]) -> bool {
    if sums.len() != usize::from(sizes.count()) {
        return false;
    }
    ObjectChecksum::of_parts(whole.kind(), sizes.iter().zip(sums)).as_ref() == Some(whole)
}
