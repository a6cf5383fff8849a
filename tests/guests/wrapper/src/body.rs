//! Bodies on their way through the sandbox.

use crate::guest::bindings::wit_stream;
use wit_bindgen::{StreamReader, StreamResult, StreamWriter};

/// Bytes that pass at once.
const PIECE: usize = 64 * 1024;

/// Changes a byte by its place in the object. Twice is not at all.
fn mask(place: u64) -> u8 {
    let [.., high, _, _, _] = (place & 0xffff_ffff)
        .wrapping_mul(0x9E37_79B1)
        .to_le_bytes();
    high
}

/// Moves `from` to `to`, changed, up to `most` bytes, and counts them.
pub(crate) async fn pass(
    mut from: StreamReader<u8>,
    mut to: StreamWriter<u8>,
    start: u64,
    most: u64,
) -> u64 {
    let mut moved = 0;
    let mut piece = Vec::with_capacity(PIECE);
    while moved < most {
        let status;
        (status, piece) = from.read(piece).await;
        piece.truncate(usize::try_from(most - moved).unwrap_or(PIECE));
        for (place, byte) in (start + moved..).zip(piece.iter_mut()) {
            *byte ^= mask(place);
        }
        moved += piece.len() as u64;
        piece = to.write_all(piece).await;
        if !piece.is_empty() || !matches!(status, StreamResult::Complete(_)) {
            break;
        }
        piece.reserve(PIECE);
    }
    moved
}

/// The same as a stream, made while it is read.
pub(crate) fn passed(from: StreamReader<u8>, start: u64, length: u64) -> StreamReader<u8> {
    let (writer, reader) = wit_stream::new();
    wit_bindgen::spawn_local(async move {
        pass(from, writer, start, length).await;
    });
    reader
}
