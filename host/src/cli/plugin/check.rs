//! `pys3local plugin check`: the contract suite against any component.

use super::subject::Subject;
use crate::backend::{
    Backend, BackendOptions, Component, DirGrant, HostPattern, OpenError, PluginConfig,
};
use crate::cli::Failure;
use crate::cli::backend::revealed;
use crate::cli::options::Directories;
use crate::config::{BackendConfig, Places, SecretText};
use clap::Args;
use pys3local_core::contract::{FACTS, Fact, Rig};
use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A fact that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(5);

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckOptions {
    #[command(flatten)]
    subject: Subject,

    /// A setting of the plugin; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, SecretText)>,

    /// A directory that the plugin may change; may be repeated [default: an empty one as `/`]
    #[arg(long = "dir", value_name = "GUEST=HOST", value_parser = dir)]
    dirs: Vec<DirGrant>,

    /// A host that the plugin may reach; may be repeated
    #[arg(long = "host", value_name = "[SCHEME://]HOST[:PORT]")]
    hosts: Vec<HostPattern>,

    /// Memory of an instance in MiB [default: 64]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    memory: Option<u32>,

    /// Only facts whose names contain this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,

    /// Go on although the storage holds buckets
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    directories: Directories,
}

fn setting(text: &str) -> Result<(String, SecretText), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), SecretText::new(value)))
}

fn dir(text: &str) -> Result<DirGrant, &'static str> {
    let (guest, host) = text.split_once('=').ok_or("expected GUEST=HOST")?;
    Ok(DirGrant {
        guest: guest.to_owned(),
        host: host.into(),
        writable: true,
    })
}

/// A directory that goes when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn make(places: &Places) -> Result<Self, Failure> {
        let name = format!("pys3local-check-{}", std::process::id());
        let dir = places.temp.join(name);
        let made = std::fs::create_dir_all(dir.join("data"));
        made.map_err(|error| Failure::new(format!("cannot create {}: {error}", dir.display())))?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left of a plugin's files is no reason to fail.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn run(options: &CheckOptions) -> Result<(), Failure> {
    if !FACTS.iter().any(|fact| fact.name.contains(&options.only)) {
        let what = format!("--only {}: no fact has that in its name", options.only);
        return Err(Failure::usage(what).hint("without it, all of them are checked, and named"));
    }
    let places = options.directories.places()?;
    let scratch = Scratch::make(&places)?;
    let (config, section) = options.subject.find(&places)?;
    let config = with_flags(config, section.is_some(), options, &scratch);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start threads: {error}")))?;
    let outcome = runtime.block_on(check(options, config, section, &places, &scratch));
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// Adds what the command line grants.
fn with_flags(
    mut config: PluginConfig,
    configured: bool,
    options: &CheckOptions,
    scratch: &Scratch,
) -> PluginConfig {
    config.grants.dirs.extend(options.dirs.iter().cloned());
    config.grants.hosts.extend(options.hosts.iter().cloned());
    if let Some(mib) = options.memory {
        config.grants.memory = u64::from(mib) << 20;
    }
    if !configured && config.grants.dirs.is_empty() {
        config.grants.dirs.push(DirGrant {
            guest: "/".into(),
            host: scratch.0.join("data"),
            writable: true,
        });
    }
    config
}

async fn check(
    options: &CheckOptions,
    config: PluginConfig,
    section: Option<BackendConfig>,
    places: &Places,
    scratch: &Scratch,
) -> Result<(), Failure> {
    let name = config.kind.clone();
    // Leftovers of failed uploads are looked for where everything must be.
    let dir = match config.grants.dirs.as_slice() {
        [only] if config.grants.hosts.is_empty() => Some(only.host.clone()),
        _ => None,
    };
    let how = BackendOptions {
        plugin_dir: Some(options.directories.plugin_dir(places)),
        compile_cache: places.compile_cache(),
        spool: scratch.0.join("spool"),
        ..BackendOptions::default()
    };
    let failed = |error: OpenError| {
        let is_unusable = matches!(
            error,
            OpenError::Unreadable { .. }
                | OpenError::Refused { .. }
                | OpenError::UnknownType { .. }
        );
        let failure = Failure::new(error.to_string());
        if is_unusable {
            return failure;
        }
        failure.hint("--set NAME=VALUE gives a setting, --dir and --host a grant")
    };
    let component = Component::load(&config, &how).await.map_err(failed)?;
    let about = component.description();
    let mut settings = section.map_or_else(BTreeMap::new, |section| revealed(&section, about));
    let flags = options.settings.iter();
    settings.extend(flags.map(|(name, value)| (name.clone(), value.expose().to_owned())));
    let backend = component.start(settings, &how).await.map_err(failed)?;
    let outcome = check_all(options, &backend, &name, dir.as_deref()).await;
    backend.shutdown();
    outcome
}

async fn check_all(
    options: &CheckOptions,
    backend: &Backend,
    name: &str,
    dir: Option<&Path>,
) -> Result<(), Failure> {
    let failed = |error| Failure::new(format!("the plugin failed before any check: {error}"));
    let buckets = backend.store.list_buckets().await.map_err(failed)?;
    if !buckets.is_empty() && !options.yes {
        let what = format!("the storage holds buckets already: {}", buckets.len());
        return Err(Failure::new(what).hint("use an empty storage, or add --yes"));
    }
    say(&format!("Checking `{name}`\n"));
    let last_panic = catch_panics();
    let (mut held, mut broken) = (0, 0);
    let mut group = "";
    let wanted = FACTS
        .iter()
        .filter(|fact| fact.name.contains(&options.only));
    for (number, fact) in wanted.enumerate() {
        if group != fact.group {
            group = fact.group;
            say(&format!("\n  {group}\n"));
        }
        let tag = format!("check-{:x}-{number}", std::process::id());
        let outcome = check_one(fact, backend, dir, &tag, &last_panic).await;
        let sentence = fact.name.replace('_', " ");
        match outcome {
            Ok(()) => {
                held += 1;
                say(&format!("    ok    {sentence}\n"));
            }
            Err(why) => {
                broken += 1;
                let why = why.replace('\n', "\n          ");
                say(&format!("    FAIL  {sentence}\n          {why}\n"));
            }
        }
    }
    say(&format!("\n{held} facts hold, {broken} do not.\n"));
    match broken {
        0 => Ok(()),
        _ => Err(Failure::new("the plugin does not keep the contract")),
    }
}

async fn check_one(
    fact: &'static Fact,
    backend: &Backend,
    dir: Option<&Path>,
    tag: &str,
    last_panic: &LastPanic,
) -> Result<(), String> {
    let rig = Rig::with_bucket(Arc::clone(&backend.store), dir, tag);
    let mut rig = rig.await.map_err(|error| format!("no bucket: {error}"))?;
    rig.large = 64 << 20;
    let rig = Arc::new(rig);
    let mut running = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { fact.check(&rig).await }
    });
    let outcome = match tokio::time::timeout(PATIENCE, &mut running).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(std::mem::take(
            &mut *last_panic.lock().unwrap_or_else(PoisonError::into_inner),
        )),
        Err(_) => {
            running.abort();
            Err("it hangs".into())
        }
    };
    // What a fact that failed has left behind is its own failure.
    match rig.clear().await {
        Err(error) if outcome.is_ok() => Err(format!("its objects cannot be deleted: {error}")),
        _ => outcome,
    }
}

type LastPanic = Arc<Mutex<String>>;

/// A fact that is false panics: keeps what it says and where, instead of printing it.
fn catch_panics() -> LastPanic {
    let last = LastPanic::default();
    let kept = Arc::clone(&last);
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or("it panicked");
        let place = panic
            .location()
            .map(|at| format!("{}:{}: ", at.file(), at.line()));
        *kept.lock().unwrap_or_else(PoisonError::into_inner) =
            format!("{}{text}", place.unwrap_or_default());
    }));
    last
}

/// The report is data; whoever closed stdout does not want it.
fn say(text: &str) {
    let mut out = io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_and_directories_are_pairs() {
        assert_eq!(setting("a=b=c"), Ok(("a".into(), SecretText::new("b=c"))));
        assert!(setting("a").is_err());
        let grant = dir("/=/srv/x").unwrap();
        assert_eq!((grant.guest.as_str(), grant.writable), ("/", true));
        assert!(dir("/srv").is_err());
    }
}
