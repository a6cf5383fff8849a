//! The one connection that writes, with **group commit**: whatever waits in its thread's queue goes
//! into one transaction, and all of it is answered after the commit.
//!
//! A small write that need not be synced takes some ten microseconds, less than it takes to wake
//! a thread and be woken by it. So when nobody else writes, it is committed where it is asked for.

mod log;

use super::file;
use super::health::{Health, is_full, is_hopeless};
use super::late::Late;
use super::queries::BucketNo;
use super::write::Write;
use crate::service::ports::CacheError;
use rusqlite::Connection;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// More writes are not put into one transaction, so that no one waits for long.
const GROUP: usize = 512;

/// So long after the last write the log is moved into the database file. Tests copy the log as it
/// lies, and need the time.
const IDLE: Duration = Duration::from_secs(if cfg!(test) { 10 } else { 2 });

/// Rows are late for so long at most, if nobody else writes.
const LATE: Duration = Duration::from_millis(50);

/// So many writes make a log of some megabytes. The thread then moves it into the database file
/// in passing.
const LOG_WRITES: usize = 2048;

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

impl From<WriteError> for CacheError {
    fn from(error: WriteError) -> Self {
        match &error {
            WriteError::Database(cause) if is_full(cause) => Self::NoSpace(Box::new(error)),
            _ => Self::Failed(Box::new(error)),
        }
    }
}

type Answer<T> = oneshot::Sender<Result<T, WriteError>>;

#[expect(clippy::large_enum_variant, reason = "the small variants are rare")]
enum Job {
    Write(Write, Answer<bool>),
    Checkpoint(Answer<()>),
    /// The log is no longer empty: see to it when it has been idle.
    LogBegun,
    /// See to it that what is late now is committed in a moment.
    Late,
}

/// The writing connection with its thread. Dropping this finishes all queued writes and closes
/// the connection.
pub(super) struct Writer {
    shared: Arc<Shared>,
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    worker: Mutex<Worker>,
    late: Arc<Late>,
    /// Jobs that were asked for and are not done.
    queued: AtomicUsize,
}

impl Shared {
    fn worker(&self) -> std::sync::MutexGuard<'_, Worker> {
        // A write that panicked was rolled back by the next one.
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Takes the connection over.
    pub(super) fn start(
        db: Connection,
        durable: bool,
        health: Arc<Health>,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let late = Arc::new(Late::default());
        let worker = Worker {
            db,
            durable,
            health,
            late: late.clone(),
            synced: None,
            patient: true,
            // An earlier process may have left a log.
            written: Some(Instant::now()),
            logged: 0,
            stays: false,
            looked: Instant::now(),
        };
        let shared = Arc::new(Shared {
            worker: Mutex::new(worker),
            late,
            queued: AtomicUsize::new(0),
        });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("metadata-db".to_owned())
            .spawn(move || run(&of_thread, &queue))?;
        Ok(Self {
            shared,
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Returns after the commit. It happens even if nobody waits for it any more.
    pub(super) async fn write(&self, write: Write) -> Result<bool, WriteError> {
        match self.write_here(&write) {
            Some(outcome) => outcome,
            None => self.ask(|answer| Job::Write(write, answer)).await,
        }
    }

    /// Returns at once: this goes with the next commit. See [`Late`]. If the last attempt to commit
    /// such writes has failed, it is not put off.
    pub(super) async fn write_late(&self, write: Write) -> Result<(), WriteError> {
        if self.shared.late.is_failing() {
            return self.write(write).await.map(drop);
        }
        if self.shared.late.push(write)
            && let Some(jobs) = &self.jobs
        {
            let _ = jobs.send(Job::Late);
        }
        Ok(())
    }

    /// Commits what is late.
    pub(super) async fn catch_up(&self) -> Result<(), WriteError> {
        if !self.shared.late.is_empty() {
            self.write(Write::CatchUp).await?;
        }
        Ok(())
    }

    /// What is late of a bucket.
    pub(super) fn late_rows(&self, bucket: BucketNo) -> Vec<Arc<Write>> {
        self.shared.late.rows(bucket)
    }

    /// Moves the log into the database file now.
    pub(super) async fn checkpoint(&self) -> Result<(), WriteError> {
        self.ask(Job::Checkpoint).await
    }

    /// Commits on the caller's thread, if that takes a moment only; else does nothing.
    fn write_here(&self, write: &Write) -> Option<Result<bool, WriteError>> {
        // Nothing overtakes what was asked for before.
        if !write.is_small() || self.shared.queued.load(Ordering::Acquire) > 0 {
            return None;
        }
        let mut worker = self.shared.worker.try_lock().ok()?;
        if (worker.durable && write.must_survive()) || worker.logged >= LOG_WRITES {
            return None;
        }
        let committed = worker
            .set_patience(false)
            .and_then(|()| worker.commit([write]));
        if let Err(error) = &committed
            && !may_be_one_writes_fault(error)
        {
            // Another process writes, and the thread can wait for that.
            return None;
        }
        let committed = worker.health.watch_write(committed);
        let begun = worker.written.replace(Instant::now()).is_none();
        drop(worker);
        if begun && let Some(jobs) = &self.jobs {
            let _ = jobs.send(Job::LogBegun);
        }
        let outcome = committed.map(|outcomes| outcomes.contains(&true));
        Some(outcome.map_err(WriteError::from))
    }

    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, WriteError> {
        let (answer, answered) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(WriteError::Closed)?;
        self.shared.queued.fetch_add(1, Ordering::AcqRel);
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

/// The thread: takes what waits in the queue, group by group, and empties the log.
fn run(shared: &Shared, queue: &mpsc::Receiver<Job>) {
    if let Err(error) = shared.worker().limit_log() {
        tracing::warn!(%error, "the metadata database's log may grow more often than needed");
    }
    let mut group = Vec::new();
    let mut late_until: Option<Instant> = None;
    loop {
        let written = shared.worker().written;
        let due = [late_until, written.map(|at| at + IDLE)];
        let first = match due.into_iter().flatten().min() {
            None => queue
                .recv()
                .map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            Some(due) => queue.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        let first = match first {
            Ok(first) => first,
            Err(mpsc::RecvTimeoutError::Timeout)
                if late_until.is_some_and(|until| until <= Instant::now()) =>
            {
                late_until = None;
                shared.late.expect();
                let mut worker = shared.worker();
                if !shared.late.is_empty() {
                    // The log is not empty any more, if it was.
                    worker.written = Some(Instant::now());
                }
                let committed = worker.set_patience(true).and_then(|()| worker.commit([]));
                if let Err(error) = worker.health.watch_write(committed) {
                    tracing::warn!(%error, "rows of new objects wait to be written");
                }
                continue;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let mut worker = shared.worker();
                // Else there was a write meanwhile.
                if worker.written == written {
                    let emptied = worker.empty_log();
                    worker.tell_if_log_stays(&emptied);
                }
                continue;
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        };
        let mut checkpoint = None;
        let mut taken = 0;
        for job in std::iter::once(first).chain(queue.try_iter().take(GROUP - 1)) {
            match job {
                Job::Write(write, answer) => group.push((write, answer)),
                Job::Checkpoint(answer) => {
                    taken += 1;
                    checkpoint = Some(answer);
                    break;
                }
                Job::LogBegun => {}
                Job::Late => late_until = Some(Instant::now() + LATE),
            }
        }
        taken += group.len();
        let mut worker = shared.worker();
        if !group.is_empty() {
            worker.write(&mut group);
        }
        if let Some(answer) = checkpoint {
            // Nobody waiting is no error.
            let _ = answer.send(worker.empty_log().map(drop).map_err(WriteError::from));
        } else if worker.logged >= LOG_WRITES {
            worker.shorten_log();
        }
        drop(worker);
        shared.queued.fetch_sub(taken, Ordering::AcqRel);
    }
    if let Err(error) = shared.worker().empty_log() {
        tracing::warn!(%error, "the metadata database's log stays beside it");
    }
}

struct Worker {
    db: Connection,
    durable: bool,
    health: Arc<Health>,
    late: Arc<Late>,
    /// Whether commits are synced now; `None` before the first.
    synced: Option<bool>,
    /// Whether it waits for other processes that write.
    patient: bool,
    /// When the last write was; `None` when the log is empty.
    written: Option<Instant>,
    /// Writes since the log was moved into the database file.
    logged: usize,
    /// That the log cannot be moved was said.
    stays: bool,
    /// When it was last seen to that the file is still in its place.
    looked: Instant,
}

impl Worker {
    /// Commits and answers a group of writes.
    fn write(&mut self, group: &mut Vec<(Write, Answer<bool>)>) {
        self.written = Some(Instant::now());
        let committed = self
            .set_patience(true)
            .and_then(|()| self.commit(group.iter().map(|(write, _)| write)));
        match self.health.watch_write(committed) {
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

    /// One transaction with what is late and these writes, and whether each of these found what it
    /// writes to.
    fn commit<'w>(
        &mut self,
        writes: impl IntoIterator<Item = &'w Write> + Clone,
    ) -> rusqlite::Result<Vec<bool>> {
        let late = self.late.all();
        if late.is_empty() && writes.clone().into_iter().next().is_none() {
            return Ok(Vec::new());
        }
        if late.is_empty() {
            return self.transact(&[], writes);
        }
        let mut committed = self.transact(&late, writes.clone());
        if let Err(error) = &committed
            && may_be_one_writes_fault(error)
            && !is_full(error)
        {
            committed = self
                .catch_up(&late)
                .and_then(|()| self.transact(&[], writes));
        } else if committed.is_ok() {
            self.late.committed(late.len());
        }
        self.late
            .set_failing(committed.is_err() && !self.late.is_empty());
        committed
    }

    /// Commits what is late, one by one. What can never be written is given up: nobody waits for an
    /// answer, and the intent is still there.
    fn catch_up(&mut self, late: &[Arc<Write>]) -> rusqlite::Result<()> {
        for write in late {
            match self.transact(&[], [write.as_ref()]) {
                Err(error) if is_hopeless(&error) => {
                    tracing::error!(%error, "the row of a new object could not be noted");
                }
                outcome => drop(outcome?),
            }
            self.late.committed(1);
        }
        Ok(())
    }

    fn transact<'w>(
        &mut self,
        late: &[Arc<Write>],
        writes: impl IntoIterator<Item = &'w Write> + Clone,
    ) -> rusqlite::Result<Vec<bool>> {
        if self.looked.elapsed() >= IDLE {
            self.look();
        }
        let sync = self.durable && writes.clone().into_iter().any(Write::must_survive);
        self.set_sync(sync)?;
        if !self.db.is_autocommit() {
            self.execute("ROLLBACK")?; // Left by a panic.
        }
        self.execute("BEGIN IMMEDIATE")?;
        let outcomes = late
            .iter()
            .try_for_each(|write| write.apply(&self.db).map(drop))
            .and_then(|()| -> rusqlite::Result<Vec<bool>> {
                let outcomes = writes.into_iter().map(|write| write.apply(&self.db));
                outcomes.collect()
            });
        let committed = outcomes.and_then(|outcomes| {
            self.execute("COMMIT")?;
            Ok(outcomes)
        });
        match &committed {
            Ok(outcomes) => self.logged += late.len() + outcomes.len(),
            Err(_) if !self.db.is_autocommit() => self.execute("ROLLBACK")?,
            Err(_) => {}
        }
        committed
    }

    fn look(&mut self) {
        self.looked = Instant::now();
        // It says so itself.
        let _ = self.health.is_in_place();
    }

    fn execute(&self, statement: &str) -> rusqlite::Result<()> {
        self.db.prepare_cached(statement)?.execute([]).map(drop)
    }

    fn set_patience(&mut self, patient: bool) -> rusqlite::Result<()> {
        if self.patient != patient {
            if patient {
                file::wait_for_others(&mut self.db)?;
            } else {
                self.db.busy_timeout(Duration::ZERO)?;
            }
            self.patient = patient;
        }
        Ok(())
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
}

/// Waiting in vain for another process is nobody's fault, and not worth doing for each write.
fn may_be_one_writes_fault(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() != Some(rusqlite::ErrorCode::DatabaseBusy)
}
