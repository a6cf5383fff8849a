//! The storage plugin `drime`: buckets and objects in a Drime Cloud account.
//!
//! [`Drime`] is the plugin's logic, over any [`net::Net`]. The component wraps it in the plugin
//! interface (`guest`) over WASI (`wasi`).

pub mod api;
pub mod client;
pub mod fault;
pub mod names;
pub mod net;
pub mod settings;

mod batch;
mod buckets;
mod budget;
mod copy;
mod error;
mod folders;
#[cfg(target_family = "wasm")]
mod guest;
mod listing;
mod locks;
mod objects;
mod parts;
mod places;
mod portable;
mod scan;
#[cfg(test)]
mod tests;
mod upload;
mod walk;
#[cfg(target_family = "wasm")]
mod wasi;
mod writers;

pub use buckets::Bucket;
pub use error::Error;
pub use objects::{Info, Known, Object, Range};
pub use parts::Part;
pub use scan::ScanPage;
pub use walk::{Item, Page, Query};

use client::Client;
use settings::Settings;
use std::cell::{Cell, RefCell};

/// One account, workspace and root folder.
pub struct Drime<N> {
    client: Client<N>,
    settings: Settings,
    /// The folder that holds the buckets; `None` is the top of the workspace.
    root: Option<i64>,
    user: i64,
    folders: RefCell<folders::Folders>,
    locks: locks::Locks,
    writers: writers::Writers,
    /// Scans that are over: numbers from their cursors, and whether their folders kept still.
    scans: RefCell<std::collections::HashMap<u64, bool>>,
    signed: RefCell<parts::Signed>,
    /// How long a description the service is known to keep.
    description: Cell<usize>,
}
