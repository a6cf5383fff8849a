//! Components: find, check, grant, instantiate, call, restart; bodies across the boundary.
//!
//! Knows nothing of S3 codes or HTTP requests of clients. The parts of wasmtime that call
//! themselves experimental (WASI 0.3) are used nowhere else.

mod actor;
#[allow(unsafe_code, unreachable_pub, reason = "generated")]
mod bindings;
mod context;
mod convert;
mod directory;
mod disk;
mod engine;
mod error;
mod grants;
mod guest_log;
mod load;
mod outgoing;
mod overlay;
mod plugin;
mod pool;
mod pulse;
mod spool;
mod stream;
#[cfg(test)]
mod tests;

pub use error::OpenError;
pub use grants::{DirGrant, Grants, HostPattern, HostPatternError};

use crate::service::ports::{RowTrust, Store};
use actor::Blueprint;
use bindings::exports::pys3local::storage::setup::{self, Description, SettingKind};
use load::{Loaded, Origin, one_line};
use outgoing::Outgoing;
use pool::Pool;
use pulse::Pulse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Which plugin, and what it is told and granted: a config section, resolved.
#[derive(Debug, Clone, Default)]
pub struct PluginConfig {
    /// `type`: a built-in, or `TYPE.wasm` in the plugin directory.
    pub kind: String,
    /// `component`: a file, for a type that is not built in.
    pub component: Option<PathBuf>,
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
    /// Where parts are kept for plugins that cannot take parts.
    pub spool: PathBuf,
}

/// A running plugin.
pub struct Backend {
    /// The port that the service uses.
    pub store: Arc<dyn Store>,
    /// The type in the config, which the cache binds the namespace to.
    pub component: String,
    /// What tells this storage from every other: `TYPE:` and the plugin's answer.
    pub namespace: String,
    /// A number that people know the storage by.
    pub label: Option<u64>,
    /// Settings of the section that the plugin does not know.
    pub unknown_settings: Vec<String>,
    pool: Arc<Pool>,
}

impl Backend {
    /// Ends the plugin's instances after their calls. Later calls fail.
    pub fn shutdown(&self) {
        self.pool.stop();
    }
}

/// Starts a plugin: finds and checks the component, asks what it wants, grants that or less,
/// and configures its first instance. Must be called within a tokio runtime.
pub async fn open(config: PluginConfig, options: BackendOptions) -> Result<Backend, OpenError> {
    let engine_error = |error: wasmtime::Error| OpenError::Engine(one_line(&format!("{error:#}")));
    let PluginConfig {
        kind,
        component,
        grants,
        settings,
    } = config;
    let engine = engine::engine(options.compile_cache.as_deref()).map_err(engine_error)?;
    let origin = Origin::find(&kind, component.as_deref(), options.plugin_dir.as_deref())?;
    let loaded = {
        let (engine, origin) = (engine.clone(), origin.clone());
        let load = move || Loaded::load(&engine, &origin);
        tokio::task::spawn_blocking(load)
            .await
            .map_err(|error| OpenError::Engine(error.to_string()))??
    };
    let has_multipart = loaded.has_multipart();
    let mut blueprint = Blueprint {
        name: kind.as_str().into(),
        loaded,
        outgoing: Outgoing::new(&grants.hosts),
        grants,
        settings: Vec::new(),
        single_bucket: options.single_bucket,
        durable: options.durable,
        configured: OnceLock::new(),
    };
    let description = describe(&blueprint).await?;
    let (settings, unknown_settings) = check_settings(&kind, &description, settings)?;
    if origin.is_built_in() {
        grant_wishes(&mut blueprint.grants, &description, &settings)?;
        blueprint.outgoing = Outgoing::new(&blueprint.grants.hosts);
    }
    for dir in &mut blueprint.grants.dirs {
        dir.host = canonical(&dir.host)?;
    }
    let dirs: Vec<String> = blueprint
        .grants
        .dirs
        .iter()
        .map(|dir| dir.host.display().to_string())
        .collect();
    blueprint.settings = settings.into_iter().collect();
    let blueprint = Arc::new(blueprint);
    let pool = Pool::start(Arc::clone(&blueprint)).map_err(|e| OpenError::Engine(e.to_string()))?;
    let configured = first_answer(&pool, &kind).await?;
    let namespace = match configured.namespace {
        Some(name) if !name.is_empty() && name.len() <= 1024 => format!("{kind}:{name}"),
        _ if !dirs.is_empty() => format!("{kind}:{}", dirs.join(":")),
        _ => {
            let why = "it has neither a namespace nor a directory".into();
            return Err(OpenError::Configure { plugin: kind, why });
        }
    };
    if configured.capabilities.stateless {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        pool.grow(cores)
            .map_err(|error| OpenError::Engine(error.to_string()))?;
    }
    let trust = match configured.capabilities.trust {
        setup::RowTrust::Check => RowTrust::Check,
        setup::RowTrust::Indexed => RowTrust::Indexed,
    };
    let spool = spool::Spool::new(options.spool.join(spool_name(&namespace)), options.durable);
    let store = plugin::Plugin::new(Arc::clone(&pool), trust, has_multipart, spool);
    Ok(Backend {
        store: Arc::new(store),
        component: kind,
        namespace,
        label: configured.label,
        unknown_settings,
        pool,
    })
}

/// Asks a plugin who it is, in a store that has no grants at all.
async fn describe(blueprint: &Blueprint) -> Result<Description, OpenError> {
    let plugin = blueprint.name.to_string();
    let ask = async {
        let nothing = Grants {
            memory: blueprint.grants.memory,
            ..Grants::default()
        };
        let mut store = blueprint.store(&nothing)?;
        // Two seconds of computing are plenty to say one's name.
        store.set_epoch_deadline(40);
        let instance = blueprint.loaded.pre.instantiate_async(&mut store).await?;
        let guest = blueprint.loaded.guest(&mut store, &instance)?;
        store
            .run_concurrent(async |accessor| guest.setup.call_describe(accessor).await)
            .await?
    };
    let answer = tokio::time::timeout(Duration::from_secs(10), ask).await;
    let why = match answer {
        Ok(Ok(description)) => return Ok(description),
        Ok(Err(error)) => one_line(&format!("{error:#}")),
        Err(_) => "it does not say who it is".into(),
    };
    Err(OpenError::Configure { plugin, why })
}

/// The settings that the plugin gets, with its defaults, and the names that it does not know.
fn check_settings(
    kind: &str,
    description: &Description,
    mut given: BTreeMap<String, String>,
) -> Result<(BTreeMap<String, String>, Vec<String>), OpenError> {
    let mut settings = BTreeMap::new();
    for setting in &description.settings {
        let name = &setting.name;
        let Some(value) = given.remove(name).or_else(|| setting.default.clone()) else {
            if setting.required {
                return Err(OpenError::MissingSetting {
                    kind: kind.into(),
                    setting: name.clone(),
                    help: one_line(&setting.help),
                });
            }
            continue;
        };
        let wrong = |why: &str| OpenError::BadSetting {
            setting: name.clone(),
            why: why.into(),
        };
        match setting.kind {
            SettingKind::Number if value.parse::<i64>().is_err() => {
                return Err(wrong("a whole number is expected"));
            }
            SettingKind::Flag if value.parse::<bool>().is_err() => {
                return Err(wrong("true or false is expected"));
            }
            _ => {}
        }
        settings.insert(name.clone(), value);
    }
    Ok((settings, given.into_keys().collect()))
}

/// A built-in gets the directories and hosts that it asks for.
fn grant_wishes(
    grants: &mut Grants,
    description: &Description,
    settings: &BTreeMap<String, String>,
) -> Result<(), OpenError> {
    for wish in &description.dirs {
        if let Some(host) = settings.get(&wish.setting) {
            grants.dirs.push(DirGrant {
                guest: wish.guest_path.clone(),
                host: host.into(),
                writable: wish.writable,
            });
        }
    }
    for host in &description.hosts {
        let wrong = |error: HostPatternError| OpenError::Engine(error.to_string());
        grants.hosts.push(host.parse().map_err(wrong)?);
    }
    Ok(())
}

fn canonical(dir: &Path) -> Result<PathBuf, OpenError> {
    let wrong = |why: String| OpenError::BadSetting {
        setting: dir.display().to_string(),
        why,
    };
    let found = dir
        .canonicalize()
        .map_err(|error| wrong(error.to_string()))?;
    if found.is_dir() {
        Ok(found)
    } else {
        Err(wrong("this is no directory".into()))
    }
}

/// Waits until the first instance is configured, or has failed to be.
async fn first_answer(pool: &Arc<Pool>, kind: &str) -> Result<setup::Configured, OpenError> {
    // Any call does: it is run after the configuration, or lost with the instance.
    let answer = pool
        .call(&Pulse::new(), |_, _, _| Box::pin(async { Ok(Ok(())) }))
        .await;
    match (answer, pool.blueprint().configured.get()) {
        (Ok(()), Some(configured)) => Ok(configured.clone()),
        (answer, _) => {
            pool.stop();
            let why = answer
                .err()
                .map_or_else(|| "it did not answer".into(), |e| e.to_string());
            Err(OpenError::Configure {
                plugin: kind.into(),
                why,
            })
        }
    }
}

/// A directory name of its own for each namespace.
fn spool_name(namespace: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(namespace.as_bytes());
    hex::encode(digest.get(..8).unwrap_or_default())
}
