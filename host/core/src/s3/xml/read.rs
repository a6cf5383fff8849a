//! The documents that clients send.

use crate::model::{Checksum, ETag, NamedPart, PartNumber};
use crate::s3::checksums;
use crate::s3::tags::Tags;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

/// The document is not what the operation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Not well-formed, another root element, something missing, or too many of something.
    #[error("malformed document: {0}")]
    Malformed(&'static str),
    /// A list of no parts.
    #[error("no part")]
    NoParts,
    /// A number of a part outside of 1 to 10,000.
    #[error("not a part number")]
    PartNumber,
}

/// Most parts of one upload.
const MAX_PARTS: usize = 10_000;
/// Most keys of one DeleteObjects.
const MAX_KEYS: usize = 1000;
/// No document of S3 nests deeper than four elements; the rest is room for unknown ones.
const MAX_DEPTH: usize = 16;

/// `Delete`.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Delete {
    /// Only failures are to be reported.
    pub quiet: bool,
    /// What to delete, in order.
    pub objects: Vec<DeleteEntry>,
}

/// One object to delete.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DeleteEntry {
    /// Its key, exactly as sent.
    pub key: String,
    /// `VersionId`, if there is one.
    pub version: Option<String>,
    /// It is to be deleted only with this tag.
    pub etag: Option<String>,
    /// It is to be deleted only in another state (`LastModifiedTime`, `Size`).
    pub conditional: bool,
}

/// Reads `Delete`: 1 to 1000 objects.
pub fn delete(document: &[u8]) -> Result<Delete, XmlError> {
    let mut delete = Delete::default();
    let mut entry = DeleteEntry::default();
    walk(document, "Delete", |path, text| {
        match path {
            ["Quiet"] => delete.quiet = text.trim().eq_ignore_ascii_case("true"),
            ["Object", "Key"] => entry.key = text,
            ["Object", "VersionId"] => {
                entry.version = Some(text).filter(|version| !version.is_empty());
            }
            ["Object", "ETag"] => entry.etag = Some(text),
            ["Object", "LastModifiedTime" | "Size"] => entry.conditional = true,
            ["Object"] => {
                if entry.key.is_empty() {
                    return Err(XmlError::Malformed("an object without key"));
                }
                if delete.objects.len() == MAX_KEYS {
                    return Err(XmlError::Malformed("too many keys"));
                }
                delete.objects.push(std::mem::take(&mut entry));
            }
            _ => {}
        }
        Ok(())
    })?;
    if delete.objects.is_empty() {
        return Err(XmlError::Malformed("no object"));
    }
    Ok(delete)
}

/// Reads `CompleteMultipartUpload`: 1 to 10,000 parts in the client's order.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
pub fn complete_upload(document: &[u8]) -> Result<Vec<NamedPart>, XmlError> {
    if document.trim_ascii().is_empty() {
        return Err(XmlError::NoParts);
    }
    let mut parts = Vec::new();
    let mut number = None;
    let mut etag = None;
    let mut checksum = None;
    walk(document, "CompleteMultipartUpload", |path, text| {
        match path {
            ["Part", "PartNumber"] => {
                let parsed = text.trim().parse().ok().and_then(PartNumber::new);
                number = Some(parsed.ok_or(XmlError::PartNumber)?);
            }
            ["Part", "ETag"] => etag = ETag::parse(&text),
            ["Part", name] => {
                if let Some(algorithm) = checksums::from_element(name) {
                    let sum = Checksum::parse(algorithm, text.trim());
                    checksum = Some(sum.ok_or(XmlError::Malformed("not a checksum"))?);
                } else if name.starts_with("Checksum") {
                    // Nobody could verify it.
                    return Err(XmlError::Malformed("an unknown checksum"));
                }
            }
            ["Part"] => {
                let (Some(number), Some(etag)) = (number.take(), etag.take()) else {
                    return Err(XmlError::Malformed("a part without number or tag"));
                };
                if parts.len() == MAX_PARTS {
                    return Err(XmlError::Malformed("too many parts"));
                }
                parts.push(NamedPart {
                    number,
                    etag,
                    checksum: checksum.take(),
                });
            }
            _ => {}
        }
        Ok(())
    })?;
    if parts.is_empty() {
        return Err(XmlError::NoParts);
    }
    Ok(parts)
}

/// Reads `Tagging`: tags in the client's order, whose rules are not checked here.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html>
pub fn tagging(document: &[u8]) -> Result<Tags, XmlError> {
    let mut tags = TagReader::default();
    let mut is_set = false;
    walk(document, "Tagging", |path, text| {
        match path {
            ["TagSet", inner @ ..] if !inner.is_empty() => tags.leave(inner, text)?,
            ["TagSet"] => is_set = true,
            _ => {}
        }
        Ok(())
    })?;
    if is_set {
        Ok(tags.tags)
    } else {
        Err(XmlError::Malformed("no set of tags"))
    }
}

/// Collects elements `Tag`.
#[derive(Default)]
struct TagReader {
    tags: Tags,
    key: Option<String>,
    value: Option<String>,
}

impl TagReader {
    /// At the end of an element, named by its place in the set of tags.
    fn leave(&mut self, path: &[&str], text: String) -> Result<(), XmlError> {
        match path {
            ["Tag", "Key"] => self.key = Some(text),
            ["Tag", "Value"] => self.value = Some(text),
            ["Tag"] => {
                let (Some(key), Some(value)) = (self.key.take(), self.value.take()) else {
                    return Err(XmlError::Malformed("a tag without key or value"));
                };
                if self.tags.len() == MAX_KEYS {
                    return Err(XmlError::Malformed("too many tags"));
                }
                self.tags.push((key, value));
            }
            _ => {}
        }
        Ok(())
    }
}

/// `CreateBucketConfiguration`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct NewBucket {
    /// The region that the bucket shall be in, if the client names one.
    pub location: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// It shall be of another kind (`Bucket`, `Location`): a directory bucket in one zone.
    pub special: bool,
}

/// Reads `CreateBucketConfiguration`. The body may be empty.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>
pub fn create_bucket(document: &[u8]) -> Result<NewBucket, XmlError> {
    if document.trim_ascii().is_empty() {
        return Ok(NewBucket::default());
    }
    let (mut location, mut special) = (None, false);
    let mut tags = TagReader::default();
    walk(document, "CreateBucketConfiguration", |path, text| {
        match path {
            ["LocationConstraint"] => {
                location = Some(text.trim().to_owned()).filter(|name| !name.is_empty());
            }
            ["Tags", inner @ ..] => tags.leave(inner, text)?,
            ["Bucket" | "Location"] => special = true,
            _ => {}
        }
        Ok(())
    })?;
    let tags = tags.tags;
    Ok(NewBucket {
        location,
        tags,
        special,
    })
}

/// The texts of a document, each with the names on the way to it (`Rule/ObjectOwnership`).
pub fn leaves(document: &[u8], root: &str) -> Result<Vec<(String, String)>, XmlError> {
    let mut leaves = Vec::new();
    walk(document, root, |path, text| {
        let text = text.trim();
        if !text.is_empty() {
            leaves.push((path.join("/"), text.to_owned()));
        }
        Ok(())
    })?;
    Ok(leaves)
}

/// Calls `leave` at the end of every element below the root with the names on the way to it
/// (without prefixes: S3 takes any namespace or none) and the text directly in it.
pub(in crate::s3) fn walk(
    document: &[u8],
    root: &str,
    mut leave: impl FnMut(&[&str], String) -> Result<(), XmlError>,
) -> Result<(), XmlError> {
    let document = std::str::from_utf8(document).map_err(|_| XmlError::Malformed("not UTF-8"))?;
    let mut reader = Reader::from_str(document.strip_prefix('\u{feff}').unwrap_or(document));
    reader.config_mut().expand_empty_elements = true;

    let mut open: Vec<(String, String)> = Vec::new(); // name and text
    let mut complete = false;
    loop {
        let event = reader
            .read_event()
            .map_err(|_| XmlError::Malformed("not well-formed"))?;
        match event {
            Event::Start(tag) => {
                let name = tag.local_name().as_ref().to_owned();
                if complete || (open.is_empty() && name != root) {
                    return Err(XmlError::Malformed("another root element"));
                }
                if open.len() == MAX_DEPTH {
                    return Err(XmlError::Malformed("too deep"));
                }
                open.push((name, String::new()));
            }
            Event::End(_) => {
                // The reader has checked that an element was open.
                let Some((name, text)) = open.pop() else {
                    continue;
                };
                let outer = open.iter().skip(1).map(|(name, _)| name.as_str());
                let path: Vec<&str> = outer.chain([name.as_str()]).collect();
                if open.is_empty() {
                    complete = true;
                } else {
                    leave(&path, text)?;
                }
            }
            Event::Text(text) => append(&mut open, &text.xml10_content())?,
            Event::CData(text) => append(&mut open, &text.xml10_content())?,
            Event::GeneralRef(entity) => {
                let unknown = XmlError::Malformed("unknown entity");
                let mut buffer = [0; 4];
                let text = match entity.resolve_char_ref().map_err(|_| unknown)? {
                    Some(char) => char.encode_utf8(&mut buffer),
                    None => resolve_predefined_entity(&entity).ok_or(unknown)?,
                };
                append(&mut open, text)?;
            }
            // Entities of one's own are how a small document becomes a large one.
            Event::DocType(_) => return Err(XmlError::Malformed("a document type")),
            Event::Eof if complete => return Ok(()),
            Event::Eof => return Err(XmlError::Malformed("cut off")),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Empty(_) => {}
        }
    }
}

fn append(open: &mut [(String, String)], more: &str) -> Result<(), XmlError> {
    match open.last_mut() {
        Some((_, text)) => text.push_str(more),
        None if more.trim().is_empty() => {}
        None => return Err(XmlError::Malformed("text outside of the root element")),
    }
    Ok(())
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
