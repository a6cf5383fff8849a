//! A [`Dir`] of the operating system, without a sandbox: for tests, and to measure what the
//! sandbox costs.

use crate::disk::{Dir, Fault, File, Kind, Stat};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;
use std::ffi::CStr;
use std::io;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes that are copied in one step.
const CHUNK: usize = 256 * 1024;

/// Object bytes in motion: how they come to disk, and from there.
pub trait Body: Sized {
    /// Write everything at `offset`; answers the number of bytes.
    fn store(
        self,
        file: Arc<std::fs::File>,
        offset: u64,
    ) -> impl Future<Output = io::Result<u64>> + Send;
    /// The bytes of `file` from `offset` on.
    fn load(file: Arc<std::fs::File>, offset: u64) -> Self;
}

/// An open directory.
#[derive(Debug)]
pub struct NativeDir<B> {
    fd: OwnedFd,
    body: PhantomData<fn() -> B>,
}

/// An open file.
#[derive(Debug)]
pub struct NativeFile<B> {
    file: Arc<std::fs::File>,
    body: PhantomData<fn() -> B>,
}

const DIR: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
// A pipe without a writer must not hold up anybody.
const FILE: OFlags = OFlags::CLOEXEC
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

impl<B: Body> NativeDir<B> {
    /// Open the storage's root.
    pub fn open(path: &Path) -> io::Result<Self> {
        let fd = rustix::fs::open(path, DIR, Mode::empty())?;
        Ok(Self {
            fd,
            body: PhantomData,
        })
    }

    fn file(&self, path: &str, flags: OFlags) -> Result<NativeFile<B>, Fault> {
        let mode = Mode::from_raw_mode(0o666);
        let fd = rustix::fs::openat(&self.fd, path, flags | FILE, mode).map_err(fault)?;
        Ok(NativeFile {
            file: Arc::new(fd.into()),
            body: PhantomData,
        })
    }
}

impl<B: Body> Dir for NativeDir<B> {
    type File = NativeFile<B>;
    type Body = B;

    async fn open_dir(&self, path: &str) -> Result<Self, Fault> {
        let fd = rustix::fs::openat(&self.fd, path, DIR, Mode::empty()).map_err(fault)?;
        Ok(Self {
            fd,
            body: PhantomData,
        })
    }

    async fn open(&self, path: &str) -> Result<Self::File, Fault> {
        self.file(path, OFlags::RDONLY)
    }

    async fn open_to_write(&self, path: &str) -> Result<Self::File, Fault> {
        self.file(path, OFlags::RDWR)
    }

    async fn create(&self, path: &str) -> Result<Self::File, Fault> {
        self.file(path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)
    }

    async fn stat(&self, path: &str) -> Result<Stat, Fault> {
        let stat = rustix::fs::statat(&self.fd, path, AtFlags::empty()).map_err(fault)?;
        Ok(stat_of(&stat))
    }

    async fn lstat(&self, path: &str) -> Result<Stat, Fault> {
        let stat = rustix::fs::statat(&self.fd, path, AtFlags::SYMLINK_NOFOLLOW).map_err(fault)?;
        Ok(stat_of(&stat))
    }

    async fn stat_self(&self) -> Result<Stat, Fault> {
        let stat = rustix::fs::fstat(&self.fd).map_err(fault)?;
        Ok(stat_of(&stat))
    }

    async fn make_dir(&self, path: &str) -> Result<(), Fault> {
        rustix::fs::mkdirat(&self.fd, path, Mode::from_raw_mode(0o777)).map_err(fault)
    }

    async fn remove_dir(&self, path: &str) -> Result<(), Fault> {
        rustix::fs::unlinkat(&self.fd, path, AtFlags::REMOVEDIR).map_err(fault)
    }

    async fn remove_file(&self, path: &str) -> Result<(), Fault> {
        rustix::fs::unlinkat(&self.fd, path, AtFlags::empty()).map_err(fault)
    }

    async fn rename(&self, from: &str, to_dir: &Self, to: &str) -> Result<(), Fault> {
        rustix::fs::renameat(&self.fd, from, &to_dir.fd, to).map_err(fault)
    }

    async fn sync(&self) -> Result<(), Fault> {
        rustix::fs::fsync(&self.fd).map_err(fault)
    }

    async fn read(&self, mut each: impl FnMut(&str, Kind) -> ControlFlow<()>) -> Result<(), Fault> {
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let Ok(name) = entry.file_name().to_str() else {
                Self::warn(&format!("a file name is no UTF-8: {:?}", entry.file_name()));
                continue;
            };
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => self.kind(entry.file_name()),
                known => kind(known),
            };
            if each(name, kind).is_break() {
                break;
            }
        }
        Ok(())
    }

    async fn pause() {}

    fn now() -> i64 {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
    }

    fn warn(message: &str) {
        eprintln!("{message}");
    }
}

impl<B> NativeDir<B> {
    /// For file systems that do not say it with the name.
    fn kind(&self, name: &CStr) -> Kind {
        rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).map_or(Kind::Other, |stat| {
            kind(FileType::from_raw_mode(stat.st_mode))
        })
    }
}

impl<B: Body> File for NativeFile<B> {
    type Body = B;

    async fn stat(&self) -> Result<Stat, Fault> {
        Ok(stat_of(&rustix::fs::fstat(&*self.file).map_err(fault)?))
    }

    async fn set_size(&self, size: u64) -> Result<(), Fault> {
        rustix::fs::ftruncate(&*self.file, size).map_err(fault)
    }

    async fn set_modified(&self, modified: i64) -> Result<(), Fault> {
        let times = Timestamps {
            last_access: Timespec {
                tv_sec: 0,
                tv_nsec: rustix::fs::UTIME_OMIT,
            },
            last_modification: Timespec {
                tv_sec: modified.div_euclid(1_000_000_000),
                tv_nsec: modified.rem_euclid(1_000_000_000),
            },
        };
        rustix::fs::futimens(&*self.file, &times).map_err(fault)
    }

    async fn sync(&self) -> Result<(), Fault> {
        rustix::fs::fsync(&*self.file).map_err(fault)
    }

    async fn write(&self, body: B, offset: u64) -> Result<Option<u64>, Fault> {
        body.store(self.file.clone(), offset)
            .await
            .map(Some)
            .map_err(io_fault)
    }

    async fn copy_to(&self, offset: u64, length: u64, to: &Self, place: u64) -> Result<(), Fault> {
        let mut buffer = vec![0; usize::try_from(length).unwrap_or(CHUNK).min(CHUNK)];
        let mut done = 0;
        while done < length {
            let wanted = usize::try_from(length - done).unwrap_or(CHUNK).min(CHUNK);
            let piece = buffer.get_mut(..wanted).unwrap_or_default();
            self.file
                .read_exact_at(piece, offset + done)
                .map_err(io_fault)?;
            to.file
                .write_all_at(piece, place + done)
                .map_err(io_fault)?;
            done += wanted as u64;
        }
        Ok(())
    }

    fn read(&self, offset: u64) -> B {
        B::load(self.file.clone(), offset)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn io_fault(error: io::Error) -> Fault {
    Errno::from_io_error(&error).map_or_else(|| Fault::Other(error.to_string()), fault)
}

fn kind(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Link,
        _ => Kind::Other,
    }
}

fn stat_of(stat: &rustix::fs::Stat) -> Stat {
    let nanos = |seconds: i64, nanos: u64| {
        let nanos = i64::try_from(nanos).unwrap_or(0);
        seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
    };
    Stat {
        kind: kind(FileType::from_raw_mode(stat.st_mode)),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified: nanos(stat.st_mtime, stat.st_mtime_nsec),
        created: nanos(stat.st_ctime, stat.st_ctime_nsec),
    }
}

fn fault(errno: Errno) -> Fault {
    match errno {
        Errno::NOENT | Errno::LOOP => Fault::Missing,
        Errno::EXIST => Fault::Exists,
        Errno::NOTDIR => Fault::NotDirectory,
        Errno::ISDIR => Fault::IsDirectory,
        Errno::NOTEMPTY => Fault::NotEmpty,
        Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ => Fault::BadName,
        Errno::ACCESS | Errno::PERM => Fault::Denied("permission denied"),
        Errno::ROFS => Fault::Denied("the file system is read-only"),
        Errno::NOSPC => Fault::NoSpace,
        Errno::DQUOT => Fault::Quota,
        Errno::MFILE | Errno::NFILE => Fault::TooManyFiles,
        other => Fault::Other(other.to_string()),
    }
}
