//! A component before it runs: who it says it is, the settings it takes, what it asks for.

use super::actor::Blueprint;
use super::bindings::exports::pys3local::storage::setup;
use super::convert;
use super::engine;
use super::error::OpenError;
use super::grants::{DirGrant, Grants};
use super::load::{BUILT_IN, Loaded, Origin, one_line, why};
use super::metrics::Metrics;
use super::outgoing::Outgoing;
use super::secrets::Secrets;
use super::{Backend, BackendOptions, HostPattern, HostPatternError, PluginConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

/// Who a plugin is and what it wants, in its own words. These are an untrusted component's:
/// every text here is one line of bounded length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is.
    pub summary: String,
    /// The keys of a config section that are its own.
    pub settings: Vec<Setting>,
    /// Hosts that it would like to reach, as patterns of the grant `hosts`.
    pub hosts: Vec<String>,
    /// Directories that it would like to have.
    pub dirs: Vec<DirWish>,
}

impl Description {
    /// The setting of this name.
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }
}

/// A key of the config section that belongs to the plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key.
    pub name: String,
    /// What it is, for a person.
    pub help: String,
    /// What its values are.
    pub kind: SettingKind,
    /// Whether the plugin does not start without.
    pub required: bool,
    /// The value that it has when nobody gives one.
    pub default: Option<String>,
}

impl Setting {
    /// Says what is wrong with a value, if something is.
    pub fn check(&self, value: &str) -> Result<(), &'static str> {
        match self.kind {
            SettingKind::Number if value.parse::<i64>().is_err() => {
                Err("a whole number is expected")
            }
            SettingKind::Directory if value.trim().is_empty() => Err("a directory is expected"),
            SettingKind::Flag if value.parse::<bool>().is_err() => Err("true or false is expected"),
            _ => Ok(()),
        }
    }
}

/// What the values of a setting are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKind {
    /// Any text.
    Text,
    /// A text that is stored obscured and not shown.
    Secret,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// A directory of this machine.
    Directory,
}

/// A directory that the plugin would like to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirWish {
    /// Where the plugin expects it.
    pub guest: String,
    /// The setting that names the host's side.
    pub setting: String,
    /// Whether it wants to change what is there.
    pub writable: bool,
}

/// A value that a setting may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The value.
    pub value: String,
    /// What it is, for a person.
    pub label: String,
}

/// A component that was found and checked, and that said who it is. It does not run yet.
pub struct Component {
    pub(super) kind: String,
    pub(super) origin: Origin,
    pub(super) blueprint: Blueprint,
    description: Description,
}

impl Component {
    /// Finds, checks and compiles the component that `config` names, and asks it who it is. The
    /// settings in `config` play no part. Must be called within a tokio runtime.
    pub async fn load(config: &PluginConfig, options: &BackendOptions) -> Result<Self, OpenError> {
        let engine_error = |error: wasmtime::Error| OpenError::Engine(why(&error));
        let kind = config.kind.clone();
        let engine = engine::engine(options.compile_cache.as_deref()).map_err(engine_error)?;
        let plugin_dir = options.plugin_dir.as_deref();
        let origin = Origin::find(&kind, config.component.as_deref(), plugin_dir)?;
        let loaded = {
            let origin = origin.clone();
            let pin = config.sha256;
            let load = move || Loaded::load(&engine, &origin, pin);
            tokio::task::spawn_blocking(load)
                .await
                .map_err(|error| OpenError::Engine(error.to_string()))??
        };
        // A colour or a language is no secret.
        let variables = config.grants.env.values().filter(|text| text.len() >= 8);
        let blueprint = Blueprint {
            name: kind.as_str().into(),
            loaded,
            outgoing: Outgoing::new(&config.grants.hosts, config.grants.call_timeout),
            grants: config.grants.clone(),
            settings: Vec::new(),
            secrets: Secrets::new(variables.cloned()),
            single_bucket: options.single_bucket,
            durable: options.durable,
            configured: OnceLock::new(),
            metrics: Metrics::default(),
            losses: AtomicU64::default(),
        };
        let description = describe(&blueprint).await?;
        Ok(Self {
            kind,
            origin,
            blueprint,
            description,
        })
    }

    /// What it says about itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Whether it comes with the program: it is granted what it asks for.
    pub fn is_built_in(&self) -> bool {
        self.origin.is_built_in()
    }

    /// The SHA-256 of its bytes, in hex.
    pub fn sha256(&self) -> String {
        hex::encode(self.blueprint.loaded.digest)
    }

    /// The interfaces that it imports, by name.
    pub fn imports(&self) -> &[String] {
        &self.blueprint.loaded.imports
    }

    /// The optional interfaces that it has: `multipart`, say.
    pub fn optional_interfaces(&self) -> Vec<&'static str> {
        self.blueprint.loaded.optional()
    }

    /// What it may reach when it gets these settings.
    pub fn reach(&self, settings: &BTreeMap<String, String>) -> Result<Grants, OpenError> {
        let mut grants = self.blueprint.grants.clone();
        if self.is_built_in() {
            grant_wishes(&mut grants, &self.description, settings)?;
        }
        Ok(grants)
    }

    /// Values that a setting may take, given the settings so far; empty for "anything". Runs
    /// with the grants of the config section, and those that a built-in always has.
    pub async fn choices(
        &self,
        setting: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<Vec<Choice>, OpenError> {
        let mut grants = self.reach(settings)?;
        // A directory that is not there yet is no reason to offer nothing.
        grants.dirs.retain(|dir| dir.host.is_dir());
        let outgoing = Outgoing::new(&grants.hosts, grants.call_timeout);
        let secrets = self.secrets(settings);
        let settings: Vec<_> = settings.clone().into_iter().collect();
        let ask = async {
            let mut store = self.blueprint.store_with(&grants, outgoing, &secrets)?;
            store.set_epoch_deadline(1);
            store.epoch_deadline_callback(runaway_watch());
            let loaded = &self.blueprint.loaded;
            let instance = loaded.pre.instantiate_async(&mut store).await?;
            let guest = loaded.guest(&mut store, &instance)?;
            store
                .run_concurrent(async |accessor| {
                    let name = setting.to_owned();
                    guest.setup.call_choices(accessor, name, settings).await
                })
                .await?
        };
        let why = match tokio::time::timeout(Duration::from_secs(30), ask).await {
            Ok(Ok(Ok(choices))) => {
                let choice = |found: setup::Choice| Choice {
                    value: found.value,
                    label: one_line(&found.label),
                };
                // A value of several lines could not be picked from a list.
                let plain = |choice: &Choice| !choice.value.contains(char::is_control);
                let choices = choices.into_iter().map(choice).filter(plain);
                return Ok(choices.take(MOST_CHOICES).collect());
            }
            Ok(Ok(Err(error))) => convert::text(&secrets.hide_in(error)),
            Ok(Err(error)) => why(&error),
            Err(_) => "it does not answer".into(),
        };
        Err(OpenError::Choices {
            plugin: self.kind.clone(),
            why,
        })
    }

    /// What must not be told on when the plugin gets these settings.
    fn secrets(&self, settings: &BTreeMap<String, String>) -> Secrets {
        let is_secret = |name: &str| {
            let setting = self.description.setting(name);
            setting.is_some_and(|setting| setting.kind == SettingKind::Secret)
        };
        let given = settings.iter().filter(|(name, _)| is_secret(name));
        let given = given.map(|(_, value)| value.clone());
        self.blueprint.secrets.with(given)
    }

    /// The settings that the plugin would get, with its defaults, and those of `given` that it
    /// does not know.
    pub fn check_settings(
        &self,
        mut given: BTreeMap<String, String>,
    ) -> Result<(BTreeMap<String, String>, Vec<String>), OpenError> {
        let mut settings = BTreeMap::new();
        for setting in &self.description.settings {
            let name = &setting.name;
            let value = given.remove(name).or_else(|| setting.default.clone());
            let is_secret = setting.kind == SettingKind::Secret;
            // An empty secret lets nobody in.
            let is_none = |value: &String| setting.required && is_secret && value.trim().is_empty();
            let Some(value) = value.filter(|value| !is_none(value)) else {
                if setting.required {
                    return Err(OpenError::MissingSetting {
                        kind: self.kind.clone(),
                        setting: name.clone(),
                        secret: is_secret,
                        help: setting.help.clone(),
                    });
                }
                continue;
            };
            setting.check(&value).map_err(|why| OpenError::BadSetting {
                setting: name.clone(),
                why: why.into(),
            })?;
            settings.insert(name.clone(), value);
        }
        Ok((settings, given.into_keys().collect()))
    }

    /// Configures a first instance with these settings.
    pub async fn start(
        mut self,
        settings: BTreeMap<String, String>,
        options: &BackendOptions,
    ) -> Result<Backend, OpenError> {
        let (settings, unknown) = self.check_settings(settings)?;
        if self.is_built_in() {
            grant_wishes(&mut self.blueprint.grants, &self.description, &settings)?;
            let grants = &self.blueprint.grants;
            self.blueprint.outgoing = Outgoing::new(&grants.hosts, grants.call_timeout);
        }
        self.blueprint.secrets = self.secrets(&settings);
        self.blueprint.settings = settings.into_iter().collect();
        super::start(self, unknown, options).await
    }
}

/// The types that a config section can name: the built-in ones, and the files in the directory
/// of plugins.
pub fn available_types(plugin_dir: Option<&Path>) -> Vec<String> {
    let built_in = BUILT_IN.iter().map(|found| found.name.to_owned());
    let files = plugin_dir.and_then(|dir| std::fs::read_dir(dir).ok());
    let files = files.into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        Some(name.strip_suffix(".wasm")?.to_owned())
    });
    let others: BTreeSet<String> = files.collect();
    let mut types: Vec<String> = built_in.collect();
    let others = others.into_iter().filter(|name| !types.contains(name));
    let others: Vec<String> = others.collect();
    types.extend(others);
    types
}

/// Ticks of computing that are plenty to say one's name: two seconds.
const RUNAWAY: u64 = 40;
/// More than anybody reads through.
const MOST_CHOICES: usize = 1000;

/// Ends a guest that computes for two seconds without a pause. When it only waits, nobody asks.
fn runaway_watch<T>()
-> impl FnMut(wasmtime::StoreContextMut<'_, T>) -> wasmtime::Result<wasmtime::UpdateDeadline> {
    let (mut held, mut last) = (0, Instant::now());
    move |_| {
        held = if last.elapsed() < engine::TICK * 4 {
            held + 1
        } else {
            0
        };
        last = Instant::now();
        if held > RUNAWAY {
            wasmtime::bail!("the plugin computed for too long without a pause");
        }
        Ok(wasmtime::UpdateDeadline::Continue(1))
    }
}

/// Asks a plugin who it is, in a store that has no grants at all.
async fn describe(blueprint: &Blueprint) -> Result<Description, OpenError> {
    let plugin = blueprint.name.to_string();
    let ask = async {
        let nothing = Grants {
            memory: blueprint.grants.memory,
            ..Grants::default()
        };
        let mut store = blueprint.store_with(
            &nothing,
            Outgoing::new(&[], nothing.call_timeout),
            &Secrets::default(),
        )?;
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(runaway_watch());
        let instance = blueprint.loaded.pre.instantiate_async(&mut store).await?;
        let guest = blueprint.loaded.guest(&mut store, &instance)?;
        store
            .run_concurrent(async |accessor| guest.setup.call_describe(accessor).await)
            .await?
    };
    let why = match tokio::time::timeout(Duration::from_secs(10), ask).await {
        Ok(Ok(description)) => return Ok(description.into()),
        Ok(Err(error)) => why(&error),
        Err(_) => "it does not say who it is".into(),
    };
    Err(OpenError::Configure { plugin, why })
}

/// The setting of a built-in that names the service by a URL. Whoever gives it grants its host.
const BASE_URL: &str = "base_url";

/// Scheme, host and port of a URL.
fn origin(url: &str) -> Option<&str> {
    let (scheme, rest) = url.trim().split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    url.trim().get(..scheme.len() + 3 + host.len())
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
                guest: wish.guest.clone(),
                host: host.into(),
                writable: wish.writable,
            });
        }
    }
    for host in &description.hosts {
        let wrong = |error: HostPatternError| OpenError::Engine(error.to_string());
        grants.hosts.push(host.parse().map_err(wrong)?);
    }
    if let Some(setting) = description.setting(BASE_URL)
        && let Some(url) = settings.get(BASE_URL)
        && setting.default.as_ref() != Some(url)
    {
        let host = origin(url).and_then(|origin| origin.parse::<HostPattern>().ok());
        let host = host.ok_or_else(|| OpenError::BadSetting {
            setting: BASE_URL.into(),
            why: "a URL such as https://host/path is expected".into(),
        })?;
        if !grants.hosts.contains(&host) {
            grants.hosts.push(host);
        }
    }
    Ok(())
}

impl From<setup::Description> for Description {
    fn from(found: setup::Description) -> Self {
        let setting = |setting: setup::Setting| Setting {
            name: one_line(&setting.name),
            help: one_line(&setting.help),
            kind: match setting.kind {
                setup::SettingKind::Text => SettingKind::Text,
                setup::SettingKind::Secret => SettingKind::Secret,
                setup::SettingKind::Number => SettingKind::Number,
                setup::SettingKind::Flag => SettingKind::Flag,
                setup::SettingKind::Directory => SettingKind::Directory,
            },
            required: setting.required,
            default: setting.default.as_deref().map(one_line),
        };
        let dir = |dir: setup::DirRequest| DirWish {
            guest: one_line(&dir.guest_path),
            setting: one_line(&dir.setting),
            writable: dir.writable,
        };
        Self {
            name: one_line(&found.name),
            version: one_line(&found.version),
            summary: one_line(&found.summary),
            settings: found.settings.into_iter().map(setting).collect(),
            hosts: found.hosts.iter().map(|host| one_line(host)).collect(),
            dirs: found.dirs.into_iter().map(dir).collect(),
        }
    }
}
