//! Buckets, real ones and the virtual one of default-bucket mode.

use super::gate::to_the_end;
use super::ports::{StoreError, StoredBucket};
use super::{BucketMode, Inner, ServiceError};
use crate::model::{Bucket, BucketName, BucketSetting};
use std::sync::Arc;

/// The only bucket of default-bucket mode.
pub const DEFAULT_BUCKET: &str = "default";

/// Uploads that are aborted at a time when their bucket goes.
const UPLOADS: usize = 100;

impl Inner {
    /// Where the store keeps this bucket. In default-bucket mode another name than `default` is
    /// no bucket.
    pub(super) fn bucket(&self, name: &BucketName) -> Result<Bucket, ServiceError> {
        match self.options.mode {
            BucketMode::Advanced => Ok(Bucket::Named(name.clone())),
            BucketMode::Default if name.as_str() == DEFAULT_BUCKET => Ok(Bucket::Root),
            BucketMode::Default => Err(ServiceError::NoSuchBucket),
        }
    }

    /// For operations on which a store does not itself say that the bucket is missing.
    pub(super) async fn require_bucket(&self, bucket: &Bucket) -> Result<(), ServiceError> {
        if let Bucket::Named(name) = bucket {
            self.store.stat_bucket(name).await?;
        }
        Ok(())
    }

    pub(super) async fn list_buckets(&self) -> Result<Vec<StoredBucket>, ServiceError> {
        if self.options.mode == BucketMode::Default {
            let name = DEFAULT_BUCKET
                .parse()
                .map_err(|error| ServiceError::Internal(format!("{DEFAULT_BUCKET}: {error}")))?;
            let created = None;
            return Ok(vec![StoredBucket { name, created }]);
        }
        let mut buckets = self.store.list_buckets().await?;
        buckets.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(buckets)
    }

    pub(super) async fn create_bucket(
        &self,
        name: &BucketName,
        setting: Option<(BucketSetting, String)>,
    ) -> Result<(), ServiceError> {
        match (self.options.mode, setting) {
            // Clients that create their bucket first are not disappointed.
            (BucketMode::Default, None) => Ok(()),
            (BucketMode::Default, Some((setting, document))) => {
                self.set_bucket_setting(name, setting, Some(document)).await
            }
            (BucketMode::Advanced, setting) => {
                let bucket = Bucket::Named(name.clone());
                // What a deletion still forgets must not be the new one's.
                let _alone = self.bucket_changes.lock(&bucket).await;
                self.prepare(&bucket, name, setting).await?;
                self.store.create_bucket(name).await?;
                // One of that name may have gone without us.
                self.close_index(&bucket).await
            }
        }
    }

    /// Sees to what a bucket has from its first moment: nothing of one of that name that has gone
    /// without us, and perhaps a setting. If that fails half-way, who tries again still finds no bucket.
    async fn prepare(
        &self,
        bucket: &Bucket,
        name: &BucketName,
        setting: Option<(BucketSetting, String)>,
    ) -> Result<(), ServiceError> {
        match self.store.stat_bucket(name).await {
            Ok(_) => return Err(ServiceError::BucketExists),
            Err(StoreError::NoSuchBucket) => {}
            Err(error) => return Err(error.into()),
        }
        self.abort_uploads_of(bucket).await?;
        self.cache.forget_settings(bucket).await?;
        if let Some((setting, document)) = setting {
            let document = Some(document);
            self.cache.set_setting(bucket, setting, document).await?;
        }
        Ok(())
    }

    pub(super) async fn head_bucket(&self, name: &BucketName) -> Result<(), ServiceError> {
        let bucket = self.bucket(name)?;
        self.require_bucket(&bucket).await
    }

    pub(super) async fn delete_bucket(
        self: &Arc<Self>,
        name: &BucketName,
    ) -> Result<(), ServiceError> {
        match self.options.mode {
            BucketMode::Default if name.as_str() == DEFAULT_BUCKET => {
                Err(ServiceError::BucketNotEmpty)
            }
            BucketMode::Default => Ok(()),
            BucketMode::Advanced => {
                let (inner, name) = (Arc::clone(self), name.clone());
                // Half-way given up, it would let somebody publish into what is gone.
                to_the_end(move |_| async move { inner.delete_real_bucket(&name).await }).await
            }
        }
    }

    async fn delete_real_bucket(&self, name: &BucketName) -> Result<(), ServiceError> {
        let bucket = Bucket::Named(name.clone());
        let _alone = self.bucket_changes.lock(&bucket).await;
        let emptied = self.bucket_locks.empty(&bucket).await;
        self.store.delete_bucket(name).await?;
        // Those who wait to publish are refused first: a completion among them would keep its upload
        // from being aborted.
        emptied.deleted();
        self.close_index(&bucket).await?;
        self.cache.forget_settings(&bucket).await?;
        self.abort_uploads_of(&bucket).await
    }

    pub(super) async fn bucket_setting(
        &self,
        name: &BucketName,
        setting: BucketSetting,
    ) -> Result<Option<String>, ServiceError> {
        Ok(self.cache.setting(&self.bucket(name)?, setting).await?)
    }

    pub(super) async fn set_bucket_setting(
        &self,
        name: &BucketName,
        setting: BucketSetting,
        document: Option<String>,
    ) -> Result<(), ServiceError> {
        let bucket = self.bucket(name)?;
        self.require_bucket(&bucket).await?;
        Ok(self.cache.set_setting(&bucket, setting, document).await?)
    }

    /// Forgets the uploads of a bucket that is gone.
    async fn abort_uploads_of(&self, bucket: &Bucket) -> Result<(), ServiceError> {
        loop {
            let uploads = self.cache.uploads(bucket, "", None, UPLOADS).await?;
            if uploads.is_empty() {
                return Ok(());
            }
            for upload in uploads {
                match self.discard_upload(bucket, &upload).await {
                    Ok(()) | Err(ServiceError::NoSuchUpload) => {}
                    Err(error) => {
                        // The next bucket of this name must not have it. What the storage keeps of
                        // it is swept after a start.
                        tracing::warn!(upload = %upload.id, %error, "the storage may keep parts of an upload");
                        self.cache.delete_upload(bucket, &upload.id).await?;
                        self.uploads.end(&upload.id);
                    }
                }
            }
        }
    }
}
