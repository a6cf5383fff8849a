//! CompleteMultipartUpload.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>

use super::gate::to_the_end;
use super::locks::Place;
use super::multipart::FETCH;
use super::ports::{Intent, PartRow, StoredPart};
use super::precondition::check_write;
use super::{CompleteUpload, Inner, ServiceError, Written};
use crate::model::{
    Bucket, ChecksumPlan, ChecksumType, ETag, Md5, NamedPart, ObjectChecksum, UploadError, UploadId,
};
use md5::Digest;
use std::num::NonZeroU16;
use std::sync::Arc;

/// Every part but the last has at least so many bytes.
const MIN_PART: u64 = 5 * 1024 * 1024;

impl Inner {
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
        let (upload, parts) = (&request.upload, &request.parts);
        if !parts.is_sorted_by(|one, next| one.number < next.number) {
            return Err(ServiceError::InvalidPartOrder);
        }
        let place = Place {
            bucket: bucket.clone(),
            key: upload.key.clone(),
        };
        let writer = self.bucket_locks.writer(bucket);
        let ongoing = self.uploads.claim(&upload.id);
        let _finishing = ongoing.finishing.lock().await;
        let row = match self.upload_row(bucket, upload).await {
            Err(ServiceError::NoSuchUpload) => return self.completed_before(&place, parts).await,
            row => row?,
        };
        let chosen = choose(self.all_parts(bucket, &upload.id).await?, parts)?;
        let size = chosen.iter().map(|part| part.size).sum();
        if request.size.is_some_and(|declared| declared != size) {
            return Err(ServiceError::Checksums(
                "The provided 'x-amz-mp-object-size' header does not match what was computed."
                    .into(),
            ));
        }
        let checksum = checksum(&request, row.plan, &chosen)?;
        let conditions = &request.conditions;
        if !conditions.is_empty() {
            let present = self.present(&place, None).await?;
            check_write(conditions, present.as_ref().map(|found| &found.head.etag))?;
        }
        let part_md5s: Vec<_> = chosen.iter().map(|part| part.md5).collect();
        let intent = Intent {
            size,
            etag: multipart_tag(&part_md5s).ok_or(ServiceError::NoParts)?,
            part_md5s,
            part_checksums: match &checksum {
                Some(_) => chosen
                    .iter()
                    .filter_map(|part| part.checksum.clone())
                    .collect(),
                None => Vec::new(),
            },
            checksum,
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

        self.use_index(bucket).await?;
        // A part that is still arriving must not write into what is published.
        let fence = ongoing.fence().await;
        let (guard, known) = self.lock_known(&place).await?;
        let announced = self
            .announce_locked((guard, &writer), conditions, intent)
            .await?;
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
        parts: &[NamedPart],
    ) -> Result<Written, ServiceError> {
        let md5s: Option<Vec<[u8; 16]>> = parts
            .iter()
            .map(|part| match &part.etag {
                ETag::Md5(md5) => Some(*md5),
                _ => None,
            })
            .collect();
        let expected = md5s.as_deref().and_then(multipart_tag);
        match self.present(place, None).await? {
            Some(found) if Some(&found.head.etag) == expected.as_ref() => Ok(Written {
                etag: found.head.etag,
                modified: found.head.modified,
                checksum: found.head.checksum,
            }),
            _ => Err(ServiceError::NoSuchUpload),
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
fn choose(stored: Vec<PartRow>, listed: &[NamedPart]) -> Result<Vec<PartRow>, ServiceError> {
    let mut stored = stored.into_iter();
    let mut chosen = Vec::with_capacity(listed.len());
    for named in listed {
        match stored.find(|part| part.number >= named.number) {
            Some(part) if is_named(&part, named) => {
                chosen.push(part);
            }
            _ => {
                return Err(ServiceError::InvalidPart {
                    number: named.number.get(),
                    etag: named.etag.clone(),
                });
            }
        }
    }
    let Some((_last, others)) = chosen.split_last() else {
        return Err(ServiceError::NoParts);
    };
    match others.iter().find(|part| part.size < MIN_PART) {
        None => Ok(chosen),
        Some(small) => Err(ServiceError::PartTooSmall {
            number: small.number.get(),
            size: small.size,
            etag: ETag::Md5(small.md5),
        }),
    }
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

fn is_named(part: &PartRow, named: &NamedPart) -> bool {
    let same_sum = match (&part.checksum, &named.checksum) {
        (Some(known), Some(told)) => known == told,
        // What is not known cannot be compared; the tag can.
        _ => true,
    };
    part.number == named.number && named.etag == ETag::Md5(part.md5) && same_sum
}

/// The checksum of the object to be, if all parts have one of the same kind. Errs if it is not
/// the one that the client expects.
fn checksum(
    request: &CompleteUpload,
    plan: Option<ChecksumPlan>,
    chosen: &[PartRow],
) -> Result<Option<ObjectChecksum>, ServiceError> {
    // Who did not say has the sum of the whole.
    let planned = plan.map_or(ChecksumType::FullObject, |plan| plan.kind);
    if request.kind.is_some_and(|kind| kind != planned) {
        return Err(ServiceError::Checksums(format!(
            "The upload was created using the {} checksum mode. The complete request must use the same checksum mode.",
            planned.name()
        )));
    }
    if let Some(plan) = plan.filter(|plan| plan.kind == ChecksumType::Composite)
        && let Some(bare) = request.parts.iter().find(|part| part.checksum.is_none())
    {
        return Err(ServiceError::Checksums(format!(
            "The upload was created using a {} checksum. The complete request must include the checksum for each part. It was missing for part {} in the request.",
            plan.algorithm.name().to_lowercase(),
            bare.number
        )));
    }
    let sums: Option<Vec<_>> = chosen
        .iter()
        .map(|part| Some((part.size, part.checksum.as_ref()?)))
        .collect();
    let sums = sums.unwrap_or_default();
    let kind = plan.map(|plan| plan.kind).or(request.kind).or_else(|| {
        let (_, first) = sums.first()?;
        let algorithm = first.algorithm();
        Some(if algorithm.allows(ChecksumType::FullObject) {
            ChecksumType::FullObject
        } else {
            ChecksumType::Composite
        })
    });
    let found = kind.and_then(|kind| ObjectChecksum::of_parts(kind, sums));
    if let (Some((algorithm, told)), Some(found)) = (&request.checksum, &found) {
        let other = found.sum.algorithm() != *algorithm;
        if other && plan.is_some() {
            return Err(ServiceError::Checksums(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                found.sum.algorithm().name().to_lowercase(),
                algorithm.name().to_lowercase()
            )));
        }
        if other || !found.is(told) {
            return Err(UploadError::ChecksumMismatch(algorithm.name()).into());
        }
    }
    Ok(found)
}
