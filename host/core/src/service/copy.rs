//! CopyObject.

use super::gate::to_the_end;
use super::locks::Place;
use super::look::{Found, Want};
use super::ports::{Intent, StoreError};
use super::precondition::{check_source, check_write};
use super::read::exactly;
use super::{CopyObject, Inner, MAX_PUT, ServiceError, WriteConditions, Written};
use crate::model::{
    ByteStream, ChecksumAlgorithm, ChecksumPlan, ETag, Md5, Metadata, PartSizes, Piece, Summing,
    Upload, UploadError, Wanted,
};
use futures_util::StreamExt;
use md5::Digest;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A source may change so often before a copy gives up.
const ATTEMPTS: u32 = 5;

impl Inner {
    pub(super) async fn copy_object(
        self: &Arc<Self>,
        request: CopyObject,
    ) -> Result<Written, ServiceError> {
        let source = Place {
            bucket: self.bucket(&request.source_bucket)?,
            key: request.source_key.clone(),
        };
        let target = Place {
            bucket: self.bucket(&request.bucket)?,
            key: request.key.clone(),
        };
        if !request.conditions.is_empty() {
            let present = self.present(&target, None).await?;
            let etag = present.as_ref().map(|found| &found.head.etag);
            check_write(&request.conditions, etag)?;
        }
        for _ in 0..ATTEMPTS {
            let found = self.look(&source, Want::Head, None).await?;
            check_copy(&request, &found, source == target)?;
            // Of an object that was put in parts S3 makes one with an MD5, which is not known.
            let known_md5 = matches!(found.head.etag, ETag::Md5(_));
            let same_sum = request.checksum.is_none_or(|wanted| {
                let sum = found.head.checksum.as_ref();
                sum.is_some_and(|sum| sum.sum.algorithm() == wanted)
            });
            if !known_md5 || !same_sum || !self.copies.load(Ordering::Relaxed) {
                return self.copy_through(request, source, target).await;
            }
            let intent = Intent {
                size: found.head.size,
                etag: found.head.etag,
                part_md5s: Vec::new(),
                checksum: found.head.checksum,
                part_checksums: Vec::new(),
                part_sizes: PartSizes::default(),
                metadata: metadata(&request, found.head.metadata),
                upload: None,
            };
            let inner = Arc::clone(self);
            let from = (source.clone(), found.state);
            let to = (target.clone(), request.conditions.clone());
            let copied =
                to_the_end(move |_| async move { inner.copy_inside(from, to, intent).await });
            match copied.await? {
                Inside::Written(written) => return Ok(written),
                Inside::Unsupported => self.copies.store(false, Ordering::Relaxed),
                Inside::Changed => self.contradicted(&source).await?,
            }
        }
        Err(StoreError::Changed.into())
    }

    /// Lets the store copy.
    async fn copy_inside(
        &self,
        (source, state): (Place, crate::model::ObjectState),
        (target, conditions): (Place, WriteConditions),
        intent: Intent,
    ) -> Result<Inside, ServiceError> {
        let writer = self.bucket_locks.writer(&target.bucket);
        let (guard, known) = self.lock_known(&target).await?;
        let announced = self
            .announce_locked((guard, &writer), &conditions, intent)
            .await?;
        let answer = self
            .store
            .copy(
                (&source.bucket, &source.key, &state),
                (&target.bucket, &target.key, known.as_ref()),
                announced.receipt(),
            )
            .await;
        match answer {
            Err(
                error @ (StoreError::Unsupported | StoreError::Changed | StoreError::NoSuchKey),
            ) => {
                self.withdraw(announced).await?;
                Ok(match error {
                    StoreError::Unsupported => Inside::Unsupported,
                    _ => Inside::Changed,
                })
            }
            answer => Ok(Inside::Written(self.conclude(announced, answer).await?)),
        }
    }

    /// Reads the source and writes the target.
    async fn copy_through(
        self: &Arc<Self>,
        request: CopyObject,
        source: Place,
        target: Place,
    ) -> Result<Written, ServiceError> {
        let mut found = self.look(&source, Want::Bytes(None), None).await?;
        check_copy(&request, &found, source == target)?;
        let Some((_, bytes)) = found.bytes.take() else {
            return Err(ServiceError::Internal("an object without bytes".into()));
        };
        let size = found.head.size;
        let present = found.head.checksum.as_ref();
        let present = present.map(|checksum| checksum.sum.algorithm());
        let algorithm = request.checksum.or(present);
        let algorithm = algorithm.unwrap_or(ChecksumPlan::USUAL.algorithm);
        let upload = upload(size, exactly(size, bytes, None), algorithm);
        let metadata = metadata(&request, found.head.metadata);
        let written = self
            .write(target, metadata, request.conditions, upload)
            .await;
        blame_source(written)
    }
}

/// How a copy inside the store went.
enum Inside {
    Written(Written),
    /// The source is no longer what it was.
    Changed,
    /// The store cannot copy.
    Unsupported,
}

fn check_copy(request: &CopyObject, source: &Found, onto_itself: bool) -> Result<(), ServiceError> {
    let head = &source.head;
    check_source(&request.source_conditions, head)?;
    let changes = request.changes || request.metadata.is_some() || request.checksum.is_some();
    if onto_itself && !changes {
        return Err(ServiceError::CopyOntoItself);
    }
    if head.size > MAX_PUT {
        return Err(ServiceError::SourceTooLarge);
    }
    Ok(())
}

/// What is said about the copy.
fn metadata(request: &CopyObject, source: Metadata) -> Metadata {
    let tags = match &request.tags {
        Some(tags) => tags.clone(),
        None => source.tags.clone(),
    };
    Metadata {
        tags,
        ..request.metadata.clone().unwrap_or(source)
    }
}

/// Not the client's fault: it sent no body.
pub(super) fn blame_source(
    written: Result<Written, ServiceError>,
) -> Result<Written, ServiceError> {
    match written {
        Err(ServiceError::Upload(UploadError::Io(error))) => {
            Err(ServiceError::Unavailable(error.to_string()))
        }
        written => written,
    }
}

/// The bytes of an object as an upload.
pub(super) fn upload(size: u64, bytes: ByteStream, algorithm: ChecksumAlgorithm) -> Upload {
    Upload {
        on_demand: false,
        size,
        promised: Some(algorithm),
        wanted: Wanted::default(),
        pieces: pieces(bytes, algorithm).boxed(),
    }
}

/// The same as pieces, hashed on the way.
fn pieces(
    bytes: ByteStream,
    algorithm: ChecksumAlgorithm,
) -> impl futures_util::Stream<Item = Result<Piece, UploadError>> + Send + 'static {
    let start = Some((bytes, Md5::new(), Summing::new(algorithm)));
    futures_util::stream::unfold(start, |state| async move {
        let (mut bytes, mut digest, mut sum) = state?;
        Some(match bytes.next().await {
            Some(Ok(data)) => {
                digest.update(&data);
                sum.update(&data);
                (Ok(Piece::Data(data)), Some((bytes, digest, sum)))
            }
            Some(Err(error)) => (Err(UploadError::Io(error)), None),
            None => {
                let md5 = digest.finalize().into();
                let checksum = Some(sum.finish());
                (Ok(Piece::End { md5, checksum }), None)
            }
        })
    })
}
