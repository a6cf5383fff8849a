//! A plugin with everything that the first released interface describes, built from that folder.
//! It stores nothing: most functions answer an error that repeats what they were given.

#[cfg(target_family = "wasm")]
mod guest;
