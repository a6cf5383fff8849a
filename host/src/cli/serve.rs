//! `pys3local serve`: from settings to a running gateway, and back down in order.

use super::admin::Admin;
use super::options::ServeOptions;
use super::{Failure, backend, log, startup, ways, whereabouts};
use crate::backend::Backend;
use crate::cache::{CacheOptions, NamespaceBinding, SqliteCache};
use crate::config::{self, Access, BackendConfig, KeyPair, ListenAddress, Places, Serve, resolve};
use crate::http::{self, Drained, Limits, Metrics, Stop, Tls};
use crate::model::Timestamp;
use crate::s3::auth::{self, Authenticator, credentials::Credentials};
use crate::s3::{Gateway, GatewayOptions};
use crate::service::{Freshness, Service, ServiceOptions};
use clap::ArgMatches;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long the texts that are kept with objects may take at the end. What is not written then is
/// written after the next start.
const FLUSH: Duration = Duration::from_secs(15);

/// How long to wait at the end for writes whose clients have gone.
const QUIESCE: Duration = Duration::from_secs(30);

pub(super) fn run(
    options: ServeOptions,
    matches: Option<&ArgMatches>,
    log: log::Options,
) -> Result<(), Failure> {
    let places = options.directories.places()?;
    let settings = resolve::serve(options.into_raw(matches), &places)?;
    let runtime = super::runtime()?;
    let outcome = runtime.block_on(serve(settings, &places, log));
    // A thread that hangs in a system call must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn serve(settings: Serve, places: &Places, log: log::Options) -> Result<(), Failure> {
    prepare_directories(&settings)?;
    // First: a second server on the same port ends here, before it touches the store.
    let (listener, bound) = bind(&settings.listen, "--listen").await?;
    let admin = match &settings.admin_listen {
        Some(address) => Some(bind(address, "--admin-listen").await?),
        None => None,
    };
    let tls = tls(&settings)?;
    let backend = Arc::new(backend::open_to_serve(&settings).await?);
    let cache = SqliteCache::open(
        &settings.metadata_db,
        CacheOptions {
            durable: settings.sync.is_durable(),
        },
    )
    .map_err(Failure::from)?;
    let cache = Arc::new(cache);
    let service = Arc::new(service(&settings, &backend, &cache)?);
    let stop = stop_on_signals()?;

    warn(&settings, &backend, bound, places, log);
    warn_of_store(&settings, &backend, &cache, places, log)?;
    let reader = if io::stdout().is_terminal() {
        let bold = log::is_coloured(true);
        startup::Reader::Person { bold }
    } else {
        startup::Reader::Log
    };
    let addresses = startup::Addresses {
        bound,
        admin: admin.as_ref().map(|(_, address)| *address),
    };
    print(&startup::text(
        &settings,
        &startup::Storage {
            summary: &backend.summary,
            label: backend.label,
        },
        addresses,
        reader,
    ));

    let recovery = tokio::spawn(recover(service.clone(), settings.upload_expiry));
    let writing_behind = {
        let service = service.clone();
        tokio::spawn(async move { service.write_portable_texts().await })
    };
    let limits = Limits {
        connections: settings.max_connections,
        ..Limits::default()
    };
    let site = Arc::new(gateway(&settings, service.clone()));
    let metrics = Metrics::default();
    if let Some((listener, _)) = admin {
        let admin = Admin {
            metrics: metrics.clone(),
            service: service.clone(),
            backend: backend.clone(),
            cache: cache.clone(),
            stop: stop.clone(),
        };
        admin.serve(listener, &settings);
    }
    let following = tls.clone().map(|tls| {
        tokio::spawn(async move { tls.follow().await }) // the files of the certificate
    });
    let place = || {
        let seat = backend.seat()?;
        Some((seat.thread().clone(), seat))
    };
    let drained = http::serve(listener, site, limits, stop.clone(), metrics, tls, place).await;
    if let Some(following) = following {
        following.abort();
    }

    recovery.abort();
    let settled = tokio::select! {
        biased;
        () = service.quiesce() => true,
        () = tokio::time::sleep(QUIESCE) => false,
        () = stop.at_once() => false,
    };
    writing_behind.abort();
    flush(&service, &stop).await;
    if let Err(error) = cache.checkpoint().await {
        tracing::warn!(%error, "the log of the metadata database stays beside it");
    }
    backend.shutdown();
    match drained {
        Drained::Whole if settled => {
            tracing::info!("stopped; every request was finished");
            Ok(())
        }
        Drained::Whole => Err(Failure::new("stopped before every write was finished")),
        Drained::BrokenOff(count) => Err(Failure::new(format!(
            "stopped; connections broken off: {count}"
        ))),
    }
}

fn prepare_directories(settings: &Serve) -> Result<(), Failure> {
    let cannot = |dir: &Path, error: io::Error| {
        Failure::new(format!(
            "cannot create the directory {}: {}",
            dir.display(),
            config::error::io_text(&error)
        ))
    };
    if settings.create_data_dir
        && let Some(dir) = &settings.data_dir
    {
        std::fs::create_dir_all(dir).map_err(|error| cannot(dir, error))?;
    }
    if let Some(dir) = settings.metadata_db.parent() {
        config::private_dir(dir).map_err(|error| cannot(dir, error))?;
    }
    Ok(())
}

/// Says what the operator should know before an accident.
fn warn(
    settings: &Serve,
    backend: &Backend,
    bound: SocketAddr,
    places: &Places,
    log: log::Options,
) {
    let temporary = settings
        .data_dir
        .as_deref()
        .is_some_and(|dir| places.is_temporary(dir));
    for warning in startup::warnings(settings, bound, temporary) {
        log::warn_loudly(log, &warning);
    }
    for path in &settings.config_files {
        if let Some(exposed) = config::exposed(path, &backend.secret_settings) {
            log::warn_loudly(log, &exposed.to_string());
        }
    }
    if let Some(files) = &settings.tls
        && let Some(exposed) = config::exposed_key(&files.key)
    {
        log::warn_loudly(log, &exposed.to_string());
    }
}

/// The same of a store that is not what it seems to be.
fn warn_of_store(
    settings: &Serve,
    backend: &Backend,
    cache: &SqliteCache,
    places: &Places,
    log: log::Options,
) -> Result<(), Failure> {
    let usual_database = places.config.join("metadata.db");
    let moved = whereabouts::warning(settings, backend, cache, &usual_database)?;
    let other_way = ways::warning(settings, backend, cache)?;
    for warning in moved.into_iter().chain(other_way) {
        log::warn_loudly(log, &warning);
    }
    Ok(())
}

/// Listens on what `flag` says, and answers where that is.
async fn bind(address: &ListenAddress, flag: &str) -> Result<(TcpListener, SocketAddr), Failure> {
    let bound = async {
        let listener = http::bind(&address.candidates().await?)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound.await.map_err(|error: io::Error| {
        let failure = Failure::io(&format!("cannot listen on {address}"), &error);
        match error.kind() {
            io::ErrorKind::AddrInUse => failure.hint(format!(
                "another program has this port; choose one with {flag}"
            )),
            io::ErrorKind::PermissionDenied => failure.hint(format!(
                "ports below 1024 are for root; choose another with {flag}"
            )),
            _ => failure,
        }
    })
}

fn tls(settings: &Serve) -> Result<Option<Tls>, Failure> {
    let Some(files) = &settings.tls else {
        return Ok(None);
    };
    Tls::load(&files.certificate, &files.key)
        .map(Some)
        .map_err(|error| {
            let hint = "--tls-cert takes a PEM file with the chain, --tls-key one with its key";
            Failure::new(error.to_string()).hint(hint)
        })
}

fn service(settings: &Serve, backend: &Backend, cache: &SqliteCache) -> Result<Service, Failure> {
    let binding = NamespaceBinding {
        component: &backend.component,
        name: &backend.namespace,
        label: backend.label,
    };
    let cache = cache.namespace(&binding).map_err(Failure::from)?;
    let options = ServiceOptions {
        mode: settings.mode,
        verify_reads: settings.verify_reads,
        freshness: freshness(&settings.backend),
    };
    Ok(Service::new(
        backend.store.clone(),
        Arc::new(cache),
        options,
    ))
}

/// When what is known of the storage is old.
pub(super) fn freshness(backend: &BackendConfig) -> Freshness {
    Freshness {
        max_age: backend.max_age.unwrap_or(Freshness::default().max_age),
        exclusive: backend.exclusive,
    }
}

fn gateway(settings: &Serve, service: Arc<Service>) -> Gateway {
    let access = match &settings.access {
        Access::Open => auth::Access::Open,
        Access::Keys { pairs, public } => auth::Access::Keys {
            pairs: pairs.iter().map(credentials).collect(),
            public: public.clone(),
        },
    };
    let options = GatewayOptions {
        region: settings.region.clone(),
        domains: settings.domains.clone(),
        secure: settings.tls.is_some(),
    };
    Gateway::new(
        service,
        Authenticator::new(access, &settings.region),
        options,
    )
}

fn credentials(pair: &KeyPair) -> Credentials {
    Credentials {
        access_key_id: pair.id.as_str().into(),
        secret_key: pair.secret.expose().into(),
        rights: pair.rights.clone(),
    }
}

/// Writes the texts that wait to be kept with objects, for as long as there is time.
async fn flush(service: &Service, stop: &Stop) {
    let flushed = tokio::select! {
        flushed = tokio::time::timeout(FLUSH, service.flush_portable_texts()) => flushed,
        () = stop.at_once() => return,
    };
    match flushed {
        Ok(Ok(0)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "cannot tell what waits to be kept with objects"),
        Ok(Ok(_)) | Err(_) => tracing::info!(
            count = service.portable_texts_waiting(),
            "metadata waits to be kept with objects; the next start goes on"
        ),
    }
}

/// The longest time between two searches for uploads that nobody sends anything to any more.
const SEARCH: Duration = Duration::from_hours(1);

async fn recover(service: Arc<Service>, upload_expiry: Duration) {
    if let Err(error) = service.recover().await {
        tracing::warn!(%error, "could not settle what the last run left open; the next start tries again");
    }
    loop {
        match service
            .expire_uploads(Timestamp::now() - upload_expiry)
            .await
        {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "abandoned uploads were removed"),
            Err(error) => tracing::warn!(%error, "abandoned uploads could not be removed"),
        }
        tokio::time::sleep(SEARCH.min(upload_expiry)).await;
    }
}

/// Signals within this time after the first are the first.
const SAME: Duration = Duration::from_millis(500);

/// SIGINT and SIGTERM: the first finishes what gets on, the second breaks it off.
fn stop_on_signals() -> Result<Stop, Failure> {
    let failed = |error: io::Error| Failure::new(format!("cannot wait for signals: {error}"));
    let mut signals = Signals::listen().map_err(failed)?;
    let stop = Stop::default();
    let asked = stop.clone();
    tokio::spawn(async move {
        signals.next().await;
        asked.finish();
        tracing::info!(
            "finishing what is running, while its bytes flow; what stands still for 30 s is broken off, \
             and a second signal stops at once"
        );
        // Some send the same one twice at once, to the process and to its group.
        let same = async {
            loop {
                signals.next().await;
            }
        };
        let _ = tokio::time::timeout(SAME, same).await;
        signals.next().await;
        asked.break_off();
    });
    Ok(stop)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// A closed stdout does not keep the server from serving.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    if let Err(error) = written {
        tracing::warn!(%error, "cannot print the start-up text");
    }
}
