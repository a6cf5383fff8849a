//! What one instance may use up of this machine's memory.
//!
//! wasmtime's own limits hold for each memory and each table alone, of which a component may have
//! many. Here they hold for all of an instance together.

use wasmtime::{ResourceLimiter, Result};

/// Instances, tables and memories that one store may have: a component is several core modules.
pub(super) const MOST: usize = 64;
/// Streams, futures, calls of the host and resources that one store may have at once: many times
/// what all the calls need that clients can make. Each takes some hundred bytes of our own memory.
pub(super) const HANDLES: usize = 20_000;
/// Elements of all tables.
pub(super) const TABLE: usize = 100_000;

/// The limits of one store, and what is left of them.
///
/// Nothing comes back: memories and tables live as long as their store, and one that the system
/// could not let grow needs its limit no more.
pub(super) struct Limits {
    memory: usize,
    table: usize,
}

impl Limits {
    /// So many bytes of memory.
    pub(super) fn new(memory: usize) -> Self {
        Self {
            memory,
            table: TABLE,
        }
    }
}

/// Takes what something grows by, if there is enough left.
fn take(left: &mut usize, current: usize, desired: usize, maximum: Option<usize>) -> bool {
    if maximum.is_some_and(|most| desired > most) {
        return false;
    }
    let rest = left.checked_sub(desired.saturating_sub(current));
    *left = rest.unwrap_or(*left);
    rest.is_some()
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        Ok(take(&mut self.memory, current, desired, maximum))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        Ok(take(&mut self.table, current, desired, maximum))
    }

    fn instances(&self) -> usize {
        MOST
    }

    fn tables(&self) -> usize {
        MOST
    }

    fn memories(&self) -> usize {
        MOST
    }
}
