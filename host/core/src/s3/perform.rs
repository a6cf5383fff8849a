//! Operations to service calls, and what these return to answers.

use super::address::Domains;
use super::auth::Rights;
use super::error::{Error, RequestError};
use super::late;
use super::operation::{BucketsQuery, DeleteObjects, Named, Operation};
use super::response::{self, Reply, RequestId, attributes, bucket, listing, multipart, object};
use super::setting::{self, Setting};
use crate::model::{BucketSetting, Section};
use crate::service::{Service, ServiceError};
use http::request::Parts;
use std::sync::Arc;

/// The region in which creating a bucket again is not an error.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>
const FORGIVING_REGION: &str = "us-east-1";

/// What an operation is performed with.
pub(super) struct Context<'c> {
    pub(super) service: &'c Arc<Service>,
    pub(super) region: &'c str,
    /// The head of the request.
    pub(super) parts: &'c Parts,
    pub(super) domains: &'c Domains,
    pub(super) id: &'c RequestId,
}

/// Does what the client asked. The larger operations are boxed: else every layer above would move
/// about as many bytes as the largest of them has.
#[expect(clippy::too_many_lines, reason = "a table of all operations")]
pub(super) async fn perform(context: &Context<'_>, operation: Operation) -> Result<Reply, Error> {
    let Context {
        service, region, ..
    } = *context;
    Ok(match operation {
        Operation::ListBuckets(query, visible) => {
            list_buckets(service, region, &query, &visible).await?
        }
        Operation::CreateBucket(name, tags) => {
            let setting = (!tags.is_empty()).then(|| setting::kept_tags(&tags));
            match Box::pin(service.create_bucket(&name, setting)).await {
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
            Box::pin(service.delete_bucket(&name)).await?;
            response::no_content()
        }
        Operation::GetBucketLocation(name) => {
            service.head_bucket(&name).await?;
            bucket::location(region)
        }
        Operation::GetSetting(name, setting) => {
            service.head_bucket(&name).await?;
            let kept = match setting.kept() {
                Some(kept) => service.bucket_setting(&name, kept).await?,
                None => None,
            };
            match kept {
                Some(document) => response::document(document.into()),
                None => response::document(setting.document()?),
            }
        }
        Operation::PutSetting(name, None) => {
            service.head_bucket(&name).await?;
            response::ok()
        }
        Operation::PutSetting(name, Some((setting, document))) => {
            let set = service.set_bucket_setting(&name, setting, Some(document));
            set.await?;
            match setting {
                // Of all settings this one alone.
                BucketSetting::Tagging => response::no_content(),
                _ => response::ok(),
            }
        }
        Operation::RemoveSetting(name, None) => {
            service.head_bucket(&name).await?;
            response::no_content()
        }
        Operation::RemoveSetting(name, Some(setting)) => {
            service.set_bucket_setting(&name, setting, None).await?;
            response::no_content()
        }
        Operation::ListConfigurations(name, listed) => {
            service.head_bucket(&name).await?;
            response::document(listed.document())
        }
        Operation::GetConfiguration(name, id) => {
            service.head_bucket(&name).await?;
            return Err(RequestError::NoSuchConfiguration(id).into());
        }
        Operation::GetObjectLock(name) => {
            service.head_bucket(&name).await?;
            return Err(RequestError::NoObjectLock.into());
        }
        Operation::GetObjectAcl(request) => {
            Box::pin(service.head_object(request)).await?;
            response::document(Setting::Acl.document()?)
        }
        Operation::KeepObjectAcl(request) => {
            Box::pin(service.head_object(request)).await?;
            response::ok()
        }
        Operation::ListObjects(request, echo) => {
            let page = Box::pin(service.list_objects(request.clone())).await?;
            listing::objects(&request, &echo, &page)
        }
        Operation::ListMultipartUploads(request, echo) => {
            let page = service.list_uploads(request.clone()).await?;
            listing::uploads(&request, &echo, &page)
        }
        Operation::DeleteObjects(request) => Box::pin(delete_objects(service, request)).await?,
        Operation::PutObject(request, body) => {
            object::put(&Box::pin(service.put_object(request, body)).await?)
        }
        Operation::PostObject(request, body, answer) => {
            let (bucket, key) = (request.bucket.clone(), request.key.clone());
            let written = Box::pin(service.put_object(request, body)).await?;
            object::posted(&bucket, &key, &written, &answer)
        }
        Operation::GetObject(request, answering) => {
            let part = matches!(request.section, Some(Section::Part(_)));
            let found = Box::pin(service.get_object(request)).await;
            object::get(
                found.map_err(|error| answering.fail(error))?,
                part,
                &answering,
            )
        }
        Operation::HeadObject(request, answering) => {
            let part = matches!(request.section, Some(Section::Part(_)));
            let found = Box::pin(service.head_object(request)).await;
            let (head, range) = found.map_err(|error| answering.fail(error))?;
            object::head(&head, range.as_ref(), part, &answering)
        }
        Operation::DeleteObject(bucket, key, conditions) => {
            service.delete_object(&bucket, &key, conditions).await?;
            response::no_content()
        }
        Operation::GetObjectAttributes(query) => {
            let found = service.object_attributes(&query.bucket, &query.key, &query.conditions);
            let found = Box::pin(found).await?;
            attributes::attributes(&query, &found)
        }
        Operation::GetObjectTagging(bucket, key) => {
            attributes::tags(&Box::pin(service.object_tags(&bucket, &key)).await?)
        }
        Operation::PutObjectTagging(bucket, key, tags) => {
            service.set_object_tags(&bucket, &key, tags).await?;
            response::ok()
        }
        Operation::DeleteObjectTagging(bucket, key) => {
            service.set_object_tags(&bucket, &key, Vec::new()).await?;
            response::no_content()
        }
        Operation::CopyObject(request) => {
            let service = Arc::clone(service);
            let work = async move { Ok(object::copied(&service.copy_object(request).await?)) };
            Box::pin(late::answer(context, work)).await?
        }
        Operation::CreateMultipartUpload(bucket, key, metadata, plan) => {
            let id = service
                .create_upload(&bucket, key.clone(), metadata, plan)
                .await?;
            multipart::created(&bucket, &key, &id, plan)
        }
        Operation::UploadPart(upload, number, body) => {
            object::part(&service.upload_part(upload, number, body).await?)
        }
        Operation::UploadPartCopy(request) => {
            let service = Arc::clone(service);
            let work =
                async move { Ok(multipart::copied(&service.upload_part_copy(request).await?)) };
            Box::pin(late::answer(context, work)).await?
        }
        Operation::CompleteMultipartUpload(request, location) => {
            let upload = request.upload.clone();
            let service = Arc::clone(service);
            let work = async move {
                let written = service.complete_upload(request).await?;
                Ok(multipart::completed(&upload, &location, &written))
            };
            Box::pin(late::answer(context, work)).await?
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
    region: &str,
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
    let region = query.regions.then_some(region);
    Ok(bucket::list(&buckets, &query.prefix, more, region))
}

async fn delete_objects(service: &Service, request: DeleteObjects) -> Result<Reply, Error> {
    let DeleteObjects {
        bucket,
        quiet,
        entries,
    } = request;
    let free = entries.iter().filter_map(|(_, entry)| match entry {
        Ok((key, conditions)) if conditions.is_empty() => Some(key.clone()),
        _ => None,
    });
    let mut results = service
        .delete_objects(&bucket, free.collect())
        .await?
        .into_iter();
    let mut outcomes: Vec<(Named, Result<(), Error>)> = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        let outcome = match entry {
            Err(error) => Err(error),
            Ok((_, conditions)) if conditions.is_empty() => match results.next() {
                Some(result) => result.map_err(Error::from),
                None => Err(ServiceError::Internal("no answer for a key".into()).into()),
            },
            Ok((key, conditions)) => service
                .delete_object(&bucket, &key, conditions)
                .await
                .map_err(Error::from),
        };
        if let Err(error) = &outcome {
            super::log_failure(error, Some(&name.0));
        }
        outcomes.push((name, outcome));
    }
    Ok(object::deleted(&outcomes, quiet))
}
