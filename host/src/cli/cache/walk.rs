//! A store and its cache, opened to walk through all objects.

use super::{Context, open};
use crate::backend::Backend;
use crate::cache::{CacheReader, NamespaceBinding, SqliteCache};
use crate::cli::options::{Layout, Origins};
use crate::cli::serve::freshness;
use crate::cli::ways::some_of;
use crate::cli::{Failure, backend, log};
use crate::config::{Given, Origin, RawServe, SettingValue};
use crate::model::{BucketName, ObjectKey};
use crate::service::{
    BucketMode, DEFAULT_BUCKET, Service, ServiceError, ServiceOptions, SurveyPage, Surveyed,
};
use clap::Args;
use futures_util::stream::{self, Stream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Which objects of which store.
#[derive(Debug, Clone, Args)]
pub(super) struct WalkOptions {
    /// Backend from the config directory: a section of backends.toml, or NAME.toml
    #[arg(long, env = "PYS3LOCAL_BACKEND_CONFIG", value_name = "NAME")]
    backend_config: Option<String>,

    /// Directory of objects, as in `serve --path`
    #[arg(long, env = "PYS3LOCAL_PATH", value_name = "DIR")]
    path: Option<PathBuf>,

    /// Workspace, instead of the one in the config
    #[arg(long, value_name = "N")]
    workspace: Option<u64>,

    /// Only this bucket
    #[arg(long, value_name = "NAME")]
    bucket: Option<BucketName>,

    /// Folder of the backend that is the root, for backends that have such a setting
    #[arg(long, env = "PYS3LOCAL_ROOT_FOLDER", value_name = "PATH")]
    root_folder: Option<String>,

    /// All buckets, as `serve` with this option has them, instead of the one bucket `default`
    #[arg(long, env = "PYS3LOCAL_ALLOW_BUCKET_CREATION", value_parser = crate::cli::options::truth)]
    allow_bucket_creation: bool,

    #[command(flatten)]
    layout: Layout,
}

/// How much is done at the same time.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Parallel {
    /// Objects that are read at the same time
    #[arg(long, short, value_name = "N", default_value = "4",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) jobs: u16,
}

/// An opened store.
pub(super) struct Walk {
    pub(super) service: Arc<Service>,
    pub(super) backend: Backend,
    /// The backend as the user names it.
    pub(super) title: String,
    pub(super) buckets: Vec<BucketName>,
    cache: SqliteCache,
    /// Whether buckets are real.
    advanced: bool,
    /// Whether all buckets were asked for that there may be.
    whole: bool,
    /// What the database knows of the store that only the other mode of buckets shows.
    out_of_sight: Option<OutOfSight>,
}

/// Known objects that are not walked through, because a server of the other mode has put them.
pub(super) struct OutOfSight {
    /// What there is.
    pub(super) what: String,
    /// How to see it.
    pub(super) remedy: &'static str,
}

/// An object, and where it is.
pub(super) struct Found {
    pub(super) bucket: BucketName,
    pub(super) object: Surveyed,
}

/// Waits between attempts, where the storage asks for patience without saying how long.
const PATIENCE: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

impl WalkOptions {
    pub(super) async fn open(self, context: &Context) -> Result<Walk, Failure> {
        let origins = Origins(context.matches.as_ref());
        let (backend_config, path) = named(
            origins.text("backend_config", self.backend_config),
            origins.path("path", self.path),
        )?;
        // Another bucket than `default` there is only with real buckets.
        let named = self
            .bucket
            .as_ref()
            .is_some_and(|name| name.as_str() != DEFAULT_BUCKET);
        let advanced = self.allow_bucket_creation || named;
        let title = match (&backend_config, &path) {
            (Some(name), _) => name.value.clone(),
            (None, path) => path
                .as_ref()
                .map(|path| path.value.display().to_string())
                .unwrap_or_default(),
        };
        let raw = RawServe {
            backend_config,
            path,
            root_folder: origins.text("root_folder", self.root_folder),
            layout: self.layout.given(&origins),
            allow_bucket_creation: advanced,
            ..RawServe::default()
        };
        let mut settings = context.settings(raw)?;
        if let Some(number) = self.workspace {
            let value = SettingValue {
                flag: Some(Origin::Flag("--workspace".to_owned())),
                ..SettingValue::plain(number.to_string())
            };
            settings
                .backend
                .settings
                .insert("workspace_id".to_owned(), value);
        }
        let backend = backend::open(&settings).await?;
        let cache = open(&settings.metadata_db)?;
        let binding = NamespaceBinding {
            component: &backend.component,
            name: &backend.namespace,
            label: backend.label,
        };
        let namespace = cache.namespace(&binding).map_err(Failure::from)?;
        let options = ServiceOptions {
            mode: if advanced {
                BucketMode::Advanced
            } else {
                BucketMode::Default
            },
            verify_reads: false,
            freshness: freshness(&settings.backend),
        };
        // Without `recover`: what is open belongs to a server that may be running.
        let service = Service::new(backend.store.clone(), Arc::new(namespace), options);
        let whole = advanced && self.bucket.is_none();
        let out_of_sight = match self.bucket {
            // Whoever names a bucket means that one.
            Some(_) => None,
            None => out_of_sight(&cache, &backend.namespace, advanced)?,
        };
        if let Some(OutOfSight { what, remedy }) = &out_of_sight {
            log::warn_loudly(log::Options::default(), &format!("{what}: {remedy}"));
        }
        let buckets = match self.bucket {
            Some(name) => {
                let there = patiently(|| service.head_bucket(&name)).await;
                there.map_err(|error| Failure::new(format!("bucket {name}: {error}")))?;
                vec![name]
            }
            None => patiently(|| service.list_buckets())
                .await
                .map_err(|error| Failure::new(format!("cannot list the buckets: {error}")))?
                .into_iter()
                .map(|bucket| bucket.name)
                .collect(),
        };
        Ok(Walk {
            service: Arc::new(service),
            backend,
            title,
            buckets,
            cache,
            advanced,
            whole,
            out_of_sight,
        })
    }
}

type Named = (Option<Given<String>>, Option<Given<PathBuf>>);

/// Which store is meant. Who names one means that one, whichever a server gets from its variables;
/// of two variables a server uses both.
fn named(config: Option<Given<String>>, path: Option<Given<PathBuf>>) -> Result<Named, Failure> {
    let is_flag = |origin: &Origin| matches!(origin, Origin::Flag(_));
    match (&config, &path) {
        (None, None) => {
            let what = "say which store: --backend-config NAME, or --path DIR";
            Err(Failure::usage(what))
        }
        (Some(name), Some(dir)) => match (is_flag(&name.origin), is_flag(&dir.origin)) {
            (true, true) => {
                let what = "--path and --backend-config cannot be used together";
                Err(Failure::usage(what))
            }
            (true, false) => Ok((config, None)),
            (false, true) => Ok((None, path)),
            (false, false) => Ok((config, path)),
        },
        _ => Ok((config, path)),
    }
}

/// What a walk in this mode does not see of a store.
fn out_of_sight(
    cache: &SqliteCache,
    store: &str,
    advanced: bool,
) -> Result<Option<OutOfSight>, Failure> {
    let reader = cache.reader().map_err(Failure::from)?;
    let stores = reader.stores().map_err(Failure::from)?;
    let Some(store) = stores.iter().find(|known| known.name == store) else {
        return Ok(None);
    };
    let mut buckets = reader.buckets(store).map_err(Failure::from)?;
    // The one of default-bucket mode has no name in the database. Who has looked there once, where
    // buckets are real, need not hear of it for ever.
    if advanced && buckets.iter().any(|name| !name.is_empty()) {
        return Ok(None);
    }
    buckets.retain(|name| name.is_empty() == advanced);
    let mut count = 0;
    for bucket in &buckets {
        let known = reader.forgettable(store, Some(bucket));
        count += known.map_err(Failure::from)?.rows;
    }
    let objects = super::objects(count);
    Ok(match &buckets[..] {
        [] => None,
        _ if advanced => Some(OutOfSight {
            what: format!(
                "this looks at the buckets that clients have made, and the database knows {objects} \
                 of this store in its one bucket `default`"
            ),
            remedy: "leave --allow-bucket-creation out to look there",
        }),
        names => Some(OutOfSight {
            what: format!(
                "this looks at the one bucket `default`, and the database knows {objects} of this \
                 store in {}",
                some_of(names)
            ),
            remedy: "add --allow-bucket-creation, as for `serve`, to look there",
        }),
    })
}

impl Walk {
    /// All objects, bucket by bucket in byte order.
    pub(super) fn objects(&self) -> impl Stream<Item = Result<Found, Failure>> + '_ {
        let start = Position {
            walk: self,
            buckets: self.buckets.iter(),
            listing: None,
            page: Vec::new().into_iter(),
        };
        stream::try_unfold(start, |mut position| async move {
            let found = position.next().await?;
            Ok(found.map(|found| (found, position)))
        })
    }

    /// Whether it is about all buckets that there are, or have been.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// What the database knows that this does not see.
    pub(super) fn out_of_sight(&self) -> Option<&OutOfSight> {
        self.out_of_sight.as_ref()
    }

    /// What the database calls a bucket.
    pub(super) fn row_bucket<'a>(&self, bucket: &'a BucketName) -> &'a str {
        if self.advanced { bucket.as_str() } else { "" }
    }

    /// The database, to look at.
    pub(super) fn reader(&self) -> Result<CacheReader, Failure> {
        self.cache.reader().map_err(Failure::from)
    }

    /// Ends the plugin, and empties the log of the database.
    pub(super) async fn close(self) {
        if let Err(error) = self.cache.checkpoint().await {
            tracing::debug!(%error, "the log of the metadata database stays beside it");
        }
        self.backend.shutdown();
    }
}

/// How far a walk has come.
struct Position<'a> {
    walk: &'a Walk,
    buckets: std::slice::Iter<'a, BucketName>,
    /// The bucket that is listed, and behind which key its next page begins.
    listing: Option<(&'a BucketName, Option<ObjectKey>)>,
    /// What is left of the last page.
    page: std::vec::IntoIter<Found>,
}

impl Position<'_> {
    async fn next(&mut self) -> Result<Option<Found>, Failure> {
        loop {
            if let Some(found) = self.page.next() {
                return Ok(Some(found));
            }
            let listing = self.listing.take();
            let next = || self.buckets.next().map(|bucket| (bucket, None));
            let Some((bucket, after)) = listing.or_else(next) else {
                return Ok(None);
            };
            let service = &self.walk.service;
            let page = patiently(|| service.survey(bucket, after.as_ref())).await;
            let SurveyPage { objects, next } =
                page.map_err(|error| Failure::new(format!("cannot list {bucket}: {error}")))?;
            self.listing = next.map(|key| (bucket, Some(key)));
            let found = objects.into_iter().map(|object| Found {
                bucket: bucket.clone(),
                object,
            });
            self.page = found.collect::<Vec<_>>().into_iter();
        }
    }
}

/// Asks again when the storage is busy or not available for the moment.
pub(super) async fn patiently<T, F: Future<Output = Result<T, ServiceError>>>(
    ask: impl Fn() -> F,
) -> Result<T, ServiceError> {
    for pause in PATIENCE {
        match ask().await {
            Err(ServiceError::Busy { retry_after }) => {
                tokio::time::sleep(retry_after.unwrap_or(pause)).await;
            }
            Err(ServiceError::Unavailable(_)) => tokio::time::sleep(pause).await,
            outcome => return outcome,
        }
    }
    ask().await
}
