//! Files of the granted directory.

use crate::body;
use crate::guest::bindings::pys3local::storage::types::{Error, ObjectInfo, ObjectRef};
use crate::guest::bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, ErrorCode, OpenFlags, PathFlags,
};
use crate::guest::bindings::wit_stream;
use wit_bindgen::{StreamReader, StreamResult};

/// The bytes in front of an object: a mark, and its version filled up with spaces.
pub(crate) const HEADER: usize = 96;
const MARK: &str = "wrapped:";

pub(crate) fn fault(code: ErrorCode) -> Error {
    match code {
        ErrorCode::NoEntry | ErrorCode::NotDirectory => Error::NoSuchKey,
        ErrorCode::Access | ErrorCode::NotPermitted => Error::Denied("permission denied".into()),
        ErrorCode::InsufficientSpace => Error::NoSpace,
        other => Error::Other(format!("{other:?}")),
    }
}

/// An object that is open for reading.
pub(crate) struct Object {
    file: Descriptor,
    pub(crate) info: ObjectInfo,
}

impl Object {
    pub(crate) async fn open(root: &Descriptor, path: String) -> Result<Self, Error> {
        let (flags, open) = (DescriptorFlags::READ, OpenFlags::empty());
        let file = root.open_at(PathFlags::empty(), path, open, flags).await;
        let file = file.map_err(fault)?;
        let stat = file.stat().await.map_err(fault)?;
        let (mut front, _) = file.read_via_stream(0);
        let mut header = Vec::with_capacity(HEADER);
        while header.len() < HEADER {
            let space = HEADER - header.len();
            let (status, piece) = front.read(Vec::with_capacity(space)).await;
            header.extend(piece);
            if !matches!(status, StreamResult::Complete(_)) {
                break;
            }
        }
        let header = String::from_utf8(header).ok();
        let version = header.as_deref().and_then(|text| text.strip_prefix(MARK));
        let size = stat.size.checked_sub(HEADER as u64);
        let (Some(version), Some(size)) = (version, size) else {
            return Err(Error::Other("a file without our header".into()));
        };
        let modified = stat.data_modification_timestamp.map_or(0, |time| {
            time.seconds * 1_000_000_000 + i64::from(time.nanoseconds)
        });
        let info = ObjectInfo {
            state: ObjectRef {
                id: String::new(),
                version: version.trim_end().into(),
            },
            size,
            modified,
            hash: None,
            content_type: None,
            portable: None,
        };
        Ok(Self { file, info })
    }

    /// The bytes from `offset` on, as they were before they were changed.
    pub(crate) fn read(&self, offset: u64, length: u64) -> StreamReader<u8> {
        let (body, _) = self.file.read_via_stream(HEADER as u64 + offset);
        body::passed(body, offset, length)
    }
}

/// Writes a new file and answers how many bytes the body had.
pub(crate) async fn write(
    root: &Descriptor,
    path: String,
    version: &str,
    body: StreamReader<u8>,
) -> Result<u64, Error> {
    let open = OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
    let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
    let file = root.open_at(PathFlags::empty(), path, open, flags).await;
    let file = file.map_err(fault)?;
    let (mut writer, reader) = wit_stream::new();
    let written = file.write_via_stream(reader, 0);
    let width = HEADER - MARK.len();
    let header = format!("{MARK}{version:width$}").into_bytes();
    writer.write_all(header).await;
    let moved = body::pass(body, writer, 0, u64::MAX).await;
    written.await.map_err(fault)?;
    Ok(moved)
}

/// Makes the directories above a path.
pub(crate) async fn make_parents(root: &Descriptor, path: &str) -> Result<(), Error> {
    for (at, _) in path.match_indices('/') {
        let parent = path.split_at(at).0.to_owned();
        match root.create_directory_at(parent).await {
            Ok(()) | Err(ErrorCode::Exist) => {}
            Err(code) => return Err(fault(code)),
        }
    }
    Ok(())
}

/// What lies below a directory: paths below it of files, and of directories, parents first.
pub(crate) async fn walk(
    root: &Descriptor,
    base: &str,
) -> Result<(Vec<String>, Vec<String>), ErrorCode> {
    let (mut files, mut dirs, mut todo) = (Vec::new(), Vec::new(), vec![String::new()]);
    while let Some(dir) = todo.pop() {
        let path = format!("{base}/{dir}");
        let path = path.trim_end_matches('/').to_owned();
        let (open, flags) = (OpenFlags::DIRECTORY, DescriptorFlags::READ);
        let open = root.open_at(PathFlags::empty(), path, open, flags).await?;
        let (mut entries, done) = open.read_directory();
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
