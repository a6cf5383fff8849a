//! Uploads in parts: as the plugin takes them, as equal parts of our own, or in the spool where the
//! plugin takes none.

use super::super::bindings::exports::pys3local::storage as exports;
use super::super::bindings::pys3local::storage::types::Error as GuestError;
use super::super::pool::{About, Kind};
use super::super::pulse::Pulse;
use super::super::split::Rules;
use super::super::spool::Begun;
use super::super::stream::BodyProducer;
use super::super::{convert, layout};
use super::{Plugin, names};
use crate::model::{Bucket, ByteStream, ObjectKey, ObjectState, Timestamp};
use crate::service::ports::{
    PartOptions, PutOptions, Receipt, Store as _, StoreError, StoredObject, StoredPart,
};
use wasmtime::component::StreamReader;

/// What [`Store`](crate::service::ports::Store) asks for.
impl Plugin {
    pub(super) async fn begin(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        options: PutOptions,
    ) -> Result<String, StoreError> {
        if self.multipart.is_none() {
            if let Bucket::Named(name) = bucket {
                self.stat_bucket(name).await?;
            }
            return self.spool.begin().await;
        }
        self.begin_part_upload(bucket, key, options).await
    }

    pub(super) async fn part(
        &self,
        place: (&Bucket, &ObjectKey, &str),
        options: PartOptions,
        body: ByteStream,
    ) -> Result<String, StoreError> {
        let (bucket, key, upload) = place;
        if self.multipart.is_none() {
            return self.spool.part(upload, options, body).await;
        }
        if let Some(rules) = self.equal_parts() {
            return self.put_equal_part(rules, place, options, body).await;
        }
        self.put_storage_part(bucket, key, upload, options, body)
            .await
    }

    pub(super) async fn complete(
        &self,
        place: (&Bucket, &ObjectKey, &str),
        parts: Vec<StoredPart>,
        known: Option<&ObjectState>,
        receipt: Receipt,
    ) -> Result<StoredObject, StoreError> {
        let (bucket, key, upload) = place;
        if self.multipart.is_none() {
            return self
                .put_spooled(bucket, key, upload, parts, known, receipt)
                .await;
        }
        if let Some(rules) = self.equal_parts() {
            return self
                .complete_equal_parts(rules, place, parts, known, receipt)
                .await;
        }
        let stored = self
            .complete_part_upload(bucket, key, upload, parts, known, receipt)
            .await?;
        self.forget_upload(upload).await;
        Ok(stored)
    }

    pub(super) async fn abort(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: &str,
    ) -> Result<(), StoreError> {
        if self.multipart.is_none() {
            return self.spool.remove(upload).await;
        }
        let (bucket, key) = names(bucket, key);
        self.abort_part_upload(bucket, key, upload).await
    }

    pub(super) async fn sweep_uploads(
        &self,
        before: Timestamp,
        keep: Vec<String>,
    ) -> Result<u32, StoreError> {
        let mut spools = keep.clone();
        spools.extend(keep.iter().map(|upload| layout::spool_name(upload)));
        let mut spooled = 0;
        for (dir, begun) in self.spool.left_behind(before, &spools).await? {
            if let Some(begun) = begun
                && self.multipart.is_some()
            {
                // The storage forgets it first: what is noted here is all that is known of it.
                let aborted = self
                    .abort_part_upload(begun.bucket, begun.key, &begun.upload)
                    .await;
                if let Err(error) = aborted {
                    tracing::warn!(%error, "an upload that was left behind could not be aborted");
                    continue;
                }
            } else {
                self.spool.remove(&dir).await?;
            }
            spooled += 1;
        }
        let swept = optional_call!(self, sweep, "sweep", About::NOTHING, |accessor, guest| {
            guest.call_sweep(accessor, before.0, keep)
        });
        match swept {
            Ok(count) => Ok(count.saturating_add(spooled)),
            Err(StoreError::Unsupported) => Ok(spooled),
            Err(error) => Err(error),
        }
    }

    /// What the storage demands of parts, if it wants equal ones.
    fn equal_parts(&self) -> Option<Rules> {
        self.multipart.filter(|rules| rules.equal)
    }
}

/// Calls of the plugin.
impl Plugin {
    pub(in crate::backend) async fn begin_part_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        options: PutOptions,
    ) -> Result<String, StoreError> {
        let (bucket, key) = names(bucket, key);
        let (in_bucket, of_key) = (bucket.clone(), key.clone());
        let options = convert::options(options);
        let upload = optional_call!(
            self,
            multipart,
            "begin",
            About::NOTHING,
            |accessor, guest| { guest.call_begin(accessor, bucket, key, options) }
        )?;
        let upload = convert::upload_name(upload)?;
        let begun = Begun {
            bucket: in_bucket,
            key: of_key,
            upload: upload.clone(),
        };
        if self.notes {
            self.spool
                .note(&layout::spool_name(&upload), &begun)
                .await?;
        }
        Ok(upload)
    }

    async fn abort_part_upload(
        &self,
        bucket: String,
        key: String,
        upload: &str,
    ) -> Result<(), StoreError> {
        let name = upload.to_owned();
        optional_call!(
            self,
            multipart,
            "abort",
            About::NOTHING,
            |accessor, guest| { guest.call_abort(accessor, bucket, key, name) }
        )?;
        self.forget_upload(upload).await;
        Ok(())
    }

    pub(in crate::backend) async fn put_storage_part(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: &str,
        options: PartOptions,
        body: ByteStream,
    ) -> Result<String, StoreError> {
        let (bucket, key) = names(bucket, key);
        let upload = upload.to_owned();
        let options = exports::multipart::PartOptions {
            number: options.number.get().into(),
            size: options.size,
            offset: options.offset,
        };
        let pulse = Pulse::new();
        let body = pulse.watch(body);
        let token = self
            .pool
            .call(
                ("part", Kind::Upload),
                About::NOTHING,
                &pulse,
                move |accessor, guest, _claim| {
                    Box::pin(async move {
                        let Some(guest) = &guest.multipart else {
                            return Ok(Err(GuestError::Unsupported));
                        };
                        let body = accessor.with(|mut access| {
                            StreamReader::new(&mut access, BodyProducer::new(body))
                        })?;
                        guest
                            .call_part(accessor, bucket, key, upload, options, body)
                            .await
                    })
                },
            )
            .await?;
        convert::name(token)
    }

    pub(in crate::backend) async fn complete_part_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: &str,
        parts: Vec<StoredPart>,
        known: Option<&ObjectState>,
        receipt: Receipt,
    ) -> Result<StoredObject, StoreError> {
        let (bucket, key) = names(bucket, key);
        let upload = upload.to_owned();
        let parts: Vec<_> = parts
            .into_iter()
            .map(|part| exports::multipart::PartRef {
                number: part.number.get().into(),
                size: part.size,
                token: part.token,
            })
            .collect();
        let (known, receipt) = (known.map(convert::state), convert::receipt(&receipt));
        let about = self.pool.about(&bucket, [&*key]);
        let info = optional_call!(self, multipart, "complete", about, |accessor, guest| guest
            .call_complete(accessor, bucket, key, upload, parts, known, receipt))?;
        convert::object(info)
    }
}
