//! Answers about buckets.

use super::{OWNER, Reply, document, ok, set};
use crate::model::{BucketName, Timestamp};
use crate::s3::date::XmlDate;
use crate::s3::header;
use crate::s3::token;
use crate::s3::xml::write;
use crate::service::ports::StoredBucket;
use http::header::LOCATION;

/// The region that has no name in GetBucketLocation.
const NAMELESS_REGION: &str = "us-east-1";

/// ListBuckets. Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html>
/// `region`: where they are, for clients that page.
pub(crate) fn list(
    buckets: &[StoredBucket],
    prefix: &str,
    more: bool,
    region: Option<&str>,
) -> Reply {
    document(write::document("ListAllMyBucketsResult", |result| {
        result.element("Owner", |owner| {
            owner.text("ID", OWNER);
            owner.text("DisplayName", OWNER);
        });
        result.element("Buckets", |list| {
            for bucket in buckets {
                list.element("Bucket", |item| {
                    item.text("Name", &bucket.name);
                    // Clients want a date, known or not.
                    let created = bucket.created.unwrap_or(Timestamp(0));
                    item.text("CreationDate", XmlDate(created));
                    if let Some(region) = region {
                        item.text("BucketRegion", region);
                    }
                });
            }
        });
        if let (true, Some(last)) = (more, buckets.last()) {
            result.text("ContinuationToken", token::encode(last.name.as_str()));
        }
        if !prefix.is_empty() {
            result.text("Prefix", prefix);
        }
    }))
}

/// CreateBucket.
pub(crate) fn created(bucket: &BucketName) -> Reply {
    let mut reply = ok();
    set(reply.headers_mut(), LOCATION, format_args!("/{bucket}"));
    reply
}

/// HeadBucket.
pub(crate) fn head(region: &str) -> Reply {
    let mut reply = ok();
    set(reply.headers_mut(), header::BUCKET_REGION, region);
    reply
}

/// GetBucketLocation.
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html>
pub(crate) fn location(region: &str) -> Reply {
    document(write::document("LocationConstraint", |location| {
        if region != NAMELESS_REGION {
            location.content(region);
        }
    }))
}
