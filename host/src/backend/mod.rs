//! Components: find, check, grant, instantiate, call, restart; bodies across the boundary.
//!
//! Knows nothing of S3 codes or HTTP requests of clients. The parts of wasmtime that call
//! themselves experimental (WASI 0.3) are used nowhere else.

mod actor;
#[allow(unsafe_code, unreachable_pub, reason = "generated")]
mod bindings;
mod component;
mod context;
mod convert;
mod directory;
mod disk;
mod disk_error;
mod engine;
#[cfg(target_os = "linux")]
mod entries;
mod error;
mod grants;
mod guest_log;
mod layout;
mod limits;
mod load;
mod metrics;
mod outgoing;
mod overlay;
mod paths;
mod plugin;
mod pool;
mod pulse;
mod room;
mod secrets;
mod split;
mod spool;
mod stream;
#[cfg(test)]
mod tests;

pub use actor::Seat;
pub use component::{
    Choice, Component, Description, DirWish, Setting, SettingKind, available_types,
};
pub use error::OpenError;
pub use grants::{DirGrant, Grants, HostPattern, HostPatternError};

use crate::service::ports::{RowTrust, Store, StoreError};
use bindings::exports::pys3local::storage::setup;
use bindings::pys3local::storage::types::Error as GuestError;
use pool::{About, Kind, Pool};
use pulse::Pulse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which plugin, and what it is told and granted: a config section, resolved.
// No `Debug`: settings and variables may be secrets.
#[derive(Clone, Default)]
pub struct PluginConfig {
    /// `type`: a built-in, or `TYPE.wasm` in the plugin directory.
    pub kind: String,
    /// `component`: a file, for a type that is not built in.
    pub component: Option<PathBuf>,
    /// `sha256`: the only component that is loaded has this digest.
    pub sha256: Option<[u8; 32]>,
    /// What the section grants. A built-in is granted the directories and hosts that it asks
    /// for besides; any other plugin has nothing but this.
    pub grants: Grants,
    /// The plugin's own settings, secrets in plain text.
    pub settings: BTreeMap<String, String>,
}

/// How plugins are run.
#[derive(Debug, Clone, Default)]
pub struct BackendOptions {
    /// An acknowledged write must survive a power failure.
    pub durable: bool,
    /// Default-bucket mode.
    pub single_bucket: bool,
    /// Where plugins lie that are not built in.
    pub plugin_dir: Option<PathBuf>,
    /// Where compiled plugins are kept; `None` compiles at each start.
    pub compile_cache: Option<PathBuf>,
    /// Config, database and the like: no plugin that is not built in may write to a directory
    /// that holds one of them, or plugins, or compiled ones.
    pub trusted: Vec<PathBuf>,
    /// How many requests may be answered at once.
    pub requests: usize,
    /// Where parts are kept for plugins that cannot take parts.
    pub spool: PathBuf,
    /// How many bytes may wait there; `None` for [`DEFAULT_SPOOL_LIMIT`].
    pub spool_limit: Option<u64>,
}

/// Bytes that wait in the spool at most, unless another limit is given.
pub const DEFAULT_SPOOL_LIMIT: u64 = 64 << 30;

/// A running plugin.
pub struct Backend {
    /// The port that the service uses.
    pub store: Arc<dyn Store>,
    /// The plugin's words about itself, one line.
    pub summary: String,
    /// The type in the config, which the cache binds the namespace to.
    pub component: String,
    /// What tells this storage from every other: `TYPE:` and the plugin's answer.
    pub namespace: String,
    /// A number that people know the storage by.
    pub label: Option<u64>,
    /// Settings of the section that the plugin does not know.
    pub unknown_settings: Vec<String>,
    /// Settings that the plugin declares as secrets.
    pub secret_settings: Vec<String>,
    has_seats: bool,
    pool: Arc<Pool>,
}

impl Backend {
    /// Names the counts of its calls for whoever reads them.
    pub fn register_metrics(&self, registry: &mut prometheus_client::registry::Registry) {
        self.pool.blueprint().metrics.register(registry);
    }

    /// Whether some instance of the plugin is ready for calls.
    pub fn is_running(&self) -> bool {
        self.pool.is_running()
    }

    /// A place for a connection beside an instance of the plugin, where there is one: only a
    /// built-in plugin that keeps no state has company on its threads. Any other could hold up
    /// more than itself.
    pub fn seat(&self) -> Option<Seat> {
        if self.has_seats {
            self.pool.seat()
        } else {
            None
        }
    }

    /// Ends the plugin's instances after their calls. Later calls fail.
    pub fn shutdown(&self) {
        self.pool.stop();
    }
}

/// Starts a plugin: finds and checks the component, asks what it wants, grants that or less,
/// and configures its first instance. Must be called within a tokio runtime.
pub async fn open(config: PluginConfig, options: BackendOptions) -> Result<Backend, OpenError> {
    let component = Component::load(&config, &options).await?;
    component.start(config.settings, &options).await
}

/// Starts the first instance of a component whose settings and grants are complete.
async fn start(
    component: Component,
    unknown_settings: Vec<String>,
    options: &BackendOptions,
) -> Result<Backend, OpenError> {
    let summary = component.description().summary.clone();
    let settings = component.description().settings.iter();
    let secret_settings = settings
        .filter(|setting| setting.kind == SettingKind::Secret)
        .map(|setting| setting.name.clone())
        .collect();
    let is_built_in = component.is_built_in();
    let Component {
        kind,
        mut blueprint,
        ..
    } = component;
    let has_multipart = blueprint.loaded.has_multipart();
    let has_portable = blueprint.loaded.has_portable();
    for dir in &mut blueprint.grants.dirs {
        dir.host = canonical(&dir.host)?;
    }
    for dir in &blueprint.grants.dirs {
        keep_off(options, dir, is_built_in)?;
    }
    let dirs: Vec<String> = blueprint
        .grants
        .dirs
        .iter()
        .map(|dir| dir.host.display().to_string())
        .collect();
    let pool = Pool::start(Arc::new(blueprint)).map_err(|e| OpenError::Engine(e.to_string()))?;
    let configured = first_answer(&pool, &kind).await?;
    let namespace = match configured.namespace {
        Some(name) if name.contains(char::is_control) => {
            let why = "its namespace is no line of text".into();
            return Err(OpenError::Configure { plugin: kind, why });
        }
        Some(name) if !name.is_empty() && name.len() <= 1024 => format!("{kind}:{name}"),
        _ if !dirs.is_empty() => format!("{kind}:{}", dirs.join(":")),
        _ => {
            let why = "it has neither a namespace nor a directory".into();
            return Err(OpenError::Configure { plugin: kind, why });
        }
    };
    if configured
        .label
        .is_some_and(|label| i64::try_from(label).is_err())
    {
        let why = "its label is larger than any number that the database keeps".into();
        return Err(OpenError::Configure { plugin: kind, why });
    }
    let count = if configured.capabilities.stateless {
        context::instances()
    } else {
        1
    };
    pool.grow(count, options.requests)
        .map_err(|error| OpenError::Engine(error.to_string()))?;
    let trust = match configured.capabilities.trust {
        setup::RowTrust::Check => RowTrust::Check,
        setup::RowTrust::Indexed => RowTrust::Indexed,
    };
    let limit = options.spool_limit.unwrap_or(DEFAULT_SPOOL_LIMIT);
    let place = options.spool.join(spool_name(&namespace));
    let spool = spool::Spool::new(place, options.durable, limit);
    let multipart = if has_multipart {
        Some(part_rules(&pool, &kind).await?)
    } else {
        None
    };
    let uploads = (multipart, configured.capabilities.max_put);
    let portable_bytes = match configured.capabilities.portable_bytes {
        bytes if has_portable => convert::PORTABLE.min(bytes as usize),
        _ => 0,
    };
    let store = plugin::Plugin::new(Arc::clone(&pool), trust, uploads, portable_bytes, spool);
    Ok(Backend {
        store: Arc::new(store),
        summary,
        component: kind,
        namespace,
        label: configured.label,
        unknown_settings,
        secret_settings,
        has_seats: is_built_in && configured.capabilities.stateless,
        pool,
    })
}

/// What the program itself trusts is no plugin's to write, and better not to be read: passwords
/// are there, and compiled code.
fn keep_off(options: &BackendOptions, dir: &DirGrant, is_built_in: bool) -> Result<(), OpenError> {
    let trusted = options.trusted.iter().chain(&options.plugin_dir);
    let trusted = trusted.chain(&options.compile_cache);
    let mut trusted = trusted.filter_map(|path| path.canonicalize().ok());
    let Some(own) = trusted.find(|path| path.starts_with(&dir.host)) else {
        return Ok(());
    };
    if dir.writable && !is_built_in {
        return Err(OpenError::OwnPlace {
            dir: dir.host.clone(),
            own,
        });
    }
    tracing::warn!(
        "{} is open to the plugin, and with it {}, where this program keeps what it trusts",
        dir.host.display(),
        own.display()
    );
    Ok(())
}

fn canonical(dir: &Path) -> Result<PathBuf, OpenError> {
    let unusable = |source| OpenError::Directory {
        path: dir.into(),
        source,
    };
    let found = dir.canonicalize().map_err(unusable)?;
    if found.is_dir() {
        Ok(found)
    } else {
        Err(unusable(std::io::ErrorKind::NotADirectory.into()))
    }
}

/// Waits until the first instance is configured, or has failed to be.
async fn first_answer(pool: &Arc<Pool>, kind: &str) -> Result<setup::Configured, OpenError> {
    // Any call does: it is run after the configuration, or lost with the instance.
    let answer = pool
        .call(
            ("configure", Kind::Other),
            About::NOTHING,
            &Pulse::new(),
            |_, _, _| Box::pin(async { Ok(Ok(())) }),
        )
        .await;
    match (answer, pool.blueprint().configured.get()) {
        (Ok(()), Some(configured)) => Ok(configured.clone()),
        (answer, _) => {
            pool.stop();
            let why = match answer {
                Ok(()) => "it did not answer".into(),
                Err(StoreError::Unavailable(why)) => why,
                Err(error) => error.to_string(),
            };
            Err(OpenError::Configure {
                plugin: kind.into(),
                why,
            })
        }
    }
}

/// What the plugin demands of parts.
async fn part_rules(pool: &Arc<Pool>, kind: &str) -> Result<split::Rules, OpenError> {
    let answer = pool
        .call(
            ("rules", Kind::Other),
            About::NOTHING,
            &Pulse::new(),
            |accessor, guest, _| {
                Box::pin(async move {
                    match &guest.multipart {
                        Some(guest) => guest.call_rules(accessor).await.map(Ok),
                        None => Ok(Err(GuestError::Unsupported)),
                    }
                })
            },
        )
        .await;
    let rules = answer.map_err(|error| OpenError::Configure {
        plugin: kind.into(),
        why: error.to_string(),
    })?;
    Ok(split::Rules {
        min: rules.min_part,
        max: rules.max_part,
        count: rules.max_parts.min(10_000),
        equal: rules.equal_parts,
        preferred: rules.preferred_part,
        parallel: rules.parallel,
    })
}

/// A directory name of its own for each namespace.
fn spool_name(namespace: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(namespace.as_bytes());
    hex::encode(digest.get(..8).unwrap_or_default())
}
