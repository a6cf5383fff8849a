//! Files that plugins open, looked up by Linux in one step.
//!
//! Where a pipe stands in the place of a file, `wasmtime-wasi` waits for somebody to open the other
//! end, and with it every call of the instance; through WASI 0.2 as well as through 0.3.
//! What cannot be done here is left to it, unless it is a pipe.

use super::context::Ctx;
use super::disk_error;
use rustix::fs::OFlags;
#[cfg(target_os = "linux")]
use rustix::{
    fd::OwnedFd,
    fs::{Mode, ResolveFlags},
    io::Errno,
};
#[cfg(target_os = "linux")]
use std::fs;
use std::io;
use wasmtime::component::{Accessor, Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::filesystem::{Descriptor, OpenMode, WasiFilesystem, WasiFilesystemView as _};
#[cfg(target_os = "linux")]
use wasmtime_wasi::filesystem::{Dir, File};
use wasmtime_wasi::p2;
use wasmtime_wasi::p2::bindings::filesystem::types as old;
use wasmtime_wasi::p3;
use wasmtime_wasi::p3::bindings::filesystem::types as new;

type OldOpenAt = (
    Resource<Descriptor>,
    old::PathFlags,
    String,
    old::OpenFlags,
    old::DescriptorFlags,
);
type NewOpenAt = (
    Resource<Descriptor>,
    new::PathFlags,
    String,
    new::OpenFlags,
    new::DescriptorFlags,
);

/// Replaces `open-at` of both versions.
pub(super) fn add_to_linker(linker: &mut Linker<Ctx>) -> Result<()> {
    linker
        .instance("wasi:filesystem/types@0.3.0")?
        .func_wrap_concurrent(
            "[method]descriptor.open-at",
            |accessor: &Accessor<Ctx>, asked: NewOpenAt| {
                Box::pin(async move {
                    Ok((match open_new(accessor, asked).await {
                        Ok(opened) => Ok(opened),
                        Err(error) => Err(error.downcast()?),
                    },))
                })
            },
        )?;
    linker
        .instance("wasi:filesystem/types@0.2.12")?
        .func_wrap_async(
            "[method]descriptor.open-at",
            |mut store: StoreContextMut<Ctx>, asked: OldOpenAt| {
                Box::new(async move {
                    Ok((match open_old(store.data_mut(), asked).await {
                        Ok(opened) => Ok(opened),
                        Err(error) => Err(error.downcast()?),
                    },))
                })
            },
        )
}

async fn open_new(
    accessor: &Accessor<Ctx>,
    (dir, follow, path, create, mode): NewOpenAt,
) -> p3::filesystem::FilesystemResult<Resource<Descriptor>> {
    use new::HostDescriptorWithStore as Host;
    let asked = Asked::from((follow, create, mode));
    let opened = accessor.with(|mut access| {
        let table = access.get().filesystem().table;
        let opened = asked.open(table.get(&dir)?, &path);
        opened
            .map(|opened| Ok(table.push(opened.map_err(disk_error::code)?)?))
            .transpose()
            .map_err(|error: p3::filesystem::FilesystemError| error)
    })?;
    if let Some(opened) = opened {
        return Ok(opened);
    }
    let files = accessor.with_getter::<WasiFilesystem>(Ctx::filesystem);
    let same = Resource::new_borrow(dir.rep());
    let stat = <WasiFilesystem as Host<Ctx>>::stat_at(&files, same, follow, path.clone()).await;
    if let Ok(stat) = stat {
        use new::DescriptorType as Type;
        match stat.type_ {
            Type::RegularFile | Type::Directory | Type::SymbolicLink => {}
            _ => return Err(new::ErrorCode::Unsupported.into()),
        }
    }
    <WasiFilesystem as Host<Ctx>>::open_at(&files, dir, follow, path, create, mode).await
}

async fn open_old(
    ctx: &mut Ctx,
    (dir, follow, path, create, mode): OldOpenAt,
) -> p2::FsResult<Resource<Descriptor>> {
    use old::HostDescriptor as _;
    let asked = Asked::from((follow, create, mode));
    let mut files = ctx.filesystem();
    if let Some(opened) = asked.open(files.table.get(&dir)?, &path) {
        return Ok(files.table.push(opened.map_err(disk_error::old_code)?)?);
    }
    let same = Resource::new_borrow(dir.rep());
    if let Ok(stat) = files.stat_at(same, follow, path.clone()).await {
        use old::DescriptorType as Type;
        match stat.type_ {
            Type::RegularFile | Type::Directory | Type::SymbolicLink => {}
            _ => return Err(old::ErrorCode::Unsupported.into()),
        }
    }
    files.open_at(dir, follow, path, create, mode).await
}

/// How something is to be opened.
#[derive(Clone, Copy)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "for Linux"))]
struct Asked {
    follow: bool,
    create: OFlags,
    mode: OpenMode,
    /// Nothing else is asked for.
    simple: bool,
}

/// The same flags have a type in each version.
macro_rules! asked_from {
    ($version:ident) => {
        impl
            From<(
                $version::PathFlags,
                $version::OpenFlags,
                $version::DescriptorFlags,
            )> for Asked
        {
            fn from(
                (follow, create, mode): (
                    $version::PathFlags,
                    $version::OpenFlags,
                    $version::DescriptorFlags,
                ),
            ) -> Self {
                use $version::{DescriptorFlags, OpenFlags, PathFlags};
                let flags = [
                    (OpenFlags::CREATE, OFlags::CREATE),
                    (OpenFlags::EXCLUSIVE, OFlags::EXCL),
                    (OpenFlags::TRUNCATE, OFlags::TRUNC),
                    (OpenFlags::DIRECTORY, OFlags::DIRECTORY),
                ];
                let flags = flags.into_iter().filter(|(flag, _)| create.contains(*flag));
                let simple = DescriptorFlags::READ
                    | DescriptorFlags::WRITE
                    | DescriptorFlags::MUTATE_DIRECTORY;
                let write = mode.contains(DescriptorFlags::WRITE)
                    || create.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE);
                let read = mode.contains(DescriptorFlags::READ) || !write;
                let modes = [(read, OpenMode::READ), (write, OpenMode::WRITE)];
                let modes = modes.into_iter().filter(|(asked, _)| *asked);
                Self {
                    follow: follow.contains(PathFlags::SYMLINK_FOLLOW),
                    create: flags.map(|(_, flag)| flag).collect(),
                    mode: modes.map(|(_, mode)| mode).collect(),
                    simple: simple.contains(mode),
                }
            }
        }
    };
}

asked_from!(old);
asked_from!(new);

impl Asked {
    /// `None`: ask `wasmtime-wasi`, which knows more ways, and the reasons of its refusals.
    fn open(self, dir: &Descriptor, path: &str) -> Option<io::Result<Descriptor>> {
        match dir {
            #[cfg(target_os = "linux")]
            Descriptor::Dir(dir) => open(self, dir, path),
            _ => None,
        }
    }
}

/// How often to look a path up while somebody renames what is on it.
#[cfg(target_os = "linux")]
const TRIES: usize = 8;

/// Opens what is below a directory, and never, on no way, what is not. `None` is for the reasons
/// that are not known here.
#[cfg(target_os = "linux")]
pub(super) fn open_below(
    dir: &fs::File,
    path: &str,
    flags: OFlags,
    mode: Mode,
) -> Option<Result<OwnedFd, Errno>> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let open = || rustix::fs::openat2(dir, path, flags | OFlags::CLOEXEC, mode, resolve);
    let opened = std::iter::repeat_with(open).take(TRIES);
    let mut opened = opened.skip_while(|opened| matches!(opened, Err(Errno::AGAIN)));
    match opened.next()? {
        Ok(opened) => Some(Ok(opened)),
        Err(
            error @ (Errno::NOENT
            | Errno::EXIST
            | Errno::NOTDIR
            | Errno::NXIO
            | Errno::ROFS
            | Errno::DQUOT
            | Errno::MFILE
            | Errno::NFILE),
        ) => Some(Err(error)),
        // Not known, forbidden, or one of the many other reasons.
        Err(_) => None,
    }
}

#[cfg(target_os = "linux")]
fn open(asked: Asked, dir: &Dir, path: &str) -> Option<io::Result<Descriptor>> {
    let write = asked.mode.contains(OpenMode::WRITE);
    if !asked.simple || (write && dir.perms.write_not_permitted()) {
        return None;
    }
    // The last: a pipe answers at once, and a regular file does not care.
    let mut flags = asked.create | OFlags::NOCTTY | OFlags::NONBLOCK;
    flags |= match asked.mode {
        OpenMode::WRITE => OFlags::WRONLY,
        _ if write => OFlags::RDWR,
        _ => OFlags::RDONLY,
    };
    if !asked.follow {
        flags |= OFlags::NOFOLLOW;
    }
    let creates = asked.create.contains(OFlags::CREATE);
    let permissions = Mode::from_raw_mode(if creates { 0o666 } else { 0 });
    let opened = match open_below(&dir.dir, path, flags, permissions)? {
        Ok(opened) => fs::File::from(opened),
        // A pipe that nobody reads is for nobody to wait for.
        Err(Errno::NXIO) => return Some(Err(Errno::NOTSUP.into())),
        Err(error) => return Some(Err(error.into())),
    };
    // A directory cannot be opened to write.
    let is_dir = asked.create.contains(OFlags::DIRECTORY)
        || (!write && opened.metadata().is_ok_and(|metadata| metadata.is_dir()));
    Some(Ok(if is_dir {
        Descriptor::Dir(Dir::new(opened, dir.perms, asked.mode, true))
    } else {
        Descriptor::File(File::new(opened, dir.perms, asked.mode, true))
    }))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use rustix::fs::FileType;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use wasmtime_wasi::FsPerms;

    /// To read, through either version.
    fn reading() -> [Asked; 2] {
        [
            (
                old::PathFlags::SYMLINK_FOLLOW,
                old::OpenFlags::empty(),
                old::DescriptorFlags::READ,
            )
                .into(),
            (
                new::PathFlags::SYMLINK_FOLLOW,
                new::OpenFlags::empty(),
                new::DescriptorFlags::READ,
            )
                .into(),
        ]
    }

    fn opened(path: &Path, perms: FsPerms) -> Descriptor {
        let dir = fs::File::open(path).unwrap();
        Descriptor::Dir(Dir::new(dir, perms, OpenMode::READ, true))
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_holds_nobody_up() {
        let temp = tempfile::tempdir().unwrap();
        let mode = Mode::from_raw_mode(0o600);
        let pipe = temp.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, mode, 0).unwrap();
        let dir = opened(temp.path(), FsPerms::ReadWrite);
        for read in reading() {
            assert!(matches!(read.open(&dir, "pipe"), Some(Ok(_))));
            let write = Asked {
                mode: OpenMode::WRITE,
                ..read
            };
            let refused = write.open(&dir, "pipe").unwrap().err().unwrap();
            assert!(matches!(
                new::ErrorCode::from(&refused),
                new::ErrorCode::Unsupported
            ));
        }
    }

    #[test]
    fn no_path_leads_out_of_the_directory() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("in")).unwrap();
        fs::write(temp.path().join("secret"), "x").unwrap();
        symlink("../secret", temp.path().join("in/link")).unwrap();
        let dir = opened(&temp.path().join("in"), FsPerms::ReadWrite);
        for path in ["../secret", "link", "/etc/passwd", "../in/../secret"] {
            for read in reading() {
                let answer = read.open(&dir, path);
                assert!(!matches!(answer, Some(Ok(_))), "{path}");
            }
        }
    }

    #[test]
    fn a_directory_that_may_only_be_read_is_not_written_to() {
        let temp = tempfile::tempdir().unwrap();
        let dir = opened(temp.path(), FsPerms::ReadOnly);
        let create: Asked = (
            old::PathFlags::empty(),
            old::OpenFlags::CREATE,
            old::DescriptorFlags::READ,
        )
            .into();
        assert!(create.open(&dir, "new").is_none());
        assert!(!temp.path().join("new").exists());
    }
}
