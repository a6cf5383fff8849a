//! What is written into the database, one by one or in a group.

use super::index::Change;
use super::queries::{self, BucketIndex, BucketNo, NamespaceNo, Run};
use crate::model::{BucketSetting, ObjectKey, Timestamp, UploadId};
use crate::service::index::tables;
use crate::service::ports::{Intent, Lesson, PartRow, Row, UploadRow};
use rusqlite::Connection;

/// Something to write.
pub(super) enum Write {
    InternBucket(NamespaceNo, Box<str>),
    Announce(BucketNo, ObjectKey, Intent),
    /// In which run the object is put into the queue of portable texts, if it is.
    Settle(BucketNo, ObjectKey, Row, Option<Run>),
    /// A row that may be [late](super::late).
    SettleLate(BucketNo, ObjectKey, Row),
    /// The rows of this bucket, and the number of imported ones of the same name.
    Learn(BucketNo, Option<BucketNo>, Vec<Lesson>),
    Withdraw(BucketNo, ObjectKey),
    Forget(BucketNo, Vec<ObjectKey>),
    CreateUpload(BucketNo, UploadRow),
    DeleteUpload(BucketNo, UploadId),
    PutPart(BucketNo, UploadId, PartRow),
    SetSetting(BucketNo, BucketSetting, Option<String>),
    ForgetSettings(BucketNo),
    PortableDone(Vec<i64>),
    PortableLater(Vec<i64>, Timestamp),
    /// A change of the index of this bucket; the number of imported rows of the same name.
    Index(BucketNo, Option<BucketNo>, Change),
    /// The same write, noted in the index of its bucket.
    Indexed(Box<Self>),
    /// Nothing but what is late.
    CatchUp,
}

impl Write {
    /// `false` when there was nothing to write to.
    pub(super) fn apply(&self, db: &Connection) -> rusqlite::Result<bool> {
        match self {
            Self::InternBucket(namespace, name) => queries::intern_bucket(db, *namespace, name),
            Self::Announce(bucket, key, intent) => {
                return queries::announce(db, *bucket, key, intent);
            }
            Self::Settle(bucket, key, row, portable) => {
                queries::settle(db, *bucket, key, row, *portable)
            }
            Self::SettleLate(bucket, key, row) => queries::settle_late(db, *bucket, key, row),
            Self::Learn(bucket, imported, lessons) => {
                return queries::learn(db, *bucket, *imported, lessons);
            }
            Self::Withdraw(bucket, key) => queries::withdraw(db, *bucket, key),
            Self::Forget(bucket, keys) => queries::forget(db, *bucket, keys),
            Self::CreateUpload(bucket, upload) => queries::create_upload(db, *bucket, upload),
            Self::DeleteUpload(bucket, id) => queries::delete_upload(db, *bucket, id),
            Self::PutPart(bucket, id, part) => return queries::put_part(db, *bucket, id, part),
            Self::SetSetting(bucket, setting, document) => {
                queries::set_setting(db, *bucket, *setting, document.as_deref())
            }
            Self::ForgetSettings(bucket) => queries::forget_settings(db, *bucket),
            Self::PortableDone(numbers) => queries::portable_done(db, numbers),
            Self::PortableLater(numbers, since) => queries::portable_later(db, numbers, *since),
            Self::Index(bucket, imported, change) => {
                change.apply(&BucketIndex::new(db, *bucket, *imported))
            }
            Self::Indexed(write) => {
                // Of what is forgotten it is noted what it was.
                write.note(db)?;
                return write.apply(db);
            }
            Self::CatchUp => Ok(()),
        }
        .map(|()| true)
    }

    /// Notes what is being written in the index.
    fn note(&self, db: &Connection) -> rusqlite::Result<()> {
        match self {
            Self::Settle(bucket, key, ..) => {
                let index = BucketIndex::new(db, *bucket, None);
                tables::written(&index, key, Timestamp::now())
            }
            Self::Forget(bucket, keys) => {
                let index = BucketIndex::new(db, *bucket, None);
                keys.iter()
                    .try_for_each(|key| tables::forgotten(&index, key, Timestamp::now()))
            }
            _ => Ok(()),
        }
    }

    /// The row, if it may be late, and its object.
    pub(super) fn late_row(&self) -> Option<(BucketNo, &ObjectKey, &Row)> {
        match self {
            Self::SettleLate(bucket, key, row) => Some((*bucket, key, row)),
            _ => None,
        }
    }

    /// Whether it touches a few rows only.
    pub(super) fn is_small(&self) -> bool {
        match self {
            Self::InternBucket(..)
            | Self::Announce(..)
            | Self::Settle(..)
            | Self::SettleLate(..)
            | Self::Withdraw(..)
            | Self::CreateUpload(..)
            | Self::PutPart(..)
            | Self::SetSetting(..)
            | Self::ForgetSettings(..)
            | Self::CatchUp => true,
            Self::Forget(_, keys) => keys.len() == 1,
            Self::Learn(..)
            | Self::DeleteUpload(..)
            | Self::PortableDone(..)
            | Self::PortableLater(..)
            | Self::Index(..) => false,
            Self::Indexed(write) => write.is_small(),
        }
    }

    /// Whether it has to survive the loss of power once it was answered. The others follow from
    /// an intent that does, or (a bucket's number) are synced with the write that needs them; and a
    /// portable text that is written twice does no harm.
    pub(super) fn must_survive(&self) -> bool {
        match self {
            Self::Announce(..)
            | Self::Forget(..)
            | Self::CreateUpload(..)
            | Self::DeleteUpload(..)
            | Self::PutPart(..)
            | Self::SetSetting(..)
            | Self::ForgetSettings(..) => true,
            Self::InternBucket(..)
            | Self::Settle(..)
            | Self::SettleLate(..)
            | Self::Learn(..)
            | Self::Withdraw(..)
            | Self::PortableDone(..)
            | Self::PortableLater(..)
            | Self::Index(..)
            | Self::CatchUp => false,
            Self::Indexed(write) => write.must_survive(),
        }
    }
}
