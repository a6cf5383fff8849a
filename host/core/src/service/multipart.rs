//! Uploads in parts.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>

use super::gate::{self, Client, Halt, to_the_end};
use super::locks::Place;
use super::pager::{behind_group, group};
use super::ports::{Intent, PartOptions, PartRow, PutOptions, StoreError, StoredPart, UploadRow};
use super::precondition::check_write;
use super::{
    CompleteUpload, Inner, ListUploads, ListedPart, ListedUpload, MAX_PUT, PartPage, ServiceError,
    UploadPage, UploadRef, Written,
};
use crate::model::{
    Bucket, BucketName, ETag, Metadata, ObjectKey, PartNumber, Timestamp, Upload, UploadId,
};
use futures_util::future::join;
use md5::{Digest, Md5};
use std::num::NonZeroU16;
use std::sync::Arc;

/// Every part but the last has at least so many bytes.
const MIN_PART: u64 = 5 * 1024 * 1024;

/// Rows of parts or uploads that are fetched at a time.
const FETCH: usize = 1000;

impl Inner {
    pub(super) async fn create_upload(
        self: &Arc<Self>,
        bucket: &BucketName,
        key: ObjectKey,
        metadata: Metadata,
    ) -> Result<UploadId, ServiceError> {
        let bucket = self.bucket(bucket)?;
        self.require_bucket(&bucket).await?;
        let inner = Arc::clone(self);
        to_the_end(move |_| async move {
            let options = PutOptions {
                content_type: metadata.content_type.clone(),
                known: None,
            };
            let upload = UploadRow {
                id: new_upload_id()?,
                store_id: inner.store.begin_upload(&bucket, &key, options).await?,
                key,
                metadata,
                started: Timestamp::now(),
            };
            let id = upload.id.clone();
            inner.cache.create_upload(&bucket, upload).await?;
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
    ) -> Result<ETag, ServiceError> {
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
    ) -> Result<ETag, ServiceError> {
        let ongoing = self.uploads.claim(&upload.id);
        let _sending = ongoing.sending().await;
        // Asked only now: a completion or abort would have to wait for this part.
        let row = self.upload_row(bucket, upload).await?;

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
            let md5 = whole.md5;
            feed.finish(whole).await;
            Ok::<_, Halt>(md5)
        };
        let (token, md5) = match join(storing, checking).await {
            (_, Err(Halt::Refused(reason))) => return Err(reason),
            (Ok(token), Ok(md5)) => (token, md5),
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
            token,
            modified: Timestamp::now(),
        };
        // Otherwise aborted meanwhile, and the part went with it.
        if self.cache.put_part(bucket, &upload.id, part).await? {
            Ok(ETag::Md5(md5))
        } else {
            Err(ServiceError::NoSuchUpload)
        }
    }

    pub(super) async fn complete_upload(
        self: &Arc<Self>,
        request: CompleteUpload,
    ) -> Result<Written, ServiceError> {
        let bucket = self.bucket(&request.upload.bucket)?;
        let inner = Arc::clone(self);
        to_the_end(move |_| async move { inner.complete(&bucket, request).await }).await
    }

    async fn complete(
        &self,
        bucket: &Bucket,
        request: CompleteUpload,
    ) -> Result<Written, ServiceError> {
        let CompleteUpload {
            upload,
            parts,
            conditions,
        } = request;
        if !parts.is_sorted_by_key(|(number, _)| *number) || has_twins(&parts) {
            return Err(ServiceError::InvalidPartOrder);
        }
        let place = Place {
            bucket: bucket.clone(),
            key: upload.key.clone(),
        };
        let ongoing = self.uploads.claim(&upload.id);
        let _finishing = ongoing.finishing.lock().await;
        let row = match self.upload_row(bucket, &upload).await {
            Err(ServiceError::NoSuchUpload) => return self.completed_before(&place, &parts).await,
            row => row?,
        };
        let chosen = choose(self.all_parts(bucket, &upload.id).await?, &parts)?;
        if !conditions.is_empty() {
            let present = self.present(&place, None).await?;
            check_write(&conditions, present.as_ref().map(|found| &found.head.etag))?;
        }
        let part_md5s: Vec<_> = chosen.iter().map(|part| part.md5).collect();
        let intent = Intent {
            size: chosen.iter().map(|part| part.size).sum(),
            etag: multipart_tag(&part_md5s).ok_or(ServiceError::InvalidPart)?,
            part_md5s,
            part_sizes: chosen.iter().map(|part| part.size).collect(),
            metadata: row.metadata,
            upload: Some(upload.id.clone()),
        };
        let stored_parts = chosen
            .into_iter()
            .map(|part| StoredPart {
                number: part.number,
                size: part.size,
                token: part.token,
            })
            .collect();

        // A part that is still arriving must not write into what is published.
        let fence = ongoing.fence().await;
        let remembered = self.remembered(&place).await?;
        let leftover = remembered.intent.is_some();
        let known = remembered.row.map(|row| row.state);
        let announced = self.announce(&place, &conditions, leftover, intent).await?;
        let (key, receipt) = (&place.key, announced.receipt());
        let answer = self
            .store
            .complete_upload(
                bucket,
                key,
                &row.store_id,
                stored_parts,
                known.as_ref(),
                receipt,
            )
            .await;
        let written = self.conclude(announced, answer).await?;
        self.uploads.end(&upload.id);
        drop(fence);
        Ok(written)
    }

    /// The answer to a completion of an upload that is not there: a client that has not heard
    /// the first answer asks again.
    async fn completed_before(
        &self,
        place: &Place,
        parts: &[(PartNumber, ETag)],
    ) -> Result<Written, ServiceError> {
        let md5s: Option<Vec<[u8; 16]>> = parts
            .iter()
            .map(|(_, etag)| match etag {
                ETag::Md5(md5) => Some(*md5),
                _ => None,
            })
            .collect();
        let expected = md5s.as_deref().and_then(multipart_tag);
        match self.present(place, None).await? {
            Some(found) if Some(&found.head.etag) == expected.as_ref() => Ok(Written {
                etag: found.head.etag,
                modified: found.head.modified,
            }),
            _ => Err(ServiceError::NoSuchUpload),
        }
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

    /// Forgets an upload. From the first step on its parts are refused.
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
        self.cache.delete_upload(bucket, &upload.id).await?;
        let _fence = ongoing.fence().await;
        self.uploads.end(&upload.id);
        let aborted = self
            .store
            .abort_upload(bucket, &upload.key, &upload.store_id)
            .await;
        match aborted {
            Ok(()) | Err(StoreError::NoSuchUpload) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn list_parts(
        &self,
        upload: &UploadRef,
        after: u16,
        max_parts: u16,
    ) -> Result<PartPage, ServiceError> {
        let bucket = self.bucket(&upload.bucket)?;
        self.upload_row(&bucket, upload).await?;
        let max = usize::from(max_parts);
        if max == 0 {
            return Ok(PartPage::default());
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
            modified: row.modified,
        });
        Ok(PartPage {
            parts: parts.collect(),
            next,
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
                    });
                }
            }
            if at_end {
                return Ok(page);
            }
        }
    }

    /// The upload that a request names.
    async fn upload_row(
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

    /// At most 10,000, since numbers are no higher.
    async fn all_parts(
        &self,
        bucket: &Bucket,
        id: &UploadId,
    ) -> Result<Vec<PartRow>, ServiceError> {
        let mut all: Vec<PartRow> = Vec::new();
        loop {
            let after = all.last().map_or(0, |part| part.number.get());
            let page = self.cache.parts(bucket, id, after, FETCH).await?;
            let at_end = page.len() < FETCH;
            all.extend(page);
            if at_end {
                return Ok(all);
            }
        }
    }
}

/// The parts that the client lists, which are in ascending order.
fn choose(
    stored: Vec<PartRow>,
    listed: &[(PartNumber, ETag)],
) -> Result<Vec<PartRow>, ServiceError> {
    let mut stored = stored.into_iter();
    let mut chosen = Vec::with_capacity(listed.len());
    for (number, etag) in listed {
        match stored.find(|part| part.number >= *number) {
            Some(part) if part.number == *number && *etag == ETag::Md5(part.md5) => {
                chosen.push(part);
            }
            _ => return Err(ServiceError::InvalidPart),
        }
    }
    let Some((_last, others)) = chosen.split_last() else {
        return Err(ServiceError::InvalidPart);
    };
    match others.iter().find(|part| part.size < MIN_PART) {
        None => Ok(chosen),
        Some(small) => Err(ServiceError::PartTooSmall {
            number: small.number.get(),
            size: small.size,
        }),
    }
}

fn has_twins(parts: &[(PartNumber, ETag)]) -> bool {
    parts
        .iter()
        .zip(parts.iter().skip(1))
        .any(|((one, _), (next, _))| one == next)
}

/// The tag of an object that is put in parts; `None` without parts.
fn multipart_tag(md5s: &[[u8; 16]]) -> Option<ETag> {
    let mut digest = Md5::new();
    for md5 in md5s {
        digest.update(md5);
    }
    Some(ETag::Multipart {
        digest: digest.finalize().into(),
        parts: NonZeroU16::new(u16::try_from(md5s.len()).ok()?)?,
    })
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
