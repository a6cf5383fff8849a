//! The host's side of one plugin instance: what its imports can see and do.

use super::bindings::pys3local::storage::log;
use super::grants::Grants;
use super::guest_log::GuestLog;
use super::limits::Limits;
use super::outgoing::Outgoing;
use super::overlay;
use super::pulse::NativeWork;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime::{Engine, Result};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

/// The largest number of bytes that lists and texts of one call may take in our memory: many times
/// the largest page.
pub(super) const ANSWER: usize = 16 << 20;

/// The data of one store.
pub(super) struct Ctx {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Hooks,
    table: ResourceTable,
    pub(super) limits: Limits,
    pub(super) native: Arc<NativeWork>,
    /// Handles that are not in the table (any more).
    handles: Arc<Semaphore>,
    log: GuestLog,
}

/// What a body that the host moves for a plugin holds open: a file, a directory, a connection. The
/// plugin may have dropped its own handle of it long ago.
pub(super) type Handle = OwnedSemaphorePermit;

impl Ctx {
    /// What an instance gets under these grants; nothing at all without any.
    pub(super) fn new(grants: &Grants, outgoing: Outgoing, log: GuestLog) -> Result<Self> {
        let mut wasi = WasiCtx::builder();
        for (name, value) in &grants.env {
            wasi.env(name, value);
        }
        wasi.stdout(log.clone());
        wasi.stderr(log.clone());
        // Small file I/O on the store's own thread needs no hop to another.
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
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles());
        let handles = Arc::new(Semaphore::new(handles()));
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(HEADERS);
        let native = Arc::<NativeWork>::default();
        let hooks = Hooks {
            outgoing,
            handles: Arc::clone(&handles),
            native: Arc::clone(&native),
            log: log.clone(),
        };
        Ok(Self {
            wasi: wasi.build(),
            http,
            hooks,
            table,
            limits: Limits::new(memory),
            native,
            handles,
            log,
        })
    }

    /// A handle for a body; `None` if the plugin has too many.
    pub(super) fn handle(&self) -> Option<Handle> {
        hold(&self.handles)
    }
}

fn hold(handles: &Arc<Semaphore>) -> Option<Handle> {
    Arc::clone(handles).try_acquire_owned().ok()
}

/// Bytes that the names and values of one set of HTTP fields may take.
const HEADERS: usize = 16 << 10;
/// More handles no plugin needs, however many files may be open: each may keep some memory.
const MOST_HANDLES: usize = 4096;

/// With fewer handles than this, instances get few calls each: then there are fewer of them.
const FEW_HANDLES: usize = 64;
/// Handles that a call needs at most, as plugins are usually written, together with those of the
/// calls that are made on its behalf: `local` has a file, the directory that it goes to, and what
/// leads there.
const OF_A_CALL: usize = 4;

/// Handles that all instances together may hold themselves, and as many that their bodies hold. Half
/// of the files that may be open is left to the rest of the program.
fn all_handles() -> usize {
    static ALL: OnceLock<usize> = OnceLock::new();
    *ALL.get_or_init(|| {
        let files = rlimit::Resource::NOFILE.get_soft().unwrap_or(1024);
        usize::try_from(files).unwrap_or(usize::MAX).min(1 << 20) / 4
    })
}

/// How many instances a stateless plugin has.
pub(super) fn instances() -> usize {
    // Each call asks, and the system takes its time to tell of cores.
    static INSTANCES: OnceLock<usize> = OnceLock::new();
    *INSTANCES.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        cores.min(all_handles() / FEW_HANDLES).max(1)
    })
}

/// Handles (open files, requests …) that one instance may hold itself, and as many that its bodies
/// hold, so that a plugin that keeps what it gets hurts only itself.
fn handles() -> usize {
    (all_handles() / instances()).min(MOST_HANDLES)
}

/// How many calls the handles of one instance suffice for.
pub(super) fn calls() -> usize {
    (handles() / OF_A_CALL).max(1)
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

struct Hooks {
    outgoing: Outgoing,
    handles: Arc<Semaphore>,
    native: Arc<NativeWork>,
    log: GuestLog,
}

type Transfer = Box<dyn Future<Output = std::result::Result<(), Error>> + Send>;
type Answer = std::result::Result<(http::Response<WasiBody>, Transfer), Error>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Transfer,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        if !self.outgoing.permits(request.uri()) {
            // As often as it may say something itself.
            let host = request.uri().host().unwrap_or_default();
            let text = format!("it asks for the host {host}, which its grants do not name");
            self.log.write(tracing::Level::WARN, &text);
        }
        let handle = hold(&self.handles);
        let (outgoing, native) = (self.outgoing.clone(), Arc::clone(&self.native));
        Box::new(async move {
            let answer = outgoing.send(request, options, handle).await?;
            native.answered();
            Ok(answer)
        })
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
/// is no argument, nothing on stdin, and only the granted variables in the environment.
pub(super) fn linker(engine: &Engine) -> Result<Linker<Ctx>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    log::add_to_linker::<Ctx, HasSelf<Ctx>>(&mut linker, |ctx| ctx)?;
    overlay::add_to_linker(&mut linker)?;
    Ok(linker)
}

#[cfg(test)]
mod tests {
    use super::super::limits::{MOST, TABLE};
    use super::super::secrets::Secrets;
    use super::*;
    use wasmtime::component::Component;

    /// Runs the start functions of a component with nothing granted.
    async fn start(text: &str) -> Result<()> {
        let engine = super::super::engine::engine(None)?;
        let log = GuestLog::new(&"bomb".into(), &Secrets::default());
        let grants = Grants {
            memory: 1 << 20,
            ..Grants::default()
        };
        let mut store = wasmtime::Store::new(
            &engine,
            Ctx::new(&grants, Outgoing::new(&[], grants.call_timeout), log)?,
        );
        store.limiter(|ctx| &mut ctx.limits);
        store.set_epoch_deadline(1000);
        let component = Component::new(&engine, wat::parse_str(text).unwrap())?;
        let linker = linker(&engine)?;
        linker.instantiate_async(&mut store, &component).await?;
        Ok(())
    }

    /// A core module whose start traps unless `grow` fails.
    fn grower(item: &str, grow: &str) -> String {
        let start = format!("(if (i32.ne ({grow}) (i32.const -1)) (then unreachable))");
        format!(
            "(component (core module $m {item} (func $s {start}) (start $s)) (core instance (instantiate $m)))"
        )
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_table_or_memory_does_not_grow_beyond_its_limit() {
        let table = "(table 1 funcref)";
        let grow = |count: usize| format!("table.grow (ref.null func) (i32.const {count})");
        start(&grower(table, &grow(TABLE))).await.unwrap();
        // That it may grow a little shows that the trap above works.
        start(&grower(table, &grow(10))).await.unwrap_err();
        start(&grower("(memory 1)", "memory.grow (i32.const 16)"))
            .await
            .unwrap();
        start(&grower("(memory 1)", "memory.grow (i32.const 15)"))
            .await
            .unwrap_err();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_component_that_starts_too_large_does_not_start() {
        let many = |item: &str, count: usize| {
            let instances = "(core instance (instantiate $m))".repeat(count);
            format!("(component (core module $m {item}) {instances})")
        };
        for item in ["", "(table 1 funcref)", "(memory 1)"] {
            let bomb = start(&many(item, MOST + 1)).await.unwrap_err();
            assert!(format!("{bomb:#}").contains("limit"), "{item}: {bomb:#}");
            start(&many(item, 10)).await.unwrap();
        }
        start(&format!(
            "(component (core module $m (table {} funcref)) (core instance (instantiate $m)))",
            TABLE + 1
        ))
        .await
        .unwrap_err();
        start("(component (core module $m (memory 17)) (core instance (instantiate $m)))")
            .await
            .unwrap_err();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn all_memories_and_tables_together_do_not_grow_beyond_the_limit() {
        let many = |item: &str, count: usize| {
            let instances = "(core instance (instantiate $m))".repeat(count);
            format!("(component (core module $m {item}) {instances})")
        };
        // 16 pages are allowed.
        for (item, most) in [("(memory 4)", 4), ("(table 30000 funcref)", 3)] {
            start(&many(item, most)).await.unwrap();
            start(&many(item, most + 1)).await.unwrap_err();
        }
        let two = |pages: usize| {
            let grow = |memory: &str, by: usize| format!("(memory.grow {memory} (i32.const {by}))");
            let (one, two) = (grow("$one", 14), grow("$two", pages));
            let both = format!("block (result i32) (drop {one}) {two}");
            grower("(memory $one 1) (memory $two 1)", &both)
        };
        start(&two(1)).await.unwrap();
        start(&two(0)).await.unwrap_err();
        // What cannot be gives nothing back.
        let overflow = "(drop (memory.grow (i32.const 8))) (drop (memory.grow (i32.const -1)))";
        let module = format!(
            "(memory 1) (func $s {overflow} {overflow}
             (if (i32.ne (memory.size) (i32.const 9)) (then unreachable))) (start $s)"
        );
        start(&many(&module, 1)).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_memory_that_nobody_limits_is_not_to_be_had() {
        start(
            "(component (core module $m (memory 1 60000 shared)) (core instance (instantiate $m)))",
        )
        .await
        .unwrap_err();
    }
}
