//! All SQL but the schema. Each function is one step of work on an open connection; whoever
//! calls it decides about transactions.

mod in_order;
mod index;
mod maintain;
mod objects;
mod portable;
mod settings;
mod uploads;

pub(super) use in_order::*;
pub(super) use index::*;
pub(super) use maintain::*;
pub(super) use objects::*;
pub(super) use portable::*;
pub(super) use settings::*;
pub(super) use uploads::*;

use super::rows::UnsignedColumn;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;

/// A bucket's number in the database: a foreign key of most tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BucketNo(pub(super) i64);

/// A namespace's number in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct NamespaceNo(pub(super) i64);

/// The numbers of a bucket: of its own rows, and of those that were imported from an older
/// database and may be about this bucket or one of the same name.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Numbers {
    pub(super) own: Option<BucketNo>,
    pub(super) imported: Option<BucketNo>,
}

/// Makes or finds a namespace and gives it this label; the inner error is the other component
/// that it is bound to.
pub(super) fn bind_namespace(
    db: &Connection,
    name: &str,
    component: &str,
    label: Option<u64>,
) -> rusqlite::Result<Result<NamespaceNo, String>> {
    let bound = db
        .query_row(
            "INSERT INTO namespaces (name, component, label) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET label = excluded.label
             WHERE component = excluded.component
             RETURNING namespace_id",
            params![name, component, label.map(UnsignedColumn)],
            |row| row.get(0).map(NamespaceNo),
        )
        .optional()?;
    match bound {
        Some(number) => Ok(Ok(number)),
        None => db
            .query_row(
                "SELECT component FROM namespaces WHERE name = ?1",
                [name],
                |row| row.get(0),
            )
            .map(Err),
    }
}

/// Buckets with imported rows that may be about this store, by name. They are complete before
/// the database is open.
pub(super) fn imported_buckets(
    db: &Connection,
    component: &str,
    label: Option<u64>,
) -> rusqlite::Result<HashMap<Box<str>, BucketNo>> {
    db.prepare(
        "SELECT buckets.name, bucket_id FROM namespaces JOIN buckets USING (namespace_id)
         WHERE imported AND component = ?1 AND coalesce(label, 0) = coalesce(?2, 0)",
    )?
    .query_map(params![component, label.map(UnsignedColumn)], |row| {
        Ok((row.get(0)?, BucketNo(row.get(1)?)))
    })?
    .collect()
}

/// A bucket that has a number.
pub(super) fn find_bucket(
    db: &Connection,
    namespace: NamespaceNo,
    name: &str,
) -> rusqlite::Result<Option<BucketNo>> {
    db.prepare_cached("SELECT bucket_id FROM buckets WHERE namespace_id = ?1 AND name = ?2")?
        .query_row(params![namespace.0, name], |row| row.get(0).map(BucketNo))
        .optional()
}

/// Gives a bucket a number, unless it has one.
pub(super) fn intern_bucket(
    db: &Connection,
    namespace: NamespaceNo,
    name: &str,
) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR IGNORE INTO buckets (namespace_id, name) VALUES (?1, ?2)")?
        .execute(params![namespace.0, name])?;
    Ok(())
}
