//! `cache migrate` and `cache verify`: every object is looked at, and many are read.

use super::missing::Missing;
use super::walk::{Found, Parallel, Walk, WalkOptions, patiently};
use super::{Context, SOME_FAILED, format, print, print_json, runtime};
use crate::cli::Failure;
use crate::cli::output::visible;
use crate::cli::progress::Progress;
use crate::model::{BucketName, ETag, ObjectKey};
use crate::service::{Healed, Service, ServiceError, Verified};
use clap::Args;
use futures_util::{StreamExt, TryFutureExt, TryStreamExt};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct MigrateOptions {
    #[command(flatten)]
    walk: WalkOptions,

    #[command(flatten)]
    parallel: Parallel,

    /// Only say what would be done, and how much would be read
    #[arg(long)]
    dry_run: bool,

    /// Print JSON: a line for each object, and one for the sum
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct VerifyOptions {
    #[command(flatten)]
    walk: WalkOptions,

    #[command(flatten)]
    parallel: Parallel,

    /// Print JSON: a line for each object, and one for the sum
    #[arg(long)]
    json: bool,
}

/// What is done with each object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Migrate,
    Plan,
    Verify,
}

pub(super) fn migrate(context: &Context, options: MigrateOptions) -> Result<(), Failure> {
    let task = if options.dry_run {
        Task::Plan
    } else {
        Task::Migrate
    };
    runtime()?.block_on(run(
        context,
        (options.walk, options.parallel),
        task,
        options.json,
    ))
}

pub(super) fn verify(context: &Context, options: VerifyOptions) -> Result<(), Failure> {
    runtime()?.block_on(run(
        context,
        (options.walk, options.parallel),
        Task::Verify,
        options.json,
    ))
}

/// How long to write at the end what is to be kept with objects.
const FLUSH: Duration = Duration::from_secs(30);

async fn run(
    context: &Context,
    (options, parallel): (WalkOptions, Parallel),
    task: Task,
    json: bool,
) -> Result<(), Failure> {
    let jobs = usize::from(parallel.jobs);
    let walk = options.open(context).await?;
    if !json {
        print(&heading(&walk, task))?;
    }
    let mut sum = Sum::default();
    // What is found out is kept with the objects, too, where the storage can do that.
    let writing_behind = {
        let service = walk.service.clone();
        tokio::spawn(async move { service.write_portable_texts().await })
    };
    let progress = Progress::on_terminal();
    let show = Show {
        json,
        progress: progress.as_ref(),
    };
    let outcome = tokio::select! {
        outcome = work(&walk, task, jobs, show, &mut sum) => outcome,
        _ = tokio::signal::ctrl_c() => Err(Failure::new("interrupted")
            .hint("what was found out is kept: run the command again to go on")),
    };
    if let Some(progress) = &progress {
        progress.end();
    }
    writing_behind.abort();
    if outcome.is_ok() && task == Task::Migrate {
        // A server writes what is left.
        let _ = tokio::time::timeout(FLUSH, walk.service.flush_portable_texts()).await;
    }
    let in_vain = match walk.out_of_sight() {
        Some(elsewhere) if task == Task::Verify && sum.done == 0 => Some(elsewhere.remedy),
        _ => None,
    };
    walk.close().await;
    if json {
        print_json(&json!({ "summary": sum.json(task) }))?;
    } else {
        print(&sum.text(task))?;
    }
    outcome?;
    let count = |what: &str, count| {
        let what = format!("{} {what}", format::objects(count));
        (count > 0).then_some(what)
    };
    let bad = [count("failed", sum.failed), count("missing", sum.missing)];
    let bad: Vec<String> = bad.into_iter().flatten().collect();
    match in_vain {
        _ if !bad.is_empty() => Err(Failure::new(bad.join(", ")).with_code(SOME_FAILED)),
        Some(remedy) => {
            let what = "nothing was verified: all that is known is in other buckets";
            Err(Failure::new(what).hint(remedy))
        }
        None => Ok(()),
    }
}

/// Where what becomes of each object is to be seen.
#[derive(Clone, Copy)]
struct Show<'a> {
    json: bool,
    progress: Option<&'a Progress>,
}

impl Show<'_> {
    fn line(
        self,
        bucket: &BucketName,
        key: &ObjectKey,
        size: u64,
        outcome: &Outcome,
    ) -> Result<(), Failure> {
        let line = if self.json {
            outcome.json(bucket, key, size).to_string()
        } else {
            outcome.line(bucket, key, size)
        };
        match self.progress {
            Some(progress) => progress.print(&line),
            None => print(&format!("{line}\n")),
        }
    }
}

async fn work(
    walk: &Walk,
    task: Task,
    jobs: usize,
    show: Show<'_>,
    sum: &mut Sum,
) -> Result<(), Failure> {
    if let Some(progress) = show.progress
        && task != Task::Plan
    {
        // What is to be read is not known before all objects were looked at.
        let bytes = walk.objects().try_fold(0u64, |bytes, found| async move {
            Ok(bytes.saturating_add(task.bytes_to_read(&found)))
        });
        progress.set_length(bytes.await?);
    }
    let mut missing = match task {
        Task::Verify => Missing::begin(walk)?,
        Task::Migrate | Task::Plan => None,
    };
    let listed = walk.objects().map(|found| {
        let found = found?;
        if let Some(missing) = &mut missing {
            missing.listed(&found.bucket, &found.object.key)?;
        }
        Ok(found)
    });
    // Each in a task of its own: hashing keeps a core busy.
    let objects = listed.map_ok(|found| {
        let (service, progress) = (walk.service.clone(), show.progress.cloned());
        let task = tokio::spawn(async move {
            let on_read = |bytes| {
                if let Some(progress) = &progress {
                    progress.advance(bytes);
                }
            };
            let outcome = task.run(&service, &found, &on_read).await;
            (found, outcome)
        });
        task.map_err(|error| Failure::new(format!("a task has ended early: {error}")))
    });
    let mut done = Box::pin(objects.try_buffer_unordered(jobs));
    while let Some((found, outcome)) = done.try_next().await? {
        let Found { bucket, object } = &found;
        sum.add(object.size, &outcome);
        show.line(bucket, &object.key, object.size, &outcome)?;
        if matches!(outcome, Outcome::NoRoom) {
            // All others would be read in vain.
            return Err(
                Failure::new(NO_ROOM).hint("make room there, and run the command again to go on")
            );
        }
    }
    drop(done);
    if let Some(missing) = missing {
        let each = |bucket: &BucketName, key: &ObjectKey, size, outcome: &Outcome| {
            sum.add(size, outcome);
            show.line(bucket, key, size, outcome)
        };
        missing.tell(each).await?;
    }
    Ok(())
}

fn heading(walk: &Walk, task: Task) -> String {
    let mut text = match task {
        Task::Migrate => "Migrating MD5s\n",
        Task::Plan => "Migrating MD5s (dry run)\n",
        Task::Verify => "Verifying objects\n",
    }
    .to_owned();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  Backend: {}", walk.title);
    if let Some(number) = walk.backend.label {
        let _ = writeln!(text, "  Workspace: {number}");
    }
    let names: Vec<&str> = walk.buckets.iter().map(BucketName::as_str).collect();
    let names = if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    };
    let _ = writeln!(text, "  Bucket: {names}\n");
    text
}

/// What became of one object.
#[derive(Debug)]
pub(super) enum Outcome {
    Cached,
    Planned,
    /// The text beside the object says it.
    PlannedByText,
    Migrated(ETag),
    MigratedByText(ETag),
    BeingWritten,
    Gone,
    Whole,
    Unknown,
    /// The database knows it, and the storage does not have it.
    Missing,
    Failed(String),
    /// What was found out cannot be kept.
    NoRoom,
}

const NO_ROOM: &str = "the disk of the metadata database is full";

impl Task {
    fn bytes_to_read(self, found: &Found) -> u64 {
        let told = found.object.told().is_some();
        let known = found.object.etag.is_some() || told;
        let read = match self {
            Self::Migrate | Self::Plan => !known,
            Self::Verify => known,
        };
        if read { found.object.size } else { 0 }
    }

    async fn run(
        self,
        service: &Service,
        found: &Found,
        on_read: &(dyn Fn(u64) + Send + Sync),
    ) -> Outcome {
        let (bucket, key) = (&found.bucket, &found.object.key);
        let (cached, told) = (&found.object.etag, found.object.told());
        match (self, cached, told) {
            (Self::Migrate | Self::Plan, Some(_), _) => return Outcome::Cached,
            (Self::Plan, None, Some(_)) => return Outcome::PlannedByText,
            (Self::Plan, None, None) => return Outcome::Planned,
            (Self::Verify, None, None) => return Outcome::Unknown,
            (Self::Migrate | Self::Verify, _, Some(etag)) => {
                match service.believe(bucket, &found.object).await {
                    Ok(true) if self == Self::Migrate => {
                        return Outcome::MigratedByText(etag.clone());
                    }
                    // Either it is to be read anyway, or it has changed since.
                    Ok(_) => {}
                    Err(ServiceError::NoSpace) => return Outcome::NoRoom,
                    Err(error) => return Outcome::Failed(error.to_string()),
                }
            }
            (Self::Migrate | Self::Verify, _, None) => {}
        }
        if self == Self::Verify {
            return match patiently(|| service.verify(bucket, key, on_read)).await {
                Ok(Verified::Whole) => Outcome::Whole,
                Ok(Verified::Unknown) => Outcome::Unknown,
                Ok(Verified::Gone) => Outcome::Gone,
                Ok(Verified::Rotten { expected, found }) => {
                    Outcome::Failed(format!("rotten: its bytes have {found}, not {expected}"))
                }
                Err(error) => Outcome::Failed(error.to_string()),
            };
        }
        match patiently(|| service.heal(bucket, key, on_read)).await {
            Ok(Healed::Learned(etag)) => Outcome::Migrated(etag),
            Ok(Healed::BeingWritten) => Outcome::BeingWritten,
            Ok(Healed::Gone) => Outcome::Gone,
            Err(ServiceError::NoSpace) => Outcome::NoRoom,
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }
}

impl Outcome {
    fn line(&self, bucket: &BucketName, key: &ObjectKey, size: u64) -> String {
        let size = format::size(size);
        let what = match self {
            Self::Cached => "already cached".to_owned(),
            Self::Planned => format!("would migrate ({size})"),
            Self::PlannedByText => "would migrate (nothing to read)".to_owned(),
            Self::Migrated(etag) => format!("migrated ({etag})"),
            Self::MigratedByText(etag) => format!("migrated ({etag}), nothing read"),
            Self::BeingWritten => "skipped: it is being written".to_owned(),
            Self::Gone => "skipped: it was deleted".to_owned(),
            Self::Whole => "ok".to_owned(),
            Self::Unknown => "skipped: its MD5 is not known".to_owned(),
            Self::Missing => "missing: it is known, and not there".to_owned(),
            Self::Failed(why) => format!("failed: {why}"),
            Self::NoRoom => format!("failed: {NO_ROOM}"),
        };
        let key = visible(key.as_str());
        format!("{bucket}/{key}: {what}")
    }

    fn json(&self, bucket: &BucketName, key: &ObjectKey, size: u64) -> Value {
        let mut line = json!({
            "bucket": bucket.as_str(),
            "key": key.as_str(),
            "size": size,
            "outcome": match self {
                Self::Cached => "cached",
                Self::Planned | Self::PlannedByText => "would-migrate",
                Self::Migrated(_) | Self::MigratedByText(_) => "migrated",
                Self::BeingWritten => "being-written",
                Self::Gone => "gone",
                Self::Whole => "ok",
                Self::Unknown => "unknown",
                Self::Missing => "missing",
                Self::Failed(_) | Self::NoRoom => "failed",
            },
        });
        if let Some(fields) = line.as_object_mut() {
            match self {
                Self::Planned | Self::PlannedByText => {
                    let read = matches!(self, Self::Planned);
                    fields.insert("read".into(), read.into());
                }
                Self::Migrated(etag) | Self::MigratedByText(etag) => {
                    let read = matches!(self, Self::Migrated(_));
                    fields.insert("etag".into(), etag.to_string().into());
                    fields.insert("read".into(), read.into());
                }
                Self::Failed(why) => _ = fields.insert("error".into(), why.as_str().into()),
                Self::NoRoom => _ = fields.insert("error".into(), NO_ROOM.into()),
                _ => {}
            }
        }
        line
    }
}

/// All outcomes.
#[derive(Debug, Default)]
struct Sum {
    total: u64,
    cached: u64,
    /// Migrated, or found whole.
    done: u64,
    planned: u64,
    planned_bytes: u64,
    skipped: u64,
    failed: u64,
    /// Not in the total of what there is.
    missing: u64,
}

impl Sum {
    fn add(&mut self, size: u64, outcome: &Outcome) {
        self.total += u64::from(!matches!(outcome, Outcome::Missing));
        match outcome {
            Outcome::Missing => self.missing += 1,
            Outcome::Cached => self.cached += 1,
            Outcome::Migrated(_) | Outcome::MigratedByText(_) | Outcome::Whole => self.done += 1,
            Outcome::PlannedByText => self.planned += 1,
            Outcome::Planned => {
                self.planned += 1;
                self.planned_bytes = self.planned_bytes.saturating_add(size);
            }
            Outcome::BeingWritten | Outcome::Gone | Outcome::Unknown => self.skipped += 1,
            Outcome::Failed(_) | Outcome::NoRoom => self.failed += 1,
        }
    }

    fn text(&self, task: Task) -> String {
        let number = format::number;
        let mut text = format!("\nSummary:\n  Total files: {}\n", number(self.total));
        let _ = match task {
            Task::Migrate => writeln!(
                text,
                "  Already cached: {}\n  Migrated: {}",
                number(self.cached),
                number(self.done)
            ),
            Task::Plan => writeln!(
                text,
                "  Already cached: {}\n  Would migrate: {} ({} to read)",
                number(self.cached),
                number(self.planned),
                format::size(self.planned_bytes)
            ),
            Task::Verify => writeln!(text, "  Verified: {}", number(self.done)),
        };
        if self.skipped > 0 {
            let _ = writeln!(text, "  Skipped: {}", number(self.skipped));
        }
        if self.failed > 0 {
            let _ = writeln!(text, "  Failed: {}", number(self.failed));
        }
        if self.missing > 0 {
            let _ = writeln!(text, "  Missing: {}", number(self.missing));
        }
        text
    }

    fn json(&self, task: Task) -> Value {
        let mut sum = json!({
            "total": self.total,
            "skipped": self.skipped,
            "failed": self.failed,
        });
        if let Some(fields) = sum.as_object_mut() {
            match task {
                Task::Migrate => _ = fields.insert("migrated".into(), self.done.into()),
                Task::Plan => {
                    fields.insert("would_migrate".into(), self.planned.into());
                    fields.insert("bytes_to_read".into(), self.planned_bytes.into());
                }
                Task::Verify => {
                    fields.insert("verified".into(), self.done.into());
                    fields.insert("missing".into(), self.missing.into());
                }
            }
            if task != Task::Verify {
                fields.insert("cached".into(), self.cached.into());
            }
        }
        sum
    }
}
