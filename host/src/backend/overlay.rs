//! Replacements for the WASI functions that move object bytes or wait for the disk.
//!
//! `wasmtime-wasi` moves file bytes in 8 KiB pieces, one hop to another thread and one turn of
//! the store's event loop each, and syncs on the store's own thread; `wasmtime-wasi-http` only
//! recognises its own private stream type. With these, the native bodies of `stream` survive the
//! trip through a plugin, and a slow disk holds up no other call.

use super::context::{Ctx, Handle};
use super::directory;
use super::disk;
use super::disk_error;
use super::paths;
use super::stream::{BodyProducer, take_body};
use crate::model::ByteStream;
use futures_util::{FutureExt as _, StreamExt as _};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use std::fs::File;
use std::io;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use wasmtime::component::{Access, Accessor, FutureReader, Linker, Resource, StreamReader};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::filesystem::{Descriptor, OpenMode, WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p3::bindings::filesystem::types::{
    DescriptorStat, ErrorCode as FsError, HostDescriptorWithStore, PathFlags,
};
use wasmtime_wasi::{WasiCtxView, WasiView};
use wasmtime_wasi_http::p3::bindings::http::types::{ErrorCode as HttpError, HostRequestWithStore};
use wasmtime_wasi_http::p3::{MaybeMutable, Request, Response};
use wasmtime_wasi_http::{FieldMap, RequestOptions, WasiHttp, WasiHttpView};

/// The parameters of `request.new`.
type NewRequest = (
    Resource<FieldMap>,
    Option<StreamReader<u8>>,
    FutureReader<Trailers>,
    Option<Resource<MaybeMutable<RequestOptions>>>,
);
type Trailers = std::result::Result<Option<Resource<FieldMap>>, HttpError>;

/// Call after the `add_to_linker` of `wasmtime_wasi::p3` and `wasmtime_wasi_http::p3`.
pub(super) fn add_to_linker(linker: &mut Linker<Ctx>) -> Result<()> {
    linker.allow_shadowing(true);
    add_files(linker)?;
    paths::add_to_linker(linker)?;
    #[cfg(target_os = "linux")]
    super::entries::add_to_linker(linker)?;
    add_http(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn add_files(linker: &mut Linker<Ctx>) -> Result<()> {
    let mut files = linker.instance("wasi:filesystem/types@0.3.0")?;
    files.func_wrap(
        "[method]descriptor.read-via-stream",
        |mut store: StoreContextMut<Ctx>, (descriptor, offset): (Resource<Descriptor>, u64)| {
            let handle = handle(store.data());
            let file = match store.data_mut().ctx().table.get(&descriptor)? {
                Descriptor::File(f) if f.open_mode.contains(OpenMode::READ) => {
                    handle.map(|handle| (Arc::clone(&f.file), handle))
                }
                Descriptor::File(_) => Err(FsError::BadDescriptor),
                Descriptor::Dir(_) => Err(FsError::IsDirectory),
            };
            let (body, done) = match file {
                Ok((file, handle)) => watched(disk::read(file, handle, offset), disk_error::code),
                Err(error) => (futures_util::stream::empty().boxed(), finished(Err(error))),
            };
            Ok(((
                StreamReader::new(&mut store, BodyProducer::new(body))?,
                FutureReader::new(&mut store, outcome(done))?,
            ),))
        },
    )?;
    files.func_wrap(
        "[method]descriptor.write-via-stream",
        |mut store: StoreContextMut<Ctx>,
         (descriptor, data, offset): (Resource<Descriptor>, StreamReader<u8>, u64)| {
            let handle = handle(store.data());
            let file = match store.data_mut().ctx().table.get(&descriptor)? {
                Descriptor::File(f)
                    if f.open_mode.contains(OpenMode::WRITE) && !f.perms.write_not_permitted() =>
                {
                    handle.map(|handle| (Arc::clone(&f.file), handle))
                }
                Descriptor::File(_) => Err(FsError::NotPermitted),
                Descriptor::Dir(_) => Err(FsError::BadDescriptor),
            };
            let body = take_body(&mut store, data)?.into_stream();
            let (sender, receiver) = oneshot::channel();
            let working = store.data().native.begin();
            let mut work = Box::pin(async move {
                let done = match file {
                    Ok((file, handle)) => {
                        let done = disk::write(file, body, offset).await;
                        drop(handle);
                        done.map_err(disk_error::code)
                    }
                    Err(error) => Err(error),
                };
                drop(working);
                let _ = sender.send(done);
            });
            // A small body is often there as a whole: then the plugin need not wait.
            if work.as_mut().now_or_never().is_none() {
                tokio::spawn(work);
            }
            Ok((FutureReader::new(&mut store, outcome(receiver))?,))
        },
    )?;
    files.func_wrap(
        "[method]descriptor.read-directory",
        |mut store: StoreContextMut<Ctx>, (descriptor,): (Resource<Descriptor>,)| {
            let handle = handle(store.data());
            let opened = match store.data_mut().ctx().table.get(&descriptor)? {
                Descriptor::Dir(dir) if dir.open_mode.contains(OpenMode::READ) => {
                    handle.and_then(|handle| directory::Names::read(&dir.dir, handle))
                }
                Descriptor::Dir(_) => Err(FsError::BadDescriptor),
                Descriptor::File(_) => Err(FsError::NotDirectory),
            };
            let (sender, receiver) = oneshot::channel();
            let names = match opened {
                Ok(names) => StreamReader::new(&mut store, names.reporting_to(sender))?,
                Err(error) => {
                    let _ = sender.send(Err(error));
                    StreamReader::new(&mut store, Vec::new())?
                }
            };
            Ok(((names, FutureReader::new(&mut store, outcome(receiver))?),))
        },
    )?;
    files.func_wrap_concurrent(
        "[method]descriptor.stat-at",
        |accessor: &Accessor<Ctx>,
         (descriptor, flags, path): (Resource<Descriptor>, PathFlags, String)| {
            Box::pin(async move { Ok((stat_at(accessor, descriptor, flags, path).await?,)) })
        },
    )?;
    files.func_wrap_concurrent(
        "[method]descriptor.sync",
        |accessor: &Accessor<Ctx>, (descriptor,): (Resource<Descriptor>,)| {
            Box::pin(async move { Ok((sync(accessor, &descriptor, File::sync_all).await?,)) })
        },
    )?;
    files.func_wrap_concurrent(
        "[method]descriptor.sync-data",
        |accessor: &Accessor<Ctx>, (descriptor,): (Resource<Descriptor>,)| {
            Box::pin(async move { Ok((sync(accessor, &descriptor, File::sync_data).await?,)) })
        },
    )
}

/// What a body holds open, or the error of a plugin that has too many.
fn handle(ctx: &Ctx) -> std::result::Result<Handle, FsError> {
    ctx.handle().ok_or(FsError::InsufficientMemory)
}

async fn stat_at(
    accessor: &Accessor<Ctx>,
    descriptor: Resource<Descriptor>,
    flags: PathFlags,
    path: String,
) -> Result<std::result::Result<DescriptorStat, FsError>> {
    let quick = accessor.with(|mut access| {
        let WasiCtxView { table, .. } = access.get().ctx();
        match table.get(&descriptor)? {
            Descriptor::Dir(dir) => Ok(match directory::stat_child(&dir.dir, &path) {
                None => directory::stat_below(&dir.dir, flags, &path),
                stat => stat.map(Ok),
            }),
            Descriptor::File(_) => Ok::<_, wasmtime::Error>(None),
        }
    })?;
    if let Some(answer) = quick {
        return Ok(answer);
    }
    let files = accessor.with_getter::<WasiFilesystem>(Ctx::filesystem);
    let stat =
        <WasiFilesystem as HostDescriptorWithStore<Ctx>>::stat_at(&files, descriptor, flags, path);
    match stat.await {
        Ok(stat) => Ok(Ok(stat)),
        Err(error) => Ok(Err(error.downcast()?)),
    }
}

/// Syncs on another thread: the store's own goes on with other calls meanwhile.
async fn sync(
    accessor: &Accessor<Ctx>,
    descriptor: &Resource<Descriptor>,
    how: fn(&File) -> io::Result<()>,
) -> Result<std::result::Result<(), FsError>> {
    let opened = accessor.with(|mut access| {
        let working = access.get().native.begin();
        let WasiCtxView { table, .. } = access.get().ctx();
        let file = match table.get(descriptor)? {
            Descriptor::File(file) => Arc::clone(&file.file),
            Descriptor::Dir(dir) => match directory::reopened(&dir.dir) {
                Ok(dir) => Arc::new(dir),
                Err(error) => return Ok(Err(disk_error::code(error))),
            },
        };
        Ok::<_, wasmtime::Error>(Ok((file, working)))
    })?;
    let (file, working) = match opened {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(error)),
    };
    let done = spawn_blocking(move || how(&file)).await;
    drop(working);
    Ok(done
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(disk_error::code))
}

fn add_http(linker: &mut Linker<Ctx>) -> Result<()> {
    let mut http = linker.instance("wasi:http/types@0.3.0")?;
    http.func_wrap(
        "[static]request.new",
        |mut store: StoreContextMut<Ctx>,
         (headers, contents, mut trailers, options): NewRequest| {
            let contents = match contents.map(|body| body.try_into::<ByteStream>(&mut store)) {
                Some(Ok(body)) => {
                    trailers.close(&mut store)?;
                    let table = store.data_mut().http().table;
                    let headers = table.delete(headers)?;
                    let options = options.map(|o| table.delete(o)).transpose()?.map(Arc::from);
                    let body = StreamBody::new(body.map(|piece| {
                        piece
                            .map(Frame::data)
                            .map_err(wasmtime_wasi_http::Error::Connect)
                    }));
                    let (request, done) =
                        Request::new(http::Method::GET, None, None, None, headers, options, body);
                    let request = store.data_mut().http().table.push(request)?;
                    let done = FutureReader::new(&mut store, async move {
                        Ok::<_, wasmtime::Error>(done.await.map_err(internal))
                    })?;
                    return Ok(((request, done),));
                }
                Some(Err(body)) => Some(body),
                None => None,
            };
            let access = Access::<Ctx, WasiHttp>::new(store, Ctx::http);
            <WasiHttp as HostRequestWithStore<Ctx>>::new(
                access, headers, contents, trailers, options,
            )
            .map(|made| (made,))
        },
    )?;
    http.func_wrap(
        "[static]response.consume-body",
        |mut store: StoreContextMut<Ctx>,
         (response, mut result): (
            Resource<Response>,
            FutureReader<std::result::Result<(), HttpError>>,
        )| {
            result.close(&mut store)?;
            let response: Response = store.data_mut().http().table.delete(response)?;
            let body = response
                .into_http(&mut store, async { Ok(()) })?
                .into_body();
            let body = body
                .into_data_stream()
                .map(|piece| piece.map_err(io::Error::other))
                .boxed();
            let (body, done) = watched(body, internal);
            Ok(((
                StreamReader::new(&mut store, BodyProducer::new(body))?,
                FutureReader::new(&mut store, async move {
                    Ok::<Trailers, wasmtime::Error>(match done.await {
                        Ok(Err(error)) => Err(error),
                        _ => Ok(None),
                    })
                })?,
            ),))
        },
    )
}

fn internal(error: impl std::fmt::Debug) -> HttpError {
    HttpError::InternalError(Some(format!("{error:?}")))
}

fn finished<E>(
    result: std::result::Result<(), E>,
) -> oneshot::Receiver<std::result::Result<(), E>> {
    let (sender, receiver) = oneshot::channel();
    let _ = sender.send(result);
    receiver
}

/// A dropped sender means that the reader gave up early, which is no error.
async fn outcome<E>(
    receiver: oneshot::Receiver<std::result::Result<(), E>>,
) -> Result<std::result::Result<(), E>> {
    Ok(receiver.await.unwrap_or(Ok(())))
}

/// Reports on the side how a body ended.
fn watched<E: Send + 'static>(
    body: ByteStream,
    convert: impl Fn(io::Error) -> E + Send + 'static,
) -> (ByteStream, oneshot::Receiver<std::result::Result<(), E>>) {
    let (sender, receiver) = oneshot::channel();
    let mut sender = Some(sender);
    let body = body.map(move |piece| {
        piece.map_err(|error| {
            let copy = io::Error::new(error.kind(), error.to_string());
            if let Some(sender) = sender.take() {
                let _ = sender.send(Err(convert(error)));
            }
            copy
        })
    });
    (body.boxed(), receiver)
}
