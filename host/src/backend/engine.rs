//! The wasmtime engine: compiled code on disk, and the clock behind the watchdog.

use std::path::Path;
use std::time::Duration;
use wasmtime::{Cache, CacheConfig, Config, Engine, Result};

/// A guest is asked so often whether it has held its thread for too long.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// An engine with its epoch clock running; the clock ends with the engine.
///
/// With `cache`, compiled components are kept in that directory and a start takes milliseconds.
pub(super) fn engine(cache: Option<&Path>) -> Result<Engine> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    if let Some(directory) = cache {
        let mut cache = CacheConfig::new();
        cache.with_directory(directory);
        match Cache::new(cache) {
            Ok(cache) => {
                config.cache(Some(cache));
            }
            Err(error) => tracing::warn!(
                directory = %directory.display(),
                "compiled plugins cannot be kept, so each start compiles them again: {error:#}"
            ),
        }
    }
    let engine = Engine::new(&config)?;
    let weak = engine.weak();
    std::thread::Builder::new()
        .name("epoch".into())
        .spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })?;
    Ok(engine)
}
