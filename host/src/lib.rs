//! An S3-compatible gateway whose storage backends are WebAssembly components.
//!
//! ```text
//!  S3 client ── HTTP ──▶ http ──▶ s3 ──▶ service ──┬──▶ backend ──▶ [ component: local | drime | yours ]
//!                        sockets  sign,  buckets,  │    wasmtime
//!                        limits   parse, objects,  │
//!                                 XML    uploads   └──▶ cache ──▶ metadata.db
//! ```
//!
//! # A tour
//! A request arrives at a connection of [`http`], which times it and hands head and body to
//! [`s3::Gateway::respond`]. There it is authenticated, routed, parsed into an operation, and
//! given to the [`service::Service`], the only place that knows in which order store and
//! cache are asked. The service owns two ports: [`service::ports::Store`] is implemented by
//! [`backend`], which runs a component and moves bodies around it, and
//! [`service::ports::Cache`] by [`cache`], which keeps in `SQLite` what storages forget. The
//! answer takes the same way back. Object bytes are a [`model::ByteStream`] all along.
//!
//! [`cli`] puts the layers together and takes them down in order; [`config`] tells it how.
//!
//! # Layers
//! | layer | knows | never sees |
//! |---|---|---|
//! | [`model`] | names and values with their rules | I/O, a runtime |
//! | [`service`] | what an S3 operation means | HTTP, XML, wasm, SQL |
//! | [`s3`] | bytes to operations and back | axum, sockets, wasm, SQL |
//! | [`http`] | listening, limits, shutdown | what an operation is |
//! | [`backend`] | components and what they may reach | S3 codes, requests of clients |
//! | [`cache`] | rows in `SQLite` | plugins, HTTP |
//! | [`config`] | files, flags, secrets, directories | a running gateway |
//! | [`cli`] | all of them | |
//!
//! `model`, `service` and `s3` are the crate `pys3local_core`, so that they build and test without
//! the component engine.
//!
//! # What never happens
//! - No object is collected to be looked at. For a storage that takes parts, up to 64 MiB of parts
//!   wait in memory for their confirmation, whatever the number of uploads; nothing else is held.
//! - No upload is published before its length, digests and signatures were checked.
//! - No reply ends well whose body did not.
//! - No acknowledged write is lost by a stop, however sudden.
//! - No reader sees the bytes of one state with the `ETag` of another.
//! - No plugin reaches a file, a host or a variable that its config section does not grant.
//! - No secret is printed in a log, an error or a `Debug` output.
//!
//! # In a program of one's own
//! What the command line does, a program can do with the same parts. A database of metadata:
//!
//! ```
//! use pys3local::cache::{CacheOptions, SqliteCache, Tally};
//! use pys3local::model::Bucket;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("metadata.db");
//! let cache = SqliteCache::open(&path, CacheOptions { durable: true })?;
//! let reader = cache.reader()?;
//! for store in reader.stores()? {
//!     let buckets = reader.tallies(&store)?.into_iter();
//!     let sum = buckets.fold(Tally::default(), |sum, bucket| sum.and(bucket.known));
//!     println!("{}: {} objects of {} bytes", store.name, sum.files, sum.size);
//!
//!     // The MD5 of one object.
//!     let bucket = Bucket::Named("photos".parse()?);
//!     if let Some(etag) = reader.etag(&store, &bucket, &"2025/cat.jpg".parse()?)? {
//!         println!("{etag}");
//!     }
//!     // Clean up a workspace.
//!     if store.label == Some(1465) {
//!         println!("forgotten: {}", cache.forget_md5s(&store, None)?);
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! And a gateway, as an [`axum::Router`] that may be part of a larger one:
//!
//! ```no_run
//! use pys3local::backend::{self, BackendOptions, PluginConfig};
//! use pys3local::cache::{CacheOptions, NamespaceBinding, SqliteCache};
//! use pys3local::s3::auth::credentials::Credentials;
//! use pys3local::s3::auth::rights::Rights;
//! use pys3local::s3::auth::{Access, Authenticator};
//! use pys3local::s3::{Gateway, GatewayOptions};
//! use pys3local::service::{BucketMode, Service};
//! use std::sync::Arc;
//!
//! async fn router() -> Result<axum::Router, Box<dyn std::error::Error>> {
//!     let plugin = PluginConfig {
//!         kind: "local".to_owned(),
//!         settings: [("path".to_owned(), "/srv/s3".to_owned())].into(),
//!         ..PluginConfig::default()
//!     };
//!     let options = BackendOptions {
//!         durable: true,
//!         spool: "/var/lib/gateway/spool".into(),
//!         ..BackendOptions::default()
//!     };
//!     let backend = backend::open(plugin, options).await?;
//!     let database = "/var/lib/gateway/metadata.db".as_ref();
//!     let cache = SqliteCache::open(database, CacheOptions { durable: true })?;
//!     let cache = cache.namespace(&NamespaceBinding {
//!         component: &backend.component,
//!         name: &backend.namespace,
//!         label: backend.label,
//!     })?;
//!     let service = Service::new(backend.store.clone(), Arc::new(cache), BucketMode::Advanced);
//!     let service = Arc::new(service);
//!     // Settles what a crash may have left open. Serving need not wait for it.
//!     service.recover().await?;
//!     let access = Access::keys(vec![Credentials {
//!         access_key_id: "id".into(),
//!         secret_key: "secret".into(),
//!         rights: Rights::default(),
//!     }]);
//!     let gateway = Gateway::new(
//!         service,
//!         Authenticator::new(access, "us-east-1"),
//!         GatewayOptions {
//!             region: "us-east-1".to_owned(),
//!             domains: Vec::new(),
//!             secure: false,
//!         },
//!     );
//!     Ok(pys3local::http::router(Arc::new(gateway)))
//! }
//! ```
//!
//! A storage that keeps texts with objects gets them from a task that polls
//! [`service::Service::write_portable_texts`].
//!
//! Before the program ends it waits for [`service::Service::quiesce`], and ends the plugin with
//! [`backend::Backend::shutdown`].

pub mod backend;
pub mod cache;
pub mod cli;
pub mod config;
pub mod http;

pub use pys3local_core::{model, s3, service};
