//! A [`Dir`] of WASI descriptors: the component's only way to the disk.

use crate::disk::{Dir, Fault, File, Kind, Stat};
use crate::guest::bindings::pys3local::storage::log;
use crate::guest::bindings::wasi::clocks::system_clock::{self, Instant};
use crate::guest::bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, ErrorCode, NewTimestamp,
    OpenFlags, PathFlags,
};
use crate::guest::bindings::wit_stream;
use std::ops::ControlFlow;
use wit_bindgen::{StreamReader, StreamResult};

/// Directory entries that cross the boundary in one call.
const BATCH: usize = 512;
/// How often a directory is read until nothing in it vanishes meanwhile.
const ATTEMPTS: usize = 16;
/// Bytes that pass through in one piece, where they cannot pass by.
const PIECE: usize = 64 * 1024;

/// A directory.
pub(crate) struct WasiDir(pub(crate) Descriptor);

/// A file.
pub(crate) struct WasiFile(Descriptor);

impl WasiDir {
    async fn file(
        &self,
        path: &str,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> Result<WasiFile, Fault> {
        let follow = if open.contains(OpenFlags::EXCLUSIVE) {
            PathFlags::empty()
        } else {
            PathFlags::SYMLINK_FOLLOW
        };
        Ok(WasiFile(
            self.0.open_at(follow, path.into(), open, flags).await?,
        ))
    }
}

impl Dir for WasiDir {
    type File = WasiFile;
    type Body = StreamReader<u8>;

    async fn open_dir(&self, path: &str) -> Result<Self, Fault> {
        let follow = PathFlags::SYMLINK_FOLLOW;
        let flags = DescriptorFlags::READ;
        Ok(Self(
            self.0
                .open_at(follow, path.into(), OpenFlags::DIRECTORY, flags)
                .await?,
        ))
    }

    async fn open(&self, path: &str) -> Result<WasiFile, Fault> {
        self.file(path, OpenFlags::empty(), DescriptorFlags::READ)
            .await
    }

    async fn open_to_write(&self, path: &str) -> Result<WasiFile, Fault> {
        self.file(
            path,
            OpenFlags::empty(),
            DescriptorFlags::READ | DescriptorFlags::WRITE,
        )
        .await
    }

    async fn create(&self, path: &str) -> Result<WasiFile, Fault> {
        let open = OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        self.file(path, open, DescriptorFlags::READ | DescriptorFlags::WRITE)
            .await
    }

    async fn stat(&self, path: &str) -> Result<Stat, Fault> {
        Ok(self
            .0
            .stat_at(PathFlags::SYMLINK_FOLLOW, path.into())
            .await?
            .into())
    }

    async fn lstat(&self, path: &str) -> Result<Stat, Fault> {
        Ok(self
            .0
            .stat_at(PathFlags::empty(), path.into())
            .await?
            .into())
    }

    async fn stat_self(&self) -> Result<Stat, Fault> {
        Ok(self.0.stat().await?.into())
    }

    async fn make_dir(&self, path: &str) -> Result<(), Fault> {
        Ok(self.0.create_directory_at(path.into()).await?)
    }

    async fn remove_dir(&self, path: &str) -> Result<(), Fault> {
        Ok(self.0.remove_directory_at(path.into()).await?)
    }

    async fn remove_file(&self, path: &str) -> Result<(), Fault> {
        Ok(self.0.unlink_file_at(path.into()).await?)
    }

    async fn rename(&self, from: &str, to_dir: &Self, to: &str) -> Result<(), Fault> {
        Ok(self.0.rename_at(from.into(), &to_dir.0, to.into()).await?)
    }

    async fn sync(&self) -> Result<(), Fault> {
        Ok(self.0.sync().await?)
    }

    async fn read(&self, mut each: impl FnMut(&str, Kind) -> ControlFlow<()>) -> Result<(), Fault> {
        let mut batch = Vec::with_capacity(BATCH);
        for _ in 0..ATTEMPTS {
            let (mut entries, done) = self.0.read_directory();
            loop {
                let (status, read) = entries.read(batch).await;
                batch = read;
                for entry in batch.drain(..) {
                    if each(&entry.name, kind(&entry.type_)).is_break() {
                        return Ok(());
                    }
                }
                if !matches!(status, StreamResult::Complete(_)) {
                    break;
                }
            }
            match done.await {
                Ok(()) => return Ok(()),
                // Some hosts stop at an entry that vanishes before they have looked at it.
                Err(ErrorCode::NoEntry) => {}
                // And some at a name that they cannot hand on.
                Err(ErrorCode::IllegalByteSequence) => {
                    return Err(Fault::Other(
                        "a directory has a name that is no UTF-8".into(),
                    ));
                }
                Err(code) => return Err(code.into()),
            }
        }
        Err(Fault::Other(
            "a directory changes too fast to be listed".into(),
        ))
    }

    async fn pause() {
        wit_bindgen::yield_async().await;
    }

    fn now() -> i64 {
        nanos(system_clock::now())
    }

    fn warn(message: &str) {
        log::write(log::Level::Warn, message);
    }
}

impl File for WasiFile {
    type Body = StreamReader<u8>;

    async fn stat(&self) -> Result<Stat, Fault> {
        Ok(self.0.stat().await?.into())
    }

    async fn set_size(&self, size: u64) -> Result<(), Fault> {
        Ok(self.0.set_size(size).await?)
    }

    async fn set_modified(&self, modified: i64) -> Result<(), Fault> {
        let modified = Instant {
            seconds: modified.div_euclid(1_000_000_000),
            nanoseconds: u32::try_from(modified.rem_euclid(1_000_000_000)).unwrap_or(0),
        };
        let modified = NewTimestamp::Timestamp(modified);
        Ok(self.0.set_times(NewTimestamp::NoChange, modified).await?)
    }

    async fn sync(&self) -> Result<(), Fault> {
        Ok(self.0.sync().await?)
    }

    async fn write(&self, body: StreamReader<u8>, offset: u64) -> Result<Option<u64>, Fault> {
        self.0.write_via_stream(body, offset).await?;
        Ok(None)
    }

    async fn copy_to(&self, offset: u64, length: u64, to: &Self, place: u64) -> Result<(), Fault> {
        let (mut body, read) = self.0.read_via_stream(offset);
        if self.0.stat().await?.size == offset.saturating_add(length) {
            // To the end: the bytes need not come in here.
            to.0.write_via_stream(body, place).await?;
            return Ok(read.await?);
        }
        let (mut writer, reader) = wit_stream::new();
        let written = to.0.write_via_stream(reader, place);
        let mut left = length;
        let mut piece = Vec::with_capacity(PIECE);
        while left > 0 {
            let status;
            piece.reserve(PIECE);
            (status, piece) = body.read(piece).await;
            piece.truncate(usize::try_from(left).unwrap_or(PIECE));
            left -= piece.len() as u64;
            let complete = matches!(status, StreamResult::Complete(_));
            piece = writer.write_all(piece).await;
            if !piece.is_empty() || !complete {
                break;
            }
        }
        drop(writer);
        written.await?;
        if left > 0 {
            read.await?;
            return Err(Fault::Other("the file ends too early".into()));
        }
        Ok(())
    }

    fn read(&self, offset: u64) -> StreamReader<u8> {
        // How the stream ended is the host's to see: it moves the bytes.
        let (body, _done) = self.0.read_via_stream(offset);
        body
    }
}

fn nanos(instant: Instant) -> i64 {
    instant
        .seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(instant.nanoseconds.into())
}

fn kind(descriptor_type: &DescriptorType) -> Kind {
    match descriptor_type {
        DescriptorType::RegularFile => Kind::File,
        DescriptorType::Directory => Kind::Directory,
        DescriptorType::SymbolicLink => Kind::Link,
        _ => Kind::Other,
    }
}

impl From<DescriptorStat> for Stat {
    fn from(stat: DescriptorStat) -> Self {
        let modified = stat.data_modification_timestamp.map_or(0, nanos);
        Self {
            kind: kind(&stat.type_),
            size: stat.size,
            modified,
            created: stat.status_change_timestamp.map_or(modified, nanos),
        }
    }
}

impl From<ErrorCode> for Fault {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::NoEntry | ErrorCode::Loop => Self::Missing,
            ErrorCode::Exist => Self::Exists,
            ErrorCode::NotDirectory => Self::NotDirectory,
            ErrorCode::IsDirectory => Self::IsDirectory,
            ErrorCode::NotEmpty => Self::NotEmpty,
            ErrorCode::NameTooLong | ErrorCode::Invalid | ErrorCode::IllegalByteSequence => {
                Self::BadName
            }
            ErrorCode::Access | ErrorCode::NotPermitted => Self::Denied("permission denied"),
            ErrorCode::ReadOnly => Self::Denied("the file system is read-only"),
            ErrorCode::InsufficientSpace => Self::NoSpace,
            ErrorCode::Quota => Self::Quota,
            // What the host says of too many open files.
            ErrorCode::InsufficientMemory => Self::TooManyFiles,
            ErrorCode::Io => Self::Other(
                "the disk does not do it: it fails, is read-only, or too many files are open"
                    .into(),
            ),
            other => Self::Other(format!("{other:?}")),
        }
    }
}
