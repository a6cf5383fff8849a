//! What plugins do with the names in a directory, done by Linux itself.
//!
//! As `wasmtime-wasi` does it, but for one thing: the system's reason for a refusal arrives. What
//! cannot be done here is left to it.

use super::context::Ctx;
use super::disk_error;
use super::paths::open_below;
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use tokio::task::spawn_blocking;
use wasmtime::Result;
use wasmtime::component::{Accessor, Linker, Resource};
use wasmtime_wasi::WasiView as _;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p3::bindings::filesystem::types::{ErrorCode, HostDescriptorWithStore as Host};
use wasmtime_wasi::p3::filesystem::FilesystemResult;

type Answer = std::result::Result<(), ErrorCode>;

/// A function of an entry, done by `$act` where that can be done here.
macro_rules! replace {
    ($files:ident, $name:literal, $wasi:ident, $act:expr) => {
        $files.func_wrap_concurrent(
            concat!("[method]descriptor.", $name),
            |accessor: &Accessor<Ctx>, (dir, path): (Resource<Descriptor>, String)| {
                Box::pin(async move {
                    if let Some(done) = change(accessor, &dir, &path, $act)? {
                        return Ok((done,));
                    }
                    let files = accessor.with_getter::<WasiFilesystem>(Ctx::filesystem);
                    let done = <WasiFilesystem as Host<Ctx>>::$wasi(&files, dir, path);
                    Ok((answer(done.await)?,))
                })
            },
        )?
    };
}

/// Replaces the functions of WASI 0.3 that make, remove and move entries.
pub(super) fn add_to_linker(linker: &mut Linker<Ctx>) -> Result<()> {
    let mut files = linker.instance("wasi:filesystem/types@0.3.0")?;
    replace!(
        files,
        "create-directory-at",
        create_directory_at,
        |dir, name| { rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o777)) }
    );
    replace!(
        files,
        "remove-directory-at",
        remove_directory_at,
        |dir, name| { rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR) }
    );
    replace!(files, "unlink-file-at", unlink_file_at, |dir, name| {
        let _behind = LargeFile::at(dir, name);
        rustix::fs::unlinkat(dir, name, AtFlags::empty())
    });
    files.func_wrap_concurrent(
        "[method]descriptor.rename-at",
        |accessor: &Accessor<Ctx>,
         (dir, path, to_dir, to): (
            Resource<Descriptor>,
            String,
            Resource<Descriptor>,
            String,
        )| {
            Box::pin(async move {
                let done = accessor.with(|mut access| {
                    let table = access.get().ctx().table;
                    let (from_dir, target) = (table.get(&dir)?, table.get(&to_dir)?);
                    let (Some(from_dir), Some(target)) = (writable(from_dir), writable(target))
                    else {
                        return Ok(None);
                    };
                    let done = in_parent(from_dir, &path, |from_dir, from| {
                        in_parent(target, &to, |target, to| {
                            let _behind = LargeFile::at(target, to);
                            rustix::fs::renameat(from_dir, from, target, to)
                        })
                        .transpose()
                    });
                    Ok::<_, wasmtime::Error>(done.and_then(Result::transpose))
                })?;
                if let Some(done) = done {
                    return Ok((told(done),));
                }
                let files = accessor.with_getter::<WasiFilesystem>(Ctx::filesystem);
                let moved =
                    <WasiFilesystem as Host<Ctx>>::rename_at(&files, dir, path, to_dir, to);
                Ok((answer(moved.await)?,))
            })
        },
    )
}

/// A file that is about to lose its name. The system frees what it takes on the disk, a tenth of a second
/// or more for each gigabyte, when nobody has it open any more: this keeps it open, and lets go of it on
/// a thread where nobody waits.
struct LargeFile(Option<OwnedFd>);

/// Bytes. A smaller file is freed sooner than another thread is woken.
const LARGE: u64 = 4 << 20;

impl LargeFile {
    /// What has this name, if it is a large file.
    fn at(dir: BorrowedFd<'_>, name: &str) -> Option<Self> {
        let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let is_file = FileType::from_raw_mode(stat.st_mode).is_file();
        if !is_file || u64::try_from(stat.st_size).is_ok_and(|size| size < LARGE) {
            return None;
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir, name, flags, Mode::empty()).ok()?;
        Some(Self(Some(file)))
    }
}

impl Drop for LargeFile {
    fn drop(&mut self) {
        let file = self.0.take();
        spawn_blocking(move || drop(file));
    }
}

fn answer(done: FilesystemResult<()>) -> Result<Answer> {
    match done {
        Ok(()) => Ok(Ok(())),
        Err(error) => Ok(Err(error.downcast()?)),
    }
}

fn told(done: std::result::Result<(), Errno>) -> Answer {
    done.map_err(|error| disk_error::code(error.into()))
}

/// Does something to the entry that `path` names; `None` leaves it to `wasmtime-wasi`.
fn change(
    accessor: &Accessor<Ctx>,
    dir: &Resource<Descriptor>,
    path: &str,
    act: impl FnOnce(BorrowedFd<'_>, &str) -> std::result::Result<(), Errno>,
) -> Result<Option<Answer>> {
    accessor.with(|mut access| {
        let dir = writable(access.get().ctx().table.get(dir)?);
        Ok(dir.and_then(|dir| in_parent(dir, path, act)).map(told))
    })
}

fn writable(dir: &Descriptor) -> Option<&File> {
    match dir {
        Descriptor::Dir(dir) if !dir.perms.write_not_permitted() => Some(&dir.dir),
        _ => None,
    }
}

/// Calls `act` with the directory of what a path names, which is below `dir` or that itself, and
/// with its name there. `None`: the path ends in something else than a name, or nobody here knows
/// why there is no such directory.
fn in_parent<T>(
    dir: &File,
    path: &str,
    act: impl FnOnce(BorrowedFd<'_>, &str) -> std::result::Result<T, Errno>,
) -> Option<std::result::Result<T, Errno>> {
    let (above, name) = match path.rsplit_once('/') {
        Some(("", _)) => return None,
        Some((above, name)) => (Some(above), name),
        None => (None, path),
    };
    if matches!(name, "" | "." | "..") {
        return None;
    }
    let Some(above) = above else {
        return Some(act(dir.as_fd(), name));
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    match open_below(dir, above, flags, Mode::empty())? {
        Ok(parent) => Some(act(parent.as_fd(), name)),
        Err(error) => Some(Err(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    fn make(dir: &Path, path: &str) -> Option<std::result::Result<(), Errno>> {
        let dir = File::open(dir).unwrap();
        in_parent(&dir, path, |dir, name| {
            rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o777))
        })
    }

    #[test]
    fn an_entry_is_made_where_the_path_leads() {
        let temp = tempfile::tempdir().unwrap();
        assert_eq!(make(temp.path(), "a"), Some(Ok(())));
        assert_eq!(make(temp.path(), "a/b"), Some(Ok(())));
        symlink("a", temp.path().join("link")).unwrap();
        assert_eq!(make(temp.path(), "link/c"), Some(Ok(())));
        for made in ["a/b", "a/c"] {
            assert!(temp.path().join(made).is_dir(), "{made}");
        }
        assert_eq!(make(temp.path(), "a"), Some(Err(Errno::EXIST)));
        assert_eq!(make(temp.path(), "none/a"), Some(Err(Errno::NOENT)));
    }

    #[tokio::test]
    async fn only_large_files_are_let_go_of_elsewhere() {
        let temp = tempfile::tempdir().unwrap();
        for (name, size) in [("large", LARGE), ("small", LARGE - 1)] {
            let file = File::create(temp.path().join(name)).unwrap();
            file.set_len(size).unwrap();
        }
        symlink("large", temp.path().join("link")).unwrap();
        let dir = File::open(temp.path()).unwrap();
        let is_large = |name| LargeFile::at(dir.as_fd(), name).is_some();
        let found = ["large", "small", "link", "none"].map(is_large);
        assert_eq!(found, [true, false, false, false]);
    }

    #[test]
    fn nothing_is_changed_outside_of_the_directory() {
        let temp = tempfile::tempdir().unwrap();
        let inside = temp.path().join("in");
        fs::create_dir_all(inside.join("dir")).unwrap();
        symlink("..", inside.join("link")).unwrap();
        let above = temp.path().to_str().unwrap();
        for path in [
            "../new",
            "dir/../../new",
            "link/new",
            &format!("{above}/new"),
            "/new",
            "..",
            "link/..",
            "dir/",
            ".",
            "",
        ] {
            assert_eq!(make(&inside, path), None, "{path:?}");
        }
        assert_eq!(temp.path().read_dir().unwrap().count(), 1);
    }
}
