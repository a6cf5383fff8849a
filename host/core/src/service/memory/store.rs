//! The port [`Store`] over the memory.

use super::MemoryStore;
use super::state::{Object, Stored, Upload};
use crate::model::{Bucket, BucketName, ByteStream, ObjectKey, ObjectState, Timestamp};
use crate::service::ports::{
    PartOptions, PutOptions, Receipt, RowTrust, ScanPage, Store, StoreError, StoreListQuery,
    StorePage, StoredBucket, StoredObject, StoredPart, Verdict,
};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use std::collections::HashMap;
use std::ops::{Bound, Range};

/// Bytes of one piece of a body.
const PIECE: usize = 64 * 1024;

/// Reads a body of exactly `size` bytes.
async fn collect(mut body: ByteStream, size: u64) -> Result<Bytes, StoreError> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = body.next().await {
        bytes.extend_from_slice(&piece.map_err(|_| StoreError::Aborted)?);
    }
    if bytes.len() as u64 == size {
        Ok(bytes.freeze())
    } else {
        Err(StoreError::Other("a body of another size".into()))
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn trust(&self) -> RowTrust {
        self.trust
    }

    async fn list_buckets(&self) -> Result<Vec<StoredBucket>, StoreError> {
        let state = self.state();
        let named = state.buckets.iter().filter_map(|(bucket, stored)| {
            let Bucket::Named(name) = bucket else {
                return None;
            };
            Some(StoredBucket {
                name: name.clone(),
                created: stored.created,
            })
        });
        Ok(named.collect())
    }

    async fn create_bucket(&self, bucket: &BucketName) -> Result<(), StoreError> {
        let mut state = self.state();
        let bucket = Bucket::Named(bucket.clone());
        if state.buckets.contains_key(&bucket) {
            return Err(StoreError::BucketExists);
        }
        let stored = Stored {
            created: Some(Timestamp::now()),
            ..Stored::default()
        };
        state.buckets.insert(bucket, stored);
        Ok(())
    }

    async fn stat_bucket(&self, bucket: &BucketName) -> Result<StoredBucket, StoreError> {
        let state = self.state();
        let stored = state.bucket(&Bucket::Named(bucket.clone()))?;
        Ok(StoredBucket {
            name: bucket.clone(),
            created: stored.created,
        })
    }

    async fn delete_bucket(&self, bucket: &BucketName) -> Result<(), StoreError> {
        let bucket = Bucket::Named(bucket.clone());
        {
            let mut state = self.state();
            if !state.bucket(&bucket)?.objects.is_empty() {
                return Err(StoreError::BucketNotEmpty);
            }
            state.emptied += 1;
        }
        // As a remote storage would: with all that has come into it meanwhile.
        let _may_go = self.deletions.read().await;
        self.state().buckets.remove(&bucket);
        Ok(())
    }

    async fn put(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        size: u64,
        options: PutOptions,
        body: ByteStream,
        verdict: Verdict,
    ) -> Result<StoredObject, StoreError> {
        self.state().bucket(bucket)?;
        let bytes = collect(body, size).await?;
        let receipt = verdict.await.map_err(|_| StoreError::Aborted)?;
        if receipt.size != size {
            return Err(StoreError::Other("a receipt of another size".into()));
        }
        self.publish(|state| state.insert(bucket, key, bytes, options.content_type))
            .await
    }

    async fn get(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        range: Option<Range<u64>>,
        _known: Option<&ObjectState>,
    ) -> Result<(StoredObject, ByteStream), StoreError> {
        let Object { info, mut bytes } = {
            let mut state = self.state();
            state.questions += 1;
            state.object(bucket, key)?.clone()
        };
        if let Some(range) = range {
            let at = |offset: u64| {
                usize::try_from(offset)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len())
            };
            let (start, end) = (at(range.start), at(range.end));
            if start >= end {
                return Err(StoreError::InvalidRange);
            }
            bytes = bytes.slice(start..end);
        }
        let pieces = std::iter::from_fn(move || {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            (!piece.is_empty()).then_some(Ok(piece))
        });
        Ok((info, futures_util::stream::iter(pieces).boxed()))
    }

    async fn stat(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        _known: Option<&ObjectState>,
    ) -> Result<StoredObject, StoreError> {
        let mut state = self.state();
        state.questions += 1;
        Ok(state.object(bucket, key)?.info.clone())
    }

    async fn delete(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        known: Option<&ObjectState>,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        state.known.push(known.cloned());
        if state.undeletable.as_ref() == Some(key) {
            return Err(StoreError::Denied("this object is protected".into()));
        }
        state.bucket_mut(bucket)?.objects.remove(key);
        Ok(())
    }

    async fn delete_many(
        &self,
        bucket: &Bucket,
        deletions: Vec<(ObjectKey, Option<ObjectState>)>,
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        self.state().bucket(bucket)?;
        let mut answers = Vec::with_capacity(deletions.len());
        for (key, known) in &deletions {
            answers.push(self.delete(bucket, key, known.as_ref()).await);
        }
        Ok(answers)
    }

    async fn list(&self, bucket: &Bucket, query: StoreListQuery) -> Result<StorePage, StoreError> {
        let mut state = self.state();
        state.questions += 1;
        if let Some(error) = state.list_fault.take() {
            return Err(error);
        }
        let objects = &state.bucket(bucket)?.objects;
        let StoreListQuery {
            prefix,
            after,
            shallow,
            limit,
        } = query;
        let group = |key: &str| {
            let slash = key.strip_prefix(prefix.as_str())?.find('/')?;
            let end = prefix.len() + slash + 1;
            key.get(..end).filter(|_| shallow).map(str::to_owned)
        };
        // Not before the prefix, and behind `after`.
        let start = match &after {
            Some(after) if *after >= prefix => Bound::Excluded(after.as_str()),
            _ => Bound::Included(prefix.as_str()),
        };
        let mut page = StorePage::default();
        for (key, object) in objects.range::<str, _>((start, Bound::Unbounded)) {
            if !key.as_str().starts_with(&prefix) {
                break;
            }
            let group = group(key.as_str());
            if group.is_some() && (group == after || group.as_ref() == page.prefixes.last()) {
                continue;
            }
            if page.entries.len() + page.prefixes.len() == usize::from(limit) {
                page.more = true;
                break;
            }
            match group {
                Some(group) => page.prefixes.push(group),
                None => page.entries.push((key.clone(), object.info.clone())),
            }
        }
        Ok(page)
    }

    async fn copy(
        &self,
        source: (&Bucket, &ObjectKey, &ObjectState),
        target: (&Bucket, &ObjectKey, Option<&ObjectState>),
        receipt: Receipt,
    ) -> Result<StoredObject, StoreError> {
        if !self.state().can_copy {
            return Err(StoreError::Unsupported);
        }
        self.publish(|state| {
            let object = state.object(source.0, source.1)?.clone();
            if object.info.state != *source.2 {
                return Err(StoreError::Changed);
            }
            state.insert(target.0, target.1, object.bytes, receipt.content_type)
        })
        .await
    }

    async fn begin_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        options: PutOptions,
    ) -> Result<String, StoreError> {
        let mut state = self.state();
        state.bucket(bucket)?;
        let name = format!("upload{}", state.next());
        let upload = Upload {
            bucket: bucket.clone(),
            key: key.clone(),
            content_type: options.content_type,
            touched: Timestamp::now(),
            parts: HashMap::new(),
        };
        state.uploads.insert(name.clone(), upload);
        Ok(name)
    }

    async fn put_part(
        &self,
        _bucket: &Bucket,
        _key: &ObjectKey,
        upload: &str,
        options: PartOptions,
        body: ByteStream,
    ) -> Result<String, StoreError> {
        self.state().upload(upload)?;
        let bytes = collect(body, options.size).await?;
        self.pause().await;
        let mut state = self.state();
        let token = format!("part{}", state.next());
        let upload = state.upload(upload)?;
        upload.touched = Timestamp::now();
        upload.parts.insert(token.clone(), (options.number, bytes));
        Ok(token)
    }

    async fn complete_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: &str,
        parts: Vec<StoredPart>,
        known: Option<&ObjectState>,
        receipt: Receipt,
    ) -> Result<StoredObject, StoreError> {
        self.publish(|state| {
            state.known.push(known.cloned());
            let found = state.upload(upload)?;
            if (&found.bucket, &found.key) != (bucket, key) {
                return Err(StoreError::NoSuchUpload);
            }
            let content_type = found.content_type.clone();
            let mut bytes = BytesMut::new();
            for part in &parts {
                match found.parts.get(&part.token) {
                    Some((number, data))
                        if *number == part.number && data.len() as u64 == part.size =>
                    {
                        bytes.extend_from_slice(data);
                    }
                    _ => return Err(StoreError::Other("no such part".into())),
                }
            }
            if bytes.len() as u64 != receipt.size {
                return Err(StoreError::Other("a receipt of another size".into()));
            }
            let info = state.insert(bucket, key, bytes.freeze(), content_type)?;
            state.uploads.remove(upload);
            Ok(info)
        })
        .await
    }

    async fn abort_upload(
        &self,
        _bucket: &Bucket,
        _key: &ObjectKey,
        upload: &str,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        if let Some(error) = state.abort_fault.take() {
            return Err(error);
        }
        state.uploads.remove(upload);
        Ok(())
    }

    fn scans(&self) -> bool {
        self.state().scan_page.is_some()
    }

    async fn scan(
        &self,
        bucket: &Bucket,
        folder: &str,
        cursor: Option<&str>,
    ) -> Result<ScanPage, StoreError> {
        let page = cursor.map_or(Ok(0), str::parse);
        let page = page.map_err(|_| StoreError::Other("no cursor".into()))?;
        let found = {
            let mut state = self.state();
            state.questions += 1;
            if let Some(error) = state.scan_fault.take() {
                return Err(error);
            }
            state.page(bucket, folder, page)
        };
        let _may_arrive = self.answers.read().await;
        found
    }

    async fn sweep(&self, before: Timestamp, keep: Vec<String>) -> Result<u32, StoreError> {
        let mut state = self.state();
        let count = state.uploads.len();
        state
            .uploads
            .retain(|name, upload| upload.touched >= before || keep.contains(name));
        Ok(u32::try_from(count - state.uploads.len()).unwrap_or(u32::MAX))
    }

    fn losses(&self) -> u64 {
        self.state().losses
    }

    fn portable_bytes(&self) -> usize {
        self.state().portable_bytes
    }

    async fn set_portable(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        state: &ObjectState,
        texts: Vec<String>,
    ) -> Result<(), StoreError> {
        let mut all = self.state();
        if let Some(error) = all.portable_fault.take() {
            return Err(error);
        }
        let limit = all.portable_bytes;
        let fits = texts.into_iter().find(|text| text.len() <= limit);
        let objects = &mut all.bucket_mut(bucket)?.objects;
        let object = objects.get_mut(key).ok_or(StoreError::NoSuchKey)?;
        if object.info.state != *state {
            return Err(StoreError::Changed);
        }
        object.info.portable = Some(fits.ok_or(StoreError::Unsupported)?);
        Ok(())
    }
}
