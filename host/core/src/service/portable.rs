//! What is known about objects, written beside them where the storage keeps a text, and read from
//! there by a gateway whose database does not know them.
//!
//! Nobody waits for the writing. What is to be written is a queue in the cache: an object comes
//! into it in the transaction of its row, and is in it once however often it is replaced.

use super::ports::{Lesson, NEVER, PortableJob, Row, StoreError, StoredObject};
use super::{Inner, ServiceError};
use crate::model::{Bucket, ObjectKey, Portable, Timestamp};
use futures_util::StreamExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// So long an object is left alone after a write: many are soon replaced or deleted again.
const REST: Duration = Duration::from_secs(1);
/// Other processes put into the queue, too.
const LOOK: Duration = Duration::from_secs(30);
/// Objects that are taken from the queue at once.
const BATCH: usize = 32;
/// And of them so many are written at the same time.
const WIDTH: usize = 4;
/// While clients are writing, one is written now and then.
const NOW_AND_THEN: Duration = Duration::from_millis(500);
/// The first pause when the storage does not take more; it doubles.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// What the storage refuses is tried again after so long: a right may have been given meanwhile.
const REFUSED: Duration = Duration::from_hours(1);
/// For how long the last writes before an end wait for a storage that asks for patience.
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// What the writer and those who give it work know of one another.
#[derive(Default)]
pub(super) struct Queue {
    news: Notify,
    waiting: AtomicU64,
    /// How often the store had lost its memory when that was last looked at.
    losses: AtomicU64,
}

impl Queue {
    /// There may be something to write.
    pub(super) fn news(&self) {
        self.news.notify_one();
    }

    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// How it went with the head of the queue.
enum Round {
    /// There was nothing that was due.
    Nothing,
    /// All was written, or turned out not to be worth it.
    Done,
    /// The storage takes no more for now, and has perhaps said for how long.
    Trouble(Option<Duration>),
}

/// What became of one text.
enum Outcome {
    /// It is written, or never will be.
    Over,
    Later(Option<Duration>),
    /// The storage refuses it, or to delete what the object has replaced. As long as it is in the
    /// queue, nobody takes for granted that the object is the only one of its name.
    Refused,
    /// There is no text, but other objects of the key, perhaps. Whether they are wanted is not
    /// known; a deletion takes them, too.
    Kept,
    /// Others have had trouble before.
    Untried,
}

impl Inner {
    /// Whether each of these keys may name an older object, too: one that a run of the store before
    /// this one has replaced, because a crash came before the storage was rid of it; or another one
    /// that the storage has told of.
    pub(super) async fn inherited(
        &self,
        bucket: &Bucket,
        keys: &[&ObjectKey],
    ) -> Result<Vec<bool>, ServiceError> {
        if self.keeps_portable() {
            self.note_losses();
            return Ok(self.cache.inherited(bucket, keys).await?);
        }
        Ok(vec![false; keys.len()])
    }

    /// What was replaced before the store has lost its memory is inherited from then on.
    fn note_losses(&self) {
        let losses = self.store.losses();
        if self.portable.losses.swap(losses, Ordering::Relaxed) != losses {
            self.cache.begin_store_run();
        }
    }

    /// Whether the storage keeps texts with objects.
    pub(super) fn keeps_portable(&self) -> bool {
        self.store.portable_bytes() > 0
    }

    pub(super) async fn write_portable_texts(&self) {
        if !self.keeps_portable() {
            return;
        }
        let mut pause = PAUSE;
        loop {
            // Clients come first: their calls count against the same budget.
            let idle = self.publishing.is_idle();
            let batch = if idle { BATCH } else { 1 };
            match self.round(Timestamp::now() - REST, pause, batch).await {
                Ok(Round::Done) => {
                    pause = PAUSE;
                    if !idle {
                        tokio::time::sleep(NOW_AND_THEN).await;
                    }
                    continue;
                }
                // It knows when it can take more.
                Ok(Round::Trouble(Some(asked))) => {
                    tokio::time::sleep(asked.max(NOW_AND_THEN)).await;
                    continue;
                }
                Ok(Round::Nothing) if self.portable.waiting() > 0 => {
                    tokio::time::sleep(REST).await;
                    continue;
                }
                Ok(Round::Nothing) => {
                    let _ = tokio::time::timeout(LOOK, self.portable.news.notified()).await;
                    continue;
                }
                Ok(Round::Trouble(None)) => {}
                Err(error) => {
                    tracing::debug!(%error, "the queue of portable texts cannot be read");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    pub(super) async fn flush_portable_texts(&self) -> Result<u64, ServiceError> {
        if !self.keeps_portable() {
            return Ok(0);
        }
        loop {
            match self.round(Timestamp(NEVER.0 - 1), PAUSE, BATCH).await? {
                Round::Done => {}
                Round::Trouble(Some(asked)) if asked <= LAST_PAUSE => {
                    tokio::time::sleep(asked).await;
                }
                Round::Nothing | Round::Trouble(_) => return Ok(self.portable.waiting()),
            }
        }
    }

    /// Writes the head of the queue: what came into it at or before `since`.
    async fn round(
        &self,
        since: Timestamp,
        pause: Duration,
        batch: usize,
    ) -> Result<Round, ServiceError> {
        self.note_losses();
        let queue = self.cache.portable_queue(since, batch).await?;
        self.portable
            .waiting
            .store(queue.waiting, Ordering::Relaxed);
        if queue.jobs.is_empty() {
            return Ok(Round::Nothing);
        }
        let trouble = AtomicBool::new(false);
        let outcomes = futures_util::stream::iter(queue.jobs)
            .map(|job| {
                let trouble = &trouble;
                async move {
                    let number = job.number;
                    if trouble.load(Ordering::Relaxed) {
                        return (number, Outcome::Untried);
                    }
                    let outcome = self.write_text(job).await;
                    if matches!(outcome, Outcome::Later(_)) {
                        trouble.store(true, Ordering::Relaxed);
                    }
                    (number, outcome)
                }
            })
            .buffer_unordered(WIDTH);
        let outcomes: Vec<_> = outcomes.collect().await;
        let (mut over, mut later, mut asked) = (Vec::new(), Vec::new(), None);
        let (mut refused, mut kept) = (Vec::new(), Vec::new());
        for (number, outcome) in outcomes {
            match outcome {
                Outcome::Over => over.push(number),
                Outcome::Later(wait) => {
                    later.push(number);
                    asked = asked.max(wait);
                }
                Outcome::Refused => refused.push(number),
                Outcome::Kept => kept.push(number),
                Outcome::Untried => {}
            }
        }
        // Of one object it says nothing about others; of all of them it does.
        let all_refused = over.is_empty() && kept.is_empty() && !refused.is_empty();
        if !refused.is_empty() {
            let again = Timestamp::now() + REFUSED;
            self.cache.portable_later(refused, again).await?;
        }
        let left = queue
            .waiting
            .saturating_sub((over.len() + kept.len()) as u64);
        self.portable.waiting.store(left, Ordering::Relaxed);
        if !over.is_empty() {
            self.cache.portable_done(over).await?;
        }
        if !kept.is_empty() {
            self.cache.portable_later(kept, NEVER).await?;
        }
        if later.is_empty() {
            return Ok(if all_refused {
                Round::Trouble(None)
            } else {
                Round::Done
            });
        }
        // Behind the others: what always fails must not hold them up.
        let again = Timestamp::now() - REST + asked.unwrap_or(pause);
        self.cache.portable_later(later, again).await?;
        Ok(Round::Trouble(asked))
    }

    async fn write_text(&self, job: PortableJob) -> Outcome {
        let PortableJob {
            bucket,
            key,
            row,
            inherited,
            ..
        } = job;
        let Some(row) = row else {
            return Outcome::Over;
        };
        let limit = self.store.portable_bytes();
        let texts = portable(&row).map(|text| text.texts(&row.state.version, limit));
        let texts = texts.unwrap_or_default();
        if texts.is_empty() {
            return if inherited {
                Outcome::Kept
            } else {
                Outcome::Over
            };
        }
        let written = async {
            if inherited {
                // Asked by key, the storage sees what else has the name, and the text that comes
                // next tells it which one counts.
                self.store.stat(&bucket, &key, None).await?;
            }
            let state = &row.state;
            self.store.set_portable(&bucket, &key, state, texts).await
        };
        let Err(error) = written.await else {
            return Outcome::Over;
        };
        let (bucket, key) = (bucket.as_str(), key.as_str());
        match error {
            StoreError::Throttled { retry_after } => Outcome::Later(retry_after),
            StoreError::Denied(_) => {
                tracing::debug!(bucket, key, %error, "a portable text, or what it ends, is refused");
                Outcome::Refused
            }
            StoreError::Unavailable(_) | StoreError::NoSpace | StoreError::Quota => {
                tracing::debug!(bucket, key, %error, "a portable text has to wait");
                Outcome::Later(None)
            }
            // It was replaced or deleted, and who did that knows.
            StoreError::Changed | StoreError::NoSuchKey | StoreError::NoSuchBucket => Outcome::Over,
            error => {
                tracing::warn!(bucket, key, %error, "the storage keeps no portable text of this object");
                Outcome::Over
            }
        }
    }
}

fn portable(row: &Row) -> Option<Portable> {
    Some(Portable {
        size: row.size,
        etag: row.etag.clone()?,
        part_sizes: row.part_sizes.clone(),
        checksum: row.checksum.clone(),
        metadata: row.metadata.clone(),
    })
}

/// The row that the text beside an object tells.
pub(super) fn told(stored: &StoredObject) -> Option<Row> {
    let text = stored.portable.as_deref()?;
    let told = Portable::read(text, &stored.state.version, stored.size)?;
    Some(Row {
        state: stored.state.clone(),
        size: stored.size,
        etag: Some(told.etag),
        checksum: told.checksum,
        part_sizes: told.part_sizes,
        metadata: told.metadata,
        modified: stored.modified,
    })
}

/// What is learned from the text beside an object that no row describes. `expected`: the row of
/// the key, which is about another state.
pub(super) fn first_lesson(
    key: &ObjectKey,
    expected: Option<Row>,
    stored: &StoredObject,
) -> Option<Lesson> {
    Some(Lesson {
        key: key.clone(),
        row: told(stored)?,
        expected,
        portable: false,
    })
}

/// A row whose tag was forgotten, with the tag that the text beside the object tells. All else is
/// better known to the row: the text may be behind.
pub(super) fn with_told_tag(row: &Row, stored: &StoredObject) -> Option<Row> {
    if row.etag.is_some() {
        return None;
    }
    let told = told(stored)?;
    Some(Row {
        etag: told.etag,
        checksum: row.checksum.clone().or(told.checksum),
        part_sizes: if row.part_sizes.is_empty() {
            told.part_sizes
        } else {
            row.part_sizes.clone()
        },
        ..row.clone()
    })
}

/// Whether somebody else has written a text beside an object, which is left alone.
pub(super) fn has_words(stored: &StoredObject) -> bool {
    let text = stored.portable.as_deref();
    text.is_some_and(|text| !Portable::is_one(text))
}
