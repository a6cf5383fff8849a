//! Bytes on their way through the gateway.

use super::{Checksum, ChecksumAlgorithm};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use std::io;
use std::sync::{Arc, OnceLock};

/// Object bytes. An error takes the place of the end: a stream that ends is whole.
pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// One step of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The next bytes of the object (decoded); never empty.
    Data(Bytes),
    /// The end. Length, digests, checksums and signatures of everything before were right.
    End {
        /// MD5 of all bytes.
        md5: [u8; 16],
        /// Of all bytes, by the algorithm that was [`Wanted`].
        checksum: Option<Checksum>,
    },
}

/// The body of a PUT: [`Piece::Data`] any number of times and then one [`Piece::End`].
///
/// A stream that ends without [`Piece::End`] was cut off. Every check of the S3 protocol
/// (declared length, `Content-MD5`, `x-amz-content-sha256`, chunk signatures, checksums) fails as
/// an error *in place of* the end, so whoever commits on `End` cannot commit a bad upload.
pub struct Upload {
    /// Bytes of the object, as declared by the client (after decoding aws-chunked).
    pub size: u64,
    /// The client holds the bytes back until it is told to send them (`Expect: 100-continue`):
    /// the first piece must not be asked for before the storage wants it.
    pub on_demand: bool,
    /// By which algorithm the client has promised a checksum.
    pub promised: Option<ChecksumAlgorithm>,
    /// Which checksum the end shall tell.
    pub wanted: Wanted,
    /// The pieces.
    pub pieces: BoxStream<'static, Result<Piece, UploadError>>,
}

/// Tells whoever makes the pieces which checksum to calculate. Heard only before the first piece is
/// asked for; silence means the one that the client has promised, or else CRC-64/NVME.
#[derive(Debug, Clone, Default)]
pub struct Wanted(Arc<OnceLock<ChecksumAlgorithm>>);

impl Wanted {
    /// Wishes for an algorithm. Only the first wish counts.
    pub fn set(&self, algorithm: ChecksumAlgorithm) {
        let _ = self.0.set(algorithm);
    }

    /// What was wished for.
    pub fn get(&self) -> Option<ChecksumAlgorithm> {
        self.0.get().copied()
    }
}

/// Why an upload is not what the client said it would be.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The client went away, or sent fewer bytes than it declared.
    #[error("the body ended early")]
    Incomplete,
    /// More bytes than declared.
    #[error("the body is longer than declared")]
    TooLong,
    /// `Content-MD5` does not match.
    #[error("Content-MD5 does not match the body")]
    Md5Mismatch {
        /// By the header.
        expected: [u8; 16],
        /// Of the body.
        computed: [u8; 16],
    },
    /// `x-amz-content-sha256` does not match.
    #[error("x-amz-content-sha256 does not match the body")]
    Sha256Mismatch {
        /// By the header.
        expected: [u8; 32],
        /// Of the body.
        computed: [u8; 32],
    },
    /// The signature of a chunk or of the trailer does not match.
    #[error("a chunk's signature does not match")]
    ChunkSignature,
    /// An `x-amz-checksum-*` value does not match; carries the algorithm as AWS spells it.
    #[error("the {0} checksum does not match the body")]
    ChecksumMismatch(&'static str),
    /// A value in the trailer is none; carries the text for clients.
    #[error("malformed value in the trailer: {0}")]
    Malformed(&'static str),
    /// The trailer behind the chunks is not the one that was announced.
    #[error("malformed trailer: {0}")]
    Trailer(&'static str),
    /// The aws-chunked framing is broken.
    #[error("malformed chunked body: {0}")]
    Framing(&'static str),
    /// The connection failed, or was too slow.
    #[error("reading the body failed")]
    Io(#[source] io::Error),
}
