//! The digests of a body, and whether they are the promised ones.

use super::checksum;
use super::chunked::{Frame, Trailer};
use super::expected::{Expected, ExpectedChecksum};
use crate::model::{Checksum, ChecksumAlgorithm, ChecksumPlan, Md5, Summing, UploadError, Wanted};
use crate::s3::auth::{ChunkSigner, Signature};
use sha2::{Digest, Sha256};

/// Everything that is calculated over a body, each digest once.
pub(super) struct Verifier {
    md5: Md5,
    expected_md5: Option<[u8; 16]>,
    /// For `x-amz-content-sha256` or for a SHA-256 checksum.
    sha256: Option<Sha256>,
    expected_sha256: Option<[u8; 32]>,
    /// Of the promised and the wanted algorithms, except for SHA-256.
    sums: Vec<Summing>,
    wanted: Option<Wanted>,
    /// The algorithms are chosen with the first frame.
    begun: bool,
    expected_checksum: Option<ExpectedChecksum>,
    chunks: Option<Chunks>,
}

/// Signatures of a chunked body. A signature is checked when its chunk has passed.
struct Chunks {
    signer: ChunkSigner,
    /// The running chunk.
    current: Option<(Sha256, Signature)>,
}

impl Verifier {
    pub(super) fn new(expected: Expected) -> Self {
        Self {
            md5: Md5::new(),
            expected_md5: expected.md5,
            sha256: expected.sha256.map(|_| Sha256::new()),
            expected_sha256: expected.sha256,
            sums: Vec::new(),
            wanted: expected.wanted,
            begun: false,
            expected_checksum: expected.checksum,
            chunks: expected.signer.map(|signer| Chunks {
                signer,
                current: None,
            }),
        }
    }

    /// The algorithm whose value is to be told in the end.
    fn wanted(&self) -> Option<ChecksumAlgorithm> {
        let promised = self.expected_checksum.as_ref();
        let promised = promised.map(ExpectedChecksum::algorithm);
        let wish = self.wanted.as_ref()?.get();
        Some(wish.or(promised).unwrap_or(ChecksumPlan::USUAL.algorithm))
    }

    fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let promised = self.expected_checksum.as_ref();
        let promised = promised.map(ExpectedChecksum::algorithm);
        let wanted = self.wanted().filter(|wanted| Some(*wanted) != promised);
        for algorithm in promised.into_iter().chain(wanted) {
            if algorithm == ChecksumAlgorithm::Sha256 {
                // One calculation serves the header of the payload as well.
                self.sha256.get_or_insert_default();
            } else {
                self.sums.push(Summing::new(algorithm));
            }
        }
    }

    /// Takes the next frame, in order.
    pub(super) fn update(&mut self, frame: Frame) -> Result<(), UploadError> {
        self.begin();
        match frame {
            Frame::Chunk(signature) => {
                if let Some(chunks) = &mut self.chunks {
                    chunks.end_chunk()?;
                    let signature = signature.ok_or(UploadError::ChunkSignature)?;
                    chunks.current = Some((Sha256::new(), signature));
                }
            }
            Frame::Data(bytes) => {
                self.md5.update(&bytes);
                if let Some(sha256) = &mut self.sha256 {
                    sha256.update(&bytes);
                }
                for sum in &mut self.sums {
                    sum.update(&bytes);
                }
                if let Some((sha256, _)) = self.chunks.as_mut().and_then(|c| c.current.as_mut()) {
                    sha256.update(&bytes);
                }
            }
        }
        Ok(())
    }

    /// The body has ended: its MD5 and the wanted checksum, if every promise is kept.
    pub(super) fn finish(
        mut self,
        trailer: &Trailer,
        signed_trailer: bool,
    ) -> Result<([u8; 16], Option<Checksum>), UploadError> {
        self.begin();
        let wanted = self.wanted();
        // Signatures first: fields of a trailer mean nothing before theirs is right.
        if let Some(chunks) = &mut self.chunks {
            chunks.end_chunk()?;
            if signed_trailer {
                chunks.check_trailer(trailer)?;
            }
        }
        let md5 = self.md5.finalize().into();
        if let Some(expected) = self.expected_md5.filter(|expected| *expected != md5) {
            let computed = md5;
            return Err(UploadError::Md5Mismatch { expected, computed });
        }
        let sha256: Option<[u8; 32]> = self.sha256.map(|sha256| sha256.finalize().into());
        if let (Some(expected), Some(computed)) = (self.expected_sha256, sha256)
            && expected != computed
        {
            return Err(UploadError::Sha256Mismatch { expected, computed });
        }
        let mut sums: Vec<Checksum> = self.sums.into_iter().map(Summing::finish).collect();
        sums.extend(sha256.and_then(|sha256| Checksum::new(ChecksumAlgorithm::Sha256, &sha256)));
        check_trailer_names(self.expected_checksum.as_ref(), trailer)?;
        if let Some(expected) = self.expected_checksum {
            let algorithm = expected.algorithm();
            let found = sums.iter().find(|sum| sum.algorithm() == algorithm);
            if found != Some(&expected_value(expected, trailer)?) {
                return Err(UploadError::ChecksumMismatch(algorithm.name()));
            }
        }
        let told = sums.into_iter().find(|sum| Some(sum.algorithm()) == wanted);
        Ok((md5, told))
    }
}

impl Chunks {
    fn end_chunk(&mut self) -> Result<(), UploadError> {
        let Some((sha256, sent)) = self.current.take() else {
            return Ok(());
        };
        if self.signer.accept_chunk(&sha256.finalize().into(), &sent) {
            Ok(())
        } else {
            Err(UploadError::ChunkSignature)
        }
    }

    fn check_trailer(&mut self, trailer: &Trailer) -> Result<(), UploadError> {
        let mut sha256 = Sha256::new();
        for (name, value) in &trailer.fields {
            for piece in [name, ":", value, "\n"] {
                sha256.update(piece);
            }
        }
        let sent = trailer.signature.as_ref();
        if sent.is_some_and(|sent| self.signer.accept_trailer(&sha256.finalize().into(), sent)) {
            Ok(())
        } else {
            Err(UploadError::ChunkSignature)
        }
    }
}

/// Only what `x-amz-trailer` has announced may come.
fn check_trailer_names(
    expected: Option<&ExpectedChecksum>,
    trailer: &Trailer,
) -> Result<(), UploadError> {
    let announced = match expected {
        Some(ExpectedChecksum::Trailer(algorithm)) => checksum::header(*algorithm),
        Some(ExpectedChecksum::Value(_)) | None => "",
    };
    if trailer.fields.iter().any(|(name, _)| name != announced) {
        return Err(UploadError::Trailer("the trailer was not announced"));
    }
    Ok(())
}

fn expected_value(expected: ExpectedChecksum, trailer: &Trailer) -> Result<Checksum, UploadError> {
    match expected {
        ExpectedChecksum::Value(value) => Ok(value),
        ExpectedChecksum::Trailer(algorithm) => match trailer.fields.as_slice() {
            [(_, raw)] => Checksum::parse(algorithm, raw).ok_or(UploadError::Malformed(
                "the checksum in the trailer is wrong",
            )),
            [] => Err(UploadError::Trailer("the announced trailer is missing")),
            _ => Err(UploadError::Trailer(
                "a field of the trailer is there twice",
            )),
        },
    }
}
