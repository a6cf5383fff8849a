//! Objects: get, stat and delete.

use crate::api::{self, Entry};
use crate::client::Call;
use crate::fault::Fault;
use crate::net::{Answer, Net};
use crate::places::Place;
use crate::{Drime, Error};
use serde_json::{Value, json};

/// For how long a listing answers for single objects, in milliseconds. Our own writes are in it
/// at once.
pub(crate) const LISTED: u64 = 5_000;
/// The pause between questions for an upload that may show up soon, in milliseconds.
const LAG: u64 = 400;
/// How often an object may be replaced while it is opened.
pub(crate) const REPLACED: u32 = 8;

/// What is known about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// The number of the entry.
    pub id: String,
    /// The name of its content.
    pub version: String,
    /// Bytes.
    pub size: u64,
    /// Creation, nanoseconds since 1970: `updated_at` moves when a description is set.
    pub modified: i64,
    /// What the uploader declared.
    pub content_type: Option<String>,
    /// The description.
    pub portable: Option<String>,
}

impl From<&Entry> for Info {
    fn from(entry: &Entry) -> Self {
        Self {
            id: entry.id.to_string(),
            version: entry.version.clone(),
            size: entry.size,
            modified: entry.created,
            content_type: entry.mime.clone(),
            portable: entry.description.clone(),
        }
    }
}

/// What the gateway remembers of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The number of the entry.
    pub id: String,
    /// The name of its content.
    pub version: String,
}

impl Known {
    pub(crate) fn number(&self) -> Option<i64> {
        self.id.parse().ok().filter(|id| *id > 0)
    }
}

/// A part of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub offset: u64,
    /// Number of bytes, at least 1.
    pub length: u64,
}

/// An object that was opened for reading.
pub struct Object<B> {
    /// The state that was opened.
    pub info: Info,
    /// The bytes from the start of the range; they may run on behind its end.
    pub body: B,
}

impl<N: Net> Drime<N> {
    /// Opens an object. With `known` no look-up is made: what an id contains never changes.
    pub async fn get(
        &self,
        bucket: &str,
        key: &str,
        range: Option<Range>,
        known: Option<Known>,
    ) -> Result<Object<N::Body>, Error> {
        if let Some(known) = &known
            && let Some(id) = known.number()
        {
            match self.open(id, range, None).await {
                Ok((size, body)) => {
                    let info = Info {
                        id: known.id.clone(),
                        version: known.version.clone(),
                        size,
                        modified: 0,
                        content_type: None,
                        portable: None,
                    };
                    return Ok(Object { info, body });
                }
                // It has gone: perhaps another one has the key now.
                Err(Error::NoSuchKey) => {
                    if let Some(place) = self.place(bucket, key).await? {
                        let now = self.client.net.now();
                        self.folders.borrow_mut().remove(now, place.folder, id);
                        self.folders.borrow_mut().stale(place.folder);
                        self.writers.vanish(&place);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let mut tries = 0;
        loop {
            let entry = self.find(bucket, key).await?.ok_or(Error::NoSuchKey)?;
            if range.is_some_and(|range| range.offset >= entry.size) {
                return Err(Error::InvalidRange);
            }
            match self.open(entry.id, range, Some(entry.size)).await {
                // Replaced or deleted since it was listed.
                Err(Error::NoSuchKey) if tries < REPLACED => {
                    let now = self.client.net.now();
                    let mut folders = self.folders.borrow_mut();
                    folders.remove(now, entry.parent, entry.id);
                    folders.stale(entry.parent);
                    self.writers.vanish(&Place {
                        folder: entry.parent,
                        name: entry.name,
                    });
                }
                opened => {
                    let (_, body) = opened?;
                    return Ok(Object {
                        info: (&entry).into(),
                        body,
                    });
                }
            }
            tries += 1;
        }
    }

    /// Opens the content of an id: its size and the bytes from the range on.
    pub(crate) async fn open(
        &self,
        id: i64,
        range: Option<Range>,
        expected: Option<u64>,
    ) -> Result<(u64, N::Body), Error> {
        let path = format!("file-entries/download/{}", api::hash(id));
        let asked = range.map(|Range { offset, length }| {
            format!(
                "bytes={offset}-{}",
                offset.saturating_add(length).saturating_sub(1)
            )
        });
        let answer = match self.client.download(&path, asked).await {
            Err(fault) if fault.is_gone() => return Err(Error::NoSuchKey),
            answer => answer?,
        };
        let strange = || Error::Unavailable("Drime answers a download with something else".into());
        let length = answer
            .header("content-length")
            .and_then(|text| text.trim().parse().ok());
        let (size, skipped) = match answer.status {
            416 => return Err(Error::InvalidRange),
            206 => {
                let (start, size) = content_range(&answer).ok_or_else(strange)?;
                if range.is_none_or(|range| range.offset != start) {
                    return Err(strange());
                }
                (size, 0)
            }
            // It has not looked at the range.
            _ => (
                length.or(expected).ok_or_else(strange)?,
                range.map_or(0, |range| range.offset),
            ),
        };
        if expected.is_some_and(|expected| expected != size) {
            return Err(strange());
        }
        if range.is_some_and(|range| range.offset >= size) {
            return Err(Error::InvalidRange);
        }
        let body = match skipped {
            0 => answer.body,
            _ => self.client.net.skip(answer.body, skipped),
        };
        Ok((size, body))
    }

    /// The state of an object.
    pub async fn stat(&self, bucket: &str, key: &str) -> Result<Info, Error> {
        match self.find(bucket, key).await? {
            Some(entry) => Ok((&entry).into()),
            None => Err(Error::NoSuchKey),
        }
    }

    async fn find(&self, bucket: &str, key: &str) -> Result<Option<Entry>, Error> {
        match self.place(bucket, key).await? {
            Some(place) => {
                let mut found = self.entries(&place, LISTED).await?.into_iter().next();
                // Whether an upload whose answer was lost is there shows only after a while.
                while self.folders.borrow_mut().may_come(
                    self.client.net.now(),
                    &place,
                    found.as_ref().map(|entry| entry.id),
                ) {
                    self.client.net.sleep(LAG).await;
                    found = self.entries(&place, 0).await?.into_iter().next();
                }
                // The service has put a new one into its place, and the upload is being answered.
                let mut waits = 0;
                while found.is_none() && waits < REPLACED && self.writers.has_vanished(&place) {
                    self.client.net.sleep(LAG).await;
                    found = self.entries(&place, LISTED).await?.into_iter().next();
                    waits += 1;
                }
                Ok(found)
            }
            None => Ok(None),
        }
    }

    /// The files at a place, the one that counts first.
    pub(crate) async fn entries(&self, place: &Place, age: u64) -> Result<Vec<Entry>, Error> {
        let rows = self.rows(place.folder, age).await?;
        let here = rows
            .iter()
            .filter(|row| !row.folder && row.name == place.name);
        let mut here: Vec<Entry> = here.cloned().collect();
        here.sort_by_key(|row| std::cmp::Reverse(row.age()));
        Ok(here)
    }

    /// Deletes an object and everything that hides behind it under the same name.
    pub async fn delete(&self, bucket: &str, key: &str, known: Option<Known>) -> Result<(), Error> {
        let sure = || self.ids_to_delete(bucket, key, known.as_ref());
        let (place, mut ids) = if let Some(sure) = sure() {
            sure
        } else {
            let Some(place) = self.place(bucket, key).await? else {
                return Ok(());
            };
            if let Some(sure) = sure() {
                sure
            } else {
                let known = known.as_ref().and_then(Known::number);
                let is_elsewhere = known.is_some_and(|id| self.may_be_elsewhere(&place, id));
                let age = if is_elsewhere { 0 } else { LISTED };
                let entries = self.entries(&place, age).await?;
                let mut ids: Vec<i64> = entries.iter().map(|entry| entry.id).collect();
                ids.extend(known.filter(|_| !is_elsewhere));
                ids.extend(self.folders.borrow().left(&place));
                (place, ids)
            }
        };
        ids.sort_unstable();
        ids.dedup();
        // Somebody else has replaced or deleted it: what has the name now goes, too.
        for _ in 0..REPLACED {
            if self.remove(place.folder, &ids).await? {
                break;
            }
            let entries = self.entries(&place, 0).await?;
            ids = entries.iter().map(|entry| entry.id).collect();
        }
        Ok(())
    }

    /// Where an object is and what has to be deleted with it, if that is known well enough: by its
    /// id, and our own recent listing and writes may know of others.
    pub(crate) fn ids_to_delete(
        &self,
        bucket: &str,
        key: &str,
        known: Option<&Known>,
    ) -> Option<(Place, Vec<i64>)> {
        let id = known.and_then(Known::number)?;
        let place = self.known_place(bucket, key)?;
        if self.may_be_elsewhere(&place, id) || self.folders.borrow().is_double(&place) {
            return None;
        }
        let folders = self.folders.borrow();
        let same = folders.lately(self.client.net.now(), &place);
        let mut ids: Vec<i64> = same.iter().map(|row| row.id).chain([id]).collect();
        ids.extend(folders.left(&place));
        Some((place, ids))
    }

    /// Whether an entry that is said to be at a place may be in another folder, because people have
    /// renamed or moved the one that it is in. Then it is none of our business.
    fn may_be_elsewhere(&self, place: &Place, id: i64) -> bool {
        let now = self.client.net.now();
        self.folders.borrow().may_lack(now, place.folder, id)
    }

    /// What is to be replaced at a place, if it is there.
    pub(crate) async fn if_there(&self, place: &Place, id: i64) -> Result<Option<i64>, Error> {
        if !self.may_be_elsewhere(place, id) {
            return Ok(Some(id));
        }
        // The last listing may be older than the entry.
        let rows = self.rows(place.folder, 0).await?;
        Ok(rows.iter().any(|row| row.id == id).then_some(id))
    }

    /// Deletes entries of one folder, and says whether all were there. That they are not is no
    /// error.
    pub(crate) async fn remove(&self, folder: Option<i64>, ids: &[i64]) -> Result<bool, Error> {
        if ids.is_empty() {
            return Ok(true);
        }
        let outcome = self.delete_ids(ids).await;
        let all = outcome.is_ok();
        match outcome {
            Err(fault) if fault.is_gone() && ids.len() > 1 => {
                for id in ids {
                    match self.delete_ids(&[*id]).await {
                        Err(fault) if !fault.is_gone() => return Err(fault.into()),
                        _ => {}
                    }
                }
            }
            Err(fault) if !fault.is_gone() => return Err(fault.into()),
            _ => {}
        }
        let now = self.client.net.now();
        let mut folders = self.folders.borrow_mut();
        for id in ids {
            folders.remove(now, folder, *id);
        }
        Ok(all)
    }

    /// To the trash, and from there to nowhere if so set: the service wants two calls for that.
    pub(crate) async fn delete_ids(&self, ids: &[i64]) -> Result<(), Fault> {
        self.delete_call(ids, false).await?;
        if self.settings.forever {
            match self.delete_call(ids, true).await {
                Err(fault) if fault.is_gone() => {}
                done => return done,
            }
        }
        Ok(())
    }

    async fn delete_call(&self, ids: &[i64], forever: bool) -> Result<(), Fault> {
        let workspace = self.settings.workspace;
        let body = json!({"entryIds": ids, "deleteForever": forever, "workspaceId": workspace});
        let call = Call::post(format!("file-entries/delete?workspaceId={workspace}"), body);
        let answer = self.client.call(&call.repeatable()).await?;
        let failed = answer.get("errors").is_some_and(|errors| match errors {
            Value::Object(map) => !map.is_empty(),
            Value::Array(list) => !list.is_empty(),
            _ => false,
        });
        if failed {
            return Err(Fault::Broken("Drime has not deleted everything".into()));
        }
        Ok(())
    }
}

/// First byte and whole size of `bytes 0-4/10`.
fn content_range<B>(answer: &Answer<B>) -> Option<(u64, u64)> {
    let text = answer
        .header("content-range")?
        .trim()
        .strip_prefix("bytes")?
        .trim();
    let (range, size) = text.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, size.trim().parse().ok()?))
}
