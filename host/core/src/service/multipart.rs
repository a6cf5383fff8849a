//! Uploads in parts.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>

use super::copy;
use super::gate::{self, Client, Halt, to_the_end};
use super::locks::Place;
use super::look::{Found, Want};
use super::pager::{behind_group, group};
use super::ports::{PartOptions, PartRow, PutOptions, StoreError, UploadRow};
use super::precondition::check_source;
use super::read::exactly;
use super::{
    CopyPart, Inner, ListUploads, ListedPart, ListedUpload, MAX_PUT, PartPage, ServiceError,
    UploadPage, UploadRef, Written,
};
use crate::model::{
    Bucket, BucketName, ChecksumAlgorithm, ChecksumPlan, ChecksumType, ETag, Metadata,
    ObjectChecksum, ObjectKey, PartNumber, RangeSpec, Section, Timestamp, Upload, UploadId,
};
use futures_util::future::join;
use std::collections::HashSet;
use std::sync::Arc;

/// Rows of parts or uploads that are fetched at a time.
pub(super) const FETCH: usize = 1000;

impl Inner {
    pub(super) async fn create_upload(
        self: &Arc<Self>,
        bucket: &BucketName,
        key: ObjectKey,
        metadata: Metadata,
        plan: Option<ChecksumPlan>,
    ) -> Result<UploadId, ServiceError> {
        let bucket = self.bucket(bucket)?;
        let writer = self.bucket_locks.writer(&bucket);
        self.require_bucket(&bucket).await?;
        let inner = Arc::clone(self);
        to_the_end(move |_| async move {
            // Who deletes the bucket aborts it, or refuses it.
            let _stays = writer.publish().await?;
            let options = PutOptions {
                content_type: metadata.content_type.clone(),
                known: None,
            };
            let upload = UploadRow {
                id: new_upload_id()?,
                store_id: inner.store.begin_upload(&bucket, &key, options).await?,
                key,
                metadata,
                plan,
                started: Timestamp::now(),
            };
            let id = upload.id.clone();
            if let Err(error) = inner.cache.create_upload(&bucket, upload.clone()).await {
                let UploadRow { key, store_id, .. } = &upload;
                if let Err(error) = inner.store.abort_upload(&bucket, key, store_id).await {
                    tracing::warn!(%error, "an upload that could not be noted stays in the storage");
                }
                return Err(error.into());
            }
            inner.uploads.begin(id.clone());
            Ok(id)
        })
        .await
    }

    pub(super) async fn upload_part(
        self: &Arc<Self>,
        upload: UploadRef,
        number: PartNumber,
        body: Upload,
    ) -> Result<Written, ServiceError> {
        let bucket = self.bucket(&upload.bucket)?;
        if body.size > MAX_PUT {
            return Err(ServiceError::TooLarge);
        }
        let inner = Arc::clone(self);
        to_the_end(move |client| async move {
            inner
                .take_part(client, &bucket, &upload, number, body)
                .await
        })
        .await
    }

    async fn take_part(
        &self,
        mut client: Client,
        bucket: &Bucket,
        upload: &UploadRef,
        number: PartNumber,
        body: Upload,
    ) -> Result<Written, ServiceError> {
        let ongoing = self.uploads.claim(&upload.id);
        let _sending = ongoing.sending().await;
        // Asked only now: a completion or abort would have to wait for this part.
        let row = self.upload_row(bucket, upload).await?;
        check_algorithm(row.plan, body.promised)?;
        if let Some(plan) = row.plan {
            body.wanted.set(plan.algorithm);
        }

        let size = body.size;
        let options = PartOptions {
            number,
            size,
            offset: ongoing.place(number, size),
        };
        let (mut feed, stream) = gate::body();
        let storing = self
            .store
            .put_part(bucket, &row.key, &row.store_id, options, stream);
        let stop = async {
            tokio::select! {
                reason = client.left() => reason,
                reason = ongoing.closed() => reason,
            }
        };
        let checking = async move {
            let whole = feed.pass(body, stop).await?;
            let sums = (whole.md5, whole.checksum.clone());
            feed.finish(whole).await;
            Ok::<_, Halt>(sums)
        };
        let (token, (md5, checksum)) = match join(storing, checking).await {
            (_, Err(Halt::Refused(reason))) => return Err(reason),
            (Ok(token), Ok(sums)) => (token, sums),
            (Ok(_), Err(Halt::StoreLeft)) => {
                let reason = "the store has not read the body of a part";
                return Err(ServiceError::Internal(reason.into()));
            }
            (Err(error), _) => return Err(error.into()),
        };
        let part = PartRow {
            number,
            size,
            md5,
            checksum: checksum.clone(),
            token,
            modified: Timestamp::now(),
        };
        let written = Written {
            etag: ETag::Md5(md5),
            modified: part.modified,
            checksum: checksum.map(ObjectChecksum::from),
        };
        // Otherwise aborted meanwhile, and the part went with it.
        if self.cache.put_part(bucket, &upload.id, part).await? {
            Ok(written)
        } else {
            Err(ServiceError::NoSuchUpload)
        }
    }

    pub(super) async fn upload_part_copy(
        self: &Arc<Self>,
        request: CopyPart,
    ) -> Result<Written, ServiceError> {
        let source = Place {
            bucket: self.bucket(&request.source_bucket)?,
            key: request.source_key,
        };
        let bucket = self.bucket(&request.upload.bucket)?;
        let plan = self.upload_row(&bucket, &request.upload).await?.plan;
        let section = request.range.map(Section::Range);
        let Found { head, bytes, .. } = self.look(&source, Want::Bytes(section), None).await?;
        check_source(&request.source_conditions, &head)?;
        let Some((range, bytes)) = bytes else {
            return Err(ServiceError::CopyRange { size: head.size });
        };
        // Unlike a read, a copy is not cut off at the end of its source.
        if let Some(RangeSpec::FromTo(_, last)) = request.range
            && last >= head.size
        {
            return Err(ServiceError::CopyRange { size: head.size });
        }
        let size = range.map_or(head.size, |range| range.end - range.start);
        if size > MAX_PUT {
            return Err(ServiceError::SourceTooLarge);
        }
        let algorithm = plan.unwrap_or(ChecksumPlan::USUAL).algorithm;
        let body = copy::upload(size, exactly(size, bytes, None), algorithm);
        let written = self.upload_part(request.upload, request.number, body).await;
        copy::blame_source(written)
    }

    pub(super) async fn abort_upload(
        self: &Arc<Self>,
        upload: &UploadRef,
    ) -> Result<(), ServiceError> {
        let bucket = self.bucket(&upload.bucket)?;
        let (inner, upload) = (Arc::clone(self), upload.clone());
        to_the_end(move |_| async move {
            let row = inner.upload_row(&bucket, &upload).await?;
            inner.discard_upload(&bucket, &row).await
        })
        .await
    }

    /// Forgets an upload once the storage has: one that it could not abort keeps its row, and can be
    /// aborted again.
    pub(super) async fn discard_upload(
        &self,
        bucket: &Bucket,
        upload: &UploadRow,
    ) -> Result<(), ServiceError> {
        let ongoing = self.uploads.claim(&upload.id);
        let _finishing = ongoing.finishing.lock().await;
        // It may have been completed while this waited.
        if self.cache.upload(bucket, &upload.id).await?.is_none() {
            return Err(ServiceError::NoSuchUpload);
        }
        // Parts that are arriving give up, and those that come now wait until it is decided.
        let _fence = ongoing.fence().await;
        let aborted = self
            .store
            .abort_upload(bucket, &upload.key, &upload.store_id)
            .await;
        match aborted {
            Ok(()) | Err(StoreError::NoSuchUpload | StoreError::NoSuchBucket) => {}
            Err(error) => return Err(error.into()),
        }
        self.cache.delete_upload(bucket, &upload.id).await?;
        self.uploads.end(&upload.id);
        Ok(())
    }

    /// Each upload is tried once: one that cannot be aborted now is for the next time, and so are
    /// the others when there are many such.
    pub(super) async fn expire_uploads(
        self: &Arc<Self>,
        before: Timestamp,
    ) -> Result<u64, ServiceError> {
        let mut expired = 0;
        let mut stay = HashSet::new();
        loop {
            let limit = FETCH + stay.len();
            let mut stale = self.cache.stale_uploads(before, limit).await?;
            stale.retain(|(_, row)| !stay.contains(&row.id));
            if stale.is_empty() || stay.len() >= FETCH {
                return Ok(expired);
            }
            for (bucket, row) in stale {
                let (inner, id) = (Arc::clone(self), row.id.clone());
                let aborting =
                    to_the_end(move |_| async move { inner.discard_upload(&bucket, &row).await });
                match aborting.await {
                    Ok(()) => expired += 1,
                    Err(ServiceError::NoSuchUpload) => {}
                    Err(error) => {
                        tracing::warn!(upload = %id, %error, "an abandoned upload stays");
                        stay.insert(id);
                    }
                }
            }
        }
    }

    pub(super) async fn list_parts(
        &self,
        upload: &UploadRef,
        after: u16,
        max_parts: u16,
    ) -> Result<PartPage, ServiceError> {
        let bucket = self.bucket(&upload.bucket)?;
        let plan = self.upload_row(&bucket, upload).await?.plan;
        let max = usize::from(max_parts);
        if max == 0 {
            return Ok(PartPage {
                plan,
                ..PartPage::default()
            });
        }
        let mut rows = self
            .cache
            .parts(&bucket, &upload.id, after, max + 1)
            .await?;
        let more = rows.len() > max;
        rows.truncate(max);
        let next = rows.last().map(|row| row.number.get()).filter(|_| more);
        let parts = rows.into_iter().map(|row| ListedPart {
            number: row.number,
            size: row.size,
            etag: ETag::Md5(row.md5),
            checksum: row.checksum,
            modified: row.modified,
        });
        Ok(PartPage {
            parts: parts.collect(),
            next,
            plan,
        })
    }

    pub(super) async fn list_uploads(
        &self,
        request: ListUploads,
    ) -> Result<UploadPage, ServiceError> {
        let bucket = self.bucket(&request.bucket)?;
        self.require_bucket(&bucket).await?;
        let mut page = UploadPage::default();
        let max = usize::from(request.max_uploads);
        if max == 0 {
            return Ok(page);
        }
        let (prefix, delimiter) = (request.prefix.as_str(), request.delimiter.as_deref());
        let behind = |key: &str, id: Option<UploadId>| match group(prefix, delimiter, key) {
            Some(group) => (behind_group(group), None),
            None => (key.to_owned(), id),
        };
        let marker = request.key_marker.as_deref();
        let mut last_prefix = marker.unwrap_or_default().to_owned();
        let mut after = marker.map(|key| behind(key, request.upload_id_marker.clone()));
        let mut last = None;
        loop {
            let room = max - page.uploads.len() - page.prefixes.len() + 1;
            let limit = room.min(FETCH);
            let from = after.as_ref().map(|(key, id)| (key.as_str(), id.as_ref()));
            let rows = self.cache.uploads(&bucket, prefix, from, limit).await?;
            let at_end = rows.len() < limit;
            after = rows
                .last()
                .map(|row| behind(row.key.as_str(), Some(row.id.clone())));
            for row in rows {
                let rolled = group(prefix, delimiter, row.key.as_str()).map(str::to_owned);
                if rolled.as_ref().is_some_and(|group| *group <= last_prefix) {
                    continue;
                }
                if page.uploads.len() + page.prefixes.len() == max {
                    page.next = last;
                    return Ok(page);
                }
                if let Some(group) = rolled {
                    last = Some((group.clone(), None));
                    last_prefix.clone_from(&group);
                    page.prefixes.push(group);
                } else {
                    last = Some((row.key.as_str().to_owned(), Some(row.id.clone())));
                    page.uploads.push(ListedUpload {
                        key: row.key,
                        id: row.id,
                        started: row.started,
                        plan: row.plan,
                    });
                }
            }
            if at_end {
                return Ok(page);
            }
        }
    }

    /// The upload that a request names.
    pub(super) async fn upload_row(
        &self,
        bucket: &Bucket,
        upload: &UploadRef,
    ) -> Result<UploadRow, ServiceError> {
        match self.cache.upload(bucket, &upload.id).await? {
            Some(row) if row.key == upload.key => Ok(row),
            _ => {
                self.require_bucket(bucket).await?;
                Err(ServiceError::NoSuchUpload)
            }
        }
    }
}

/// Whether a part with this kind of checksum may belong to an upload.
fn check_algorithm(
    plan: Option<ChecksumPlan>,
    promised: Option<ChecksumAlgorithm>,
) -> Result<(), ServiceError> {
    let Some(plan) = plan else { return Ok(()) };
    let fits = match promised {
        Some(promised) => promised == plan.algorithm,
        // A checksum of all bytes needs none of the client: ours do.
        None => plan.kind == ChecksumType::FullObject,
    };
    if fits {
        return Ok(());
    }
    let name = |algorithm: ChecksumAlgorithm| algorithm.name().to_lowercase();
    Err(ServiceError::Checksums(format!(
        "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
        name(plan.algorithm),
        promised.map_or_else(|| "null".to_owned(), name)
    )))
}

/// 128 random bits: nobody guesses the id of somebody else's upload.
fn new_upload_id() -> Result<UploadId, ServiceError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| ServiceError::Internal(error.to_string()))?;
    let id = hex::encode(bytes).parse();
    id.map_err(|error: crate::model::upload::UploadIdError| {
        ServiceError::Internal(error.to_string())
    })
}
