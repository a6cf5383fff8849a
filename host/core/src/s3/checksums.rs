//! Checksums of objects in headers and documents. Those of bodies are in [`super::body`].
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>

use super::body::{checksum_header, has_unknown_checksum};
use super::error::RequestError;
use super::header;
use super::xml::write::Element;
use crate::model::{ChecksumAlgorithm, ChecksumPlan, ChecksumType, ObjectChecksum};
use http::{HeaderMap, HeaderName, HeaderValue};

/// `x-amz-checksum-algorithm` alone: what a copy shall have.
pub(super) fn algorithm(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>, RequestError> {
    let Some(raw) = headers.get(header::CHECKSUM_ALGORITHM) else {
        return Ok(None);
    };
    let algorithm = raw.to_str().ok().and_then(ChecksumAlgorithm::from_name);
    match algorithm {
        Some(algorithm) => Ok(Some(algorithm)),
        None => Err(RequestError::Invalid(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]".into(),
        )),
    }
}

/// `x-amz-checksum-type`.
pub(super) fn kind(headers: &HeaderMap) -> Result<Option<ChecksumType>, RequestError> {
    let Some(raw) = headers.get(header::CHECKSUM_TYPE) else {
        return Ok(None);
    };
    match raw.to_str().ok().and_then(ChecksumType::from_name) {
        Some(kind) => Ok(Some(kind)),
        None => Err(RequestError::Invalid(
            "Value for x-amz-checksum-type header is invalid.".into(),
        )),
    }
}

/// Which checksums an upload in parts shall have.
pub(super) fn plan(headers: &HeaderMap) -> Result<Option<ChecksumPlan>, RequestError> {
    let (algorithm, kind) = (algorithm(headers)?, kind(headers)?);
    let Some(algorithm) = algorithm else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(RequestError::Invalid(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.".into(),
            )),
        };
    };
    let kind = kind.unwrap_or(algorithm.usual_type());
    if !algorithm.allows(kind) {
        return Err(RequestError::Invalid(format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            kind.name(),
            algorithm.name().to_lowercase()
        )));
    }
    Ok(Some(ChecksumPlan { algorithm, kind }))
}

/// The checksum of a whole object, which CompleteMultipartUpload may carry.
pub(super) fn of_object(
    headers: &HeaderMap,
) -> Result<Option<(ChecksumAlgorithm, String)>, RequestError> {
    if has_unknown_checksum(headers) {
        return Err(RequestError::Invalid(
            "The algorithm type you specified in x-amz-checksum- header is invalid.".into(),
        ));
    }
    let mut found = None;
    for algorithm in ChecksumAlgorithm::ALL {
        let name = checksum_header(algorithm);
        for raw in headers.get_all(name) {
            let value = raw.to_str().unwrap_or_default().trim();
            let sum = match value.split_once('-') {
                Some((sum, parts)) if parts.parse::<u16>().is_ok() => sum,
                _ => value,
            };
            if crate::model::Checksum::parse(algorithm, sum).is_none() {
                return Err(RequestError::Invalid(format!(
                    "Value for {name} header is invalid."
                )));
            }
            if found.replace((algorithm, value.to_owned())).is_some() {
                return Err(RequestError::Invalid(
                    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.".into(),
                ));
            }
        }
    }
    Ok(found)
}

/// Whether a read wants to know the checksum.
pub(super) fn is_asked_for(headers: &HeaderMap) -> bool {
    let mode = headers.get(header::CHECKSUM_MODE);
    mode.is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"ENABLED"))
}

/// Writes the checksum of an object, and what it is made of, into the headers of an answer.
pub(super) fn write(checksum: &ObjectChecksum, headers: &mut HeaderMap) {
    write_value(checksum, headers);
    let kind = HeaderValue::from_static(checksum.kind().name());
    headers.insert(header::CHECKSUM_TYPE, kind);
}

/// The same for a part, which is not made of anything.
pub(super) fn write_value(checksum: &ObjectChecksum, headers: &mut HeaderMap) {
    let name = HeaderName::from_static(checksum_header(checksum.sum.algorithm()));
    if let Ok(value) = HeaderValue::try_from(checksum.to_string()) {
        headers.insert(name, value);
    }
}

/// Name of the element that carries a value.
pub(super) fn element(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "ChecksumCRC32",
        ChecksumAlgorithm::Crc32c => "ChecksumCRC32C",
        ChecksumAlgorithm::Crc64Nvme => "ChecksumCRC64NVME",
        ChecksumAlgorithm::Sha1 => "ChecksumSHA1",
        ChecksumAlgorithm::Sha256 => "ChecksumSHA256",
    }
}

/// The algorithm whose value this element carries.
pub(super) fn from_element(name: &str) -> Option<ChecksumAlgorithm> {
    ChecksumAlgorithm::ALL
        .into_iter()
        .find(|algorithm| element(*algorithm) == name)
}

/// Writes the checksum of an object as elements.
pub(super) fn elements(checksum: Option<&ObjectChecksum>, parent: &mut Element<'_>) {
    if let Some(checksum) = checksum {
        parent.text(element(checksum.sum.algorithm()), checksum);
        parent.text("ChecksumType", checksum.kind().name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Checksum;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    const ALGORITHM: &str = "x-amz-checksum-algorithm";
    const TYPE: &str = "x-amz-checksum-type";

    #[test]
    fn a_plan_has_a_type_that_its_algorithm_allows() {
        let plan = |pairs: &[_]| plan(&headers(pairs));
        assert_eq!(plan(&[]), Ok(None));
        for (algorithm, kind) in [
            ("crc32", ChecksumType::Composite),
            ("CRC64NVME", ChecksumType::FullObject),
            ("SHA256", ChecksumType::Composite),
        ] {
            let found = plan(&[(ALGORITHM, algorithm)]).unwrap().unwrap();
            assert_eq!(found.kind, kind);
        }
        let full = plan(&[(ALGORITHM, "CRC32C"), (TYPE, "FULL_OBJECT")]);
        assert_eq!(full.unwrap().unwrap().kind, ChecksumType::FullObject);
        for bad in [
            &[(ALGORITHM, "SHA1"), (TYPE, "FULL_OBJECT")][..],
            &[(ALGORITHM, "CRC64NVME"), (TYPE, "COMPOSITE")],
            &[(ALGORITHM, "MD4")],
            &[(TYPE, "COMPOSITE")],
            &[(ALGORITHM, "CRC32"), (TYPE, "composite")],
        ] {
            assert!(
                matches!(plan(bad), Err(RequestError::Invalid(_))),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn the_checksum_of_an_object_is_one_and_well_formed() {
        let of = |pairs: &[_]| of_object(&headers(pairs));
        let (crc, sha) = ("x-amz-checksum-crc32", "x-amz-checksum-sha1");
        assert_eq!(of(&[]), Ok(None));
        for good in ["AAAAAA==", "AAAAAA==-12"] {
            let found = of(&[(crc, good)]).unwrap();
            assert_eq!(found, Some((ChecksumAlgorithm::Crc32, good.to_owned())));
        }
        assert!(of(&[(crc, "AAAA")]).is_err());
        assert!(of(&[(crc, "AAAAAA==-x")]).is_err());
        let sum = Checksum::of(ChecksumAlgorithm::Sha1, b"").to_string();
        assert!(of(&[(crc, "AAAAAA=="), (sha, &sum)]).is_err());
    }
}
