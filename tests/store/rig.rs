//! Our stores, each over a directory of its own.

use crate::guests;
use drime_sim::{Download, Paging, SameName, Simulator, Switches, TOKEN};
use pys3local::backend::{Backend, BackendOptions, DirGrant, Grants, PluginConfig, open};
use pys3local_core::contract;
use pys3local_core::service::memory::MemoryStore;
use pys3local_core::service::ports::RowTrust;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

pub(crate) use contract::{accepted, collect, filled, key};

/// A store with an empty bucket.
pub(crate) struct Rig {
    of_contract: contract::Rig,
    backend: Option<Backend>,
    /// Everything that it keeps is below this directory; `None` keeps all in memory.
    _dir: Option<TempDir>,
    /// The service behind it, which ends with it.
    simulator: Option<Simulator>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(backend) = &self.backend {
            backend.shutdown();
        }
    }
}

impl Rig {
    pub(crate) fn of_contract(&self) -> &contract::Rig {
        &self.of_contract
    }
}

/// The buckets of the contract.
const TAG: &str = "contract";

pub(crate) async fn memory() -> Rig {
    let store = Arc::new(MemoryStore::new(RowTrust::Check));
    Rig {
        of_contract: contract::Rig::with_bucket(store, None, TAG).await.unwrap(),
        backend: None,
        _dir: None,
        simulator: None,
    }
}

pub(crate) async fn local_objects() -> Rig {
    local("objects", false).await
}

pub(crate) async fn local_plain() -> Rig {
    local("plain", false).await
}

pub(crate) async fn local_single_bucket() -> Rig {
    local("plain", true).await
}

async fn local(layout: &str, single_bucket: bool) -> Rig {
    let dir = directory();
    let path = dir.path().join("data");
    let setting = |name: &str, value: String| (name.to_owned(), value);
    let settings = [
        setting("path", path.display().to_string()),
        setting("layout", layout.into()),
    ];
    let config = PluginConfig {
        kind: "local".into(),
        settings: settings.into(),
        ..PluginConfig::default()
    };
    plugin(dir, config, single_bucket).await
}

pub(crate) async fn vault() -> Rig {
    let dir = directory();
    let config = PluginConfig {
        kind: "vault".into(),
        component: Some(guests::vault()),
        grants: Grants {
            dirs: vec![grant(&dir.path().join("data"))],
            ..Grants::default()
        },
        settings: [("password".to_owned(), "5e".repeat(32))].into(),
        ..PluginConfig::default()
    };
    plugin(dir, config, false).await
}

pub(crate) async fn drime() -> Rig {
    drime_with(Switches::default(), false).await
}

pub(crate) async fn drime_single_bucket() -> Rig {
    drime_with(Switches::default(), true).await
}

/// The service as other reports of it say.
pub(crate) async fn drime_of_another_mood() -> Rig {
    let switches = Switches {
        same_name: SameName::Replace,
        page_cap: 20,
        paging: Paging::TrueTotals,
        list_trashed: true,
        unscoped_lists_all: true,
        download: Download::Redirect,
        create_lag: 200,
        delete_lag: 500,
        ..Switches::default()
    };
    drime_with(switches, false).await
}

async fn drime_with(switches: Switches, single_bucket: bool) -> Rig {
    // The contract is about what happens, not how often: the limit has tests of its own.
    let switches = Switches {
        rate_limit: 1_000_000,
        ..switches
    };
    let simulator = Simulator::start(switches).await.unwrap();
    let api = simulator.api_url();
    let origin = api.trim_end_matches("/api/v1").to_owned();
    let hosts = [origin, simulator.storage_url().to_owned()];
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let config = PluginConfig {
        kind: "drime".into(),
        grants: Grants {
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            ..Grants::default()
        },
        settings: [
            setting("api_key", TOKEN),
            setting("base_url", &api),
            setting("root_folder", "buckets/s3"),
        ]
        .into(),
        ..PluginConfig::default()
    };
    let mut rig = plugin(directory(), config, single_bucket).await;
    rig.simulator = Some(simulator);
    rig
}

/// A directory that a plugin sees as its root.
pub(crate) fn grant(host: &Path) -> DirGrant {
    DirGrant {
        guest: "/".into(),
        host: host.into(),
        writable: true,
    }
}

/// A directory with an empty `data`, on a disk and not in memory.
pub(crate) fn directory() -> TempDir {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    dir
}

/// Compiled plugins are kept from one test to the next.
pub(crate) fn options(dir: &TempDir) -> BackendOptions {
    BackendOptions {
        compile_cache: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")),
        spool: dir.path().join("spool"),
        ..BackendOptions::default()
    }
}

async fn plugin(dir: TempDir, config: PluginConfig, single_bucket: bool) -> Rig {
    let options = BackendOptions {
        single_bucket,
        ..options(&dir)
    };
    let backend = open(config, options).await.unwrap();
    let store = Arc::clone(&backend.store);
    let mut rig = if single_bucket {
        contract::Rig::single(store, Some(dir.path()))
    } else {
        let made = contract::Rig::with_bucket(store, Some(dir.path()), TAG);
        made.await.unwrap()
    };
    if std::env::var_os("PYS3LOCAL_LONG").is_some() {
        rig.large = (3 << 30) + 5;
    }
    Rig {
        of_contract: rig,
        backend: Some(backend),
        _dir: Some(dir),
        simulator: None,
    }
}
