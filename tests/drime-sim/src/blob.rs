//! Bytes of files: small ones in memory, large ones on disk.

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use md5::{Digest, Md5};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Up to here, bytes stay in memory.
const SMALL: usize = 64 * 1024;
const CHUNK: u64 = 256 * 1024;

/// Bytes that do not change any more.
#[derive(Debug)]
pub(crate) enum Blob {
    Memory(Bytes),
    /// A file of ours, removed with the blob unless it is kept.
    Disk {
        file: Spooled,
        len: u64,
    },
    /// One behind the other.
    Joined(Vec<Arc<Blob>>),
}

#[derive(Debug)]
pub(crate) struct Spooled {
    path: PathBuf,
    kept: bool,
}

impl Drop for Spooled {
    fn drop(&mut self) {
        if !self.kept {
            // A leftover lies in a directory that goes as a whole.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Blob {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Disk { len, .. } => *len,
            Self::Joined(blobs) => blobs.iter().map(|blob| blob.len()).sum(),
        }
    }

    /// A file that was written before, and is not removed.
    pub(crate) fn kept(path: PathBuf) -> io::Result<Self> {
        let len = std::fs::metadata(&path)?.len();
        let file = Spooled { path, kept: true };
        Ok(Self::Disk { file, len })
    }

    /// Writes a copy.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        let mut file = File::create(path)?;
        for piece in self.pieces(0..self.len()) {
            file.write_all(&piece.load()?)?;
        }
        Ok(())
    }

    pub(crate) fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let mut all = BytesMut::new();
        for piece in self.pieces(range) {
            all.extend_from_slice(&piece.load()?);
        }
        Ok(all.freeze())
    }

    /// The bytes of `range`, piece by piece.
    pub(crate) fn stream(
        blob: &Arc<Self>,
        range: Range<u64>,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static + use<> {
        let blob = Arc::clone(blob);
        let starts = stream::iter(0..(range.end - range.start).div_ceil(CHUNK));
        let starts = starts.map(move |chunk| range.start + chunk * CHUNK);
        starts.map(move |start| blob.read(start..(start + CHUNK).min(range.end)))
    }

    fn pieces(&self, range: Range<u64>) -> Vec<Piece<'_>> {
        match self {
            Self::Joined(blobs) => {
                let mut pieces = Vec::new();
                let mut begin = 0;
                for blob in blobs {
                    let end = begin + blob.len();
                    let from = range.start.clamp(begin, end) - begin;
                    let to = range.end.clamp(begin, end) - begin;
                    if from < to {
                        pieces.extend(blob.pieces(from..to));
                    }
                    begin = end;
                }
                pieces
            }
            Self::Memory(bytes) => {
                let from = usize::try_from(range.start).unwrap_or(usize::MAX);
                let to = usize::try_from(range.end).unwrap_or(usize::MAX);
                vec![Piece::Memory(
                    bytes.slice(from.min(bytes.len())..to.min(bytes.len())),
                )]
            }
            Self::Disk { file, .. } => {
                let mut pieces = Vec::new();
                let mut start = range.start;
                while start < range.end {
                    let end = (start + CHUNK).min(range.end);
                    pieces.push(Piece::Disk(&file.path, start..end));
                    start = end;
                }
                pieces
            }
        }
    }
}

enum Piece<'a> {
    Memory(Bytes),
    Disk(&'a Path, Range<u64>),
}

impl Piece<'_> {
    fn load(&self) -> io::Result<Bytes> {
        match self {
            Self::Memory(bytes) => Ok(bytes.clone()),
            Self::Disk(path, range) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(range.start))?;
                let mut bytes = Vec::new();
                file.take(range.end - range.start).read_to_end(&mut bytes)?;
                Ok(bytes.into())
            }
        }
    }
}

/// Takes bytes until there are no more.
pub(crate) struct Writer {
    path: PathBuf,
    memory: BytesMut,
    disk: Option<(File, Spooled)>,
    len: u64,
    md5: Md5,
}

impl Writer {
    /// Large bytes go to `path`.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            memory: BytesMut::new(),
            disk: None,
            len: 0,
            md5: Md5::new(),
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.len += bytes.len() as u64;
        self.md5.update(bytes);
        if let Some((file, _)) = &mut self.disk {
            return file.write_all(bytes);
        }
        self.memory.extend_from_slice(bytes);
        if self.memory.len() > SMALL {
            let mut file = File::create(&self.path)?;
            let spooled = Spooled {
                path: self.path.clone(),
                kept: false,
            };
            file.write_all(&self.memory)?;
            self.memory.clear();
            self.disk = Some((file, spooled));
        }
        Ok(())
    }

    /// The blob and its MD5.
    pub(crate) fn finish(self) -> (Arc<Blob>, [u8; 16]) {
        let blob = match self.disk {
            Some((_, file)) => Blob::Disk {
                file,
                len: self.len,
            },
            None => Blob::Memory(self.memory.freeze()),
        };
        (Arc::new(blob), self.md5.finalize().into())
    }
}
