//! Objects that the database knows and the storage does not have any more.

use super::migrate::Outcome;
use super::walk::{Found, Walk, patiently};
use crate::cache::{CacheReader, KnownStore};
use crate::cli::Failure;
use crate::model::{BucketName, ObjectKey};
use crate::service::{ReadConditions, ReadObject, ServiceError};
use futures_util::{TryStream, TryStreamExt};
use std::pin::pin;
use std::slice;

/// Known objects of one look into the database.
const PAGE: u64 = 1000;

/// Tells `each` of the known objects of a walk's buckets that are not there, or of which that
/// cannot be found out. What is known and what is listed come in the same order, so neither is
/// kept.
pub(super) async fn find(
    walk: &Walk,
    mut each: impl FnMut(&BucketName, &ObjectKey, u64, &Outcome) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let reader = walk.reader()?;
    let stores = reader.stores().map_err(Failure::from)?;
    let Some(store) = stores
        .iter()
        .find(|store| store.name == walk.backend.namespace)
    else {
        return Ok(());
    };
    for bucket in &buckets(walk, &reader, store)? {
        let row_bucket = walk.row_bucket(bucket);
        // One that is gone has nothing to list.
        let there = walk.buckets.contains(bucket).then_some(bucket);
        let mut listed = pin!(walk.objects_of(there.map_or(&[], slice::from_ref)));
        let mut next = next_key(&mut listed).await?;
        let mut after: Option<ObjectKey> = None;
        loop {
            let known = reader.objects_behind(store, row_bucket, after.as_ref(), PAGE);
            let known = known.map_err(Failure::from)?;
            let Some((last, _)) = known.last() else {
                break;
            };
            after = Some(last.clone());
            for (key, size) in &known {
                while next.as_ref().is_some_and(|listed| listed < key) {
                    next = next_key(&mut listed).await?;
                }
                if next.as_ref() == Some(key) {
                    continue;
                }
                // It may have been put since it was listed.
                let outcome = match look(walk, bucket, key).await {
                    Ok(()) => continue,
                    Err(ServiceError::NoSuchKey | ServiceError::NoSuchBucket) => Outcome::Missing,
                    Err(error) => Outcome::Failed(error.to_string()),
                };
                // Or deleted, and forgotten.
                if reader
                    .knows(store, row_bucket, key)
                    .map_err(Failure::from)?
                {
                    each(bucket, key, *size, &outcome)?;
                }
            }
        }
    }
    Ok(())
}

/// The buckets of the walk, and those that only the database knows.
fn buckets(
    walk: &Walk,
    reader: &CacheReader,
    store: &KnownStore,
) -> Result<Vec<BucketName>, Failure> {
    let mut buckets = walk.buckets.clone();
    if walk.is_whole() {
        let known = reader.buckets(store).map_err(Failure::from)?;
        let known = known.iter().filter_map(|name| name.parse().ok());
        let gone: Vec<BucketName> = known.filter(|name| !buckets.contains(name)).collect();
        buckets.extend(gone);
    }
    Ok(buckets)
}

async fn next_key(
    listed: &mut (impl TryStream<Ok = Found, Error = Failure> + Unpin),
) -> Result<Option<ObjectKey>, Failure> {
    let found = listed.try_next().await?;
    Ok(found.map(|found| found.object.key))
}

async fn look(walk: &Walk, bucket: &BucketName, key: &ObjectKey) -> Result<(), ServiceError> {
    let request = || ReadObject {
        bucket: bucket.clone(),
        key: key.clone(),
        section: None,
        conditions: ReadConditions::default(),
    };
    patiently(|| walk.service.head_object(request()))
        .await
        .map(drop)
}
