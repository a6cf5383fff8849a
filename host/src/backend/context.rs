//! The host's side of one plugin instance: what its imports can see and do.

use super::bindings::pys3local::storage::log;
use super::grants::Grants;
use super::guest_log::GuestLog;
use super::outgoing::Outgoing;
use super::overlay;
use super::pulse::NativeWork;
use std::future::Future;
use std::sync::Arc;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime::{Engine, Result, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

/// Instances, tables and memories that one store may have: a component is several core modules.
const MOST_INSTANCES: usize = 64;
/// Elements of one table.
const TABLE: usize = 100_000;

/// The data of one store.
pub(super) struct Ctx {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Hooks,
    table: ResourceTable,
    pub(super) limits: StoreLimits,
    pub(super) native: Arc<NativeWork>,
    log: GuestLog,
}

impl Ctx {
    /// What an instance gets under these grants; nothing at all without any.
    pub(super) fn new(grants: &Grants, outgoing: Outgoing, log: GuestLog) -> Result<Self> {
        let mut wasi = WasiCtx::builder();
        wasi.stdout(log.clone());
        wasi.stderr(log.clone());
        // Each store has a thread of its own, so small file I/O needs no hop to another.
        wasi.allow_blocking_current_thread(true);
        for dir in &grants.dirs {
            let perms = if dir.writable {
                FsPerms::ReadWrite
            } else {
                FsPerms::ReadOnly
            };
            wasi.preopened_dir(&dir.host, &dir.guest, perms)?;
        }
        let memory = usize::try_from(grants.memory).unwrap_or(usize::MAX);
        let limits = StoreLimitsBuilder::new()
            .memory_size(memory)
            .table_elements(TABLE)
            .instances(MOST_INSTANCES)
            .tables(MOST_INSTANCES)
            .memories(MOST_INSTANCES)
            .build();
        Ok(Self {
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            hooks: Hooks(outgoing),
            table: ResourceTable::new(),
            limits,
            native: Arc::default(),
            log,
        })
    }
}

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Ctx {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.hooks,
        }
    }
}

struct Hooks(Outgoing);

type Transfer = Box<dyn Future<Output = std::result::Result<(), Error>> + Send>;
type Answer = std::result::Result<(http::Response<WasiBody>, Transfer), Error>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Transfer,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        Box::new(self.0.clone().send(request, options))
    }
}

impl log::Host for Ctx {
    fn write(&mut self, level: log::Level, message: String) {
        let level = match level {
            log::Level::Trace => tracing::Level::TRACE,
            log::Level::Debug => tracing::Level::DEBUG,
            log::Level::Info => tracing::Level::INFO,
            log::Level::Warn => tracing::Level::WARN,
            log::Level::Error => tracing::Level::ERROR,
        };
        self.log.write(level, &message);
    }
}

/// Everything that a plugin may import.
///
/// WASI 0.2 is there because language runtimes import it; its sockets refuse everything, there
/// is no environment, no argument and nothing on stdin.
pub(super) fn linker(engine: &Engine) -> Result<Linker<Ctx>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    log::add_to_linker::<Ctx, HasSelf<Ctx>>(&mut linker, |ctx| ctx)?;
    overlay::add_to_linker(&mut linker)?;
    Ok(linker)
}
