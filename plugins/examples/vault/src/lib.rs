//! Encrypts objects into a granted directory: a plugin that reads and changes the bytes.
//!
//! What a thief of the directory learns: names, sizes and times. What he cannot do: read an
//! object, change one unnoticed, or pass one off as another. See the README beside it.
//!
//! `plugin` talks to the host, `files` to the directory, `sealed` knows the format, `names` how
//! keys become paths.

#[cfg(target_family = "wasm")]
mod files;
mod names;
#[cfg(target_family = "wasm")]
mod plugin;
mod sealed;
