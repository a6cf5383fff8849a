//! Files of the granted directory, sealed on the way in and opened on the way out.

use crate::plugin::bindings::pys3local::storage::log::{self, Level};
use crate::plugin::bindings::pys3local::storage::types::{Error, ObjectInfo, ObjectRef};
use crate::plugin::bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, ErrorCode, OpenFlags, PathFlags,
};
use crate::plugin::bindings::wit_stream;
use crate::sealed::{self, BLOCK, Broken, HEADER, Seal, State};
use wit_bindgen::{StreamReader, StreamResult, StreamWriter};

pub fn fault(code: ErrorCode) -> Error {
    match code {
        ErrorCode::NoEntry | ErrorCode::NotDirectory => Error::NoSuchKey,
        ErrorCode::Access | ErrorCode::NotPermitted | ErrorCode::ReadOnly => {
            Error::Denied("permission denied".into())
        }
        ErrorCode::InsufficientSpace => Error::NoSpace,
        ErrorCode::Quota => Error::Quota,
        other => Error::Other(format!("{other:?}")),
    }
}

/// A stream that is read in pieces of a wanted size. Reading on where it has ended would be a
/// trap, so the end is remembered.
struct Pieces {
    from: StreamReader<u8>,
    ended: bool,
}

impl Pieces {
    fn of(from: StreamReader<u8>) -> Self {
        Self { from, ended: false }
    }

    /// Up to `most` bytes: fewer only where the stream ends.
    async fn next(&mut self, most: usize) -> Vec<u8> {
        let mut all = Vec::with_capacity(most + 16);
        while all.len() < most && !self.ended {
            let (status, piece) = self.from.read(Vec::with_capacity(most - all.len())).await;
            all.extend(piece);
            self.ended = !matches!(status, StreamResult::Complete(_));
        }
        all
    }
}

/// Writes a new file. A body that ends early makes a file that the caller must not publish.
pub async fn write(
    root: &Descriptor,
    path: String,
    (seal, state): (&Seal, &State),
    size: u64,
    body: StreamReader<u8>,
) -> Result<Descriptor, Error> {
    let open = OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
    let file = root.open_at(PathFlags::empty(), path, open, DescriptorFlags::WRITE);
    let file = file.await.map_err(fault)?;
    let (mut writer, reader) = wit_stream::new();
    let written = file.write_via_stream(reader, 0);
    writer.write_all(sealed::header(state)).await;
    let mut body = Pieces::of(body);
    let blocks = sealed::blocks_of(size);
    for block in 0..blocks {
        let mut bytes = body.next(BLOCK as usize).await;
        let broken = |Broken| Error::Other("a block could not be sealed".into());
        seal.close(block, block + 1 == blocks, &mut bytes)
            .map_err(broken)?;
        if !writer.write_all(bytes).await.is_empty() {
            break; // The file takes no more; `written` says why.
        }
    }
    // The host sends the end of the body together with its verdict.
    body.next(1).await;
    drop(writer);
    written.await.map_err(fault)?;
    Ok(file)
}

/// An object that is open for reading.
pub struct Object {
    file: Descriptor,
    pub state: State,
    pub info: ObjectInfo,
}

impl Object {
    pub async fn open(root: &Descriptor, path: String) -> Result<Self, Error> {
        let (open, flags) = (OpenFlags::empty(), DescriptorFlags::READ);
        let file = root.open_at(PathFlags::empty(), path, open, flags).await;
        let file = file.map_err(fault)?;
        let stat = file.stat().await.map_err(fault)?;
        let (front, _) = file.read_via_stream(0);
        let header = Pieces::of(front).next(HEADER as usize).await;
        let (Some(state), Some(size)) = (sealed::state(&header), sealed::size(stat.size)) else {
            return Err(Error::Other("a file that is not of this vault".into()));
        };
        let modified = stat.data_modification_timestamp.map_or(0, |time| {
            time.seconds * 1_000_000_000 + i64::from(time.nanoseconds)
        });
        let info = ObjectInfo {
            state: ObjectRef {
                id: String::new(),
                version: state.iter().map(|byte| format!("{byte:02x}")).collect(),
            },
            size,
            modified,
            hash: None,
            content_type: None,
            portable: None,
        };
        Ok(Self { file, state, info })
    }

    /// The bytes of a range, opened while they are read. A block that is not what was stored
    /// ends the stream early, and the host breaks the reply off.
    pub fn read(self, seal: Seal, offset: u64, length: u64) -> StreamReader<u8> {
        let (writer, reader) = wit_stream::new();
        wit_bindgen::spawn_local(async move {
            if self.send(&seal, offset, length, writer).await == Err(Broken) {
                log::write(
                    Level::Error,
                    "a block is not what was stored: rot, or another key",
                );
            }
        });
        reader
    }

    async fn send(
        &self,
        seal: &Seal,
        offset: u64,
        length: u64,
        mut to: StreamWriter<u8>,
    ) -> Result<(), Broken> {
        let end = offset + length;
        let blocks = sealed::blocks_of(self.info.size);
        let first = offset / BLOCK;
        let (sealed, _) = self.file.read_via_stream(sealed::place(first));
        let mut sealed = Pieces::of(sealed);
        for block in first..blocks {
            let start = block * BLOCK;
            if start >= end && length > 0 {
                break;
            }
            let mut bytes = sealed.next(BLOCK as usize + 16).await;
            seal.open(block, block + 1 == blocks, &mut bytes)?;
            bytes.truncate((end - start).min(BLOCK) as usize);
            bytes.drain(..(offset.saturating_sub(start) as usize).min(bytes.len()));
            if !to.write_all(bytes).await.is_empty() {
                break; // Nobody reads any more.
            }
        }
        Ok(())
    }
}

/// Makes the directories above a path.
pub async fn make_parents(root: &Descriptor, path: &str) -> Result<(), Error> {
    for (at, _) in path.match_indices('/') {
        match root.create_directory_at(path[..at].to_owned()).await {
            Ok(()) | Err(ErrorCode::Exist) => {}
            Err(code) => return Err(fault(code)),
        }
    }
    Ok(())
}

/// What lies below a directory: paths below it of files, and of directories, parents first.
pub async fn walk(root: &Descriptor, base: &str) -> Result<(Vec<String>, Vec<String>), ErrorCode> {
    let (mut files, mut dirs, mut todo) = (Vec::new(), Vec::new(), vec![String::new()]);
    while let Some(dir) = todo.pop() {
        let path = format!("{base}/{dir}").trim_end_matches('/').to_owned();
        let (open, flags) = (OpenFlags::DIRECTORY, DescriptorFlags::READ);
        let opened = root.open_at(PathFlags::empty(), path, open, flags).await?;
        let (mut entries, done) = opened.read_directory();
        loop {
            let (status, batch) = entries.read(Vec::with_capacity(64)).await;
            for entry in batch {
                let path = format!("{dir}{}", entry.name);
                if matches!(entry.type_, DescriptorType::Directory) {
                    todo.push(format!("{path}/"));
                    dirs.push(path);
                } else {
                    files.push(path);
                }
            }
            if !matches!(status, StreamResult::Complete(_)) {
                break;
            }
        }
        done.await?;
    }
    Ok((files, dirs))
}
