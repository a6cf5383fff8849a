//! PutObject, DeleteObject and DeleteObjects.

use super::gate::{self, Client, Halt, to_the_end};
use super::locks::Place;
use super::ports::{CacheError, Intent, PutOptions, Remembered, RowTrust, StoreError};
use super::precondition::check_write;
use super::publish::Announced;
use super::{Inner, MAX_PUT, PutObject, ServiceError, WriteConditions, Written};
use crate::model::{
    Bucket, BucketName, ETag, Metadata, ObjectChecksum, ObjectKey, PartSizes, Upload,
};
use futures_util::future::join;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;

/// Deletions in one call to the store.
const BATCH: usize = 1000;

impl Inner {
    pub(super) async fn put_object(
        self: &Arc<Self>,
        request: PutObject,
        body: Upload,
    ) -> Result<Written, ServiceError> {
        let place = Place {
            bucket: self.bucket(&request.bucket)?,
            key: request.key,
        };
        self.write(place, request.metadata, request.conditions, body)
            .await
    }

    /// Stores an upload in a task of its own.
    pub(super) async fn write(
        self: &Arc<Self>,
        place: Place,
        metadata: Metadata,
        conditions: WriteConditions,
        body: Upload,
    ) -> Result<Written, ServiceError> {
        if body.size > MAX_PUT {
            return Err(ServiceError::TooLarge);
        }
        let inner = Arc::clone(self);
        to_the_end(move |client| async move {
            inner.put(client, &place, metadata, &conditions, body).await
        })
        .await
    }

    async fn put(
        &self,
        mut client: Client,
        place: &Place,
        metadata: Metadata,
        conditions: &WriteConditions,
        upload: Upload,
    ) -> Result<Written, ServiceError> {
        let mut options = PutOptions {
            content_type: metadata.content_type.clone(),
            known: None,
        };
        let writer = self.bucket_locks.writer(&place.bucket);
        self.use_index(&place.bucket).await?;
        if !conditions.is_empty() {
            // A hopeless request is refused before its body is read.
            let present = self.present(place, None).await?;
            check_write(conditions, present.as_ref().map(|found| &found.head.etag))?;
            options.known = present.map(|found| found.state);
        } else if self.store.trust() == RowTrust::Indexed {
            // Others look for themselves.
            options.known = self.remembered(place).await?.row.map(|row| row.state);
        }

        let (mut feed, body) = gate::body();
        let (approve, verdict) = oneshot::channel();
        let size = upload.size;
        let storing = self
            .store
            .put(&place.bucket, &place.key, size, options, body, verdict);
        let approving = async move {
            let whole = feed.pass(upload, client.left()).await?;
            let intent = Intent {
                size,
                etag: ETag::Md5(whole.md5),
                part_md5s: Vec::new(),
                checksum: whole.checksum.clone().map(ObjectChecksum::from),
                part_checksums: Vec::new(),
                part_sizes: PartSizes::default(),
                metadata,
                upload: None,
            };
            let announced = self.announce((place, &writer), conditions, intent).await?;
            // A store that has failed meanwhile does not hear it; its own answer counts.
            let _ = approve.send(announced.receipt());
            feed.finish(whole).await;
            Ok::<Announced, Halt>(announced)
        };
        match join(storing, approving).await {
            (answer, Ok(announced)) => self.conclude(announced, answer).await,
            (_, Err(Halt::Refused(reason))) => Err(reason),
            (Err(error), Err(Halt::StoreLeft)) => Err(error.into()),
            (Ok(_), Err(Halt::StoreLeft)) => Err(ServiceError::Internal(
                "the store has not read the body of an upload".into(),
            )),
        }
    }

    pub(super) async fn delete_object(
        self: &Arc<Self>,
        bucket: &BucketName,
        key: &ObjectKey,
        conditions: WriteConditions,
    ) -> Result<(), ServiceError> {
        let place = Place {
            bucket: self.bucket(bucket)?,
            key: key.clone(),
        };
        let inner = Arc::clone(self);
        // Half-way given up, it could hit the object that the next writer publishes.
        to_the_end(move |_| async move { inner.delete(&place, &conditions).await }).await
    }

    async fn delete(
        &self,
        place: &Place,
        conditions: &WriteConditions,
    ) -> Result<(), ServiceError> {
        let Place { bucket, key } = place;
        let is_met = self.meet_others(bucket, std::slice::from_ref(key)).await;
        let guard = self.locks.lock(place).await;
        if !conditions.is_empty() {
            let present = self.present(place, Some(&guard)).await?;
            check_write(conditions, present.as_ref().map(|found| &found.head.etag))?;
        }
        let remembered = self.remembered(place).await?;
        if remembered.row.is_none() {
            self.require_bucket(bucket).await?;
        }
        // Nobody here knows what else has the name: it is looked for, and goes, too.
        let is_single = self.are_single(bucket, &[key]).await?.contains(&true);
        let known = remembered.row.as_ref().map(|row| &row.state);
        let known = known.filter(|_| remembered.intent.is_none() && is_met && is_single);
        let mut deleted = self.store.delete(bucket, key, known).await;
        if let Err(StoreError::Changed) = deleted {
            // Somebody else has put another object there, and that one goes.
            deleted = self.store.delete(bucket, key, None).await;
        }
        match deleted {
            Ok(()) | Err(StoreError::NoSuchKey) => {}
            Err(error) => return Err(error.into()),
        }
        // An index may just be told of it by an older page.
        if remembered != Remembered::default() || self.index.is_some() {
            self.deletions.fetch_add(1, Ordering::SeqCst);
            self.forget_gone(bucket, &[key]).await?;
        }
        Ok(())
    }

    /// Whether each of these keys, which are locked, names one object alone, as far as is known.
    async fn are_single(
        &self,
        bucket: &Bucket,
        keys: &[&ObjectKey],
    ) -> Result<Vec<bool>, ServiceError> {
        let inherited = self.inherited(bucket, keys).await?;
        let confirmed = self.are_confirmed(bucket, keys).await?;
        let single = inherited.into_iter().zip(confirmed);
        Ok(single
            .map(|(is_inherited, is_confirmed)| !is_inherited && is_confirmed)
            .collect())
    }

    /// Forgets objects that are gone. A row too many says nothing wrong where rows are checked
    /// against the storage: then a full disk of the database fails no deletion that has made room.
    async fn forget_gone(&self, bucket: &Bucket, keys: &[&ObjectKey]) -> Result<(), ServiceError> {
        match self.cache.forget(bucket, keys).await {
            Err(CacheError::NoSpace(error)) if self.store.trust() == RowTrust::Check => {
                tracing::warn!(%error, "rows of deleted objects stay in the database");
                Ok(())
            }
            done => Ok(done?),
        }
    }

    pub(super) async fn delete_objects(
        self: &Arc<Self>,
        bucket: &BucketName,
        keys: Vec<ObjectKey>,
    ) -> Result<Vec<Result<(), ServiceError>>, ServiceError> {
        let bucket = self.bucket(bucket)?;
        let inner = Arc::clone(self);
        to_the_end(move |_| async move {
            inner.require_bucket(&bucket).await?;
            let is_met = inner.meet_others(&bucket, &keys).await;
            // In order and each once: two of these never wait for one another in a circle.
            let places: BTreeSet<Place> = keys
                .iter()
                .map(|key| Place {
                    bucket: bucket.clone(),
                    key: key.clone(),
                })
                .collect();
            let places: Vec<Place> = places.into_iter().collect();
            let mut outcomes = HashMap::new();
            for batch in places.chunks(BATCH) {
                outcomes.extend(inner.delete_batch(batch, is_met).await?);
            }
            let answer = |key: &ObjectKey| match outcomes.get(key) {
                Some(Some(error)) => Err(ServiceError::from(StoreError::clone(error))),
                _ => Ok(()),
            };
            Ok(keys.iter().map(answer).collect())
        })
        .await
    }

    /// Deletes different keys of one bucket, of which others' changes are known or not; says what
    /// went wrong with each.
    async fn delete_batch<'a>(
        &self,
        places: &'a [Place],
        is_met: bool,
    ) -> Result<Vec<(&'a ObjectKey, Option<StoreError>)>, ServiceError> {
        let Some(Place { bucket, .. }) = places.first() else {
            return Ok(Vec::new());
        };
        let mut guards = Vec::with_capacity(places.len());
        for place in places {
            guards.push(self.locks.lock(place).await);
        }
        let keys: Vec<&ObjectKey> = places.iter().map(|place| &place.key).collect();
        let remembered = self.cache.objects(bucket, &keys).await?;
        let single = self.are_single(bucket, &keys).await?;
        let deletions = keys.iter().zip(remembered).enumerate();
        let deletions = deletions.map(|(at, (key, remembered))| {
            let is_single = single.get(at) == Some(&true);
            let is_sure = remembered.intent.is_none() && is_met && is_single;
            let row = remembered.row.filter(|_| is_sure);
            ((*key).clone(), row.map(|row| row.state))
        });
        let deletions = deletions.collect();
        let answers = self.store.delete_many(bucket, deletions).await?;
        if answers.len() != keys.len() {
            let reason = "the store has not answered every deletion";
            return Err(ServiceError::Internal(reason.into()));
        }
        let mut outcomes = Vec::with_capacity(keys.len());
        for (key, mut answer) in keys.into_iter().zip(answers) {
            if let Err(StoreError::Changed) = answer {
                answer = self.store.delete(bucket, key, None).await;
            }
            outcomes.push(match answer {
                Ok(()) | Err(StoreError::NoSuchKey) => (key, None),
                Err(error) => (key, Some(error)),
            });
        }
        let gone: Vec<&ObjectKey> = outcomes
            .iter()
            .filter(|(_, error)| error.is_none())
            .map(|(key, _)| *key)
            .collect();
        self.deletions.fetch_add(1, Ordering::SeqCst);
        self.forget_gone(bucket, &gone).await?;
        Ok(outcomes)
    }
}
