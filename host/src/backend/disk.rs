//! Native reading and writing of the files that plugins open.
//!
//! The first read of a body and the last write are done on the calling thread: small objects
//! then need no hop to another one, which costs more than the I/O itself. What lies between
//! runs on the blocking pool, one piece ahead of the network.

use crate::model::ByteStream;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes of the first read.
const FIRST: usize = 64 * 1024;
/// Bytes of a later read, and of a batch of writes.
const PIECE: usize = 512 * 1024;

/// Pieces that are kept for the next read: memory of this size is dear to get from the system
/// and given back late, and never at all where many threads have taken it in turn.
const SPARE: usize = 8;

static SPARES: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

fn spares() -> std::sync::MutexGuard<'static, Vec<Vec<u8>>> {
    SPARES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Room for [`PIECE`] bytes; goes back to the others when the last reader drops it.
struct Lent {
    room: Vec<u8>,
    filled: usize,
}

impl Lent {
    fn new() -> Self {
        let room = spares().pop().unwrap_or_else(|| vec![0; PIECE]);
        Self { room, filled: 0 }
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.room.get(..self.filled).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut spares = spares();
        if spares.len() < SPARE {
            spares.push(std::mem::take(&mut self.room));
        }
    }
}

struct Reader<H> {
    file: Arc<File>,
    /// Is kept for as long as the file is.
    _handle: H,
    offset: u64,
    state: Next,
}

enum Next {
    First,
    /// Only if somebody wants more.
    Second,
    Ahead(JoinHandle<io::Result<(Bytes, Behind)>>),
    End,
}

/// What is behind a piece of a file.
enum Behind {
    Nothing,
    More,
    Unknown,
}

thread_local! {
    /// Room for one first read.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The first piece. Who knows how many bytes there are, and has them, asks for no more: then a small
/// file costs one read, and no question for its size.
fn read_first(file: &File, offset: u64) -> io::Result<(Bytes, Behind)> {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.resize(FIRST, 0);
        let count = fill(file, scratch, offset)?;
        let piece = Bytes::copy_from_slice(scratch.get(..count).unwrap_or_default());
        let behind = match count {
            // Some file systems give less than was asked for, and not only at the end.
            ..FIRST => Behind::Unknown,
            _ if file.metadata()?.len() > offset + FIRST as u64 => Behind::More,
            _ => Behind::Nothing,
        };
        Ok((piece, behind))
    })
}

/// A piece.
fn read_at(file: &File, offset: u64, most: usize) -> io::Result<(Bytes, Behind)> {
    let left = file.metadata()?.len().saturating_sub(offset);
    let wanted = usize::try_from(left).unwrap_or(most).min(most);
    let behind = |count: usize| match count {
        0 => Behind::Nothing,
        count if count as u64 >= left => Behind::Nothing,
        _ => Behind::More,
    };
    if wanted <= FIRST {
        let mut piece = vec![0; wanted];
        let count = fill(file, &mut piece, offset)?;
        piece.truncate(count);
        return Ok((piece.into(), behind(count)));
    }
    let mut piece = Lent::new();
    let room = piece.room.get_mut(..wanted).unwrap_or_default();
    piece.filled = fill(file, room, offset)?;
    let count = piece.filled;
    Ok((Bytes::from_owner(piece), behind(count)))
}

/// One read; answers how many bytes came.
fn fill(file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(room, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// The bytes of `file` from `offset` to its end. `handle` is dropped with the file.
pub(super) fn read<H: Send + 'static>(file: Arc<File>, handle: H, offset: u64) -> ByteStream {
    let reader = Reader {
        file,
        _handle: handle,
        offset,
        state: Next::First,
    };
    stream::unfold(reader, async |mut reader| {
        let piece = match std::mem::replace(&mut reader.state, Next::End) {
            Next::First => read_first(&reader.file, reader.offset),
            Next::Second => read_at(&reader.file, reader.offset, FIRST),
            Next::Ahead(task) => task
                .await
                .unwrap_or_else(|error| Err(io::Error::other(error))),
            Next::End => return None,
        };
        match piece {
            Ok((bytes, _)) if bytes.is_empty() => None,
            Ok((bytes, behind)) => {
                reader.offset += bytes.len() as u64;
                reader.state = match behind {
                    Behind::Nothing => Next::End,
                    Behind::Unknown => Next::Second,
                    Behind::More => {
                        let (file, offset) = (Arc::clone(&reader.file), reader.offset);
                        Next::Ahead(spawn_blocking(move || read_at(&file, offset, PIECE)))
                    }
                };
                Some((Ok(bytes), reader))
            }
            Err(error) => Some((Err(error), reader)),
        }
    })
    .boxed()
}

/// Writes the whole body at `offset`. The next batch is received while the last one is being
/// written.
pub(super) async fn write(
    file: Arc<File>,
    mut body: ByteStream,
    mut offset: u64,
) -> io::Result<()> {
    let mut writing: Option<JoinHandle<io::Result<()>>> = None;
    let mut ended = false;
    while !ended {
        let mut batch = Vec::new();
        let mut length = 0;
        let mut failed = None;
        while length < PIECE {
            match body.next().await {
                Some(Ok(bytes)) => {
                    length += bytes.len();
                    batch.push(bytes);
                }
                Some(Err(error)) => {
                    failed = Some(error);
                    break;
                }
                None => {
                    ended = true;
                    break;
                }
            }
        }
        if let Some(writing) = writing.take() {
            writing
                .await
                .unwrap_or_else(|error| Err(io::Error::other(error)))?;
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if batch.is_empty() {
            break;
        }
        let (target, mut at) = (Arc::clone(&file), offset);
        offset += length as u64;
        let job = move || {
            for bytes in batch {
                target.write_all_at(&bytes, at)?;
                at += bytes.len() as u64;
            }
            Ok(())
        };
        if ended && length <= FIRST {
            return job();
        }
        writing = Some(spawn_blocking(job));
    }
    match writing {
        Some(writing) => writing
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(data: &[u8], size: usize) -> ByteStream {
        let pieces: Vec<_> = data
            .chunks(size)
            .map(|c| Ok(Bytes::copy_from_slice(c)))
            .collect();
        stream::iter(pieces).boxed()
    }

    #[tokio::test]
    async fn what_was_written_in_any_pieces_is_read_back_from_any_offset() {
        let data: Vec<u8> = (0..2_000_003u32)
            .map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1])
            .collect();
        for (length, size) in [
            (0, 1),
            (1, 1),
            (FIRST, 7000),
            (FIRST + 1, FIRST),
            (PIECE, 1000),
            (data.len(), 300_000),
        ] {
            let file = Arc::new(tempfile::tempfile().unwrap());
            write(Arc::clone(&file), pieces(&data[..length], size), 5)
                .await
                .unwrap();
            for offset in [5, 6, 5 + length / 2, 5 + length] {
                let got: Vec<_> = read(Arc::clone(&file), (), offset as u64).collect().await;
                let got: Vec<_> = got.into_iter().map(Result::unwrap).collect();
                assert!(
                    got.concat() == data[(offset - 5).min(length)..length],
                    "{length} from {offset}"
                );
            }
        }
    }

    #[tokio::test]
    async fn what_is_behind_a_short_read_is_not_left_out() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        file.write_all_at(b"short", 0).unwrap();
        let mut body = read(Arc::clone(&file), (), 0);
        assert_eq!(body.next().await.unwrap().unwrap(), "short");
        file.write_all_at(b" and more", 5).unwrap();
        assert_eq!(body.next().await.unwrap().unwrap(), " and more");
        assert!(body.next().await.is_none());
    }

    #[tokio::test]
    async fn a_body_that_fails_makes_the_write_fail() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let broken = stream::iter([Ok(Bytes::from_static(b"abc")), Err(io::Error::other("cut"))]);
        assert!(write(file, broken.boxed(), 0).await.is_err());
    }
}
