//! What the cache knew of the objects that were asked for, and the warnings about those whose MD5
//! it did not.

use super::buckets;
use super::locks::Place;
use crate::model::Bucket;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Objects whose MD5 is not known: how often they were met, and which were warned about lately.
#[derive(Default)]
pub(super) struct Strangers {
    met: AtomicU64,
    warned: Mutex<Warned>,
}

#[derive(Default)]
struct Warned {
    at: HashMap<Place, Instant>,
    /// Until then there is no room for others, since all were warned about lately.
    full_until: Option<Instant>,
}

impl Strangers {
    const PAUSE: Duration = Duration::from_mins(1);
    const REMEMBERED: usize = 1024;

    /// How often a client was told a tag that is no MD5.
    pub(super) fn met(&self) -> u64 {
        self.met.load(Ordering::Relaxed)
    }

    /// Counts, and says at most once a minute for each object that its MD5 is unknown.
    pub(super) fn meet(&self, place: &Place) {
        self.met.fetch_add(1, Ordering::Relaxed);
        if self.is_news(place, Instant::now()) {
            tracing::warn!(
                bucket = client_name(&place.bucket),
                key = place.key.as_str(),
                "the MD5 of this object is unknown: it was not put through this gateway, or was \
                 changed since; its ETag is made up until it is uploaded again or `pys3local cache \
                 migrate` has read it"
            );
        }
    }

    fn is_news(&self, place: &Place, now: Instant) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let Warned { at, full_until } = &mut *warned;
        let recent = |then: &Instant| now.duration_since(*then) < Self::PAUSE;
        // Full of recent warnings: the log has enough of them.
        if full_until.is_some_and(|until| now < until) || at.get(place).is_some_and(recent) {
            return false;
        }
        if at.len() >= Self::REMEMBERED {
            at.retain(|_, then| recent(then));
            if at.len() >= Self::REMEMBERED {
                *full_until = at.values().min().map(|first| *first + Self::PAUSE);
                return false;
            }
        }
        at.insert(place.clone(), now);
        true
    }
}

/// What clients call a bucket.
fn client_name(bucket: &Bucket) -> &str {
    match bucket {
        Bucket::Root => buckets::DEFAULT_BUCKET,
        Bucket::Named(name) => name.as_str(),
    }
}

/// How often a row described the object that was asked for.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Lookups {
    /// A row described the object.
    pub(super) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// No row described it.
    pub(super) fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// Hits and misses.
    pub(super) fn counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.hits), count(&self.misses))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(n: usize) -> Place {
        Place {
            bucket: Bucket::Root,
            key: n.to_string().parse().unwrap(),
        }
    }

    #[test]
    fn the_bucket_of_default_mode_has_the_name_that_clients_use() {
        assert_eq!(client_name(&Bucket::Root), "default");
        let named = Bucket::Named("photos".parse().unwrap());
        assert_eq!(client_name(&named), "photos");
    }

    #[test]
    fn an_object_without_an_md5_is_news_once_a_minute() {
        let strangers = Strangers::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(strangers.is_news(&place(1), at(0)));
        assert!(!strangers.is_news(&place(1), at(59)));
        assert!(strangers.is_news(&place(2), at(59)), "another object");
        assert!(strangers.is_news(&place(1), at(60)));
        assert!(!strangers.is_news(&place(1), at(61)));
    }

    #[test]
    fn many_objects_without_an_md5_cost_no_more_memory() {
        let strangers = Strangers::default();
        let start = Instant::now();
        let news = |from, seconds| {
            let now = start + Duration::from_secs(seconds);
            let all = (from..from + 3000).filter(|n| strangers.is_news(&place(*n), now));
            all.count()
        };
        assert_eq!(news(0, 0), Strangers::REMEMBERED);
        assert_eq!(news(3000, 59), 0);
        assert_eq!(news(6000, 60), Strangers::REMEMBERED);
        assert_eq!(news(9000, 119), 0);
        assert!(strangers.warned.lock().unwrap().at.len() <= Strangers::REMEMBERED);
    }

    #[test]
    fn room_comes_back_as_soon_as_the_first_warning_is_old() {
        let strangers = Strangers::default();
        let start = Instant::now();
        let half = Strangers::REMEMBERED / 2;
        let news = |from, count, seconds| {
            let now = start + Duration::from_secs(seconds);
            let all = (from..from + count).filter(|n| strangers.is_news(&place(*n), now));
            all.count()
        };
        assert_eq!(news(0, half, 0), half);
        assert_eq!(news(half, half, 30), half);
        assert_eq!(news(5000, 1, 31), 0);
        assert_eq!(news(6000, 3000, 60), half);
        assert_eq!(news(9000, 3000, 90), half);
    }
}
