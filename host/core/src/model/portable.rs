//! What is known about an object as a short text, for storages that keep a comment with it.
//!
//! `pys3local:1;s=1200;v=7f0c…;e=9b8f…;t=text/plain;z=cbf43926`: fields in ASCII without white
//! space, `;` between them.
//!
//! | field | is |
//! |---|---|
//! | `s` | bytes of the object |
//! | `v` | a digest of the version, which is the storage's own name of the content |
//! | `e` | the ETag: an MD5, or that of an upload in parts |
//! | `p` | bytes of the parts: `8388608*5,77` |
//! | `c` | a checksum: `CRC64NVME:`, and its value as S3 prints it |
//! | `t` | the content type |
//! | `cc` `cd` `ce` `cl` `ex` | `Cache-Control`, `Content-Disposition`, `-Encoding`, `-Language`, `Expires` |
//! | `u.NAME` | user metadata |
//! | `g.NAME` | a tag |
//! | `z` | CRC-32 of all before it: a text that was cut or edited says nothing |
//!
//! Everything else that a person may have written is no such text. One of ours counts behind the
//! words of a person, too, if white space comes between.

use super::{Checksum, ChecksumAlgorithm, ETag, Metadata, ObjectChecksum, PartNumber, PartSizes};
use md5::{Digest, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt::Write as _;
use std::num::NonZeroU16;

const MARK: &str = "pys3local:1;";
const END: &str = ";z=";

/// What stands for itself in names and values.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'/')
    .remove(b':')
    .remove(b',')
    .remove(b'*')
    .remove(b'+')
    .remove(b'@')
    .remove(b'(')
    .remove(b')')
    .remove(b'~');

/// What such a text tells about one state of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portable {
    /// Bytes.
    pub size: u64,
    /// An MD5 or the tag of an upload in parts, never [`ETag::Opaque`].
    pub etag: ETag,
    /// For an object that was put in parts, if they are told.
    pub part_sizes: PartSizes,
    /// Of the bytes, if it is told.
    pub checksum: Option<ObjectChecksum>,
    /// What the client said.
    pub metadata: Metadata,
}

/// How much of it a text has. Each has less than the one before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Extent {
    Bare,
    WithType,
    WithHeaders,
    WithUserMetadata,
    WithTags,
    WithParts,
    Whole,
}

impl Extent {
    const ALL: [Self; 7] = [
        Self::Whole,
        Self::WithParts,
        Self::WithTags,
        Self::WithUserMetadata,
        Self::WithHeaders,
        Self::WithType,
        Self::Bare,
    ];
}

impl Portable {
    /// Texts of at most `limit` bytes for the state with this version: the one that tells all
    /// comes first, the one with nothing but the ETag last.
    pub fn texts(&self, version: &str, limit: usize) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        for extent in Extent::ALL {
            let text = self.text(version, extent);
            let is_new = texts.last().is_none_or(|last| *last != text);
            // A text that nobody would believe (of metadata with odd characters) is of no use.
            if is_new && text.len() <= limit && Self::read(&text, version, self.size).is_some() {
                texts.push(text);
            }
        }
        texts
    }

    fn text(&self, version: &str, extent: Extent) -> String {
        let mut text = format!("{MARK}s={}", self.size);
        // Writing to a String cannot fail.
        if let Some(version) = digest(version) {
            let _ = write!(text, ";v={version}");
        }
        let _ = write!(text, ";e={}", self.etag);
        if extent >= Extent::WithParts && !self.part_sizes.is_empty() {
            let _ = write!(text, ";p={}", runs(&self.part_sizes));
        }
        if extent >= Extent::Whole
            && let Some(checksum) = &self.checksum
        {
            let _ = write!(text, ";c={}:{checksum}", checksum.sum.algorithm().name());
        }
        let metadata = &self.metadata;
        let mut say = |least: Extent, name: &str, value: Option<&str>| {
            if let (true, Some(value)) = (extent >= least, value) {
                let _ = write!(text, ";{name}={}", utf8_percent_encode(value, PLAIN));
            }
        };
        say(Extent::WithType, "t", metadata.content_type.as_deref());
        for (name, value) in headers(metadata) {
            say(Extent::WithHeaders, name, value.as_deref());
        }
        for (least, kind, pairs) in [
            (Extent::WithUserMetadata, 'u', &metadata.user),
            (Extent::WithTags, 'g', &metadata.tags),
        ] {
            for (name, value) in pairs {
                let name = format!("{kind}.{}", utf8_percent_encode(name, PLAIN));
                say(least, &name, Some(value));
            }
        }
        let sum = sum(&text);
        text + END + &sum
    }

    /// Whether this is, or ends in, a text of this form, about whatever object.
    pub fn is_one(text: &str) -> bool {
        fields(text).is_some()
    }

    /// Reads a text that was found with an object; `None` unless it is about the very state with
    /// this version and size.
    pub fn read(text: &str, version: &str, size: u64) -> Option<Self> {
        let mut found = Self {
            size,
            etag: ETag::Opaque(Box::default()),
            part_sizes: PartSizes::default(),
            checksum: None,
            metadata: Metadata::default(),
        };
        let (mut of_size, mut of_version) = (None, None);
        for field in fields(text)?.split(';') {
            let (name, raw) = field.split_once('=')?;
            match name {
                "s" => of_size = Some(raw.parse::<u64>().ok()?),
                "v" => of_version = Some(raw.to_owned()),
                "e" => found.etag = ETag::parse(raw)?,
                "p" => found.part_sizes = part_sizes(raw)?,
                "c" => found.checksum = Some(checksum(raw)?),
                _ => found.metadata.take(name, raw)?,
            }
        }
        let about_this = of_size == Some(size) && of_version == digest(version);
        let in_parts = match found.etag {
            ETag::Opaque(_) => return None,
            ETag::Md5(_) => None,
            ETag::Multipart { parts, .. } => Some(parts),
        };
        let parts_fit = found.part_sizes.is_empty()
            || in_parts.map(NonZeroU16::get) == Some(found.part_sizes.count())
                && found.part_sizes.iter().try_fold(0u64, u64::checked_add) == Some(size);
        let composite = found.checksum.as_ref().and_then(|sum| sum.parts);
        let sum_fits = composite.is_none() || composite == in_parts;
        (about_this && parts_fit && sum_fits).then_some(found)
    }
}

/// The fields of the text that `text` is or ends in, if none of it was cut or changed.
fn fields(text: &str) -> Option<&str> {
    let (before, ours) = text.split_at_checked(text.rfind(MARK)?)?;
    if before.ends_with(|c: char| !c.is_whitespace()) {
        return None;
    }
    let ours = ours.split(char::is_whitespace).next()?;
    let (said, told) = ours.rsplit_once(END)?;
    (told == sum(said)).then(|| said.strip_prefix(MARK))?
}

fn sum(text: &str) -> String {
    hex::encode(Checksum::of(ChecksumAlgorithm::Crc32, text.as_bytes()).value())
}

/// Long enough to tell the contents of one object, which share nothing but its name, apart.
fn digest(version: &str) -> Option<String> {
    let digest = Md5::digest(version.as_bytes());
    let short = digest.get(..8).filter(|_| !version.is_empty())?;
    Some(hex::encode(short))
}

fn runs(sizes: &PartSizes) -> String {
    let runs = sizes.runs().iter().map(|(count, size)| match count {
        1 => size.to_string(),
        _ => format!("{size}*{count}"),
    });
    runs.collect::<Vec<_>>().join(",")
}

fn part_sizes(raw: &str) -> Option<PartSizes> {
    let mut sizes = PartSizes::default();
    let mut room = PartNumber::MAX;
    for run in raw.split(',') {
        let (size, count) = run.split_once('*').unwrap_or((run, "1"));
        let (size, count) = (size.parse().ok()?, count.parse().ok()?);
        room = room.checked_sub(count)?;
        (0..count).for_each(|_| sizes.push(size));
    }
    Some(sizes)
}

fn checksum(raw: &str) -> Option<ObjectChecksum> {
    let (name, value) = raw.split_once(':')?;
    let (value, parts) = match value.split_once('-') {
        Some((value, parts)) => (value, Some(parts.parse().ok()?)),
        None => (value, None),
    };
    let sum = Checksum::parse(ChecksumAlgorithm::from_name(name)?, value)?;
    Some(ObjectChecksum { sum, parts })
}

fn headers(metadata: &Metadata) -> [(&'static str, &Option<String>); 5] {
    [
        ("cc", &metadata.cache_control),
        ("cd", &metadata.content_disposition),
        ("ce", &metadata.content_encoding),
        ("cl", &metadata.content_language),
        ("ex", &metadata.expires),
    ]
}

impl Metadata {
    /// Takes one field in. One that later versions of the program may add is passed over; `None`
    /// for what no client can have said.
    fn take(&mut self, name: &str, raw: &str) -> Option<()> {
        let value = plain(raw)?;
        let place = match name {
            "t" => &mut self.content_type,
            "cc" => &mut self.cache_control,
            "cd" => &mut self.content_disposition,
            "ce" => &mut self.content_encoding,
            "cl" => &mut self.content_language,
            "ex" => &mut self.expires,
            _ => {
                if let Some(name) = name.strip_prefix("u.") {
                    let name = plain(name).filter(|name| is_name(name))?;
                    self.user.push((name, value));
                } else if let Some(name) = name.strip_prefix("g.") {
                    self.tags.push((plain(name)?, value));
                }
                return Some(());
            }
        };
        *place = Some(value);
        Some(())
    }
}

/// The text that was encoded, if an answer can carry it.
fn plain(raw: &str) -> Option<String> {
    let text = percent_decode_str(raw).decode_utf8().ok()?;
    (!text.chars().any(char::is_control)).then(|| text.into_owned())
}

/// Whether it can be a part of a header's name.
fn is_name(name: &str) -> bool {
    let is_token = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
    };
    !name.is_empty() && name.bytes().all(is_token)
}

#[cfg(test)]
mod tests;
