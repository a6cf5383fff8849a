//! Which operation a request asks for: method, address, and the sub-resource in its query.

use super::address::Address;
use super::header;
use super::listed::Listed;
use super::query::Query;
use super::setting::{Methods, Setting};
use crate::model::{BucketName, ObjectKey};
use http::{HeaderMap, Method};

/// An operation and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// ListBuckets.
    ListBuckets,
    /// An operation on a bucket.
    Bucket(BucketCall, BucketName),
    /// An operation on an object.
    Object(ObjectCall, BucketName, ObjectKey),
}

/// Operations on a bucket, by AWS's names.
#[expect(
    missing_docs,
    reason = "the names are AWS's, and the whole description"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketCall {
    CreateBucket,
    HeadBucket,
    DeleteBucket,
    GetBucketLocation,
    ListObjects,
    ListObjectsV2,
    ListObjectVersions,
    ListMultipartUploads,
    DeleteObjects,
    PostObject,
    GetSetting(Setting),
    PutSetting(Setting),
    DeleteSetting(Setting),
    ListConfigurations(Listed),
    GetConfiguration(Listed),
    DeleteConfiguration(Listed),
}

/// Operations on an object, by AWS's names.
#[expect(
    missing_docs,
    reason = "the names are AWS's, and the whole description"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectCall {
    PutObject,
    GetObject,
    HeadObject,
    DeleteObject,
    CopyObject,
    CreateMultipartUpload,
    UploadPart,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListParts,
    UploadPartCopy,
    GetObjectAttributes,
    GetObjectTagging,
    PutObjectTagging,
    DeleteObjectTagging,
    GetObjectAcl,
    PutObjectAcl,
    GetObjectLock,
    PutObjectLock,
}

/// No operation of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// S3 has it, the gateway does not.
    #[error("{0} is not implemented")]
    NotImplemented(&'static str),
    /// Nobody has it.
    #[error("the method is not allowed here")]
    MethodNotAllowed {
        /// The methods that are (for the `Allow` header).
        allow: &'static str,
    },
    /// Two sub-resources at once.
    #[error("conflicting sub-resources {0} and {1}")]
    Conflict(&'static str, &'static str),
    /// `partNumber` without `uploadId` or the reverse; carries the missing one.
    #[error("{0} is missing")]
    PartIncomplete(&'static str),
}

/// Sub-resources (query parameters that turn a request into another operation) of S3 that the
/// gateway does not have. A request with one of these must never be answered, or worse
/// executed, as the plain operation of its method. Everything that is not in here nor in
/// [`OURS`] is ignored, as AWS does (`x-id` for example).
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>
const FOREIGN: &[&str] = &[
    "abac",
    "annotation",
    "append",
    "metadataAnnotationTable",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "renameObject",
    "restore",
    "select",
    "session",
    "torrent",
];

/// Sub-resources that the gateway has.
const OURS: &[&str] = &[
    "attributes",
    "delete",
    "legal-hold",
    "location",
    "retention",
    "tagging",
    "uploadId",
    "uploads",
    "versions",
];

/// The sub-resource of the request that the gateway has: one of [`OURS`], a [`Setting`], or one
/// that is [`Listed`].
fn ours(query: &Query) -> impl Iterator<Item = &'static str> + '_ {
    let settings = query.names().filter_map(Setting::named).map(Setting::name);
    let listed = query.names().filter_map(Listed::named).map(Listed::name);
    known(query, OURS).chain(settings).chain(listed)
}

/// Finds the operation.
pub fn route(
    method: &Method,
    address: Address,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Route, RouteError> {
    if let Some(name) = known(query, FOREIGN).next() {
        return Err(RouteError::NotImplemented(name));
    }
    let mut ours = ours(query);
    let sub = ours.next();
    if let (Some(first), Some(second)) = (sub, ours.find(|name| Some(*name) != sub)) {
        return Err(RouteError::Conflict(first, second));
    }
    match address {
        Address::Service if method == Method::GET && sub.is_none() => Ok(Route::ListBuckets),
        Address::Service => Err(RouteError::MethodNotAllowed { allow: "GET" }),
        Address::Bucket(name) => Ok(Route::Bucket(bucket(method, sub, query)?, name)),
        Address::Object(name, key) => {
            let call = object(method, sub, query, headers)?;
            Ok(Route::Object(call, name, key))
        }
    }
}

/// The sub-resources of `list` in the request.
fn known<'q>(
    query: &'q Query,
    list: &'static [&'static str],
) -> impl Iterator<Item = &'static str> + 'q {
    let in_list = move |name| list.iter().find(|known| **known == name).copied();
    query.names().filter_map(in_list)
}

fn bucket(method: &Method, sub: Option<&str>, query: &Query) -> Result<BucketCall, RouteError> {
    if let Some(setting) = sub.and_then(Setting::named) {
        let methods = setting.methods();
        return match (method.as_str(), methods) {
            ("GET", _) => Ok(BucketCall::GetSetting(setting)),
            ("PUT", Methods::GetPut | Methods::GetPutDelete) => Ok(BucketCall::PutSetting(setting)),
            ("DELETE", Methods::GetPutDelete) => Ok(BucketCall::DeleteSetting(setting)),
            _ => Err(RouteError::MethodNotAllowed {
                allow: methods.allow(),
            }),
        };
    }
    if let Some(listed) = sub.and_then(Listed::named) {
        return match method.as_str() {
            "GET" if query.has("id") => Ok(BucketCall::GetConfiguration(listed)),
            "GET" => Ok(BucketCall::ListConfigurations(listed)),
            "PUT" => Err(RouteError::NotImplemented(listed.name())),
            "DELETE" => Ok(BucketCall::DeleteConfiguration(listed)),
            _ => Err(RouteError::MethodNotAllowed {
                allow: "GET, PUT, DELETE",
            }),
        };
    }
    match (method.as_str(), sub) {
        ("PUT", None) => Ok(BucketCall::CreateBucket),
        ("HEAD", None) => Ok(BucketCall::HeadBucket),
        ("DELETE", None) => Ok(BucketCall::DeleteBucket),
        ("GET", None) if query.has("list-type") => Ok(BucketCall::ListObjectsV2),
        ("GET", None) => Ok(BucketCall::ListObjects),
        ("GET", Some("location")) => Ok(BucketCall::GetBucketLocation),
        ("GET", Some("versions")) => Ok(BucketCall::ListObjectVersions),
        ("GET", Some("uploads")) => Ok(BucketCall::ListMultipartUploads),
        ("POST", Some("delete")) => Ok(BucketCall::DeleteObjects),
        ("POST", None) => Ok(BucketCall::PostObject),
        _ => Err(RouteError::MethodNotAllowed {
            allow: match sub {
                None => "GET, HEAD, PUT, POST, DELETE",
                Some("delete") => "POST",
                Some("location" | "uploads" | "versions") => "GET",
                Some(_) => "",
            },
        }),
    }
}

fn object(
    method: &Method,
    sub: Option<&str>,
    query: &Query,
    headers: &HeaderMap,
) -> Result<ObjectCall, RouteError> {
    let part = query.has("partNumber");
    let copy = headers.contains_key(header::COPY_SOURCE);
    match (method.as_str(), sub) {
        ("GET", None) => Ok(ObjectCall::GetObject),
        ("HEAD", None) => Ok(ObjectCall::HeadObject),
        ("DELETE", None) => Ok(ObjectCall::DeleteObject),
        ("PUT", None) if part => Err(RouteError::PartIncomplete("uploadId")),
        ("PUT", None) if copy => Ok(ObjectCall::CopyObject),
        ("PUT", None) => Ok(ObjectCall::PutObject),
        ("PUT", Some("uploadId")) if !part => Err(RouteError::PartIncomplete("partNumber")),
        ("PUT", Some("uploadId")) if copy => Ok(ObjectCall::UploadPartCopy),
        ("PUT", Some("uploadId")) => Ok(ObjectCall::UploadPart),
        ("GET", Some("attributes")) => Ok(ObjectCall::GetObjectAttributes),
        ("GET", Some("tagging")) => Ok(ObjectCall::GetObjectTagging),
        ("PUT", Some("tagging")) => Ok(ObjectCall::PutObjectTagging),
        ("DELETE", Some("tagging")) => Ok(ObjectCall::DeleteObjectTagging),
        ("GET", Some("uploadId")) => Ok(ObjectCall::ListParts),
        ("DELETE", Some("uploadId")) => Ok(ObjectCall::AbortMultipartUpload),
        ("POST", Some("uploadId")) => Ok(ObjectCall::CompleteMultipartUpload),
        ("POST", Some("uploads")) => Ok(ObjectCall::CreateMultipartUpload),
        ("GET", Some("acl")) => Ok(ObjectCall::GetObjectAcl),
        ("PUT", Some("acl")) => Ok(ObjectCall::PutObjectAcl),
        ("PUT", Some("encryption")) => Err(RouteError::NotImplemented("encryption")),
        ("GET", Some("legal-hold" | "retention")) => Ok(ObjectCall::GetObjectLock),
        ("PUT", Some("legal-hold" | "retention")) => Ok(ObjectCall::PutObjectLock),
        _ => Err(RouteError::MethodNotAllowed {
            allow: match sub {
                None => "GET, HEAD, PUT, DELETE",
                Some("attributes") => "GET",
                Some("acl" | "legal-hold" | "retention") => "GET, PUT",
                Some("tagging") => "GET, PUT, DELETE",
                Some("uploadId") => "GET, PUT, POST, DELETE",
                Some("uploads") => "POST",
                Some(_) => "",
            },
        }),
    }
}

impl Route {
    /// AWS's name of the operation, for the log.
    pub fn name(&self) -> &'static str {
        use {BucketCall as B, ObjectCall as O};
        match self {
            Self::ListBuckets => "ListBuckets",
            Self::Bucket(B::CreateBucket, _) => "CreateBucket",
            Self::Bucket(B::HeadBucket, _) => "HeadBucket",
            Self::Bucket(B::DeleteBucket, _) => "DeleteBucket",
            Self::Bucket(B::GetBucketLocation, _) => "GetBucketLocation",
            Self::Bucket(B::ListObjects, _) => "ListObjects",
            Self::Bucket(B::ListObjectsV2, _) => "ListObjectsV2",
            Self::Bucket(B::ListObjectVersions, _) => "ListObjectVersions",
            Self::Bucket(B::ListMultipartUploads, _) => "ListMultipartUploads",
            Self::Bucket(B::DeleteObjects, _) => "DeleteObjects",
            Self::Bucket(B::PostObject, _) => "PostObject",
            Self::Bucket(B::GetSetting(_), _) => "GetBucketSetting",
            Self::Bucket(B::PutSetting(_), _) => "PutBucketSetting",
            Self::Bucket(B::DeleteSetting(_), _) => "DeleteBucketSetting",
            Self::Bucket(B::ListConfigurations(_), _) => "ListBucketConfigurations",
            Self::Bucket(B::GetConfiguration(_), _) => "GetBucketConfiguration",
            Self::Bucket(B::DeleteConfiguration(_), _) => "DeleteBucketConfiguration",
            Self::Object(O::GetObjectLock, ..) => "GetObjectLock",
            Self::Object(O::PutObjectLock, ..) => "PutObjectLock",
            Self::Object(O::PutObject, ..) => "PutObject",
            Self::Object(O::GetObject, ..) => "GetObject",
            Self::Object(O::HeadObject, ..) => "HeadObject",
            Self::Object(O::DeleteObject, ..) => "DeleteObject",
            Self::Object(O::CopyObject, ..) => "CopyObject",
            Self::Object(O::CreateMultipartUpload, ..) => "CreateMultipartUpload",
            Self::Object(O::UploadPart, ..) => "UploadPart",
            Self::Object(O::CompleteMultipartUpload, ..) => "CompleteMultipartUpload",
            Self::Object(O::AbortMultipartUpload, ..) => "AbortMultipartUpload",
            Self::Object(O::ListParts, ..) => "ListParts",
            Self::Object(O::UploadPartCopy, ..) => "UploadPartCopy",
            Self::Object(O::GetObjectAttributes, ..) => "GetObjectAttributes",
            Self::Object(O::GetObjectTagging, ..) => "GetObjectTagging",
            Self::Object(O::PutObjectTagging, ..) => "PutObjectTagging",
            Self::Object(O::DeleteObjectTagging, ..) => "DeleteObjectTagging",
            Self::Object(O::GetObjectAcl, ..) => "GetObjectAcl",
            Self::Object(O::PutObjectAcl, ..) => "PutObjectAcl",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ask(method: &str, target: &str, headers: &HeaderMap) -> Result<&'static str, RouteError> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let address = match path {
            "/" => Address::Service,
            "/b" => Address::Bucket("abc".parse().unwrap()),
            _ => Address::Object("abc".parse().unwrap(), "k".parse().unwrap()),
        };
        let query = Query::parse(Some(query)).unwrap();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        route(&method, address, &query, headers).map(|route| route.name())
    }

    fn plain(method: &str, target: &str) -> Result<&'static str, RouteError> {
        ask(method, target, &HeaderMap::new())
    }

    #[test]
    fn every_operation_has_its_request() {
        for (method, target, operation) in [
            ("GET", "/", "ListBuckets"),
            ("PUT", "/b", "CreateBucket"),
            ("HEAD", "/b", "HeadBucket"),
            ("DELETE", "/b", "DeleteBucket"),
            ("GET", "/b?location", "GetBucketLocation"),
            ("GET", "/b?versioning", "GetBucketSetting"),
            ("GET", "/b?prefix=x", "ListObjects"),
            ("GET", "/b?list-type=2", "ListObjectsV2"),
            ("GET", "/b?uploads", "ListMultipartUploads"),
            ("GET", "/b?versions", "ListObjectVersions"),
            ("POST", "/b?delete", "DeleteObjects"),
            ("POST", "/b", "PostObject"),
            ("PUT", "/b/k", "PutObject"),
            ("GET", "/b/k", "GetObject"),
            ("HEAD", "/b/k", "HeadObject"),
            ("DELETE", "/b/k", "DeleteObject"),
            ("POST", "/b/k?uploads", "CreateMultipartUpload"),
            ("PUT", "/b/k?partNumber=1&uploadId=u", "UploadPart"),
            ("POST", "/b/k?uploadId=u", "CompleteMultipartUpload"),
            ("DELETE", "/b/k?uploadId=u", "AbortMultipartUpload"),
            ("GET", "/b/k?uploadId=u", "ListParts"),
            ("GET", "/b/k?partNumber=2", "GetObject"),
            ("HEAD", "/b/k?partNumber=2", "HeadObject"),
            ("GET", "/b/k?attributes", "GetObjectAttributes"),
            ("GET", "/b/k?tagging", "GetObjectTagging"),
            ("PUT", "/b/k?tagging", "PutObjectTagging"),
            ("DELETE", "/b/k?tagging", "DeleteObjectTagging"),
            ("GET", "/b/k?acl", "GetObjectAcl"),
            ("PUT", "/b/k?acl", "PutObjectAcl"),
            ("GET", "/b?cors", "GetBucketSetting"),
            ("GET", "/b?tagging", "GetBucketSetting"),
            ("PUT", "/b?acl", "PutBucketSetting"),
            ("DELETE", "/b?policy", "DeleteBucketSetting"),
            ("GET", "/b?inventory", "ListBucketConfigurations"),
            ("GET", "/b?metrics&id=x", "GetBucketConfiguration"),
            ("DELETE", "/b?analytics&id=x", "DeleteBucketConfiguration"),
            ("GET", "/b/k?retention", "GetObjectLock"),
            ("PUT", "/b/k?legal-hold", "PutObjectLock"),
        ] {
            assert_eq!(plain(method, target), Ok(operation), "{method} {target}");
        }
        let mut copy = HeaderMap::new();
        copy.insert(header::COPY_SOURCE, "abc/k".parse().unwrap());
        assert_eq!(ask("PUT", "/b/k", &copy), Ok("CopyObject"));
        assert_eq!(
            ask("PUT", "/b/k?uploadId=u&partNumber=1", &copy),
            Ok("UploadPartCopy")
        );
    }

    #[test]
    fn a_sub_resource_that_we_lack_is_never_answered_as_something_else() {
        for name in FOREIGN {
            for method in ["GET", "PUT", "HEAD", "POST", "DELETE"] {
                for path in ["/", "/b", "/b/k"] {
                    let target = format!("{path}?{name}&uploads");
                    let refused = Err(RouteError::NotImplemented(name));
                    assert_eq!(plain(method, &target), refused, "{method} {target}");
                }
            }
        }
    }

    #[test]
    fn a_parameter_that_nobody_knows_is_ignored() {
        assert_eq!(plain("GET", "/b/k?x-id=GetObject&Acl"), Ok("GetObject"));
        assert_eq!(plain("DELETE", "/b?x"), Ok("DeleteBucket"));
    }

    #[test]
    fn a_method_without_meaning_is_not_allowed() {
        for (method, target) in [
            ("PUT", "/"),
            ("GET", "/?uploads"),
            ("DELETE", "/b?location"),
            ("DELETE", "/b?uploads"),
            ("GET", "/b?delete"),
            ("POST", "/b/k"),
            ("PUT", "/b/k?uploads"),
            ("HEAD", "/b/k?uploadId=u"),
            ("DELETE", "/b/k?delete"),
            ("PATCH", "/b/k"),
            ("GET", "/?acl"),
            ("HEAD", "/b?acl"),
            ("POST", "/b?policy"),
            ("GET", "/b/k?cors"),
            ("PUT", "/b/k?policy"),
            ("DELETE", "/b/k?acl"),
            ("DELETE", "/b/k?lifecycle"),
            ("GET", "/b/k?inventory"),
            ("DELETE", "/b/k?retention"),
            ("GET", "/b?legal-hold"),
            ("TRACE", "/b"),
        ] {
            let refused = plain(method, target);
            assert!(
                matches!(refused, Err(RouteError::MethodNotAllowed { .. })),
                "{method} {target}: {refused:?}"
            );
        }
    }

    #[test]
    fn a_part_never_replaces_the_object() {
        let missing = |name| Err(RouteError::PartIncomplete(name));
        assert_eq!(plain("PUT", "/b/k?partNumber=1"), missing("uploadId"));
        assert_eq!(plain("PUT", "/b/k?uploadId=u"), missing("partNumber"));
    }

    #[test]
    fn two_sub_resources_at_once_conflict() {
        assert_eq!(
            plain("GET", "/b?uploads&uploads&location"),
            Err(RouteError::Conflict("uploads", "location"))
        );
    }

    proptest! {
        #[test]
        fn no_query_makes_the_router_panic(method in "GET|PUT|POST|HEAD|DELETE", query in "[a-zA-Z&=]{0,40}") {
            let _ = plain(&method, &format!("/b/k?{query}"));
            let _ = plain(&method, &format!("/b?{query}"));
        }
    }
}
