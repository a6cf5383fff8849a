//! The one thread that writes, with **group commit**: whatever waits in its queue goes into one
//! transaction, and all of it is answered after the commit.

use super::file;
use super::health::Health;
use super::queries::{self, BucketNo, NamespaceNo};
use crate::model::{ObjectKey, UploadId};
use crate::service::ports::{Intent, Lesson, PartRow, Row, UploadRow};
use rusqlite::{Connection, TransactionBehavior};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// More writes are not put into one transaction, so that no one waits for long.
const GROUP: usize = 512;

/// So long after the last write the log is moved into the database file.
const IDLE: Duration = Duration::from_secs(2);

/// Pages of the log after which `SQLite` moves them into the database file in passing: 16 megabytes.
const LOG_PAGES: u32 = 4096;

/// Something to write.
pub(super) enum Write {
    InternBucket(NamespaceNo, Box<str>),
    Announce(BucketNo, ObjectKey, Intent),
    Settle(BucketNo, ObjectKey, Row),
    /// The rows of this bucket, and the number of imported ones of the same name.
    Learn(BucketNo, Option<BucketNo>, Vec<Lesson>),
    Withdraw(BucketNo, ObjectKey),
    Forget(BucketNo, Vec<ObjectKey>),
    CreateUpload(BucketNo, UploadRow),
    DeleteUpload(BucketNo, UploadId),
    PutPart(BucketNo, UploadId, PartRow),
}

impl Write {
    /// `false` when there was nothing to write to.
    fn apply(&self, db: &Connection) -> rusqlite::Result<bool> {
        match self {
            Self::InternBucket(namespace, name) => queries::intern_bucket(db, *namespace, name),
            Self::Announce(bucket, key, intent) => queries::announce(db, *bucket, key, intent),
            Self::Settle(bucket, key, row) => queries::settle(db, *bucket, key, row),
            Self::Learn(bucket, imported, lessons) => {
                return queries::learn(db, *bucket, *imported, lessons);
            }
            Self::Withdraw(bucket, key) => queries::withdraw(db, *bucket, key),
            Self::Forget(bucket, keys) => queries::forget(db, *bucket, keys),
            Self::CreateUpload(bucket, upload) => queries::create_upload(db, *bucket, upload),
            Self::DeleteUpload(bucket, id) => queries::delete_upload(db, *bucket, id),
            Self::PutPart(bucket, id, part) => return queries::put_part(db, *bucket, id, part),
        }
        .map(|()| true)
    }

    /// Whether it has to survive the loss of power once it was answered. The others follow from
    /// an intent that does, or (a bucket's number) are synced with the write that needs them.
    fn must_survive(&self) -> bool {
        match self {
            Self::Announce(..)
            | Self::Forget(..)
            | Self::CreateUpload(..)
            | Self::DeleteUpload(..)
            | Self::PutPart(..) => true,
            Self::InternBucket(..) | Self::Settle(..) | Self::Learn(..) | Self::Withdraw(..) => {
                false
            }
        }
    }
}

/// Why a write failed. Several writes may share the reason.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum WriteError {
    #[error(transparent)]
    Database(#[from] Arc<rusqlite::Error>),
    #[error("the database is closed")]
    Closed,
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

type Answer<T> = oneshot::Sender<Result<T, WriteError>>;

#[expect(clippy::large_enum_variant, reason = "the small variant is rare")]
enum Job {
    Write(Write, Answer<bool>),
    Checkpoint(Answer<()>),
}

/// The writing thread. Dropping this finishes all queued writes and closes the connection.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Gives the connection to a thread of its own.
    pub(super) fn start(
        db: Connection,
        durable: bool,
        health: Arc<Health>,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let worker = Worker {
            db,
            durable,
            health,
            synced: None,
        };
        let thread = std::thread::Builder::new()
            .name("metadata-db".to_owned())
            .spawn(move || worker.run(&queue))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Returns after the commit. It happens even if nobody waits for it any more.
    pub(super) async fn write(&self, write: Write) -> Result<bool, WriteError> {
        self.ask(|answer| Job::Write(write, answer)).await
    }

    /// Moves the log into the database file now.
    pub(super) async fn checkpoint(&self) -> Result<(), WriteError> {
        self.ask(Job::Checkpoint).await
    }

    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, WriteError> {
        let (answer, answered) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(WriteError::Closed)?;
        jobs.send(job(answer)).map_err(|_| WriteError::Closed)?;
        answered.await.map_err(|_| WriteError::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the metadata database had panicked");
        }
    }
}

struct Worker {
    db: Connection,
    durable: bool,
    health: Arc<Health>,
    /// Whether commits are synced now; `None` before the first.
    synced: Option<bool>,
}

impl Worker {
    fn run(mut self, queue: &mpsc::Receiver<Job>) {
        if let Err(error) = self.db.pragma_update(None, "wal_autocheckpoint", LOG_PAGES) {
            tracing::warn!(%error, "the metadata database's log may grow more often than needed");
        }
        // An earlier process may have left a log.
        let mut log_is_empty = false;
        let mut group = Vec::new();
        loop {
            let first = if log_is_empty {
                queue
                    .recv()
                    .map_err(|_| mpsc::RecvTimeoutError::Disconnected)
            } else {
                queue.recv_timeout(IDLE)
            };
            let first = match first {
                Ok(first) => first,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    log_is_empty = self.empty_log().unwrap_or(false);
                    continue;
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            };
            let mut checkpoint = None;
            for job in std::iter::once(first).chain(queue.try_iter().take(GROUP - 1)) {
                match job {
                    Job::Write(write, answer) => group.push((write, answer)),
                    Job::Checkpoint(answer) => {
                        checkpoint = Some(answer);
                        break;
                    }
                }
            }
            if !group.is_empty() {
                self.write(&mut group);
                log_is_empty = false;
            }
            if let Some(answer) = checkpoint {
                let emptied = self.empty_log();
                log_is_empty = matches!(emptied, Ok(true));
                // Nobody waiting is no error.
                let _ = answer.send(emptied.map(drop).map_err(WriteError::from));
            }
        }
        if let Err(error) = self.empty_log() {
            tracing::warn!(%error, "the metadata database's log stays beside it");
        }
    }

    /// Commits and answers a group of writes.
    fn write(&mut self, group: &mut Vec<(Write, Answer<bool>)>) {
        let committed = self.commit(group.iter().map(|(write, _)| write));
        match self.health.watch(committed) {
            Ok(outcomes) => {
                for ((_, answer), outcome) in group.drain(..).zip(outcomes) {
                    // The one who asked may be gone; the write stays.
                    let _ = answer.send(Ok(outcome));
                }
            }
            // One bad write must not fail the others. It is rare, so that the good ones need not
            // pay for it beforehand with a savepoint each.
            Err(error) if group.len() > 1 && may_be_one_writes_fault(&error) => {
                for (write, answer) in group.drain(..) {
                    let outcome = self.commit([&write]).map(|all| all.contains(&true));
                    let _ = answer.send(outcome.map_err(WriteError::from));
                }
            }
            Err(error) => {
                let error = WriteError::from(error);
                for (_, answer) in group.drain(..) {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// One transaction with these writes, and whether each found what it writes to.
    fn commit<'w>(
        &mut self,
        writes: impl IntoIterator<Item = &'w Write> + Clone,
    ) -> rusqlite::Result<Vec<bool>> {
        let sync = self.durable && writes.clone().into_iter().any(Write::must_survive);
        self.set_sync(sync)?;
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let outcomes = writes
            .into_iter()
            .map(|write| write.apply(&transaction))
            .collect::<Result<_, _>>()?;
        transaction.commit()?;
        Ok(outcomes)
    }

    /// Whether the next commits are on the disk when they return, or only safe from the end of
    /// this process.
    fn set_sync(&mut self, sync: bool) -> rusqlite::Result<()> {
        if self.synced != Some(sync) {
            let level = if sync { "FULL" } else { "NORMAL" };
            self.db.pragma_update(None, "synchronous", level)?;
            // An fsync of macOS stops at the disk's cache, unless it is asked for more.
            self.db.pragma_update(None, "fullfsync", sync)?;
            self.synced = Some(sync);
        }
        Ok(())
    }

    /// Moves the log into the database file and cuts it to no length, so that a copy of the file
    /// alone is complete. `false` when somebody is just reading or writing.
    fn empty_log(&mut self) -> rusqlite::Result<bool> {
        self.db.busy_timeout(Duration::ZERO)?;
        let busy = self
            .db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
                row.get::<_, bool>(0)
            });
        file::wait_for_others(&mut self.db)?;
        busy.map(|busy| !busy)
    }
}

/// Waiting in vain for another process is nobody's fault, and not worth doing for each write.
fn may_be_one_writes_fault(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() != Some(rusqlite::ErrorCode::DatabaseBusy)
}
