//! A plugin that misbehaves: each misdeed costs the call and at most the instance that it ran
//! in. What other instances do goes on, and later calls are answered.

mod answers;
mod grants;
mod instances;

use crate::guests;
use crate::rig::{collect, directory, grant, key, options};
use pys3local::backend::{Backend, Grants, PluginConfig, open};
use pys3local_core::model::{Bucket, ByteStream};
use pys3local_core::service::ports::{StoreError, StoreListQuery, StorePage, StoredObject};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a call may do nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait for what takes a moment on an idle machine.
const RECOVERY: Duration = Duration::from_mins(1);
/// Bytes of each object.
const SIZE: usize = 1 << 20;

pub(crate) struct Hostile {
    backend: Backend,
    pub(crate) dir: TempDir,
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.backend.shutdown();
    }
}

fn bucket(misdeed: &str) -> Bucket {
    Bucket::Named(misdeed.parse().unwrap())
}

impl Hostile {
    pub(crate) async fn start() -> Self {
        Self::start_with(Grants::default()).await
    }

    pub(crate) async fn start_with(grants: Grants) -> Self {
        Self::start_waiting(PATIENCE, grants).await
    }

    /// With another time for calls without progress.
    async fn start_waiting(call_timeout: Duration, grants: Grants) -> Self {
        let dir = directory();
        let grants = Grants {
            dirs: vec![grant(&dir.path().join("data"))],
            call_timeout,
            ..grants
        };
        Self::start_in(dir, "hostile", grants).await
    }

    /// The same plugin by another name.
    async fn start_as(kind: &str) -> Self {
        let grants = Grants {
            call_timeout: PATIENCE,
            ..Grants::default()
        };
        Self::start_in(directory(), kind, grants).await
    }

    pub(crate) async fn start_in(dir: TempDir, kind: &str, grants: Grants) -> Self {
        let config = PluginConfig {
            kind: kind.into(),
            component: Some(guests::component("hostile")),
            grants,
            ..PluginConfig::default()
        };
        let backend = open(config, options(&dir)).await.unwrap();
        Self { backend, dir }
    }

    pub(crate) async fn stat(&self, misdeed: &str, name: &str) -> Result<StoredObject, StoreError> {
        self.backend
            .store
            .stat(&bucket(misdeed), &key(name), None)
            .await
    }

    async fn get(&self, misdeed: &str) -> Result<ByteStream, StoreError> {
        let got = self
            .backend
            .store
            .get(&bucket(misdeed), &key("key"), None, None)
            .await;
        got.map(|(_, body)| body)
    }

    async fn list(&self, misdeed: &str) -> Result<StorePage, StoreError> {
        let query = StoreListQuery {
            prefix: "p/".into(),
            after: None,
            shallow: false,
            limit: 10,
        };
        self.backend.store.list(&bucket(misdeed), query).await
    }

    /// Every instance answers again, soon.
    pub(crate) async fn recovers(&self) {
        let start = Instant::now();
        let mut answers = 0;
        while answers < 10 {
            match self.stat("fine", "key").await {
                Ok(_) => answers += 1,
                Err(StoreError::Unavailable(_)) if start.elapsed() < RECOVERY => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("it did not recover: {error}"),
            }
        }
        let whole = collect(self.get("fine").await.unwrap()).await.unwrap();
        assert_eq!(whole.len(), SIZE);
    }
}
