//! Checksums of objects and parts.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>

use super::PartNumber;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::fmt;
use std::num::NonZeroU16;

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

    /// The algorithm that AWS spells this way, in any case of letters.
    pub fn from_name(raw: &str) -> Option<Self> {
        let matches = |algorithm: &Self| algorithm.name().eq_ignore_ascii_case(raw);
        Self::ALL.into_iter().find(matches)
    }

    /// How many bytes a value has.
    pub fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Whether values of parts can become one of the object in this way.
    pub fn allows(self, kind: ChecksumType) -> bool {
        match (self, kind) {
            (Self::Crc32 | Self::Crc32c, _)
            | (Self::Crc64Nvme, ChecksumType::FullObject)
            | (Self::Sha1 | Self::Sha256, ChecksumType::Composite) => true,
            (Self::Crc64Nvme, ChecksumType::Composite)
            | (Self::Sha1 | Self::Sha256, ChecksumType::FullObject) => false,
        }
    }

    /// How values of parts become one of the object unless the client says so.
    pub fn usual_type(self) -> ChecksumType {
        match self {
            Self::Crc64Nvme => ChecksumType::FullObject,
            _ => ChecksumType::Composite,
        }
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }
}

/// What a checksum of an object that was put in parts is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChecksumType {
    /// Of the parts' checksums.
    Composite,
    /// Of all bytes.
    FullObject,
}

impl ChecksumType {
    /// As AWS spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Composite => "COMPOSITE",
            Self::FullObject => "FULL_OBJECT",
        }
    }

    /// The type that AWS spells this way.
    pub fn from_name(raw: &str) -> Option<Self> {
        [Self::Composite, Self::FullObject]
            .into_iter()
            .find(|kind| kind.name() == raw)
    }
}

/// The checksum of some bytes. `Display` prints it in base64.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Checksum {
    algorithm: ChecksumAlgorithm,
    value: Box<[u8]>,
}

impl Checksum {
    /// `None` unless the value has the length of its algorithm.
    pub fn new(algorithm: ChecksumAlgorithm, value: &[u8]) -> Option<Self> {
        (value.len() == algorithm.length()).then(|| Self {
            algorithm,
            value: value.into(),
        })
    }

    /// Reads a value: base64 of big-endian bytes.
    pub fn parse(algorithm: ChecksumAlgorithm, raw: &str) -> Option<Self> {
        Self::new(algorithm, &STANDARD.decode(raw).ok()?)
    }

    /// Of these bytes.
    pub fn of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Self {
        let mut summing = Summing::new(algorithm);
        summing.update(bytes);
        summing.finish()
    }

    /// Which algorithm.
    pub fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// Big-endian.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    fn number(&self) -> u64 {
        let digits = self.value.iter();
        digits.fold(0, |number, &byte| number << 8 | u64::from(byte))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(&self.value))
    }
}

/// The checksum of an object. `Display` prints it as S3 does, `-N` behind one of N parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectChecksum {
    /// Its value.
    pub sum: Checksum,
    /// How many parts' checksums it is the checksum of; `None`: it is of all bytes.
    pub parts: Option<NonZeroU16>,
}

impl ObjectChecksum {
    /// By which algorithm it is, and what it is made of.
    pub fn plan(&self) -> ChecksumPlan {
        ChecksumPlan {
            algorithm: self.sum.algorithm(),
            kind: self.kind(),
        }
    }

    /// What it is made of.
    pub fn kind(&self) -> ChecksumType {
        match self.parts {
            Some(_) => ChecksumType::Composite,
            None => ChecksumType::FullObject,
        }
    }

    /// Of an object made of these parts, each with its bytes, in order. `None` without parts, if
    /// one has another algorithm, or if the algorithm does not allow it.
    pub fn of_parts<'c>(
        kind: ChecksumType,
        parts: impl IntoIterator<Item = (u64, &'c Checksum)>,
    ) -> Option<Self> {
        let mut parts = parts.into_iter().peekable();
        let algorithm = parts.peek()?.1.algorithm;
        if !algorithm.allows(kind) {
            return None;
        }
        match kind {
            ChecksumType::FullObject => {
                let crc = algorithm.crc()?;
                let mut whole = 0;
                for (index, (size, part)) in parts.enumerate() {
                    if part.algorithm != algorithm {
                        return None;
                    }
                    whole = match index {
                        0 => part.number(),
                        _ => crc_fast::checksum_combine(crc, whole, part.number(), size),
                    };
                }
                let bytes = whole.to_be_bytes();
                let value = bytes.get(bytes.len() - algorithm.length()..)?;
                Some(Self {
                    sum: Checksum::new(algorithm, value)?,
                    parts: None,
                })
            }
            ChecksumType::Composite => {
                let mut summing = Summing::new(algorithm);
                let mut count: u16 = 0;
                for (_, part) in parts {
                    if part.algorithm != algorithm {
                        return None;
                    }
                    summing.update(&part.value);
                    count = count.checked_add(1)?;
                }
                Some(Self {
                    sum: summing.finish(),
                    parts: Some(NonZeroU16::new(count)?),
                })
            }
        }
    }

    /// Whether a client that names `claimed` (the number of parts may be missing) means this one.
    pub fn is(&self, claimed: &str) -> bool {
        let whole = self.to_string();
        claimed == whole || (self.parts.is_some() && claimed == self.sum.to_string())
    }
}

impl From<Checksum> for ObjectChecksum {
    fn from(sum: Checksum) -> Self {
        Self { sum, parts: None }
    }
}

impl fmt::Display for ObjectChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sum.fmt(f)?;
        match self.parts {
            Some(parts) => write!(f, "-{parts}"),
            None => Ok(()),
        }
    }
}

/// What checksums the parts of an upload have, and what the object's will be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChecksumPlan {
    /// Of each part.
    pub algorithm: ChecksumAlgorithm,
    /// Of the object.
    pub kind: ChecksumType,
}

impl ChecksumPlan {
    /// What S3 does when the client has no wish.
    pub const USUAL: Self = Self {
        algorithm: ChecksumAlgorithm::Crc64Nvme,
        kind: ChecksumType::FullObject,
    };
}

/// A part as CompleteMultipartUpload lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPart {
    /// Its number.
    pub number: PartNumber,
    /// Its tag.
    pub etag: super::ETag,
    /// Its checksum, if the client tells it.
    pub checksum: Option<Checksum>,
}

/// A checksum that is being calculated.
pub struct Summing {
    algorithm: ChecksumAlgorithm,
    state: State,
}

enum State {
    Crc(Box<crc_fast::Digest>),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Summing {
    /// Of no bytes yet.
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        let state = match (algorithm.crc(), algorithm) {
            (Some(crc), _) => State::Crc(Box::new(crc_fast::Digest::new(crc))),
            (None, ChecksumAlgorithm::Sha1) => State::Sha1(Sha1::new()),
            (None, _) => State::Sha256(Sha256::new()),
        };
        Self { algorithm, state }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Crc(crc) => crc.update(bytes),
            State::Sha1(sha1) => sha1.update(bytes),
            State::Sha256(sha256) => sha256.update(bytes),
        }
    }

    /// The checksum of all that came.
    pub fn finish(self) -> Checksum {
        let algorithm = self.algorithm;
        let value = match self.state {
            // A CRC of 32 bits is in the low half.
            State::Crc(crc) => crc
                .finalize()
                .to_be_bytes()
                .into_iter()
                .skip(8 - algorithm.length())
                .collect(),
            State::Sha1(sha1) => sha1.finalize().as_slice().into(),
            State::Sha256(sha256) => sha256.finalize().as_slice().into(),
        };
        Checksum { algorithm, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Check values of the CRC catalogue <https://reveng.sourceforge.io/crc-catalogue/all.htm>
    /// and of FIPS 180, over the digits 1 to 9.
    #[test]
    fn known_check_values_come_out() {
        let hex = |algorithm| hex::encode(Checksum::of(algorithm, b"123456789").value());
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
            let sum = Checksum::of(algorithm, b"");
            assert_eq!(Checksum::parse(algorithm, &sum.to_string()), Some(sum));
            for raw in ["", "AAA=", "not base64"] {
                assert_eq!(Checksum::parse(algorithm, raw), None);
            }
        }
    }

    #[test]
    fn names_lead_back_to_their_algorithm() {
        for algorithm in ChecksumAlgorithm::ALL {
            let name = algorithm.name().to_lowercase();
            assert_eq!(ChecksumAlgorithm::from_name(&name), Some(algorithm));
            assert!(algorithm.allows(algorithm.usual_type()));
        }
        assert_eq!(ChecksumAlgorithm::from_name("md5"), None);
    }

    #[test]
    fn a_composite_checksum_is_that_of_the_parts_checksums() {
        let parts = [b"one".as_slice(), b"two"]
            .map(|part| (3, Checksum::of(ChecksumAlgorithm::Sha256, part)));
        let borrowed = parts.iter().map(|(size, sum)| (*size, sum));
        let whole = ObjectChecksum::of_parts(ChecksumType::Composite, borrowed).unwrap();
        let both = [parts[0].1.value(), parts[1].1.value()].concat();
        let sum = Checksum::of(ChecksumAlgorithm::Sha256, &both);
        assert_eq!(whole.to_string(), format!("{sum}-2"));
        assert!(whole.is(&format!("{sum}-2")) && whole.is(&sum.to_string()));
        assert!(!whole.is(&format!("{sum}-3")));
    }

    #[test]
    fn what_an_algorithm_cannot_do_gives_no_checksum() {
        let sha = Checksum::of(ChecksumAlgorithm::Sha1, b"");
        let crc = Checksum::of(ChecksumAlgorithm::Crc32, b"");
        let nvme = Checksum::of(ChecksumAlgorithm::Crc64Nvme, b"");
        let of = |kind, parts: &[&Checksum]| {
            ObjectChecksum::of_parts(kind, parts.iter().map(|sum| (0, *sum)))
        };
        assert_eq!(of(ChecksumType::FullObject, &[&sha]), None);
        assert_eq!(of(ChecksumType::Composite, &[&nvme]), None);
        for kind in [ChecksumType::Composite, ChecksumType::FullObject] {
            assert_eq!(of(kind, &[]), None);
            assert_eq!(of(kind, &[&crc, &nvme]), None);
        }
    }

    proptest! {
        #[test]
        fn crcs_of_parts_combine_to_that_of_the_whole(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..6),
        ) {
            use ChecksumAlgorithm::{Crc32, Crc32c, Crc64Nvme};
            for algorithm in [Crc32, Crc32c, Crc64Nvme] {
                let sums: Vec<_> = parts
                    .iter()
                    .map(|part| (part.len() as u64, Checksum::of(algorithm, part)))
                    .collect();
                let sums = sums.iter().map(|(size, sum)| (*size, sum));
                let whole = ObjectChecksum::of_parts(ChecksumType::FullObject, sums).unwrap();
                prop_assert_eq!(whole.sum, Checksum::of(algorithm, &parts.concat()));
                prop_assert_eq!(whole.parts, None);
            }
        }
    }
}
