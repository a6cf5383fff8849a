//! Uploads in parts.

use std::fmt;
use std::str::FromStr;

/// The gateway's name of a multipart upload, as clients see it: `[0-9A-Za-z_-]`, 1 to 128 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(Box<str>);

impl UploadId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text cannot be an upload id of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an upload id")]
pub struct UploadIdError;

impl FromStr for UploadId {
    type Err = UploadIdError;

    fn from_str(raw: &str) -> Result<Self, UploadIdError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if (1..=128).contains(&raw.len()) && raw.bytes().all(legal) {
            Ok(Self(raw.into()))
        } else {
            Err(UploadIdError)
        }
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// 1 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartNumber(u16);

impl PartNumber {
    /// The highest part number.
    pub const MAX: u16 = 10_000;

    /// `None` unless 1 to 10,000.
    pub fn new(number: u32) -> Option<Self> {
        let number = u16::try_from(number).ok()?;
        (1..=Self::MAX).contains(&number).then_some(Self(number))
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Sizes of the parts that an object was made of, in order, as runs of equal sizes (so that
/// 10,000 equal parts cost a few bytes). Empty for an object that was put in one piece.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartSizes(Vec<(u16, u64)>);

impl PartSizes {
    /// Appends one part of `size` bytes.
    pub fn push(&mut self, size: u64) {
        match self.0.last_mut() {
            Some((count, last)) if *last == size && *count < u16::MAX => *count += 1,
            _ => self.0.push((1, size)),
        }
    }

    /// Runs of (how many parts, bytes of each).
    pub fn runs(&self) -> &[(u16, u64)] {
        &self.0
    }

    /// The size of each part, in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + Clone + '_ {
        self.0
            .iter()
            .flat_map(|&(count, size)| std::iter::repeat_n(size, count.into()))
    }

    /// How many parts.
    pub fn count(&self) -> u16 {
        let runs = self.0.iter();
        runs.fold(0, |sum, &(count, _)| sum.saturating_add(count))
    }

    /// No parts: the object was put in one piece.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<u64> for PartSizes {
    fn from_iter<I: IntoIterator<Item = u64>>(sizes: I) -> Self {
        let mut all = Self::default();
        sizes.into_iter().for_each(|size| all.push(size));
        all
    }
}
