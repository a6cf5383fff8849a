//! A storage plugin for tests that lets no byte through as it came: each object is a file that
//! begins with a header and whose other bytes are changed by their position. So every body
//! enters the sandbox on its way in and on its way out, which the built-in plugin avoids.
//!
//! It has none of the optional interfaces: the host's own ways to copy, to delete many and to
//! collect parts are tested with it.

#[cfg(target_family = "wasm")]
mod body;
#[cfg(target_family = "wasm")]
mod files;
#[cfg(target_family = "wasm")]
mod guest;
#[cfg(any(target_family = "wasm", test))]
mod names;
