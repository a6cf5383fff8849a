//! `Range` of a GET.

use super::{PartNumber, PartSizes};
use std::ops::Range;

/// One byte range as a client asks for it.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc9110#name-range>; S3 serves one range per request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeSpec {
    /// `a-b`, both inclusive.
    FromTo(u64, u64),
    /// `a-`.
    From(u64),
    /// `-n`: the last n bytes.
    Suffix(u64),
}

/// The range lies behind the end of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the range does not overlap the object")]
pub struct RangeError;

impl RangeSpec {
    /// Reads a `Range` header. `None` means "ignore it and send everything", as S3 does with
    /// another unit, several ranges, or a malformed one.
    pub fn parse(raw: &str) -> Option<Self> {
        let (unit, range) = raw.trim().split_once('=')?;
        // Units do not care for case: https://www.rfc-editor.org/rfc/rfc9110#name-range-units
        let (from, to) = range.split_once('-')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let number = |raw: &str| {
            let raw = raw.trim();
            let digits = !raw.is_empty() && raw.bytes().all(|b| b.is_ascii_digit());
            // A number that does not fit is just very large.
            digits.then(|| raw.parse().unwrap_or(u64::MAX))
        };
        match (from.trim().is_empty(), to.trim().is_empty()) {
            (true, false) => Some(Self::Suffix(number(to)?)),
            (false, true) => Some(Self::From(number(from)?)),
            (false, false) => {
                let (from, to) = (number(from)?, number(to)?);
                (from <= to).then_some(Self::FromTo(from, to))
            }
            (true, true) => None,
        }
    }

    /// The bytes of an object of `size` bytes that this means: none of them only where the last
    /// ones of an empty object are asked for, which S3 serves.
    pub fn resolve(self, size: u64) -> Result<Range<u64>, RangeError> {
        let range = match self {
            Self::FromTo(from, to) => from..to.saturating_add(1).min(size),
            Self::From(from) => from..size,
            Self::Suffix(last) => size.saturating_sub(last)..size,
        };
        let of_nothing = size == 0 && matches!(self, Self::Suffix(1..));
        if range.start < range.end || of_nothing {
            Ok(range)
        } else {
            Err(RangeError)
        }
    }
}

/// What of an object a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Some bytes.
    Range(RangeSpec),
    /// One of the parts that it was put in. An object that was put in one piece is its own part 1.
    Part(PartNumber),
}

impl Section {
    /// The bytes that this means; empty only for a part that is, or where there are none.
    pub fn resolve(self, size: u64, parts: &PartSizes) -> Result<Range<u64>, RangeError> {
        let number = match self {
            Self::Range(spec) => return spec.resolve(size),
            Self::Part(number) => number.get(),
        };
        if parts.is_empty() {
            return if number == 1 {
                Ok(0..size)
            } else {
                Err(RangeError)
            };
        }
        let mut start: u64 = 0;
        for (index, part) in (1..=PartNumber::MAX).zip(parts.iter()) {
            let end = start.saturating_add(part);
            if index == number {
                return Ok(start..end);
            }
            start = end;
        }
        Err(RangeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_clamped_to_the_object() {
        let resolve = |raw: &str| RangeSpec::parse(raw).map(|r| r.resolve(10));
        assert_eq!(resolve("bytes=0-0"), Some(Ok(0..1)));
        assert_eq!(resolve("bytes=3-"), Some(Ok(3..10)));
        assert_eq!(resolve("bytes=-4"), Some(Ok(6..10)));
        assert_eq!(resolve("bytes=-40"), Some(Ok(0..10)));
        assert_eq!(resolve("bytes=5-99999999999999999999999"), Some(Ok(5..10)));
    }

    #[test]
    fn a_range_behind_the_end_is_an_error_and_an_odd_one_is_ignored() {
        let resolve = |raw: &str| RangeSpec::parse(raw).map(|r| r.resolve(10));
        assert_eq!(resolve("bytes=10-"), Some(Err(RangeError)));
        assert_eq!(resolve("bytes=-0"), Some(Err(RangeError)));
        for odd in [
            "bytes=5-3",
            "bytes=-",
            "lines=1-2",
            "bytes=0-1,3-4",
            "bytes=a-b",
            "bytes=+1-2",
        ] {
            assert_eq!(resolve(odd), None, "{odd}");
        }
        assert_eq!(RangeSpec::From(0).resolve(0), Err(RangeError));
        assert_eq!(RangeSpec::Suffix(0).resolve(0), Err(RangeError));
        assert_eq!(RangeSpec::Suffix(5).resolve(0), Ok(0..0));
    }

    proptest! {
        #[test]
        fn a_resolved_range_of_something_is_not_empty_and_lies_within_the_object(raw in "bytes=[0-9]{0,20}-[0-9]{0,20}", size: u64) {
            if let Some(Ok(range)) = RangeSpec::parse(&raw).map(|r| r.resolve(size)) {
                prop_assert!(range.start < range.end || size == 0);
                prop_assert!(range.end <= size);
            }
        }
    }

    #[test]
    fn a_part_lies_behind_those_before_it() {
        let parts: PartSizes = [5, 5, 2].into_iter().collect();
        let part = |number, parts: &PartSizes| {
            let number = PartNumber::new(number).unwrap();
            Section::Part(number).resolve(12, parts)
        };
        assert_eq!(part(1, &parts), Ok(0..5));
        assert_eq!(part(3, &parts), Ok(10..12));
        assert_eq!(part(4, &parts), Err(RangeError));
        let one_piece = PartSizes::default();
        assert_eq!(part(1, &one_piece), Ok(0..12));
        assert_eq!(part(2, &one_piece), Err(RangeError));
    }
}
