//! The headers and trailer fields that carry checksums.

use crate::model::ChecksumAlgorithm;

/// Name of the header or trailer field that carries the value.
pub fn header(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "x-amz-checksum-crc32",
        ChecksumAlgorithm::Crc32c => "x-amz-checksum-crc32c",
        ChecksumAlgorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
        ChecksumAlgorithm::Sha1 => "x-amz-checksum-sha1",
        ChecksumAlgorithm::Sha256 => "x-amz-checksum-sha256",
    }
}

/// The algorithm whose value this header carries.
pub(super) fn from_header(raw: &str) -> Option<ChecksumAlgorithm> {
    let matches = |algorithm: &ChecksumAlgorithm| header(*algorithm).eq_ignore_ascii_case(raw);
    ChecksumAlgorithm::ALL.into_iter().find(matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_lead_back_to_their_algorithm() {
        for algorithm in ChecksumAlgorithm::ALL {
            assert_eq!(from_header(header(algorithm)), Some(algorithm));
        }
        assert_eq!(from_header("x-amz-checksum-type"), None);
    }
}
