//! Operations to service calls, and what these return to answers.

use super::auth::Rights;
use super::error::Error;
use super::operation::{BucketsQuery, DeleteObjects, Operation};
use super::response::{self, Reply, bucket, listing, multipart, object};
use crate::model::ObjectKey;
use crate::service::{Service, ServiceError};

/// The region in which creating a bucket again is not an error.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>
const FORGIVING_REGION: &str = "us-east-1";

/// Does what the client asked.
pub(super) async fn perform(
    service: &Service,
    region: &str,
    operation: Operation,
) -> Result<Reply, Error> {
    Ok(match operation {
        Operation::ListBuckets(query, visible) => list_buckets(service, &query, &visible).await?,
        Operation::CreateBucket(name) => {
            match service.create_bucket(&name).await {
                Err(ServiceError::BucketExists) if region == FORGIVING_REGION => {}
                other => other?,
            }
            bucket::created(&name)
        }
        Operation::HeadBucket(name) => {
            service.head_bucket(&name).await?;
            bucket::head(region)
        }
        Operation::DeleteBucket(name) => {
            service.delete_bucket(&name).await?;
            response::no_content()
        }
        Operation::GetBucketLocation(name) => {
            service.head_bucket(&name).await?;
            bucket::location(region)
        }
        Operation::GetBucketVersioning(name) => {
            service.head_bucket(&name).await?;
            bucket::versioning()
        }
        Operation::ListObjects(request, echo) => {
            let page = service.list_objects(request.clone()).await?;
            listing::objects(&request, &echo, &page)
        }
        Operation::ListMultipartUploads(request, echo) => {
            let page = service.list_uploads(request.clone()).await?;
            listing::uploads(&request, &echo, &page)
        }
        Operation::DeleteObjects(request) => delete_objects(service, request).await?,
        Operation::PutObject(request, body) => {
            object::put(&service.put_object(request, body).await?.etag)
        }
        Operation::GetObject(request, overrides) => {
            object::get(service.get_object(request).await?, &overrides)
        }
        Operation::HeadObject(request, overrides) => {
            let (head, range) = service.head_object(request).await?;
            object::head(&head, range.as_ref(), &overrides)
        }
        Operation::DeleteObject(bucket, key) => {
            service.delete_object(&bucket, &key).await?;
            response::no_content()
        }
        Operation::CopyObject(request) => object::copied(&service.copy_object(request).await?),
        Operation::CreateMultipartUpload(bucket, key, metadata) => {
            let id = service
                .create_upload(&bucket, key.clone(), metadata)
                .await?;
            multipart::created(&bucket, &key, &id)
        }
        Operation::UploadPart(upload, number, body) => {
            object::put(&service.upload_part(upload, number, body).await?)
        }
        Operation::CompleteMultipartUpload(request, location) => {
            let upload = request.upload.clone();
            let written = service.complete_upload(request).await?;
            multipart::completed(&upload, &location, &written.etag)
        }
        Operation::AbortMultipartUpload(upload) => {
            service.abort_upload(&upload).await?;
            response::no_content()
        }
        Operation::ListParts(upload, query) => {
            let page = service.list_parts(&upload, query.after, query.limit);
            multipart::parts(&upload, query, &page.await?)
        }
    })
}

async fn list_buckets(
    service: &Service,
    query: &BucketsQuery,
    visible: &Rights,
) -> Result<Reply, Error> {
    let mut buckets = service.list_buckets().await?;
    buckets.retain(|bucket| {
        let name = bucket.name.as_str();
        let behind = query.after.as_deref().is_none_or(|after| name > after);
        let asked = behind && !query.elsewhere && name.starts_with(&query.prefix);
        asked && visible.include(&bucket.name)
    });
    let more = buckets.len() > query.limit;
    buckets.truncate(query.limit);
    Ok(bucket::list(&buckets, &query.prefix, more))
}

async fn delete_objects(service: &Service, request: DeleteObjects) -> Result<Reply, Error> {
    let (names, keys): (Vec<String>, Vec<Result<ObjectKey, Error>>) =
        request.entries.into_iter().unzip();
    let good = keys.iter().filter_map(|key| key.as_ref().ok().cloned());
    let mut results = service
        .delete_objects(&request.bucket, good.collect())
        .await?
        .into_iter();
    let outcomes: Vec<(String, Result<(), Error>)> = names
        .into_iter()
        .zip(keys)
        .map(|(name, key)| match key {
            Err(error) => (name, Err(error)),
            Ok(_) => match results.next() {
                Some(result) => (name, result.map_err(Error::from)),
                None => (
                    name,
                    Err(ServiceError::Internal("no answer for a key".into()).into()),
                ),
            },
        })
        .collect();
    for (name, outcome) in &outcomes {
        if let Err(error) = outcome {
            super::log_failure(error, Some(name));
        }
    }
    Ok(object::deleted(&outcomes, request.quiet))
}
