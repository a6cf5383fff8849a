//! Files that plugins open, looked up by Linux in one step.
//!
//! Where a pipe stands in the place of a file, `wasmtime-wasi` waits for somebody to open the other
//! end, and with it every call of the instance.
//! What cannot be done here is left to it.

use super::context::Ctx;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::fs;
use wasmtime::Result;
use wasmtime::component::{Accessor, LinkerInstance, Resource};
use wasmtime_wasi::filesystem::{
    Descriptor, Dir, File, OpenMode, WasiFilesystem, WasiFilesystemView as _,
};
use wasmtime_wasi::p3::bindings::filesystem::types::{
    DescriptorFlags, ErrorCode, HostDescriptorWithStore, OpenFlags, PathFlags,
};

type OpenAt = (
    Resource<Descriptor>,
    PathFlags,
    String,
    OpenFlags,
    DescriptorFlags,
);
type Answer<T> = std::result::Result<T, ErrorCode>;

/// Replaces `open-at`.
pub(super) fn add_to_linker(files: &mut LinkerInstance<'_, Ctx>) -> Result<()> {
    files.func_wrap_concurrent(
        "[method]descriptor.open-at",
        |accessor: &Accessor<Ctx>, (dir, follow, path, create, mode): OpenAt| {
            Box::pin(async move {
                let opened = accessor.with(|mut access| {
                    let table = access.get().filesystem().table;
                    let Descriptor::Dir(dir) = table.get(&dir)? else {
                        return Ok(None);
                    };
                    let asked = Asked {
                        follow,
                        create,
                        mode,
                    };
                    match asked.open(dir, &path) {
                        None => Ok(None),
                        Some(Ok(opened)) => table.push(opened).map(|opened| Some(Ok(opened))),
                        Some(Err(error)) => Ok(Some(Err(error))),
                    }
                })?;
                if let Some(opened) = opened {
                    return Ok((opened,));
                }
                let files = accessor.with_getter::<WasiFilesystem>(Ctx::filesystem);
                let opened = WasiFilesystem::open_at(&files, dir, follow, path, create, mode).await;
                Ok((answer(opened)?,))
            })
        },
    )
}

fn answer<T>(result: wasmtime_wasi::p3::filesystem::FilesystemResult<T>) -> Result<Answer<T>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => Ok(Err(error.downcast()?)),
    }
}

/// How something is to be opened.
struct Asked {
    follow: PathFlags,
    create: OpenFlags,
    mode: DescriptorFlags,
}

impl Asked {
    /// `None`: ask `wasmtime-wasi`, which knows more ways, and the reasons of its refusals.
    fn open(&self, dir: &Dir, path: &str) -> Option<Answer<Descriptor>> {
        let simple = DescriptorFlags::READ | DescriptorFlags::WRITE;
        let write = self.mode.contains(DescriptorFlags::WRITE)
            || self
                .create
                .intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE);
        if !simple.contains(self.mode) || (write && dir.perms.write_not_permitted()) {
            return None;
        }
        let read = self.mode.contains(DescriptorFlags::READ) || !write;
        // The last: a pipe answers at once, and a regular file does not care.
        let mut flags = OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        flags |= match (read, write) {
            (true, true) => OFlags::RDWR,
            (false, true) => OFlags::WRONLY,
            (_, false) => OFlags::RDONLY,
        };
        for (asked, flag) in [
            (OpenFlags::CREATE, OFlags::CREATE),
            (OpenFlags::EXCLUSIVE, OFlags::EXCL),
            (OpenFlags::TRUNCATE, OFlags::TRUNC),
            (OpenFlags::DIRECTORY, OFlags::DIRECTORY),
        ] {
            if self.create.contains(asked) {
                flags |= flag;
            }
        }
        if !self.follow.contains(PathFlags::SYMLINK_FOLLOW) {
            flags |= OFlags::NOFOLLOW;
        }
        let creates = self.create.contains(OpenFlags::CREATE);
        let permissions = if creates { 0o666 } else { 0 };
        let permissions = Mode::from_raw_mode(permissions);
        // Never out of the directory, on no way.
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let opened = match rustix::fs::openat2(&dir.dir, path, flags, permissions, resolve) {
            Ok(opened) => fs::File::from(opened),
            Err(Errno::NOENT) => return Some(Err(ErrorCode::NoEntry)),
            Err(Errno::EXIST) => return Some(Err(ErrorCode::Exist)),
            Err(Errno::NOTDIR) => return Some(Err(ErrorCode::NotDirectory)),
            // Not known, forbidden, a rename came in between, or one of the many other reasons.
            // A pipe that nobody reads is for nobody to wait for.
            Err(Errno::NXIO) => return Some(Err(ErrorCode::Unsupported)),
            Err(_) => return None,
        };
        let mut mode = OpenMode::empty();
        mode.set(OpenMode::READ, read);
        mode.set(OpenMode::WRITE, write);
        // A directory cannot be opened to write.
        let is_dir = self.create.contains(OpenFlags::DIRECTORY)
            || (!write && opened.metadata().is_ok_and(|metadata| metadata.is_dir()));
        Some(Ok(if is_dir {
            Descriptor::Dir(Dir::new(opened, dir.perms, mode, true))
        } else {
            Descriptor::File(File::new(opened, dir.perms, mode, true))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::FileType;
    use std::os::unix::fs::symlink;
    use wasmtime_wasi::FsPerms;

    fn read() -> Asked {
        Asked {
            follow: PathFlags::SYMLINK_FOLLOW,
            create: OpenFlags::empty(),
            mode: DescriptorFlags::READ,
        }
    }

    fn opened(path: &std::path::Path) -> Dir {
        let dir = fs::File::open(path).unwrap();
        Dir::new(dir, FsPerms::ReadWrite, OpenMode::READ, true)
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_holds_nobody_up() {
        let temp = tempfile::tempdir().unwrap();
        let mode = Mode::from_raw_mode(0o600);
        let pipe = temp.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, mode, 0).unwrap();
        let dir = opened(temp.path());
        assert!(matches!(read().open(&dir, "pipe"), Some(Ok(_))));
        let write = Asked {
            mode: DescriptorFlags::WRITE,
            ..read()
        };
        assert!(matches!(
            write.open(&dir, "pipe"),
            Some(Err(ErrorCode::Unsupported))
        ));
    }

    #[test]
    fn no_path_leads_out_of_the_directory() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("in")).unwrap();
        fs::write(temp.path().join("secret"), "x").unwrap();
        symlink("../secret", temp.path().join("in/link")).unwrap();
        let dir = opened(&temp.path().join("in"));
        for path in ["../secret", "link", "/etc/passwd", "../in/../secret"] {
            let answer = read().open(&dir, path);
            assert!(!matches!(answer, Some(Ok(_))), "{path}");
        }
    }

    #[test]
    fn a_directory_that_may_only_be_read_is_not_written_to() {
        let temp = tempfile::tempdir().unwrap();
        let dir = fs::File::open(temp.path()).unwrap();
        let dir = Dir::new(dir, FsPerms::ReadOnly, OpenMode::READ, true);
        let create = Asked {
            create: OpenFlags::CREATE,
            ..read()
        };
        assert!(create.open(&dir, "new").is_none());
        assert!(!temp.path().join("new").exists());
    }
}
