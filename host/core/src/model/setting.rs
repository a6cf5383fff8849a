//! What clients can configure of a bucket.

/// A setting that is kept for a bucket: a document that the client gets back as it was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BucketSetting {
    /// Which web pages may use the bucket.
    Cors,
    /// Promises not to open the bucket to everybody.
    PublicAccessBlock,
    /// Labels.
    Tagging,
    /// That no versions are kept, said by somebody.
    Versioning,
}

impl BucketSetting {
    /// Its name in a query of S3, and in a database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cors => "cors",
            Self::PublicAccessBlock => "publicAccessBlock",
            Self::Tagging => "tagging",
            Self::Versioning => "versioning",
        }
    }
}
