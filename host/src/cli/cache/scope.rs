//! Which stores and buckets a command is about.

use super::{Context, raw_backend, runtime};
use crate::cache::{CacheReader, KnownStore};
use crate::cli::{Failure, backend};
use crate::service::DEFAULT_BUCKET;
use clap::Args;

#[derive(Debug, Clone, Args)]
pub(super) struct ScopeOptions {
    /// Only this workspace
    #[arg(long, value_name = "N")]
    pub(super) workspace: Option<u64>,

    /// Only this bucket; for a store with a workspace also say which
    #[arg(long, value_name = "NAME")]
    pub(super) bucket: Option<String>,

    /// Only the store of this backend from the config directory
    #[arg(long, value_name = "NAME")]
    pub(super) backend_config: Option<String>,
}

/// Some stores, and some buckets of them.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) stores: Vec<KnownStore>,
    buckets: Vec<String>,
    /// `workspace 1465`, `bucket 'b' in workspace 1465`; `None`: everything.
    pub(super) name: Option<String>,
}

/// What tells the store of an opened backend from others.
struct Identity {
    component: String,
    namespace: String,
    label: Option<u64>,
}

impl ScopeOptions {
    pub(super) fn is_empty(&self) -> bool {
        self.workspace.is_none() && self.bucket.is_none() && self.backend_config.is_none()
    }

    /// Finds the stores. That of a backend is asked of its plugin.
    pub(super) fn resolve(
        &self,
        context: &Context,
        reader: &CacheReader,
    ) -> Result<Scope, Failure> {
        let identity = match &self.backend_config {
            Some(name) => Some(identify(context, name)?),
            None => None,
        };
        let all = reader.stores().map_err(Failure::from)?;
        let scope = self.choose(all.clone(), identity.as_ref())?;
        if let Some(bucket) = &self.bucket
            && self.is_only_bucket()
            && scope.is_unknown_to(&scope.stores, reader)?
        {
            let workspaces = all.into_iter().filter(|store| store.label.is_some());
            refuse_workspaces(bucket, &scope, workspaces.collect(), reader)?;
        }
        Ok(scope)
    }

    fn is_only_bucket(&self) -> bool {
        self.bucket.is_some() && self.workspace.is_none() && self.backend_config.is_none()
    }

    fn choose(&self, all: Vec<KnownStore>, identity: Option<&Identity>) -> Result<Scope, Failure> {
        let only_bucket = self.is_only_bucket();
        if only_bucket && all.iter().all(|store| store.label.is_some()) {
            let failure = Failure::new("--bucket needs --workspace");
            let hint = "buckets of different workspaces may have the same name";
            return if all.is_empty() {
                Ok(self.scope(Vec::new()))
            } else {
                Err(failure.hint(hint))
            };
        }
        let is_wanted = |store: &KnownStore| {
            let backend = identity.is_none_or(|identity| identity.is(store));
            let workspace = match self.workspace {
                Some(number) => store.label == Some(number),
                None => !only_bucket || store.label.is_none(),
            };
            backend && workspace
        };
        Ok(self.scope(all.into_iter().filter(is_wanted).collect()))
    }

    /// What the options alone call it.
    pub(super) fn name(&self) -> Option<String> {
        self.scope(Vec::new()).name
    }

    fn scope(&self, stores: Vec<KnownStore>) -> Scope {
        let bucket = self.bucket.as_ref().map(|name| format!("bucket '{name}'"));
        let store = match (self.workspace, &self.backend_config) {
            (Some(number), _) => Some(format!("workspace {number}")),
            (None, Some(name)) => Some(format!("backend {name}")),
            (None, None) => None,
        };
        let buckets = match self.bucket.as_deref() {
            // The one of default-bucket mode has no name in the database.
            Some(DEFAULT_BUCKET) => vec![DEFAULT_BUCKET.to_owned(), String::new()],
            Some(name) => vec![name.to_owned()],
            None => Vec::new(),
        };
        Scope {
            stores,
            buckets,
            name: match (bucket, store) {
                (Some(bucket), Some(store)) => Some(format!("{bucket} in {store}")),
                (bucket, store) => bucket.or(store),
            },
        }
    }
}

impl Scope {
    pub(super) fn has_bucket(&self, name: &str) -> bool {
        self.buckets.is_empty() || self.buckets.iter().any(|bucket| bucket == name)
    }

    /// Whether nothing is known of the buckets in any of these stores.
    fn is_unknown_to(&self, stores: &[KnownStore], reader: &CacheReader) -> Result<bool, Failure> {
        for store in stores {
            let buckets = reader.buckets(store).map_err(Failure::from)?;
            if buckets.iter().any(|bucket| self.has_bucket(bucket)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Each store with each bucket; `None` stands for all buckets.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&KnownStore, Option<&str>)> {
        self.stores.iter().flat_map(|store| {
            let named = self.buckets.iter().map(|name| Some(name.as_str()));
            let all = self.buckets.is_empty().then_some(None);
            named.chain(all).map(move |bucket| (store, bucket))
        })
    }
}

impl Identity {
    /// Rows that were imported may be about any store of the type and workspace.
    fn is(&self, store: &KnownStore) -> bool {
        let same_label = self.label.unwrap_or(0) == store.label.unwrap_or(0);
        store.name == self.namespace
            || store.imported && store.component == self.component && same_label
    }
}

/// Says in which workspaces there is a bucket that is nowhere else.
fn refuse_workspaces(
    bucket: &str,
    scope: &Scope,
    workspaces: Vec<KnownStore>,
    reader: &CacheReader,
) -> Result<(), Failure> {
    let mut found: Vec<u64> = Vec::new();
    for store in workspaces {
        let known = !scope.is_unknown_to(std::slice::from_ref(&store), reader)?;
        found.extend(store.label.filter(|_| known));
    }
    found.dedup();
    let Some(first) = found.first() else {
        return Ok(());
    };
    let numbers: Vec<_> = found.iter().map(u64::to_string).collect();
    let word = if found.len() == 1 {
        "workspace"
    } else {
        "workspaces"
    };
    let what = format!(
        "the bucket '{bucket}' is known in {word} {} alone",
        numbers.join(", ")
    );
    Err(Failure::new(what).hint(format!("say so: --workspace {first}")))
}

fn identify(context: &Context, name: &str) -> Result<Identity, Failure> {
    let settings = context.settings(raw_backend(Some(name)))?;
    runtime()?.block_on(async {
        let backend = backend::open(&settings).await?;
        let identity = Identity {
            component: backend.component.clone(),
            namespace: backend.namespace.clone(),
            label: backend.label,
        };
        backend.shutdown();
        Ok(identity)
    })
}
