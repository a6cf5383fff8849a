//! A running plugin as the [`Store`] that the service asks for.

use super::bindings::exports::pys3local::storage as exports;
use super::bindings::pys3local::storage::types::Error as GuestError;
use super::convert;
use super::layout::Layouts;
use super::pool::{About, Kind, Pool};
use super::pulse::{Patient, Pulse};
use super::split::{Rules, Window};
use super::spool::Spool;
use super::stream::{BodyProducer, Exactly, Taken, take_body};
use crate::model::{Bucket, BucketName, ByteStream, ObjectKey, ObjectState, Timestamp};
use crate::service::ports::{
    PartOptions, PutOptions, Receipt, RowTrust, ScanPage, Store, StoreError, StoreListQuery,
    StorePage, StoredBucket, StoredObject, StoredPart, Verdict,
};
use async_trait::async_trait;
use futures_util::{StreamExt as _, poll, stream};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use wasmtime::component::{FutureReader, StreamReader};

/// Deletions of one request that run at the same time if the plugin takes them one by one.
const DELETIONS: usize = 8;

/// A plugin behind the port of the service.
pub(super) struct Plugin {
    pool: Arc<Pool>,
    trust: RowTrust,
    multipart: Option<Rules>,
    /// The largest object that the plugin takes in one piece.
    max_put: Option<u64>,
    /// The longest text that is kept with an object.
    portable_bytes: usize,
    spool: Spool,
    window: Window,
    layouts: Layouts,
    /// Uploads that the storage has begun are noted in the spool: there are parts of them, or
    /// the plugin cannot find those that were left behind.
    notes: bool,
}

/// A call that has no body: bucket and key as the plugin gets them.
fn names(bucket: &Bucket, key: &ObjectKey) -> (String, String) {
    (bucket.as_str().to_owned(), key.as_str().to_owned())
}

/// Shortens a call without bodies: `call!(self, "list", About::NOTHING, |accessor, guest| expression)`.
macro_rules! call {
    ($self:ident, $name:literal, $about:expr, |$accessor:ident, $guest:ident| $call:expr) => {
        $self
            .pool
            .call(
                ($name, Kind::Other),
                $about,
                &Pulse::new(),
                move |$accessor, $guest, _claim| Box::pin(async move { $call.await }),
            )
            .await
    };
}

/// The same for an optional interface.
macro_rules! optional_call {
    ($self:ident, $interface:ident, $name:literal, $about:expr,
     |$accessor:ident, $guest:ident| $call:expr) => {
        $self
            .pool
            .call(
                ($name, Kind::Other),
                $about,
                &Pulse::new(),
                move |$accessor, guest, _claim| {
                    Box::pin(async move {
                        match &guest.$interface {
                            Some($guest) => $call.await,
                            None => Ok(Err(GuestError::Unsupported)),
                        }
                    })
                },
            )
            .await
    };
}

mod uploads;

impl Plugin {
    pub(super) fn new(
        pool: Arc<Pool>,
        trust: RowTrust,
        (multipart, max_put): (Option<Rules>, Option<u64>),
        portable_bytes: usize,
        spool: Spool,
    ) -> Self {
        let finds_its_own = pool.blueprint().loaded.has_sweep();
        let notes = multipart.is_some_and(|rules| rules.equal || !finds_its_own);
        Self {
            pool,
            trust,
            multipart,
            max_put,
            portable_bytes,
            spool,
            window: Window::default(),
            layouts: Layouts::default(),
            notes,
        }
    }

    /// A call about this object.
    pub(super) fn about(&self, bucket: &Bucket, key: &ObjectKey) -> About {
        self.pool.about(bucket.as_str(), [key.as_str()])
    }

    pub(super) fn window(&self) -> &Window {
        &self.window
    }

    pub(super) fn layouts(&self) -> &Layouts {
        &self.layouts
    }

    pub(super) fn notes(&self) -> bool {
        self.notes
    }

    pub(super) fn spool(&self) -> &Spool {
        &self.spool
    }
}

#[async_trait]
impl Store for Plugin {
    fn trust(&self) -> RowTrust {
        self.trust
    }

    async fn list_buckets(&self) -> Result<Vec<StoredBucket>, StoreError> {
        let found = call!(self, "list-buckets", About::NOTHING, |accessor, guest| {
            guest.store.call_list_buckets(accessor)
        })?;
        Ok(found.iter().filter_map(convert::bucket).collect())
    }

    async fn create_bucket(&self, bucket: &BucketName) -> Result<(), StoreError> {
        let bucket = bucket.as_str().to_owned();
        call!(self, "create-bucket", About::NOTHING, |accessor, guest| {
            guest.store.call_create_bucket(accessor, bucket)
        })
    }

    async fn stat_bucket(&self, bucket: &BucketName) -> Result<StoredBucket, StoreError> {
        let name = bucket.as_str().to_owned();
        let about = self.pool.about_bucket(&name);
        let info = call!(self, "stat-bucket", about, |accessor, guest| guest
            .store
            .call_stat_bucket(accessor, name))?;
        let created = (info.created != 0).then_some(Timestamp(info.created));
        Ok(StoredBucket {
            name: bucket.clone(),
            created,
        })
    }

    async fn delete_bucket(&self, bucket: &BucketName) -> Result<(), StoreError> {
        let bucket = bucket.as_str().to_owned();
        call!(self, "delete-bucket", About::NOTHING, |accessor, guest| {
            guest.store.call_delete_bucket(accessor, bucket)
        })
    }

    async fn put(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        size: u64,
        options: PutOptions,
        body: ByteStream,
        verdict: Verdict,
    ) -> Result<StoredObject, StoreError> {
        self.put_object(
            About::NOTHING,
            (bucket, key),
            (size, options),
            body,
            verdict,
        )
        .await
    }

    async fn get(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        range: Option<Range<u64>>,
        known: Option<&ObjectState>,
    ) -> Result<(StoredObject, ByteStream), StoreError> {
        let (bucket, key) = names(bucket, key);
        let known = known.map(convert::state);
        let asked = range.as_ref().map(|range| exports::store::ByteRange {
            offset: range.start,
            length: range.end.saturating_sub(range.start),
        });
        let patience = self.pool.blueprint().grants.call_timeout;
        let about = self.pool.about(&bucket, [&*key]);
        let (info, body) = self
            .pool
            .call(
                ("get", Kind::Other),
                about,
                &Pulse::new(),
                move |accessor, guest, claim| {
                    Box::pin(async move {
                        let found = guest
                            .store
                            .call_get(accessor, bucket, key, asked, known)
                            .await?;
                        let found = match found {
                            Ok(found) => found,
                            Err(error) => return Ok(Err(error)),
                        };
                        let body = accessor.with(|access| take_body(access, found.body))?;
                        let body: ByteStream = match body {
                            Taken::Native(body) => body,
                            // The instance must live until its last byte is out.
                            Taken::Guest(body) => {
                                let Some(ticket) = claim.ticket() else {
                                    return Ok(Err(GuestError::Aborted));
                                };
                                let stuck = ticket.clone();
                                let give_up = move || stuck.give_up("a body made no progress");
                                let body = Patient::new(body, patience, give_up);
                                body.map(move |piece| {
                                    let _alive = &ticket;
                                    piece
                                })
                                .boxed()
                            }
                        };
                        Ok(Ok((found.info, body)))
                    })
                },
            )
            .await?;
        let object = convert::object(info)?;
        let length = match range {
            Some(range) => range.end.min(object.size).saturating_sub(range.start),
            None => object.size,
        };
        Ok((object, Exactly::new(body, length).boxed()))
    }

    async fn stat(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        known: Option<&ObjectState>,
    ) -> Result<StoredObject, StoreError> {
        let (bucket, key) = names(bucket, key);
        let known = known.map(convert::state);
        let about = self.pool.about(&bucket, [&*key]);
        let info = call!(self, "stat", about, |accessor, guest| guest
            .store
            .call_stat(accessor, bucket, key, known))?;
        convert::object(info)
    }

    async fn delete(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        known: Option<&ObjectState>,
    ) -> Result<(), StoreError> {
        let (bucket, key) = names(bucket, key);
        let known = known.map(convert::state);
        let about = self.pool.about(&bucket, [&*key]);
        call!(self, "delete", about, |accessor, guest| guest
            .store
            .call_delete(accessor, bucket, key, known))
    }

    async fn delete_many(
        &self,
        bucket: &Bucket,
        deletions: Vec<(ObjectKey, Option<ObjectState>)>,
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let count = deletions.len();
        let batch: Vec<_> = deletions
            .iter()
            .map(|(key, known)| exports::batch::Deletion {
                key: key.as_str().to_owned(),
                known: known.as_ref().map(convert::state),
            })
            .collect();
        let name = bucket.as_str().to_owned();
        let keys = deletions.iter().map(|(key, _)| key.as_str());
        let about = self.pool.about(&name, keys);
        let answers = optional_call!(self, batch, "delete-many", about, |accessor, guest| guest
            .call_delete_many(accessor, name, batch));
        match answers {
            Ok(answers) if answers.len() == count => Ok(answers
                .into_iter()
                .map(|answer| answer.map_err(convert::error))
                .collect()),
            Ok(_) => Err(StoreError::Other(
                "the plugin did not answer each deletion".into(),
            )),
            Err(StoreError::Unsupported) => {
                let deletions = futures_util::stream::iter(deletions);
                let answers = deletions.map(|(key, known)| async move {
                    self.delete(bucket, &key, known.as_ref()).await
                });
                Ok(answers.buffered(DELETIONS).collect().await)
            }
            Err(error) => Err(error),
        }
    }

    async fn list(&self, bucket: &Bucket, query: StoreListQuery) -> Result<StorePage, StoreError> {
        let bucket = bucket.as_str().to_owned();
        let asked = convert::query(query.clone());
        let page = call!(self, "list", About::NOTHING, |accessor, guest| guest
            .store
            .call_list(accessor, bucket, asked))?;
        convert::page(&query, page)
    }

    async fn copy(
        &self,
        (source_bucket, source_key, source_state): (&Bucket, &ObjectKey, &ObjectState),
        (bucket, key, known): (&Bucket, &ObjectKey, Option<&ObjectState>),
        receipt: Receipt,
    ) -> Result<StoredObject, StoreError> {
        let source = exports::copy::Source {
            bucket: source_bucket.as_str().to_owned(),
            key: source_key.as_str().to_owned(),
            state: convert::state(source_state),
        };
        let (bucket, key) = names(bucket, key);
        let (known, receipt) = (known.map(convert::state), convert::receipt(&receipt));
        let about = self.pool.about(&bucket, [&*key]);
        let info = optional_call!(self, copy, "copy", about, |accessor, guest| guest
            .call_copy(accessor, source, bucket, key, known, receipt))?;
        convert::object(info)
    }

    async fn begin_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        options: PutOptions,
    ) -> Result<String, StoreError> {
        self.begin(bucket, key, options).await
    }

    async fn put_part(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: &str,
        options: PartOptions,
        body: ByteStream,
    ) -> Result<String, StoreError> {
        self.part((bucket, key, upload), options, body).await
    }

    async fn complete_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: &str,
        parts: Vec<StoredPart>,
        known: Option<&ObjectState>,
        receipt: Receipt,
    ) -> Result<StoredObject, StoreError> {
        self.complete((bucket, key, upload), parts, known, receipt)
            .await
    }

    async fn abort_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: &str,
    ) -> Result<(), StoreError> {
        self.abort(bucket, key, upload).await
    }

    async fn sweep(&self, before: Timestamp, keep: Vec<String>) -> Result<u32, StoreError> {
        self.sweep_uploads(before, keep).await
    }

    fn scans(&self) -> bool {
        self.pool.blueprint().loaded.has_scan()
    }

    async fn scan(
        &self,
        bucket: &Bucket,
        folder: &str,
        cursor: Option<&str>,
    ) -> Result<ScanPage, StoreError> {
        let name = bucket.as_str().to_owned();
        let (asked, cursor) = (folder.to_owned(), cursor.map(str::to_owned));
        let page = optional_call!(self, scan, "scan", About::NOTHING, |accessor, guest| guest
            .call_scan(accessor, name, asked, cursor))?;
        convert::scan_page(folder, page)
    }

    fn losses(&self) -> u64 {
        self.pool.blueprint().losses.load(Ordering::Relaxed)
    }

    fn portable_bytes(&self) -> usize {
        self.portable_bytes
    }

    async fn set_portable(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        state: &ObjectState,
        texts: Vec<String>,
    ) -> Result<(), StoreError> {
        let (bucket, key) = names(bucket, key);
        let state = convert::state(state);
        let about = self.pool.about(&bucket, [&*key]);
        optional_call!(self, portable, "set-portable", about, |accessor, guest| {
            guest.call_set(accessor, bucket, key, state, texts)
        })
    }
}

impl Plugin {
    /// Stores an object that did not come in parts.
    pub(super) async fn put_object(
        &self,
        about: About,
        (bucket, key): (&Bucket, &ObjectKey),
        (size, options): (u64, PutOptions),
        body: ByteStream,
        verdict: Verdict,
    ) -> Result<StoredObject, StoreError> {
        if let Some(rules) = self.multipart
            && self.max_put.is_some_and(|max| size > max)
        {
            let place = (bucket, key);
            return self
                .put_split(rules, place, size, options, body, verdict)
                .await;
        }
        let (bucket, key) = names(bucket, key);
        let options = convert::options(options);
        let pulse = Pulse::new();
        let mut body = pulse.watch(body);
        // What decides on the verdict asks about the object first.
        let _storing = self.pool.begin_storing(&bucket, &key);
        let info = self
            .pool
            .call(
                ("put", Kind::Upload),
                about,
                &pulse,
                move |accessor, guest, _claim| {
                    Box::pin(async move {
                        if size == 0 {
                            // Whoever feeds it waits until it is wanted; the plugin may not ask for nothing.
                            let first = poll!(body.next());
                            if let Poll::Ready(Some(first)) = first {
                                body = stream::iter([first]).chain(body).boxed();
                            }
                        }
                        let (body, verdict) = accessor.with(|mut access| {
                            let body = StreamReader::new(&mut access, BodyProducer::new(body))?;
                            let verdict = FutureReader::new(&mut access, async move {
                                let receipt = verdict.await.ok();
                                wasmtime::error::Ok(
                                    receipt
                                        .map(|receipt| convert::receipt(&receipt))
                                        .ok_or(GuestError::Aborted),
                                )
                            })?;
                            wasmtime::error::Ok((body, verdict))
                        })?;
                        guest
                            .store
                            .call_put(accessor, bucket, key, size, options, body, verdict)
                            .await
                    })
                },
            )
            .await?;
        convert::object(info)
    }
}
