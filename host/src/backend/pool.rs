//! The actors of one plugin, and calls to them.

use super::actor::{Actor, Blueprint, Busy, Job, Seat};
use super::bindings::pys3local::storage::types::Error as GuestError;
use super::context::{self, Ctx};
use super::convert;
use super::load::{Guest, why};
use super::pulse::Pulse;
use crate::service::ports::StoreError;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};
use std::time::Instant;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, oneshot};
use wasmtime::component::Accessor;

/// The actors of one plugin.
pub(super) struct Pool {
    blueprint: Arc<Blueprint>,
    slots: RwLock<Vec<Arc<Actor>>>,
    next: AtomicUsize,
    /// Set with the number of actors; none if any number of calls may run.
    turns: OnceLock<Option<Turns>>,
    /// Objects that are being stored (bucket and key) and their buckets, and how many calls store
    /// each.
    storing: Mutex<HashMap<Place, usize>>,
    /// Word of one more of them.
    begun: Notify,
}

/// Who may run: one permit for each call.
struct Turns {
    calls: Semaphore,
    /// Of these, those whose bodies come from clients, and may take their time. The others have some
    /// for themselves, so that only uploads wait for uploads. None if that matters to nobody.
    uploads: Option<Semaphore>,
}

/// For as long as a call runs.
type Turn<'p> = (Option<SemaphorePermit<'p>>, SemaphorePermit<'p>);

/// So many times the patience with a call an upload waits until it may run: those that run may take
/// their time. But while it waits, nobody sees that its client has gone, and its connection is one of
/// those that there may be.
const UPLOAD_TIMEOUTS: u32 = 10;

/// What a call may take its time for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its body comes from a client.
    Upload,
    /// Nothing that is a client's to do.
    Other,
}

impl Turns {
    /// For so many requests at once, where `granted` calls may run, and the handles of all actors
    /// suffice for `room` of them.
    fn new(granted: Option<NonZeroUsize>, room: usize, requests: usize) -> Option<Self> {
        let granted = granted.map(|calls| calls.get().min(Semaphore::MAX_PERMITS));
        let most = granted.unwrap_or(requests).min(requests);
        if most <= room {
            return granted.map(|calls| Self {
                calls: Semaphore::new(calls),
                uploads: None,
            });
        }
        let uploads = room.saturating_sub(room.div_ceil(4)).max(1);
        Some(Self {
            calls: Semaphore::new(room),
            uploads: Some(Semaphore::new(uploads)),
        })
    }
}

/// The objects (bucket and key) that a call is about, as far as that matters: while one of them is
/// being stored, the call need not wait until it may run. The one that stores it counts among those
/// that run, and may itself be waiting for this one.
pub(super) struct About(Vec<Place>);

impl About {
    /// It waits whatever happens.
    pub(super) const NOTHING: Self = Self(Vec::new());
}

/// Says, for as long as it lives, that an object is being stored.
pub(super) struct Storing(Option<(Arc<Pool>, [Place; 2])>);

/// A bucket, and a key in it or none for the bucket itself.
type Place = (String, Option<String>);

impl Drop for Storing {
    fn drop(&mut self) {
        let Some((pool, places)) = self.0.take() else {
            return;
        };
        let mut storing = pool.storing();
        for place in &places {
            if let Some(count) = storing.get_mut(place) {
                *count -= 1;
                if *count == 0 {
                    storing.remove(place);
                }
            }
        }
    }
}

/// What a call answers: its own result, or the trap that ended it.
pub(super) type Outcome<R> = wasmtime::Result<Result<R, GuestError>>;

impl Pool {
    pub(super) fn start(blueprint: Arc<Blueprint>) -> std::io::Result<Arc<Self>> {
        let first = Actor::start(Arc::clone(&blueprint))?;
        Ok(Arc::new(Self {
            turns: OnceLock::new(),
            storing: Mutex::default(),
            begun: Notify::new(),
            blueprint,
            slots: RwLock::new(vec![first]),
            next: AtomicUsize::new(0),
        }))
    }

    fn turns(&self) -> Option<&Turns> {
        self.turns.get()?.as_ref()
    }

    /// Adds actors until there are `count`, for so many requests at once.
    pub(super) fn grow(&self, count: usize, requests: usize) -> std::io::Result<()> {
        let granted = self.blueprint.grants.max_calls;
        let room = context::calls().saturating_mul(count);
        self.turns
            .get_or_init(|| Turns::new(granted, room, requests));
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        while slots.len() < count {
            slots.push(Actor::start(Arc::clone(&self.blueprint))?);
        }
        Ok(())
    }

    /// Ends all instances after their calls.
    pub(super) fn stop(&self) {
        self.slots
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn storing(&self) -> std::sync::MutexGuard<'_, HashMap<Place, usize>> {
        self.storing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls about this object need not wait from now on.
    pub(super) fn begin_storing(self: &Arc<Self>, bucket: &str, key: &str) -> Storing {
        if self.turns().is_none() {
            return Storing(None);
        }
        let places = [Some(key), None].map(|key| (bucket.to_owned(), key.map(str::to_owned)));
        for place in &places {
            *self.storing().entry(place.clone()).or_default() += 1;
        }
        self.begun.notify_waiters();
        Storing(Some((Arc::clone(self), places)))
    }

    /// A call about these objects.
    pub(super) fn about<'k>(&self, bucket: &str, keys: impl IntoIterator<Item = &'k str>) -> About {
        if self.turns().is_none() {
            return About::NOTHING;
        }
        let keys = keys.into_iter();
        About(
            keys.map(|key| (bucket.to_owned(), Some(key.to_owned())))
                .collect(),
        )
    }

    /// A call about a bucket itself.
    pub(super) fn about_bucket(&self, bucket: &str) -> About {
        if self.turns().is_none() {
            return About::NOTHING;
        }
        About(vec![(bucket.to_owned(), None)])
    }

    /// Waits until a call may run. `None`: it may, and is not counted.
    async fn admit(&self, kind: Kind, about: &About) -> Result<Option<Turn<'_>>, String> {
        let Some(turns) = self.turns() else {
            return Ok(None);
        };
        let upload = match &turns.uploads {
            Some(uploads) if kind == Kind::Upload => {
                let patience = self.blueprint.grants.call_timeout * UPLOAD_TIMEOUTS;
                let patience = tokio::time::sleep(patience);
                match self.permit(uploads, about, patience).await? {
                    Some(upload) => Some(upload),
                    None => return Ok(None),
                }
            }
            _ => None,
        };
        let patience = tokio::time::sleep(self.blueprint.grants.call_timeout);
        let call = self.permit(&turns.calls, about, patience).await?;
        Ok(call.map(|call| (upload, call)))
    }

    /// One of these permits. `None`: the call needs none.
    async fn permit<'p>(
        &self,
        permits: &'p Semaphore,
        about: &About,
        patience: impl Future<Output = ()>,
    ) -> Result<Option<SemaphorePermit<'p>>, String> {
        let (mut patience, mut permit) =
            (std::pin::pin!(patience), std::pin::pin!(permits.acquire()));
        loop {
            let mut begun = std::pin::pin!(self.begun.notified());
            begun.as_mut().enable();
            {
                let storing = self.storing();
                if about.0.iter().any(|place| storing.contains_key(place)) {
                    return Ok(None);
                }
            }
            tokio::select! {
                permit = &mut permit => return Ok(permit.ok()),
                () = begun => {}
                () = &mut patience => {
                    return Err("as many calls as there may be make no progress".into());
                }
            }
        }
    }

    pub(super) fn blueprint(&self) -> &Arc<Blueprint> {
        &self.blueprint
    }

    /// Whether some instance is ready for calls.
    pub(super) fn is_running(&self) -> bool {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        slots.iter().any(|actor| actor.is_ready())
    }

    /// A place on the thread of the instance with the fewest of them.
    pub(super) fn seat(&self) -> Option<Seat> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let actor = slots.iter().filter(|actor| actor.is_ready());
        Some(actor.min_by_key(|actor| actor.seats())?.seat())
    }

    /// The least busy actor that is there, in turn.
    fn pick(&self) -> Option<Arc<Actor>> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = slots
            .iter()
            .find(|actor| actor.is_here() && actor.is_ready() && actor.has_room())
        {
            return Some(Arc::clone(here));
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let (front, back) = slots.split_at(turn.checked_rem(slots.len())?);
        back.iter()
            .chain(front)
            .min_by_key(|actor| actor.standing())
            .cloned()
    }

    /// Puts a new actor in the place of one that is stuck. The old one finishes its other calls.
    pub(super) fn retire(&self, stuck: &Arc<Actor>, why: &str) {
        if !stuck.retire() {
            return;
        }
        tracing::error!(plugin = %self.blueprint.name, "a plugin instance is replaced: {why}");
        self.blueprint.metrics.restarted();
        self.blueprint.losses.fetch_add(1, Ordering::Relaxed);
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = slots.iter_mut().find(|actor| Arc::ptr_eq(actor, stuck)) else {
            return;
        };
        match Actor::start(Arc::clone(&self.blueprint)) {
            Ok(fresh) => *slot = fresh,
            Err(error) => tracing::error!("cannot start a plugin instance: {error}"),
        }
    }

    /// Runs a call on the least busy actor, and watches that it gets on.
    pub(super) async fn call<R: Send + 'static>(
        self: &Arc<Self>,
        (function, kind): (&'static str, Kind),
        about: About,
        pulse: &Arc<Pulse>,
        call: impl for<'a> FnOnce(&'a Accessor<Ctx>, &'a Guest, Claim) -> BoxFuture<'a, Outcome<R>>
        + Send
        + 'static,
    ) -> Result<R, StoreError> {
        let begun = Instant::now();
        let outcome = self.run(kind, &about, pulse, call).await;
        let name = match &outcome {
            Ok(Ok(_)) => "ok",
            Ok(Err(_)) => "refused",
            Err(_) => "failed",
        };
        self.blueprint.metrics.finished(function, name, begun);
        match outcome {
            Ok(answer) => {
                let secrets = &self.blueprint.secrets;
                answer.map_err(|error| convert::error(secrets.hide_in(error)))
            }
            Err(why) => Err(StoreError::Unavailable(why)),
        }
    }

    /// The plugin's answer, or why there is none.
    async fn run<R: Send + 'static>(
        self: &Arc<Self>,
        kind: Kind,
        about: &About,
        pulse: &Arc<Pulse>,
        call: impl for<'a> FnOnce(&'a Accessor<Ctx>, &'a Guest, Claim) -> BoxFuture<'a, Outcome<R>>
        + Send
        + 'static,
    ) -> Result<Result<R, GuestError>, String> {
        let stopped = || "the plugin is shut down".to_owned();
        let patience = self.blueprint.grants.call_timeout;
        let _turn = self.admit(kind, about).await?;
        let actor = self.pick().ok_or_else(stopped)?;
        let (sender, receiver) = oneshot::channel();
        let claim = Claim {
            pool: Arc::clone(self),
            actor: Arc::downgrade(&actor),
            busy: Arc::new(actor.busy()),
        };
        let blueprint = Arc::clone(&self.blueprint);
        let waiting = blueprint.metrics.queued();
        let job: Job = Box::new(move |accessor, guest| {
            drop(waiting);
            let running = blueprint.metrics.running();
            Box::pin(async move {
                let _running = running;
                let _ = sender.send(call(accessor, guest, claim).await);
            })
        });
        // It is gone: for the reason that it gave, if it ever worked.
        let sent = actor.send(job).await;
        sent.map_err(|()| actor.last_failure())?;
        let native = actor.native();
        let outcome = tokio::select! {
            biased;
            outcome = receiver => outcome,
            () = pulse.stalled(patience, &native) => {
                self.retire(&actor, "a call made no progress");
                return Err("the plugin made no progress".into());
            }
        };
        match outcome {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(trap)) => Err(why(&trap)),
            // The store was dropped with the call in it.
            Err(_) => Err(actor.last_failure()),
        }
    }
}

/// What a call has of its instance while it runs. It does not keep the instance: a call that never
/// ends would keep itself.
pub(super) struct Claim {
    pool: Arc<Pool>,
    actor: Weak<Actor>,
    busy: Arc<Busy>,
}

impl Claim {
    /// Keeps the instance for what the call returns; `None` when nobody waits for that any more.
    pub(super) fn ticket(self) -> Option<Ticket> {
        Some(Ticket {
            pool: self.pool,
            actor: self.actor.upgrade()?,
            _busy: self.busy,
        })
    }
}

/// Keeps an instance alive for what a call returned.
#[derive(Clone)]
pub(super) struct Ticket {
    pool: Arc<Pool>,
    actor: Arc<Actor>,
    _busy: Arc<Busy>,
}

impl Ticket {
    /// The instance no longer delivers.
    pub(super) fn give_up(self, why: &str) {
        self.pool.retire(&self.actor, why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The permits of calls, and of those that are uploads.
    fn permits(
        granted: Option<usize>,
        room: usize,
        requests: usize,
    ) -> Option<(usize, Option<usize>)> {
        let turns = Turns::new(granted.and_then(NonZeroUsize::new), room, requests)?;
        let uploads = turns.uploads.as_ref().map(Semaphore::available_permits);
        Some((turns.calls.available_permits(), uploads))
    }

    #[test]
    fn calls_are_counted_only_where_more_may_come_than_there_is_room_for() {
        assert_eq!(permits(None, 1250, 512), None);
        assert_eq!(permits(None, 64, 512), Some((64, Some(48))));
        assert_eq!(permits(None, 1, 512), Some((1, Some(1))));
        assert_eq!(permits(Some(8), 64, 512), Some((8, None)));
        assert_eq!(permits(Some(8), 64, 0), Some((8, None)));
        assert_eq!(permits(Some(100), 64, 512), Some((64, Some(48))));
    }
}
