//! What a client says about an object beside its bytes.

/// Headers that S3 keeps with an object and returns unchanged.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `Content-Type`; S3 answers `binary/octet-stream` when none was sent.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding`, without `aws-chunked`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Expires`, as sent.
    pub expires: Option<String>,
    /// `x-amz-meta-*`: names in lower case without that prefix, in the order they came.
    pub user: Vec<(String, String)>,
    /// Tags, in the order they came.
    pub tags: Vec<(String, String)>,
}
