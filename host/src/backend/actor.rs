//! Store actors: one plugin instance each, in a store with its own thread and event loop.
//!
//! Many calls run in one instance at once. A trap, a runaway loop or a memory bomb ends that
//! instance only: its calls fail with a retryable error and it is built anew. One call cannot be
//! cancelled inside a store, so when a call never returns its whole actor is retired: it takes
//! no new calls, its others may finish, and another actor takes its place at once.
//!
//! Waking another thread costs as much as a small read. So connections may take a [`Seat`] on an
//! actor's thread, and their calls go to that actor.

use super::bindings::exports::pys3local::storage::setup::{Configured, Context};
use super::context::{self, ANSWER, Ctx};
use super::engine::TICK;
use super::grants::Grants;
use super::guest_log::GuestLog;
use super::limits::HANDLES;
use super::load::{Guest, Loaded, one_line, why};
use super::metrics::Metrics;
use super::outgoing::Outgoing;
use super::pulse::NativeWork;
use super::secrets::Secrets;
use futures_util::future::BoxFuture;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot};
use wasmtime::component::{Accessor, AccessorTask, HasSelf};
use wasmtime::{Store, UpdateDeadline};

/// Ticks for which a guest may hold its thread without returning to the event loop.
const RUNAWAY: u64 = 40;
/// Calls that wait in front of one actor.
const QUEUE: usize = 256;
/// The first pause before a dead instance is built anew; it doubles up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// An instance that has lived so long starts again with the shortest pause.
const HEALTHY: Duration = Duration::from_secs(30);

/// One call, to be run inside a store.
pub(super) type Job =
    Box<dyn for<'a> FnOnce(&'a Accessor<Ctx>, &'a Guest) -> BoxFuture<'a, ()> + Send>;

/// What every instance of one plugin has in common.
pub(super) struct Blueprint {
    pub(super) name: Arc<str>,
    pub(super) loaded: Loaded,
    pub(super) grants: Grants,
    pub(super) outgoing: Outgoing,
    pub(super) settings: Vec<(String, String)>,
    /// What of these and of the granted variables must not be told on.
    pub(super) secrets: Secrets,
    pub(super) single_bucket: bool,
    pub(super) durable: bool,
    /// What the first instance answered; later ones must agree.
    pub(super) configured: OnceLock<Configured>,
    pub(super) metrics: Metrics,
    /// How often an instance has ended or was replaced, and with it what it knew. One that is stuck
    /// counts twice: it may still learn something before it ends.
    pub(super) losses: AtomicU64,
}

impl Blueprint {
    fn store(&self) -> wasmtime::Result<Store<Ctx>> {
        self.store_with(&self.grants, self.outgoing.clone(), &self.secrets)
    }

    /// A store with grants and secrets of its own.
    pub(super) fn store_with(
        &self,
        grants: &Grants,
        outgoing: Outgoing,
        secrets: &Secrets,
    ) -> wasmtime::Result<Store<Ctx>> {
        let log = GuestLog::new(&self.name, secrets);
        let ctx = Ctx::new(grants, outgoing, log)?;
        let mut store = Store::new(self.loaded.pre.engine(), ctx);
        store.limiter(|ctx| &mut ctx.limits);
        store.set_hostcall_fuel(ANSWER);
        store.set_max_component_handles(HANDLES);
        Ok(store)
    }

    fn context(&self) -> Context {
        static INSTANCES: AtomicU64 = AtomicU64::new(0);
        let number = INSTANCES.fetch_add(1, Ordering::Relaxed);
        let now = std::time::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default()
            .as_nanos();
        let instance = format!("{now:x}-{:x}-{number:x}", std::process::id());
        Context {
            instance,
            single_bucket: self.single_bucket,
            durable: self.durable,
        }
    }
}

/// One plugin instance with its queue. Dropping the last handle ends it, after its calls.
pub(super) struct Actor {
    jobs: mpsc::Sender<Job>,
    shared: Arc<Shared>,
    thread: Handle,
    /// Dropped with the last handle, which the thread hears.
    _wanted: oneshot::Sender<()>,
}

/// A place beside an instance, on its thread: calls from there reach it without waking another.
pub struct Seat {
    thread: Handle,
    shared: Arc<Shared>,
}

impl Seat {
    /// The event loop of the thread; it runs for as long as there is a seat on it.
    pub fn thread(&self) -> &Handle {
        &self.thread
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.shared.seats.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.shared.left.notify_one();
        }
    }
}

thread_local! {
    /// The instance of this thread.
    static HERE: Cell<*const Shared> = const { Cell::new(std::ptr::null()) };
}

struct Shared {
    /// Seats that are taken, and word of the last one that was left.
    seats: AtomicUsize,
    left: Notify,
    /// Turns of the event loop that the watchdog has asked for.
    turns: AtomicU64,
    asked: Notify,
    in_flight: AtomicUsize,
    /// Whether there is an instance to take calls.
    ready: AtomicBool,
    retired: AtomicBool,
    last_failure: Mutex<String>,
    native: Mutex<Arc<NativeWork>>,
}

/// How well an actor can take one more call: the least is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Standing {
    /// It is being started, or waits after its instance has died: calls would wait, too.
    absent: bool,
    calls: usize,
}

/// Counts a call (and the body that it returned) for as long as it needs its instance.
pub(super) struct Busy(Arc<Shared>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Actor {
    /// Starts a thread with an instance.
    pub(super) fn start(blueprint: Arc<Blueprint>) -> std::io::Result<Arc<Self>> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (wanted, unwanted) = oneshot::channel();
        let shared = Arc::new(Shared {
            seats: AtomicUsize::new(0),
            left: Notify::new(),
            turns: AtomicU64::new(0),
            asked: Notify::new(),
            in_flight: AtomicUsize::new(0),
            ready: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            last_failure: Mutex::new("the plugin instance was stopped".into()),
            native: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let actor = Arc::new(Self {
            jobs,
            shared: Arc::clone(&shared),
            thread: runtime.handle().clone(),
            _wanted: wanted,
        });
        std::thread::Builder::new()
            .name(format!("plugin-{}", blueprint.name))
            .spawn(move || {
                HERE.set(Arc::as_ptr(&shared));
                // A task of its own: whoever wakes the outermost future pays two system calls.
                let instances = {
                    let (blueprint, shared) = (Arc::clone(&blueprint), Arc::clone(&shared));
                    async move { supervise(&blueprint, &shared, queue, unwanted).await }
                };
                runtime.block_on(async {
                    let _ = tokio::spawn(instances).await;
                    blueprint.losses.fetch_add(1, Ordering::Relaxed);
                    while shared.seats.load(Ordering::Relaxed) > 0 {
                        shared.left.notified().await;
                    }
                });
                // Disk work that hangs must not keep the thread.
                runtime.shutdown_background();
            })?;
        Ok(actor)
    }

    pub(super) fn busy(&self) -> Busy {
        self.shared.in_flight.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(&self.shared))
    }

    /// Takes a seat on the instance's thread.
    pub(super) fn seat(&self) -> Seat {
        self.shared.seats.fetch_add(1, Ordering::Relaxed);
        Seat {
            thread: self.thread.clone(),
            shared: Arc::clone(&self.shared),
        }
    }

    /// Seats that are taken.
    pub(super) fn seats(&self) -> usize {
        self.shared.seats.load(Ordering::Relaxed)
    }

    /// Whether the caller runs on the instance's own thread.
    pub(super) fn is_here(&self) -> bool {
        std::ptr::eq(HERE.get(), Arc::as_ptr(&self.shared))
    }

    pub(super) fn is_ready(&self) -> bool {
        self.shared.ready.load(Ordering::Relaxed)
    }

    /// Whether its handles suffice for one more call.
    pub(super) fn has_room(&self) -> bool {
        self.shared.in_flight.load(Ordering::Relaxed) < context::calls()
    }

    pub(super) fn standing(&self) -> Standing {
        Standing {
            absent: !self.is_ready(),
            calls: self.shared.in_flight.load(Ordering::Relaxed),
        }
    }

    /// Queues a call; gives it back when the actor is gone.
    pub(super) async fn send(&self, job: Job) -> Result<(), ()> {
        self.jobs.send(job).await.map_err(|_| ())
    }

    pub(super) fn native(&self) -> Arc<NativeWork> {
        Arc::clone(
            &self
                .shared
                .native
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    pub(super) fn last_failure(&self) -> String {
        self.shared
            .last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Marks it as not to be used any more; true for the first caller.
    pub(super) fn retire(&self) -> bool {
        !self.shared.retired.swap(true, Ordering::Relaxed)
    }
}

impl Shared {
    fn note_failure(&self, text: String) {
        *self
            .last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = text;
    }
}

/// One instance after another, for as long as the queue is open.
async fn supervise(
    blueprint: &Blueprint,
    shared: &Arc<Shared>,
    mut queue: mpsc::Receiver<Job>,
    mut unwanted: oneshot::Receiver<()>,
) {
    let mut pause = PAUSE;
    loop {
        let started = Instant::now();
        let patience = blueprint.grants.call_timeout;
        let served = tokio::select! {
            served = serve(blueprint, shared, &mut queue) => served,
            // A guest that waits through WASI 0.2 keeps the event loop from its end.
            () = overdue(&mut unwanted, patience) => return,
        };
        shared.ready.store(false, Ordering::Relaxed);
        let Err(error) = served else {
            return;
        };
        let text = why(&error);
        // For the author of the plugin: where it was.
        tracing::debug!(plugin = %blueprint.name, "{}", one_line(&format!("{error:#}")));
        if blueprint.configured.get().is_none() {
            // It has never worked: whoever starts the plugin says why, and starts it no more.
            shared.note_failure(text);
            return;
        }
        blueprint.metrics.restarted();
        blueprint.losses.fetch_add(1, Ordering::Relaxed);
        tracing::error!(plugin = %blueprint.name, "a plugin instance died: {text}");
        shared.note_failure(text);
        if started.elapsed() > HEALTHY {
            pause = PAUSE;
        }
        let wake = tokio::time::Instant::now() + pause;
        // Calls that come during a long pause are answered at once (their reply is dropped).
        if pause > PAUSE * 8 {
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(wake) => break,
                    job = queue.recv() => if job.is_none() { return },
                }
            }
        } else {
            tokio::time::sleep_until(wake).await;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn serve(
    blueprint: &Blueprint,
    shared: &Arc<Shared>,
    queue: &mut mpsc::Receiver<Job>,
) -> wasmtime::Result<()> {
    let mut store = blueprint.store()?;
    let native = Arc::clone(&store.data().native);
    *shared.native.lock().unwrap_or_else(PoisonError::into_inner) = native;
    watch(&mut store, Arc::clone(shared));
    let instance = blueprint.loaded.pre.instantiate_async(&mut store).await?;
    let guest = Arc::new(blueprint.loaded.guest(&mut store, &instance)?);
    let patience = blueprint.grants.call_timeout;
    let ended = store
        .run_concurrent(async |accessor| {
            let configure = guest.setup.call_configure(
                accessor,
                blueprint.settings.clone(),
                blueprint.context(),
            );
            let configured = alive(shared, tokio::time::timeout(patience, configure))
                .await
                .map_err(|_| wasmtime::format_err!("configure took too long"))??
                .map_err(|error| {
                    let error = blueprint.secrets.hide_in(error);
                    wasmtime::format_err!("{}", super::convert::text(&error))
                })?;
            let first = blueprint.configured.get_or_init(|| configured.clone());
            if first.namespace != configured.namespace {
                wasmtime::bail!("an instance answered another namespace than the first");
            }
            shared.ready.store(true, Ordering::Relaxed);
            while let Some(job) = alive(shared, queue.recv()).await {
                accessor.spawn(Run(job, Arc::clone(&guest)))?;
            }
            // Retired or shut down: the calls that are still there get their time.
            let end = tokio::time::Instant::now() + patience;
            while shared.in_flight.load(Ordering::Relaxed) > 0 && tokio::time::Instant::now() < end
            {
                alive(shared, tokio::time::sleep(TICK)).await;
            }
            Ok(())
        })
        .await
        .flatten();
    // Before its calls, which are dropped with the store, look for it.
    if let Err(error) = &ended {
        shared.note_failure(why(error));
    }
    ended
}

/// Returns when an instance that nobody wants any more has had time for its calls, and a little
/// more.
async fn overdue(unwanted: &mut oneshot::Receiver<()>, patience: Duration) {
    let _ = unwanted.await;
    tokio::time::sleep(patience + TICK * 4).await;
}

/// Waits, and answers the watchdog meanwhile.
async fn alive<F: Future>(shared: &Shared, work: F) -> F::Output {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            () = shared.asked.notified() => {
                shared.turns.fetch_add(1, Ordering::Relaxed);
            }
            done = &mut work => return done,
        }
    }
}

/// Ends a guest that computes for [`RUNAWAY`] ticks while the event loop gets no turn. At each tick
/// that finds a guest running, the event loop is asked for a sign of life; it answers when the
/// guest returns to it.
fn watch(store: &mut Store<Ctx>, shared: Arc<Shared>) {
    let (mut seen, mut held) = (0, 0);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        let turns = shared.turns.load(Ordering::Relaxed);
        held = if turns == seen { held + 1 } else { 0 };
        seen = turns;
        if held > RUNAWAY {
            wasmtime::bail!("the plugin computed for too long without a pause");
        }
        shared.asked.notify_one();
        Ok(UpdateDeadline::Continue(1))
    });
}

struct Run(Job, Arc<Guest>);

impl AccessorTask<Ctx, HasSelf<Ctx>> for Run {
    async fn run(self, accessor: &Accessor<Ctx>) -> wasmtime::Result<()> {
        (self.0)(accessor, &self.1).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_that_is_not_there_comes_after_the_busiest_one() {
        let standing = |absent, calls| Standing { absent, calls };
        let mut actors = [
            standing(true, 0),
            standing(false, 200),
            standing(true, 3),
            standing(false, 0),
        ];
        actors.sort_unstable();
        let calls = actors.map(|actor| (actor.absent, actor.calls));
        assert_eq!(calls, [(false, 0), (false, 200), (true, 0), (true, 3)]);
    }
}
