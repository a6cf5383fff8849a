//! A simulator of the Drime Cloud API, for tests and benches.
//!
//! Two servers, as with the real service: an API that wants a token, and a storage that refuses
//! one. Whatever the real service is known to do differently from account to account is a
//! [`Switches`] field; what goes wrong is scripted with [`Script`]; every request is logged and
//! counted. State is in memory (large bytes in files of a directory that goes with the
//! simulator), or in a directory that is kept.

#![recursion_limit = "256"] // `json!` of a whole entry

mod api;
mod blob;
mod call;
mod clock;
mod control;
mod entry;
mod fault;
mod http;
mod log;
mod refusal;
mod saved;
mod seed;
mod state;
mod storage;
mod switches;

pub use clock::{Clock, Millis};
pub use fault::{Script, Step};
pub use log::{Origin, Record};
pub use seed::Listed;
pub use switches::*;

use crate::http::Server;
use state::State;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The token that the API accepts.
pub const TOKEN: &str = "123|simulated-token";

/// The workspace that is there beside the personal space.
pub const WORKSPACE: i64 = 1873;

/// What the servers share.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Its clones are API requests that are not noted yet.
    busy: Arc<()>,
    pub(crate) storage_url: String,
    /// Presigned URLs are signed with it.
    pub(crate) secret: String,
}

impl Shared {
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut state)
    }

    /// To be kept until a request is noted.
    pub(crate) fn busy(&self) -> Arc<()> {
        Arc::clone(&self.busy)
    }
}

/// How to start a [`Simulator`].
#[derive(Debug, Clone)]
pub struct Options {
    /// The behaviour at the start.
    pub switches: Switches,
    /// The time.
    pub clock: Clock,
    /// A directory to load from and save to.
    pub state: Option<PathBuf>,
    /// Ports of the API, the storage and the control server; 0 for any.
    pub ports: [u16; 3],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            switches: Switches::default(),
            clock: Clock::system(),
            state: None,
            ports: [0; 3],
        }
    }
}

impl From<Switches> for Options {
    fn from(switches: Switches) -> Self {
        Self {
            switches,
            ..Self::default()
        }
    }
}

/// The running servers; they end when this is dropped.
pub struct Simulator {
    shared: Arc<Shared>,
    origins: [String; 3],
    state: Option<PathBuf>,
    servers: Vec<JoinHandle<()>>,
    _directory: tempfile::TempDir,
}

impl Simulator {
    /// Starts on 127.0.0.1. Needs a tokio runtime.
    pub async fn start(options: impl Into<Options>) -> io::Result<Self> {
        let options = options.into();
        let directory = tempfile::tempdir()?;
        let mut listeners = Vec::new();
        let mut origins = [const { String::new() }; 3];
        for (port, origin) in options.ports.iter().zip(&mut origins) {
            let listener = TcpListener::bind(("127.0.0.1", *port)).await?;
            *origin = format!("http://{}", listener.local_addr()?);
            listeners.push(listener);
        }
        let blobs = directory.path().to_owned();
        let mut state = State::new(options.clock, options.switches, blobs);
        if let Some(directory) = &options.state {
            saved::load(&mut state, directory)?;
        }
        let [_, storage_url, _] = &origins;
        let shared = Arc::new(Shared {
            secret: state.unique(),
            storage_url: storage_url.clone(),
            state: Mutex::new(state),
            busy: Arc::default(),
        });
        let kinds = [Server::Api, Server::Storage, Server::Control];
        let servers = listeners
            .into_iter()
            .zip(kinds)
            .map(|(listener, kind)| {
                let shared = Arc::clone(&shared);
                tokio::spawn(crate::http::serve(listener, shared, kind))
            })
            .collect();
        Ok(Self {
            shared,
            origins,
            state: options.state,
            servers,
            _directory: directory,
        })
    }

    /// The base URL of the API, with `/api/v1`.
    pub fn api_url(&self) -> String {
        let [api, _, _] = &self.origins;
        format!("{api}/api/v1")
    }

    /// The origin of presigned URLs.
    pub fn storage_url(&self) -> &str {
        &self.shared.storage_url
    }

    /// The origin for tests in other processes: `GET /counters`, `/log`, `/entries` and `/uploads`
    /// (how many are open), `POST /reset`, `/fault` (a [`Script`]), `/calm` (no scripts), `/switch`
    /// (all [`Switches`], as flags) and `/advance` (milliseconds).
    pub fn control_url(&self) -> &str {
        let [_, _, control] = &self.origins;
        control
    }

    /// The time that the simulator goes by.
    pub fn clock(&self) -> Clock {
        self.shared.with(|state| state.clock.clone())
    }

    /// Changes the behaviour.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        self.shared.with(|state| change(&mut state.switches));
    }

    /// Adds a script behind those that are there.
    pub fn script(&self, script: Script) {
        self.shared.with(|state| state.faults.push(script));
    }

    /// Forgets all scripts.
    pub fn clear_scripts(&self) {
        self.shared.with(|state| state.faults.clear());
    }

    /// How many requests of each kind there were, the failed ones too. Kinds of the storage
    /// start with `storage `.
    pub fn counters(&self) -> BTreeMap<&'static str, u64> {
        self.shared.with(|state| state.log.counters.clone())
    }

    /// How many requests of this kind there were.
    pub fn count(&self, kind: &str) -> u64 {
        self.counters().get(kind).copied().unwrap_or(0)
    }

    /// Whether every API request that has come has been noted.
    pub fn is_idle(&self) -> bool {
        Arc::strong_count(&self.shared.busy) == 1
    }

    /// How many API requests there were.
    pub fn calls(&self) -> u64 {
        let counters = self.counters();
        let api = counters
            .iter()
            .filter(|(kind, _)| !kind.starts_with("storage "));
        api.map(|(_, count)| count).sum()
    }

    /// The last requests, in the order in which they were answered.
    pub fn log(&self) -> Vec<Record> {
        self.shared
            .with(|state| state.log.records.iter().cloned().collect())
    }

    /// Forgets requests and counters.
    pub fn reset_log(&self) {
        self.shared.with(|state| state.log = log::Log::default());
    }

    /// Replaces the tokens that are accepted.
    pub fn set_tokens(&self, tokens: &[&str]) {
        let tokens = tokens.iter().map(|token| (*token).to_owned()).collect();
        self.shared.with(|state| state.tokens = tokens);
    }

    /// Writes the state into the directory of [`Options::state`], or into this one.
    pub fn save(&self, directory: Option<&Path>) -> io::Result<()> {
        let Some(directory) = directory.or(self.state.as_deref()) else {
            return Ok(());
        };
        self.shared.with(|state| saved::save(state, directory))
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}
