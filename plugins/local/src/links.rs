//! Links to directories: no key leads through one.
//!
//! A listing cannot go into them, since they may lead in circles, and would show what is behind
//! them twice. So a key whose directory has the name of such a link gets a directory of its own
//! ([`crate::layout::Mark::Directory`]), and what the link leads to is nobody's but its owner's.
//! For the same reasons such a link is no bucket, and nor is a directory whose `objects` is one.

use crate::Local;
use crate::disk::{Dir, Kind};
use crate::layout::parent;
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Nanoseconds for which a directory is not looked at again: somebody may put a link in its place.
const TRUSTED: i64 = 10_000_000_000;
/// How many directories are remembered.
const MOST: usize = 2048;

/// Directories that were no links a short time ago.
#[derive(Debug, Default)]
pub(crate) struct Directories(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    since: i64,
    paths: HashSet<String>,
}

impl Directories {
    fn at(&self, now: i64) -> MutexGuard<'_, Remembered> {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.saturating_sub(remembered.since);
        if !(0..TRUSTED).contains(&age) || remembered.paths.len() >= MOST {
            remembered.since = now;
            remembered.paths.clear();
        }
        remembered
    }
}

impl<D: Dir> Local<D> {
    /// Whether none of the directories that lead from `base` to `path` is a link.
    pub(crate) async fn is_direct(&self, base: &str, path: &str) -> bool {
        self.is_own(base, parent(path)).await
    }

    /// Whether neither `dir` nor a directory that leads to it from `base` is a link.
    pub(crate) async fn is_own(&self, base: &str, dir: &str) -> bool {
        let now = D::now();
        if dir.len() <= base.len() || self.directories.at(now).paths.contains(dir) {
            return true;
        }
        let ends = dir.match_indices('/').map(|(at, _)| at).chain([dir.len()]);
        let mut near = self.tree.nearby();
        for outer in ends.filter_map(|end| dir.get(..end)) {
            if outer.len() <= base.len() || self.directories.at(now).paths.contains(outer) {
                continue;
            }
            match near.lstat(outer).await {
                Ok(stat) if stat.kind == Kind::Link => return false,
                Ok(_) => self.directories.at(now).paths.insert(outer.to_owned()),
                // Whoever goes on finds out what that means.
                Err(_) => return true,
            };
        }
        true
    }
}
