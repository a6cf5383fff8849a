//! Checksums as columns, and back.

use super::rows::Unfit;
use crate::model::{Checksum, ChecksumAlgorithm, ChecksumPlan, ChecksumType, ObjectChecksum};
use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, Value, ValueRef};
use std::num::NonZeroU16;

/// Added to the code of an algorithm when the checksum is made of those of parts.
const COMPOSITE: u8 = 0x80;

fn code(algorithm: ChecksumAlgorithm) -> u8 {
    match algorithm {
        ChecksumAlgorithm::Crc32 => 1,
        ChecksumAlgorithm::Crc32c => 2,
        ChecksumAlgorithm::Crc64Nvme => 3,
        ChecksumAlgorithm::Sha1 => 4,
        ChecksumAlgorithm::Sha256 => 5,
    }
}

fn algorithm(found: u8) -> FromSqlResult<ChecksumAlgorithm> {
    let all = ChecksumAlgorithm::ALL.into_iter();
    let mut same = all.filter(|algorithm| code(*algorithm) == found);
    same.next().ok_or_else(unfit)
}

fn unfit() -> FromSqlError {
    FromSqlError::other(Unfit("a checksum is damaged"))
}

fn blob(code: u8, values: &[&Checksum]) -> ToSqlOutput<'static> {
    let values = values.iter().flat_map(|sum| sum.value());
    ToSqlOutput::Owned(Value::Blob(
        std::iter::once(&code).chain(values).copied().collect(),
    ))
}

/// The checksum of a part.
pub(super) struct ChecksumColumn<T>(pub(super) T);

impl ToSql for ChecksumColumn<Option<&Checksum>> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            None => ToSqlOutput::Owned(Value::Null),
            Some(sum) => blob(code(sum.algorithm()), &[sum]),
        })
    }
}

impl FromSql for ChecksumColumn<Option<Checksum>> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let Some(blob) = value.as_blob_or_null()? else {
            return Ok(Self(None));
        };
        let (&code, value) = blob.split_first().ok_or_else(unfit)?;
        let sum = Checksum::new(algorithm(code)?, value).ok_or_else(unfit)?;
        Ok(Self(Some(sum)))
    }
}

impl ToSql for ChecksumColumn<Option<&ObjectChecksum>> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let Some(ObjectChecksum { sum, parts }) = self.0 else {
            return Ok(ToSqlOutput::Owned(Value::Null));
        };
        let kind = if parts.is_some() { COMPOSITE } else { 0 };
        Ok(blob(code(sum.algorithm()) | kind, &[sum]))
    }
}

/// The checksum of an object, whose parts are counted in another column.
pub(super) fn of_object(
    value: ValueRef<'_>,
    parts: Option<NonZeroU16>,
) -> FromSqlResult<Option<ObjectChecksum>> {
    let Some(blob) = value.as_blob_or_null()? else {
        return Ok(None);
    };
    let (&code, value) = blob.split_first().ok_or_else(unfit)?;
    let sum = Checksum::new(algorithm(code & !COMPOSITE)?, value).ok_or_else(unfit)?;
    let parts = match code & COMPOSITE {
        0 => None,
        _ => Some(parts.ok_or_else(unfit)?),
    };
    Ok(Some(ObjectChecksum { sum, parts }))
}

/// Checksums of parts, which have one algorithm.
pub(super) struct PartChecksumsColumn<T>(pub(super) T);

impl ToSql for PartChecksumsColumn<&[Checksum]> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let Some(first) = self.0.first() else {
            return Ok(ToSqlOutput::Owned(Value::Null));
        };
        let all: Vec<&Checksum> = self.0.iter().collect();
        if all.iter().any(|sum| sum.algorithm() != first.algorithm()) {
            let mixed = Unfit("checksums of parts have different algorithms");
            return Err(rusqlite::Error::ToSqlConversionFailure(mixed.into()));
        }
        Ok(blob(code(first.algorithm()), &all))
    }
}

impl FromSql for PartChecksumsColumn<Vec<Checksum>> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let Some(blob) = value.as_blob_or_null()? else {
            return Ok(Self(Vec::new()));
        };
        let (&code, values) = blob.split_first().ok_or_else(unfit)?;
        let algorithm = algorithm(code)?;
        let values = values.chunks(algorithm.length());
        let sums = values.map(|value| Checksum::new(algorithm, value).ok_or_else(unfit));
        sums.collect::<FromSqlResult<_>>().map(Self)
    }
}

/// What an upload wishes for.
pub(super) struct PlanColumn(pub(super) Option<ChecksumPlan>);

impl ToSql for PlanColumn {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            None => ToSqlOutput::Owned(Value::Null),
            Some(ChecksumPlan { algorithm, kind }) => {
                let kind = match kind {
                    ChecksumType::Composite => COMPOSITE,
                    ChecksumType::FullObject => 0,
                };
                ToSqlOutput::Owned(Value::Integer((code(algorithm) | kind).into()))
            }
        })
    }
}

impl FromSql for PlanColumn {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let Some(code) = value.as_i64_or_null()? else {
            return Ok(Self(None));
        };
        let code = u8::try_from(code).map_err(|_| unfit())?;
        let kind = match code & COMPOSITE {
            0 => ChecksumType::FullObject,
            _ => ChecksumType::Composite,
        };
        let algorithm = algorithm(code & !COMPOSITE)?;
        Ok(Self(Some(ChecksumPlan { algorithm, kind })))
    }
}
