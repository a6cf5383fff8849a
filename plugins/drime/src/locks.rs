//! Locks by name.

use futures_util::lock::{Mutex, OwnedMutexGuard};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// Locks by name, for as long as somebody wants them.
#[derive(Default)]
pub(crate) struct Locks(RefCell<HashMap<String, Arc<Mutex<()>>>>);

impl Locks {
    pub(crate) async fn lock(&self, name: String) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.borrow_mut();
            if locks.len() > 256 {
                locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            Arc::clone(locks.entry(name).or_default())
        };
        lock.lock_owned().await
    }
}
