//! What a store in memory holds.

use super::Fault;
use crate::model::{Bucket, ObjectKey, ObjectState, PartNumber, Timestamp};
use crate::service::ports::{ScanPage, StoreError, StoredObject};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) buckets: BTreeMap<Bucket, Stored>,
    pub(super) uploads: HashMap<String, Upload>,
    /// Source of ids, versions, upload names and tokens.
    pub(super) counter: u64,
    pub(super) fault: Option<Fault>,
    /// What a publication or a part takes.
    pub(super) pause: Duration,
    pub(super) can_copy: bool,
    pub(super) undeletable: Option<ObjectKey>,
    pub(super) portable_bytes: usize,
    pub(super) losses: u64,
    pub(super) portable_fault: Option<StoreError>,
    pub(super) list_fault: Option<StoreError>,
    pub(super) abort_fault: Option<StoreError>,
    pub(super) scan_fault: Option<StoreError>,
    /// Rows of a page, if it can be walked folder by folder.
    pub(super) scan_page: Option<usize>,
    /// What scans tell of some keys, instead of what there is.
    pub(super) lagging: HashMap<ObjectKey, Option<StoredObject>>,
    pub(super) questions: usize,
    /// What callers who delete or complete believed the key to hold.
    pub(super) known: Vec<Option<ObjectState>>,
    /// Buckets that were found to be empty and are about to go.
    pub(super) emptied: usize,
}

#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) created: Option<Timestamp>,
    pub(super) objects: BTreeMap<ObjectKey, Object>,
}

#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) info: StoredObject,
    pub(super) bytes: Bytes,
}

/// What is directly in a folder.
#[derive(Debug)]
pub(super) enum Child {
    Object(ObjectKey, StoredObject),
    Folder(String),
}

#[derive(Debug)]
pub(super) struct Upload {
    pub(super) bucket: Bucket,
    pub(super) key: ObjectKey,
    pub(super) content_type: Option<String>,
    pub(super) touched: Timestamp,
    pub(super) parts: HashMap<String, (PartNumber, Bytes)>,
}

impl State {
    pub(super) fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub(super) fn bucket(&self, bucket: &Bucket) -> Result<&Stored, StoreError> {
        self.buckets.get(bucket).ok_or(StoreError::NoSuchBucket)
    }

    pub(super) fn bucket_mut(&mut self, bucket: &Bucket) -> Result<&mut Stored, StoreError> {
        self.buckets.get_mut(bucket).ok_or(StoreError::NoSuchBucket)
    }

    pub(super) fn object(&self, bucket: &Bucket, key: &ObjectKey) -> Result<&Object, StoreError> {
        let objects = &self.bucket(bucket)?.objects;
        objects.get(key).ok_or(StoreError::NoSuchKey)
    }

    pub(super) fn insert(
        &mut self,
        bucket: &Bucket,
        key: &ObjectKey,
        bytes: Bytes,
        content_type: Option<String>,
    ) -> Result<StoredObject, StoreError> {
        let number = self.next();
        let info = StoredObject {
            state: ObjectState {
                id: format!("id{number}"),
                version: format!("v{number}"),
            },
            size: bytes.len() as u64,
            modified: Timestamp::now(),
            hash: None,
            content_type,
            portable: None,
        };
        let object = Object {
            info: info.clone(),
            bytes,
        };
        let objects = &mut self.bucket_mut(bucket)?.objects;
        objects.insert(key.clone(), object);
        Ok(info)
    }

    /// What is directly in a folder, in the order of creation.
    fn in_folder(&self, bucket: &Bucket, folder: &str) -> Result<Vec<Child>, StoreError> {
        let mut folders: BTreeMap<String, u64> = BTreeMap::new();
        let mut children = Vec::new();
        let objects = &self.bucket(bucket)?.objects;
        let told = objects.iter().filter_map(|(key, object)| {
            let info = match self.lagging.get(key) {
                Some(told) => told.as_ref()?,
                None => &object.info,
            };
            Some((key, info))
        });
        let deleted = self.lagging.iter().filter_map(|(key, told)| {
            let info = told.as_ref().filter(|_| !objects.contains_key(key))?;
            Some((key, info))
        });
        for (key, info) in told.chain(deleted) {
            let Some(rest) = key.as_str().strip_prefix(folder) else {
                continue;
            };
            let digits = info.state.id.strip_prefix("id").unwrap_or_default();
            let number: u64 = digits.parse().unwrap_or(0);
            if let Some((name, _)) = rest.split_once('/') {
                let made = folders.entry(format!("{folder}{name}/")).or_insert(number);
                *made = number.min(*made);
            } else {
                children.push((number, Child::Object(key.clone(), info.clone())));
            }
        }
        children.extend(
            folders
                .into_iter()
                .map(|(name, number)| (number, Child::Folder(name))),
        );
        children.sort_by_key(|(number, _)| *number);
        Ok(children.into_iter().map(|(_, child)| child).collect())
    }

    /// A page of a folder, counted from 0.
    pub(super) fn page(
        &self,
        bucket: &Bucket,
        folder: &str,
        page: usize,
    ) -> Result<ScanPage, StoreError> {
        let per_page = self.scan_page.ok_or(StoreError::Unsupported)?;
        let children = self.in_folder(bucket, folder)?;
        let rows = children.len();
        let mut found = ScanPage::default();
        for child in children.into_iter().skip(page * per_page).take(per_page) {
            match child {
                Child::Object(key, info) => found.entries.push((key, info)),
                Child::Folder(below) => found.folders.push(below),
            }
        }
        found.next = ((page + 1) * per_page < rows).then(|| (page + 1).to_string());
        Ok(found)
    }

    pub(super) fn upload(&mut self, name: &str) -> Result<&mut Upload, StoreError> {
        self.uploads.get_mut(name).ok_or(StoreError::NoSuchUpload)
    }
}
