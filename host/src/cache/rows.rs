//! Values of the model as columns, and back.

use crate::model::{ETag, Metadata, PartSizes};
use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, Value, ValueRef};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::str::FromStr;

/// The value is none that this database may hold.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unfit(pub(super) &'static str);

/// Text that is parsed into a type of the model when it is read.
pub(super) struct Parsed<T>(pub(super) T);

impl<T: FromStr<Err: std::error::Error + Send + Sync + 'static>> FromSql for Parsed<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let parsed = value.as_str()?.parse().map_err(FromSqlError::other)?;
        Ok(Self(parsed))
    }
}

/// A number without a sign. `SQLite`'s integers have 63 bits and a sign.
pub(super) struct UnsignedColumn(pub(super) u64);

impl ToSql for UnsignedColumn {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let size = i64::try_from(self.0)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(size.into())
    }
}

impl FromSql for UnsignedColumn {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let size = value.as_i64()?;
        let size = u64::try_from(size).map_err(|_| FromSqlError::OutOfRange(size))?;
        Ok(Self(size))
    }
}

/// The two columns of an entity tag: digest and number of parts.
pub(super) fn etag_columns(
    etag: Option<&ETag>,
) -> rusqlite::Result<(Option<&[u8; 16]>, Option<u16>)> {
    match etag {
        None => Ok((None, None)),
        Some(ETag::Md5(digest)) => Ok((Some(digest), None)),
        Some(ETag::Multipart { digest, parts }) => Ok((Some(digest), Some(parts.get()))),
        Some(ETag::Opaque(_)) => Err(rusqlite::Error::ToSqlConversionFailure(Box::new(Unfit(
            "an ETag that is no digest is not remembered",
        )))),
    }
}

/// The tag that these two columns hold.
pub(super) fn etag(digest: [u8; 16], parts: Option<std::num::NonZeroU16>) -> ETag {
    match parts {
        None => ETag::Md5(digest),
        Some(parts) => ETag::Multipart { digest, parts },
    }
}

/// Sizes of parts as a blob: for each run its count and its size, both in LEB128.
pub(super) struct PartSizesColumn<T>(pub(super) T);

impl ToSql for PartSizesColumn<&PartSizes> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        if self.0.is_empty() {
            return Ok(ToSqlOutput::Owned(Value::Null));
        }
        let mut blob = Vec::with_capacity(self.0.runs().len() * 6);
        for &(count, size) in self.0.runs() {
            push_number(&mut blob, count.into());
            push_number(&mut blob, size);
        }
        Ok(ToSqlOutput::Owned(Value::Blob(blob)))
    }
}

impl FromSql for PartSizesColumn<PartSizes> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let mut sizes = PartSizes::default();
        let mut blob = value.as_blob_or_null()?.unwrap_or_default();
        // An ETag cannot count more parts than that, so a damaged blob cannot cost more either.
        let mut room = u64::from(u16::MAX);
        while !blob.is_empty() {
            let run = (take_number(&mut blob), take_number(&mut blob));
            let (Some(count), Some(size)) = run else {
                return Err(FromSqlError::other(Unfit("sizes of parts are cut off")));
            };
            room = room
                .checked_sub(count)
                .ok_or_else(|| FromSqlError::other(Unfit("sizes of too many parts")))?;
            (0..count).for_each(|_| sizes.push(size));
        }
        Ok(Self(sizes))
    }
}

/// Seven bits a byte, low ones first; the high bit says that more follow.
fn push_number(blob: &mut Vec<u8>, mut number: u64) {
    while let Some(high) = (number >> 7 != 0).then_some(number >> 7) {
        blob.push((number & 0x7f) as u8 | 0x80);
        number = high;
    }
    blob.push((number & 0x7f) as u8);
}

/// `None` when the bytes end too early or the number has more than 64 bits.
fn take_number(blob: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = blob.split_first()?;
        *blob = rest;
        let bits = u64::from(byte & 0x7f);
        if (bits << shift) >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// MD5s of parts, one behind the other.
pub(super) struct PartMd5sColumn<T>(pub(super) T);

impl ToSql for PartMd5sColumn<&[[u8; 16]]> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            [] => ToSqlOutput::Owned(Value::Null),
            md5s => ToSqlOutput::Borrowed(ValueRef::Blob(md5s.as_flattened())),
        })
    }
}

impl FromSql for PartMd5sColumn<Vec<[u8; 16]>> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let blob = value.as_blob_or_null()?.unwrap_or_default();
        let (md5s, rest) = blob.as_chunks();
        if !rest.is_empty() {
            return Err(FromSqlError::other(Unfit("MD5s of parts are cut off")));
        }
        Ok(Self(md5s.to_vec()))
    }
}

/// All headers but the content type, which has a column of its own.
pub(super) struct HeadersColumn<T>(pub(super) T);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Headers<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_control: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_disposition: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_encoding: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_language: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<Cow<'a, str>>,
    // Pairs, not an object: their order is kept, and a name may come twice.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    user: Cow<'a, [(String, String)]>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    tags: Cow<'a, [(String, String)]>,
}

impl ToSql for HeadersColumn<&Metadata> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let Metadata {
            content_type: _,
            cache_control,
            content_disposition,
            content_encoding,
            content_language,
            expires,
            user,
            tags,
        } = self.0;
        let system = [
            cache_control,
            content_disposition,
            content_encoding,
            content_language,
            expires,
        ];
        if user.is_empty() && tags.is_empty() && system.iter().all(|header| header.is_none()) {
            return Ok(ToSqlOutput::Owned(Value::Null));
        }
        let headers = Headers {
            cache_control: cache_control.as_deref().map(Cow::Borrowed),
            content_disposition: content_disposition.as_deref().map(Cow::Borrowed),
            content_encoding: content_encoding.as_deref().map(Cow::Borrowed),
            content_language: content_language.as_deref().map(Cow::Borrowed),
            expires: expires.as_deref().map(Cow::Borrowed),
            user: Cow::Borrowed(user),
            tags: Cow::Borrowed(tags),
        };
        let json = serde_json::to_string(&headers)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(ToSqlOutput::Owned(Value::Text(json)))
    }
}

impl FromSql for HeadersColumn<Metadata> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let Some(json) = value.as_str_or_null()? else {
            return Ok(Self(Metadata::default()));
        };
        let headers: Headers<'_> = serde_json::from_str(json).map_err(FromSqlError::other)?;
        Ok(Self(Metadata {
            content_type: None,
            cache_control: headers.cache_control.map(Cow::into_owned),
            content_disposition: headers.content_disposition.map(Cow::into_owned),
            content_encoding: headers.content_encoding.map(Cow::into_owned),
            content_language: headers.content_language.map(Cow::into_owned),
            expires: headers.expires.map(Cow::into_owned),
            user: headers.user.into_owned(),
            tags: headers.tags.into_owned(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What comes back out of a column that `value` went into.
    fn through<T: FromSql>(value: &impl ToSql) -> FromSqlResult<T> {
        match value.to_sql().expect("fits a column") {
            ToSqlOutput::Borrowed(value) => T::column_result(value),
            ToSqlOutput::Owned(value) => T::column_result((&value).into()),
            _ => Err(FromSqlError::InvalidType),
        }
    }

    fn read_sizes(blob: &[u8]) -> FromSqlResult<PartSizes> {
        PartSizesColumn::column_result(ValueRef::Blob(blob)).map(|PartSizesColumn(sizes)| sizes)
    }

    proptest! {
        #[test]
        fn part_sizes_survive_their_column(
            runs in prop::collection::vec((1usize..200, any::<u64>()), 0..50)
        ) {
            let sizes: PartSizes = runs
                .into_iter()
                .flat_map(|(count, size)| std::iter::repeat_n(size, count))
                .collect();
            let PartSizesColumn(read) = through(&PartSizesColumn(&sizes)).unwrap();
            prop_assert_eq!(read, sizes);
        }

        #[test]
        fn no_blob_makes_the_reader_of_part_sizes_panic_or_run_away(blob: Vec<u8>) {
            if let Ok(sizes) = read_sizes(&blob) {
                prop_assert!(u16::try_from(sizes.iter().count()).is_ok());
            }
        }

        #[test]
        fn headers_survive_their_column(
            system in prop::collection::vec(any::<Option<String>>(), 5),
            user: Vec<(String, String)>,
            tags: Vec<(String, String)>,
        ) {
            let mut system = system.into_iter().flatten();
            let metadata = Metadata {
                content_type: None,
                cache_control: system.next(),
                content_disposition: system.next(),
                content_encoding: system.next(),
                content_language: system.next(),
                expires: system.next(),
                user,
                tags,
            };
            let HeadersColumn(read) = through(&HeadersColumn(&metadata)).unwrap();
            prop_assert_eq!(read, metadata);
        }

        #[test]
        fn part_md5s_survive_their_column(md5s: Vec<[u8; 16]>) {
            let PartMd5sColumn(read) = through(&PartMd5sColumn(md5s.as_slice())).unwrap();
            prop_assert_eq!(read, md5s);
        }
    }

    #[test]
    fn ten_thousand_equal_parts_cost_a_few_bytes() {
        let sizes: PartSizes = std::iter::repeat_n(8 << 20, 10_000).collect();
        let column = PartSizesColumn(&sizes);
        let Ok(ToSqlOutput::Owned(Value::Blob(blob))) = column.to_sql() else {
            panic!("not a blob");
        };
        assert_eq!(blob.len(), 6);
    }

    #[test]
    fn a_damaged_blob_of_part_sizes_is_an_error() {
        for blob in [
            &[1][..],                                                      // a count without a size
            &[1, 0x80],          // a number without its end
            &[0xff, 0xff, 4, 1], // 81,919 parts
            &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], // 65 bits
        ] {
            assert!(read_sizes(blob).is_err(), "{blob:?}");
        }
    }

    #[test]
    fn an_object_without_headers_has_no_json() {
        let metadata = Metadata {
            content_type: Some("text/plain".to_owned()),
            ..Metadata::default()
        };
        assert_eq!(
            HeadersColumn(&metadata).to_sql().unwrap(),
            ToSqlOutput::Owned(Value::Null)
        );
    }
}
