//! Big uploads to storages that take them in parts. Splitting, parallel parts and sending again
//! need bytes that can be read twice, so they are done here: a part is kept, in memory or in a
//! file, until the storage has confirmed it.

use super::disk;
use super::plugin::Plugin;
use super::room::Passing;
use crate::model::{Bucket, ByteStream, ObjectKey, ObjectState, PartNumber};
use crate::service::ports::{
    PartOptions, PutOptions, Receipt, Store as _, StoreError, StoredObject, StoredPart, Verdict,
};
use bytes::Bytes;
use futures_util::stream::{self, FuturesUnordered, StreamExt as _};
use std::fs::File;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What the storage demands of parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) min: u64,
    pub(super) max: u64,
    pub(super) count: u32,
    pub(super) equal: bool,
    pub(super) preferred: u64,
    pub(super) parallel: u32,
}

/// Bytes of unconfirmed parts that all uploads of one backend keep in memory; the others are in
/// files.
const MEMORY: usize = 64 << 20;
/// How often a part is sent, or a completion asked for.
const ATTEMPTS: u32 = 5;
/// The first pause between them; it doubles.
const PAUSE: Duration = Duration::from_millis(300);
/// The longest that a storage may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Parts grow in steps of this.
const STEP: u64 = 1 << 20;

impl Rules {
    /// The size of the parts of an object: the preferred one, unless that gives too many.
    pub(super) fn part_size(&self, size: u64) -> u64 {
        let needed = size.div_ceil(u64::from(self.count.max(1)));
        let size = self.preferred.max(self.min).max(needed);
        size.div_ceil(STEP)
            .saturating_mul(STEP)
            .min(self.max)
            .max(1)
    }
}

/// The memory of one backend for unconfirmed parts.
#[derive(Debug, Clone)]
pub(super) struct Window(Arc<Semaphore>);

impl Default for Window {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MEMORY)))
    }
}

/// The bytes of one part, as often as they are needed.
pub(super) enum Kept {
    Memory {
        pieces: Vec<Bytes>,
        /// Gives the memory back.
        _permit: OwnedSemaphorePermit,
    },
    File {
        file: Arc<File>,
        /// Gives the disk's room back, if the file took some of its own.
        _room: Option<Passing>,
    },
}

impl Kept {
    fn body(&self) -> ByteStream {
        match self {
            Self::Memory { pieces, .. } => {
                let pieces: Vec<io::Result<Bytes>> = pieces.iter().cloned().map(Ok).collect();
                stream::iter(pieces).boxed()
            }
            Self::File { file, .. } => disk::read(Arc::clone(file), (), 0),
        }
    }
}

/// A body that is taken part by part.
pub(super) struct Source {
    body: ByteStream,
    rest: Bytes,
}

impl From<ByteStream> for Source {
    fn from(body: ByteStream) -> Self {
        Self {
            body,
            rest: Bytes::new(),
        }
    }
}

impl Source {
    /// The next bytes, at most `most`.
    async fn next(&mut self, most: u64) -> Result<Option<Bytes>, StoreError> {
        while self.rest.is_empty() {
            match self.body.next().await {
                Some(Ok(piece)) => self.rest = piece,
                Some(Err(_)) => return Err(StoreError::Aborted),
                None => return Ok(None),
            }
        }
        let count = usize::try_from(most)
            .unwrap_or(usize::MAX)
            .min(self.rest.len());
        Ok(Some(self.rest.split_to(count)))
    }

    /// Keeps the next `size` bytes.
    async fn keep(&mut self, size: u64, plugin: &Plugin) -> Result<Kept, StoreError> {
        let permits = u32::try_from(size).unwrap_or(u32::MAX);
        let window = Arc::clone(&plugin.window().0);
        let permit = match window.clone().try_acquire_many_owned(permits) {
            Ok(permit) => Some(permit),
            Err(_) => match plugin.spool().pass(size).await? {
                Some(room) => return self.keep_in_file(size, plugin, room).await,
                // Neither here nor there: parts of others go out soon, and then there is room.
                None if size <= MEMORY as u64 => window.acquire_many_owned(permits).await.ok(),
                None => None,
            },
        };
        let permit = permit.ok_or(StoreError::Throttled { retry_after: None })?;
        let (mut pieces, mut left) = (Vec::new(), size);
        while left > 0 {
            let piece = self.next(left).await?.ok_or(StoreError::Aborted)?;
            left -= piece.len() as u64;
            pieces.push(piece);
        }
        Ok(Kept::Memory {
            pieces,
            _permit: permit,
        })
    }

    async fn keep_in_file(
        &mut self,
        size: u64,
        plugin: &Plugin,
        room: Passing,
    ) -> Result<Kept, StoreError> {
        let pieces = stream::unfold((self, size), |(source, left)| async move {
            if left == 0 {
                return None;
            }
            let Ok(Some(piece)) = source.next(left).await else {
                return Some((Err(io::ErrorKind::UnexpectedEof.into()), (source, 0)));
            };
            let left = left - piece.len() as u64;
            Some((Ok(piece), (source, left)))
        });
        Ok(Kept::File {
            file: plugin.spool().keep(pieces).await?,
            _room: Some(room),
        })
    }
}

/// Whether trying again may help, and when.
fn passes(error: &StoreError, pause: Duration) -> Option<Duration> {
    match error {
        StoreError::Unavailable(_) => Some(pause),
        StoreError::Throttled { retry_after } => {
            Some(retry_after.unwrap_or(pause).max(pause).min(LONGEST_PAUSE))
        }
        _ => None,
    }
}

/// How often and how fast something is tried again.
struct Patience {
    left: u32,
    pause: Duration,
}

impl Patience {
    fn new() -> Self {
        Self {
            left: ATTEMPTS - 1,
            pause: PAUSE,
        }
    }

    /// Waits for the next try, or gives the error back when there is none.
    async fn after(&mut self, error: StoreError) -> Result<(), StoreError> {
        let Some(wait) = passes(&error, self.pause).filter(|_| self.left > 0) else {
            return Err(error);
        };
        self.left -= 1;
        self.pause *= 2;
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

impl Plugin {
    /// Stores an object that is too large for one `put`.
    pub(super) async fn put_split(
        &self,
        rules: Rules,
        (bucket, key): (&Bucket, &ObjectKey),
        size: u64,
        options: PutOptions,
        body: ByteStream,
        verdict: Verdict,
    ) -> Result<StoredObject, StoreError> {
        let known = options.known.clone();
        let mut patience = Patience::new();
        let upload = loop {
            match self.begin_part_upload(bucket, key, options.clone()).await {
                Err(error) => patience.after(error).await?,
                begun => break begun?,
            }
        };
        let place = (bucket, key, upload.as_str());
        let outcome = async {
            let part = rules.part_size(size);
            let parts = self
                .send_parts(rules, place, (0, part), size, body.into())
                .await?;
            // All bytes are through, so the verdict is there: the last ones wait for it.
            let receipt = verdict.await.map_err(|_| StoreError::Aborted)?;
            self.complete_parts(place, parts, known.as_ref(), receipt)
                .await
        };
        let outcome = outcome.await;
        match &outcome {
            Ok(_) => self.forget_upload(&upload).await,
            Err(_) => self.give_up(place).await,
        }
        outcome
    }

    /// If it cannot be aborted now, the next sweep tries again.
    pub(super) async fn give_up(&self, (bucket, key, upload): (&Bucket, &ObjectKey, &str)) {
        let mut patience = Patience::new();
        let aborted = loop {
            match self.abort_upload(bucket, key, upload).await {
                Err(error) => {
                    if let Err(error) = patience.after(error).await {
                        break Err(error);
                    }
                }
                done => break done,
            }
        };
        if let Err(error) = aborted {
            tracing::warn!(%error, "an upload in parts could not be aborted: the storage keeps its parts");
        }
    }

    pub(super) async fn complete_parts(
        &self,
        (bucket, key, upload): (&Bucket, &ObjectKey, &str),
        parts: Vec<StoredPart>,
        known: Option<&ObjectState>,
        receipt: Receipt,
    ) -> Result<StoredObject, StoreError> {
        let mut patience = Patience::new();
        loop {
            let done = self.complete_part_upload(
                bucket,
                key,
                upload,
                parts.clone(),
                known,
                receipt.clone(),
            );
            match done.await {
                Err(error) => patience.after(error).await?,
                done => return done,
            }
        }
    }

    /// Sends `size` bytes in parts of `part` bytes, numbered after `last`.
    pub(super) async fn send_parts(
        &self,
        rules: Rules,
        place: (&Bucket, &ObjectKey, &str),
        (last, part): (u16, u64),
        size: u64,
        mut source: Source,
    ) -> Result<Vec<StoredPart>, StoreError> {
        let mut sending = FuturesUnordered::new();
        let mut parts = Vec::new();
        let parallel = usize::try_from(rules.parallel.max(1)).unwrap_or(1);
        let mut left = size;
        let mut number = u32::from(last);
        while left > 0 {
            number += 1;
            let length = part.min(left);
            left -= length;
            let number = PartNumber::new(number)
                .ok_or_else(|| StoreError::Other("an upload has too many parts".into()))?;
            let kept = {
                let mut keeping = pin!(source.keep(length, self));
                loop {
                    tokio::select! {
                        kept = &mut keeping => break kept?,
                        Some(sent) = sending.next(), if !sending.is_empty() => {
                            parts.push(sent?);
                        }
                    }
                }
            };
            while sending.len() >= parallel {
                if let Some(sent) = sending.next().await {
                    parts.push(sent?);
                }
            }
            sending.push(self.send_part(place, number, length, kept));
        }
        while let Some(sent) = sending.next().await {
            parts.push(sent?);
        }
        parts.sort_by_key(|part| part.number);
        Ok(parts)
    }

    pub(super) async fn send_part(
        &self,
        (bucket, key, upload): (&Bucket, &ObjectKey, &str),
        number: PartNumber,
        size: u64,
        kept: Kept,
    ) -> Result<StoredPart, StoreError> {
        let mut patience = Patience::new();
        loop {
            let options = PartOptions {
                number,
                size,
                offset: None,
            };
            let sent = self.put_storage_part(bucket, key, upload, options, kept.body());
            match sent.await {
                Err(error) => patience.after(error).await?,
                token => {
                    return Ok(StoredPart {
                        number,
                        size,
                        token: token?,
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        min: 5 << 20,
        max: 5 << 30,
        count: 10_000,
        equal: true,
        preferred: 8 << 20,
        parallel: 4,
    };

    #[test]
    fn parts_grow_with_the_object_so_that_there_are_never_too_many() {
        assert_eq!(RULES.part_size(6 << 20), 8 << 20);
        for size in [80_000 << 20, 5 << 40, (80_000 << 20) + 1] {
            let part = RULES.part_size(size);
            assert!(size.div_ceil(part) <= 10_000 && part <= RULES.max);
            assert_eq!(part % STEP, 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_passes_is_tried_again_and_not_for_ever() {
        let mut patience = Patience::new();
        assert!(
            patience
                .after(StoreError::Denied(String::new()))
                .await
                .is_err()
        );
        for _ in 1..ATTEMPTS {
            assert!(
                patience
                    .after(StoreError::Unavailable(String::new()))
                    .await
                    .is_ok()
            );
        }
        assert!(
            patience
                .after(StoreError::Unavailable(String::new()))
                .await
                .is_err()
        );
    }
}
