//! The storage plugin `local`: buckets and objects in a directory.
//!
//! [`Local`] is the plugin's logic, over any [`disk::Dir`]. The component wraps it in the
//! plugin interface (`guest`) over WASI descriptors (`wasi`); [`native`] runs the same logic on
//! the operating system.

pub mod disk;
pub mod layout;
#[cfg(not(target_family = "wasm"))]
pub mod native;
pub mod settings;

mod buckets;
mod error;
mod folder;
#[cfg(target_family = "wasm")]
mod guest;
mod links;
mod nearby;
mod objects;
mod parts;
mod publish;
mod sweep;
#[cfg(test)]
mod tests;
mod tree;
mod walk;
#[cfg(target_family = "wasm")]
mod wasi;
mod window;

pub use buckets::Bucket;
pub use error::Error;
pub use objects::{Info, Object, Range, Receipt};
pub use parts::Part;

pub use walk::{Entry, Page, Query};

use disk::Dir;
use settings::Settings;
use std::sync::atomic::{AtomicU64, Ordering};
use tree::Tree;

/// Temporary files, below the root.
const TMP: &str = ".pys3local/tmp";

/// One instance of the plugin on one directory.
///
/// Several may serve the same directory at once, each with an instance name of its own.
#[derive(Debug)]
pub struct Local<D> {
    tree: Tree<D>,
    settings: Settings,
    serial: AtomicU64,
    windows: window::Windows,
    directories: links::Directories,
}

impl<D: Dir> Local<D> {
    /// Serve `root`. Nothing is created before the first write.
    pub fn new(root: D, settings: Settings) -> Self {
        Self {
            tree: Tree::new(root),
            settings,
            serial: AtomicU64::new(0),
            windows: window::Windows::default(),
            directories: links::Directories::default(),
        }
    }

    /// A name that no other temporary thing ever had.
    fn unique(&self) -> String {
        format!(
            "{}-{:x}",
            self.settings.instance,
            self.serial.fetch_add(1, Ordering::Relaxed)
        )
    }
}
