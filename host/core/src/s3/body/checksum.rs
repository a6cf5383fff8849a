//! The checksums of `x-amz-checksum-*`.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use sha1::{Digest, Sha1};

/// A checksum that S3 knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChecksumAlgorithm {
    /// CRC-32 as in zip.
    Crc32,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64/NVME.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl ChecksumAlgorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// As AWS spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// Name of the header or trailer field that carries the value.
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The algorithm that AWS spells this way, in any case of letters.
    pub fn from_name(raw: &str) -> Option<Self> {
        let matches = |algorithm: &Self| algorithm.name().eq_ignore_ascii_case(raw);
        Self::ALL.into_iter().find(matches)
    }

    /// The algorithm whose value this header carries.
    pub fn from_header(raw: &str) -> Option<Self> {
        let matches = |algorithm: &Self| algorithm.header().eq_ignore_ascii_case(raw);
        Self::ALL.into_iter().find(matches)
    }

    fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Reads a value: base64 of big-endian bytes.
    pub(super) fn parse(self, raw: &str) -> Option<Box<[u8]>> {
        let value = STANDARD.decode(raw).ok()?;
        (value.len() == self.length()).then(|| value.into())
    }
}

/// A checksum that is being calculated. SHA-256 is not here: there is at most one calculation
/// of it, and `x-amz-content-sha256` needs it as well.
pub(super) enum Checksum {
    Crc32(crc_fast::Digest),
    Crc64(crc_fast::Digest),
    Sha1(Sha1),
}

impl Checksum {
    /// `None` for SHA-256.
    pub(super) fn new(algorithm: ChecksumAlgorithm) -> Option<Self> {
        use ChecksumAlgorithm as A;
        Some(match algorithm {
            A::Crc32 => Self::Crc32(crc_fast::Digest::new(CrcAlgorithm::Crc32IsoHdlc)),
            A::Crc32c => Self::Crc32(crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi)),
            A::Crc64Nvme => Self::Crc64(crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme)),
            A::Sha1 => Self::Sha1(Sha1::new()),
            A::Sha256 => return None,
        })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(crc) | Self::Crc64(crc) => crc.update(bytes),
            Self::Sha1(sha1) => sha1.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Box<[u8]> {
        match self {
            // The low half holds it all.
            Self::Crc32(crc) => crc.finalize().to_be_bytes().into_iter().skip(4).collect(),
            Self::Crc64(crc) => crc.finalize().to_be_bytes().into(),
            Self::Sha1(sha1) => sha1.finalize().as_slice().into(),
        }
    }
}

#[cfg(test)]
pub(super) fn encoded(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> String {
    let value = match Checksum::new(algorithm) {
        Some(mut checksum) => {
            checksum.update(bytes);
            checksum.finish()
        }
        None => sha2::Sha256::digest(bytes).as_slice().into(),
    };
    STANDARD.encode(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Check values of the CRC catalogue <https://reveng.sourceforge.io/crc-catalogue/all.htm>
    /// and of FIPS 180, over the digits 1 to 9.
    #[test]
    fn known_check_values_come_out() {
        let hex = |algorithm| {
            let value = encoded(algorithm, b"123456789");
            hex::encode(STANDARD.decode(value).unwrap())
        };
        assert_eq!(hex(ChecksumAlgorithm::Crc32), "cbf43926");
        assert_eq!(hex(ChecksumAlgorithm::Crc32c), "e3069283");
        assert_eq!(hex(ChecksumAlgorithm::Crc64Nvme), "ae8b14860a799888");
        assert_eq!(
            hex(ChecksumAlgorithm::Sha1),
            "f7c3bc1d808e04732adf679965ccc34ca7ae3441"
        );
        assert_eq!(
            hex(ChecksumAlgorithm::Sha256),
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
        );
    }

    #[test]
    fn a_value_has_the_length_of_its_algorithm() {
        for algorithm in ChecksumAlgorithm::ALL {
            let value = encoded(algorithm, b"");
            assert!(algorithm.parse(&value).is_some(), "{algorithm:?}");
            assert_eq!(algorithm.parse(""), None);
            assert_eq!(algorithm.parse("AAA="), None);
            assert_eq!(algorithm.parse("not base64"), None);
        }
    }

    #[test]
    fn names_lead_back_to_their_algorithm() {
        for algorithm in ChecksumAlgorithm::ALL {
            assert_eq!(
                ChecksumAlgorithm::from_name(algorithm.name()),
                Some(algorithm)
            );
            assert_eq!(
                ChecksumAlgorithm::from_header(algorithm.header()),
                Some(algorithm)
            );
        }
        assert_eq!(ChecksumAlgorithm::from_header("x-amz-checksum-type"), None);
    }
}
