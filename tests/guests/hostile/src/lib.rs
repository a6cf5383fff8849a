//! A storage plugin for tests that misbehaves: the name of the bucket says how.

#[cfg(target_family = "wasm")]
mod guest;
#[cfg(target_family = "wasm")]
mod misdeeds;
#[cfg(target_family = "wasm")]
mod outside;
