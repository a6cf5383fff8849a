//! Names in a directory, as plugins read them.
//!
//! `wasmtime-wasi` asks the system about each entry, and ends at the first one that has vanished
//! meanwhile or whose name is no UTF-8. Here the type comes with the name, an entry that vanishes
//! is left out, and so is a name that no plugin could use.

use super::context::Handle;
use super::disk_error;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use std::fs::File;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use wasmtime::component::{Destination, StreamProducer, StreamResult, VecBuffer};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::p3::bindings::clocks::system_clock::Instant;
use wasmtime_wasi::p3::bindings::filesystem::types::{
    DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, PathFlags,
};

/// Entries that cross the boundary at once.
const BATCH: usize = 1024;

type Report = oneshot::Sender<std::result::Result<(), ErrorCode>>;

/// The entries of one directory that are still to come.
pub(super) struct Names {
    dir: Dir,
    report: Option<Report>,
    _handle: Handle,
}

fn code(error: rustix::io::Errno) -> ErrorCode {
    disk_error::code(error.into())
}

/// A descriptor of its own that can be synced and read: WASI opens directories only to look names
/// up.
pub(super) fn reopened(dir: &File) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, ".", flags, Mode::empty())?.into())
}

impl Names {
    /// Starts over at the first entry, whatever the descriptor was used for before.
    pub(super) fn read(dir: &File, handle: Handle) -> std::result::Result<Self, ErrorCode> {
        let dir = reopened(dir).map_err(disk_error::code)?;
        Ok(Self {
            dir: Dir::new(dir).map_err(code)?,
            report: None,
            _handle: handle,
        })
    }

    /// `report` hears how the reading ended.
    pub(super) fn reporting_to(mut self, report: Report) -> Self {
        self.report = Some(report);
        self
    }

    /// The next entry that a plugin can use; `None` at the end.
    fn next(&mut self) -> std::result::Result<Option<DirectoryEntry>, ErrorCode> {
        while let Some(entry) = self.dir.read() {
            let entry = entry.map_err(code)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(text) = name.to_str() else {
                tracing::warn!(?name, "a file name that is no UTF-8 is left out");
                continue;
            };
            let name = text.to_owned();
            let kind = match entry.file_type() {
                // Some file systems do not tell the type along with the name.
                FileType::Unknown => {
                    let fd = self.dir.fd().map_err(code)?;
                    match rustix::fs::statat(fd, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                        Err(rustix::io::Errno::NOENT) => continue,
                        Err(error) => return Err(code(error)),
                    }
                }
                known => known,
            };
            return Ok(Some(DirectoryEntry {
                name,
                type_: descriptor_type(kind),
            }));
        }
        Ok(None)
    }

    fn finish(&mut self, result: std::result::Result<(), ErrorCode>) {
        if let Some(report) = self.report.take() {
            let _ = report.send(result);
        }
    }
}

fn descriptor_type(kind: FileType) -> DescriptorType {
    match kind {
        FileType::RegularFile => DescriptorType::RegularFile,
        FileType::Directory => DescriptorType::Directory,
        FileType::Symlink => DescriptorType::SymbolicLink,
        FileType::Fifo => DescriptorType::Fifo,
        FileType::Socket => DescriptorType::Socket,
        FileType::CharacterDevice => DescriptorType::CharacterDevice,
        FileType::BlockDevice => DescriptorType::BlockDevice,
        FileType::Unknown => DescriptorType::Other(None),
    }
}

/// Describes an entry of a directory that is named without a path and is no link, in one call of
/// the system; `None` leaves the question to the slow way. Nothing of this can lead out of `dir`.
pub(super) fn stat_child(dir: &File, name: &str) -> Option<DescriptorStat> {
    if matches!(name, "" | "." | "..") || name.contains('/') {
        return None;
    }
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
        return None;
    }
    described(&stat)
}

/// Describes what a path leads to; `None` leaves the question to `wasmtime-wasi`.
#[cfg(target_os = "linux")]
pub(super) fn stat_below(
    dir: &File,
    follow: PathFlags,
    path: &str,
) -> Option<std::result::Result<DescriptorStat, ErrorCode>> {
    let mut flags = OFlags::PATH;
    if !follow.contains(PathFlags::SYMLINK_FOLLOW) {
        flags |= OFlags::NOFOLLOW;
    }
    match super::paths::open_below(dir, path, flags, Mode::empty())? {
        Ok(found) => Some(Ok(described(&rustix::fs::fstat(found).ok()?)?)),
        Err(error) => Some(Err(code(error))),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn stat_below(
    _: &File,
    _: PathFlags,
    _: &str,
) -> Option<std::result::Result<DescriptorStat, ErrorCode>> {
    None
}

fn described(stat: &rustix::fs::Stat) -> Option<DescriptorStat> {
    let instant = |seconds, nanoseconds| {
        Some(Instant {
            seconds,
            nanoseconds: u32::try_from(nanoseconds).ok()?,
        })
    };
    Some(DescriptorStat {
        type_: descriptor_type(FileType::from_raw_mode(stat.st_mode)),
        link_count: stat.st_nlink,
        size: u64::try_from(stat.st_size).ok()?,
        data_access_timestamp: instant(stat.st_atime, stat.st_atime_nsec),
        data_modification_timestamp: instant(stat.st_mtime, stat.st_mtime_nsec),
        status_change_timestamp: instant(stat.st_ctime, stat.st_ctime_nsec),
    })
}

impl<D> StreamProducer<D> for Names {
    type Item = DirectoryEntry;
    type Buffer = VecBuffer<DirectoryEntry>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut target: Destination<'a, Self::Item, Self::Buffer>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        let room = target.remaining(&mut store).unwrap_or(BATCH).min(BATCH);
        let mut batch = Vec::with_capacity(room);
        let mut state = StreamResult::Completed;
        while batch.len() < room {
            match self.next() {
                Ok(Some(entry)) => batch.push(entry),
                end => {
                    self.finish(end.map(drop));
                    state = StreamResult::Dropped;
                    break;
                }
            }
        }
        target.set_buffer(batch.into());
        Poll::Ready(Ok(state))
    }
}
