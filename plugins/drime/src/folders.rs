//! Folders: found, made once, and remembered until the service contradicts.

use crate::api::Entry;
use crate::client::Call;
use crate::names::{aside, encode};
use crate::net::Net;
use crate::{Drime, Error};
use futures_util::lock::{Mutex, OwnedMutexGuard};
use serde_json::json;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

/// For how long a folder is believed not to be there, in milliseconds.
const ABSENT: u64 = 5_000;
/// How long our own changes win over listings.
const OVERLAY: u64 = 60_000;
/// Rows and folders that are remembered in all.
const REMEMBERED: usize = 40_000;
/// For how long listings may lack an upload whose answer was lost, and at the most do.
const UNCERTAIN: u64 = 10_000;
const LOST: u64 = 1_500;
/// Names of lost uploads, and of files that are there twice, that are remembered.
const NAMES: usize = 10_000;
/// Waits for a folder that is said to be there and is not listed yet.
const LAG: [u64; 5] = [100, 200, 400, 1_000, 2_000];

/// Before every entry, in their order.
pub(crate) const FIRST: (i64, i64) = (i64::MIN, i64::MIN);

/// What is known about the content of a folder.
#[derive(Default)]
struct Folder {
    /// Folders in it, by name.
    below: HashMap<String, i64>,
    /// When all folders in it were listed.
    folders_listed: Option<u64>,
    /// Everything in it, and when that was listed.
    rows: Option<(u64, Rc<Vec<Entry>>)>,
    /// When we have made it: it was empty then.
    made: Option<u64>,
    /// Our own changes, with their times.
    changes: Vec<(u64, Change)>,
}

#[derive(Clone)]
enum Change {
    New(Entry),
    Gone(i64),
}

/// What is known about all folders; `None` is the top of the workspace.
#[derive(Default)]
pub(crate) struct Folders {
    known: HashMap<Option<i64>, Folder>,
    /// Here an upload may have succeeded without our knowledge, at this time.
    uncertain: HashMap<Option<i64>, u64>,
    /// Such uploads: what counted before, and when it was.
    lost: HashMap<Place, (Option<i64>, u64)>,
    /// Names of which the last listing had several files.
    doubles: HashSet<Place>,
}

impl Folders {
    /// The rows of a folder if they were listed at or after `since`.
    pub(crate) fn rows(&self, folder: Option<i64>, since: u64) -> Option<Rc<Vec<Entry>>> {
        let (listed, rows) = self.known.get(&folder)?.rows.as_ref()?;
        (*listed >= since).then(|| Rc::clone(rows))
    }

    /// Keeps a complete listing, corrected by our own recent changes.
    pub(crate) fn keep(
        &mut self,
        folder: Option<i64>,
        now: u64,
        mut rows: Vec<Entry>,
    ) -> Rc<Vec<Entry>> {
        self.make_room(rows.len());
        let known = self.known.entry(folder).or_default();
        known.changes.retain(|(at, _)| at + OVERLAY > now);
        for (_, change) in &known.changes {
            apply(&mut rows, change.clone());
        }
        known.below = below(&rows);
        known.folders_listed = Some(now);
        let rows = Rc::new(rows);
        known.rows = Some((now, Rc::clone(&rows)));
        self.doubles.retain(|place| place.folder != folder);
        let mut names = HashSet::new();
        for row in rows.iter().filter(|row| !row.folder) {
            if !names.insert(&row.name) && self.doubles.len() < NAMES {
                let name = row.name.clone();
                self.doubles.insert(Place { folder, name });
            }
        }
        rows
    }

    /// Files that hide behind newer ones of their names, of which we know that they are whole:
    /// the one with this id, and what we have put here lately.
    pub(crate) fn hidden(&self, folder: Option<i64>, id: i64) -> Vec<i64> {
        let Some(known) = self.known.get(&folder) else {
            return Vec::new();
        };
        let Some((_, rows)) = &known.rows else {
            return Vec::new();
        };
        let ours = known.changes.iter().filter_map(|(_, change)| match change {
            Change::New(entry) => Some(entry.id),
            Change::Gone(_) => None,
        });
        let whole: HashSet<i64> = ours.chain([id]).collect();
        let mut newest: HashMap<&str, &Entry> = HashMap::new();
        let files = || rows.iter().filter(|row| !row.folder);
        for row in files().filter(|row| whole.contains(&row.id)) {
            let counts = newest.entry(&row.name).or_insert(row);
            if counts.age() < row.age() {
                *counts = row;
            }
        }
        let hidden = files().filter(|row| {
            let counts = newest.get(row.name.as_str());
            // Two entries of one content might go together.
            counts.is_some_and(|counts| row.age() < counts.age() && row.version != counts.version)
        });
        hidden.map(|row| row.id).collect()
    }

    /// Whether anything may hide anywhere.
    pub(crate) fn has_doubts(&self) -> bool {
        !self.uncertain.is_empty() || !self.doubles.is_empty()
    }

    /// There are several files of this name.
    pub(crate) fn note_double(&mut self, row: &Entry) {
        if self.doubles.len() < NAMES {
            self.doubles.insert(Place {
                folder: row.parent,
                name: row.name.clone(),
            });
        }
    }

    /// Whether there were several files of this name.
    pub(crate) fn is_double(&self, place: &Place) -> bool {
        self.doubles.contains(place)
    }

    /// Corrects rows that were listed without being kept. Of our own new entries those younger
    /// than `behind` are added: the others are on earlier pages.
    pub(crate) fn correct(
        &self,
        folder: Option<i64>,
        now: u64,
        rows: &mut Vec<Entry>,
        behind: Option<(i64, i64)>,
    ) {
        let Some(known) = self.known.get(&folder) else {
            return;
        };
        for (at, change) in &known.changes {
            let counts = match change {
                Change::Gone(_) => true,
                Change::New(entry) => behind.is_some_and(|behind| entry.age() > behind),
            };
            if at + OVERLAY > now && counts {
                apply(rows, change.clone());
            }
        }
    }

    /// What is in a folder that we have just made: nobody need be asked, the first time.
    pub(crate) fn just_made(&mut self, folder: Option<i64>, now: u64) -> Option<Vec<Entry>> {
        let known = self.known.get_mut(&folder)?;
        let made = known.made.take()?;
        let (_, rows) = known.rows.as_ref()?;
        (made + ABSENT > now).then(|| rows.to_vec())
    }

    /// A folder that was listed.
    pub(crate) fn note(&mut self, row: &Entry) {
        self.make_room(1);
        let known = self.known.entry(row.parent).or_default();
        let id = known.below.entry(row.name.clone()).or_insert(row.id);
        *id = row.id.min(*id);
    }

    fn keep_folders(&mut self, folder: Option<i64>, now: u64, rows: &[Entry]) {
        self.make_room(rows.len());
        let known = self.known.entry(folder).or_default();
        let mut all = rows.to_vec();
        known.changes.retain(|(at, _)| at + OVERLAY > now);
        for (_, change) in &known.changes {
            apply(&mut all, change.clone());
        }
        known.below = below(&all);
        known.folders_listed = Some(now);
        // An older listing that lacks a folder lacks all that is in it. It was made by another
        // gateway, or by a call of ours whose answer was lost.
        if let Some((_, rows)) = &known.rows {
            let listed: HashSet<i64> = rows.iter().map(|row| row.id).collect();
            if all.iter().any(|row| !listed.contains(&row.id)) {
                known.rows = None;
            }
        }
    }

    fn make_room(&mut self, more: usize) {
        // A long description takes the room of several rows.
        let weight = |row: &Entry| 1 + row.description.as_ref().map_or(0, |text| text.len() / 256);
        let size = |folder: &Folder| {
            let rows = folder.rows.as_ref();
            let rows = rows.map_or(0, |(_, rows)| rows.iter().map(weight).sum());
            1 + folder.below.len() + rows
        };
        if self.known.values().map(size).sum::<usize>() + more > REMEMBERED {
            for folder in self.known.values_mut() {
                *folder = Folder {
                    changes: std::mem::take(&mut folder.changes),
                    ..Folder::default()
                };
            }
            self.known.retain(|_, folder| !folder.changes.is_empty());
        }
    }

    /// Something new of ours.
    pub(crate) fn add(&mut self, now: u64, entry: Entry) {
        let known = self.known.entry(entry.parent).or_default();
        let made = entry.folder.then_some(entry.id);
        if made.is_some() {
            known.below.insert(entry.name.clone(), entry.id);
        }
        Self::change(known, now, Change::New(entry));
        if let Some(id) = made {
            // It is empty, which need not be asked, and perhaps could not be yet.
            let folder = self.known.entry(Some(id)).or_default();
            folder.folders_listed = Some(now);
            folder.made = Some(now);
            folder.rows = Some((now, Rc::default()));
        }
    }

    /// Something that we have deleted, or that turned out not to be there.
    pub(crate) fn remove(&mut self, now: u64, parent: Option<i64>, id: i64) {
        let known = self.known.entry(parent).or_default();
        known.below.retain(|_, other| *other != id);
        Self::change(known, now, Change::Gone(id));
        self.known.remove(&Some(id));
    }

    fn change(known: &mut Folder, now: u64, change: Change) {
        if let Some((_, rows)) = &mut known.rows {
            apply(Rc::make_mut(rows), change.clone());
        }
        if known.changes.len().is_multiple_of(64) {
            known.changes.retain(|(at, _)| at + OVERLAY > now);
        }
        known.changes.push((now, change));
    }

    /// The service has contradicted: everything but our own changes is forgotten.
    pub(crate) fn doubt(&mut self) {
        self.make_room(REMEMBERED);
    }

    /// An upload to this place may have succeeded or not. `before`: what counted there.
    pub(crate) fn doubt_upload(&mut self, now: u64, place: &Place, before: Option<i64>) {
        self.doubt_folder(now, place.folder);
        if self.lost.len() >= NAMES {
            self.lost.retain(|_, (_, at)| *at + LOST > now);
        }
        if self.lost.len() < NAMES {
            self.lost.insert(place.clone(), (before, now));
        }
    }

    /// What is in this folder is to be asked, also if it was just listed.
    pub(crate) fn doubt_folder(&mut self, now: u64, folder: Option<i64>) {
        self.stale(folder);
        if self.uncertain.len() < REMEMBERED {
            self.uncertain.insert(folder, now);
        }
    }

    /// Whether an upload into this folder was lost. It is so for some seconds, because listings
    /// may lag behind; the first question after that is the last one that is answered so.
    pub(crate) fn is_uncertain(&mut self, now: u64, folder: Option<i64>) -> bool {
        let Some(at) = self.uncertain.get(&folder) else {
            return false;
        };
        if at + UNCERTAIN < now {
            self.uncertain.remove(&folder);
        }
        true
    }

    /// Whether an upload to this place was just lost, and `found` is still what was there before.
    pub(crate) fn may_come(&mut self, now: u64, place: &Place, found: Option<i64>) -> bool {
        let Some((before, at)) = self.lost.get(place) else {
            return false;
        };
        let may = *before == found && *at + LOST > now;
        if !may {
            self.lost.remove(place);
        }
        may
    }

    /// A listing of this folder must come from the service.
    pub(crate) fn stale(&mut self, folder: Option<i64>) {
        if let Some(known) = self.known.get_mut(&folder) {
            known.rows = None;
        }
    }
}

fn apply(rows: &mut Vec<Entry>, change: Change) {
    match change {
        Change::Gone(id) => rows.retain(|row| row.id != id),
        Change::New(entry) => match rows.iter_mut().find(|row| row.id == entry.id) {
            Some(row) => *row = entry,
            None => rows.push(entry),
        },
    }
}

/// Folders by name; of several with one name the lowest id counts.
fn below(rows: &[Entry]) -> HashMap<String, i64> {
    let mut below = HashMap::new();
    for row in rows.iter().filter(|row| row.folder) {
        let id = below.entry(row.name.clone()).or_insert(row.id);
        *id = row.id.min(*id);
    }
    below
}

/// Locks by name, for as long as somebody wants them.
#[derive(Default)]
pub(crate) struct Locks(RefCell<HashMap<String, Arc<Mutex<()>>>>);

impl Locks {
    pub(crate) async fn lock(&self, name: String) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.borrow_mut();
            if locks.len() > 256 {
                locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            Arc::clone(locks.entry(name).or_default())
        };
        lock.lock_owned().await
    }
}

/// Where an object is or would be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// The folder that it is in.
    pub(crate) folder: Option<i64>,
    /// Its name there.
    pub(crate) name: String,
}

impl<N: Net> Drime<N> {
    /// The folder of a bucket.
    pub(crate) async fn bucket(&self, bucket: &str) -> Result<Option<i64>, Error> {
        if self.settings.single_bucket {
            return Ok(self.root);
        }
        let found = self.find_folder(self.root, bucket).await?;
        found.map(Some).ok_or(Error::NoSuchBucket)
    }

    /// Where the object of a key is; `None` if its folder is not there.
    pub(crate) async fn place(&self, bucket: &str, key: &str) -> Result<Option<Place>, Error> {
        let mut folder = self.bucket(bucket).await?;
        let (folders, name) = path(key);
        for next in folders {
            match self.find_folder(folder, &next).await? {
                Some(id) => folder = Some(id),
                None => return Ok(None),
            }
        }
        Ok(Some(Place { folder, name }))
    }

    /// The same, and makes its folders.
    pub(crate) async fn make_place(&self, bucket: &str, key: &str) -> Result<Place, Error> {
        let mut folder = self.bucket(bucket).await?;
        let (folders, name) = path(key);
        for next in folders {
            folder = Some(self.make_folder(folder, &next).await?);
        }
        Ok(Place { folder, name })
    }

    fn known_folder(&self, parent: Option<i64>, name: &str) -> Known {
        let folders = self.folders.borrow();
        let Some(known) = folders.known.get(&parent) else {
            return Known::Unknown;
        };
        let found = known
            .below
            .get(name)
            .or_else(|| known.below.get(&aside(name)));
        match (found, known.folders_listed) {
            (Some(id), _) => Known::Is(*id),
            (None, Some(at)) if at + ABSENT > self.client.net.now() => Known::Absent,
            (None, _) => Known::Unknown,
        }
    }

    fn was_listed(&self, folder: Option<i64>) -> bool {
        let folders = self.folders.borrow();
        let known = folders.known.get(&folder);
        known.is_some_and(|known| known.folders_listed.is_some())
    }

    /// A folder by its name.
    pub(crate) async fn find_folder(
        &self,
        parent: Option<i64>,
        name: &str,
    ) -> Result<Option<i64>, Error> {
        if let Known::Unknown = self.known_folder(parent, name) {
            let _one = self.locks.lock(format!("list {parent:?}")).await;
            // Another call may have listed it meanwhile.
            if let Known::Unknown = self.known_folder(parent, name) {
                self.list_folders(parent).await?;
            }
        }
        Ok(match self.known_folder(parent, name) {
            Known::Is(id) => Some(id),
            _ => None,
        })
    }

    async fn list_folders(&self, parent: Option<i64>) -> Result<(), Error> {
        let rows = self.list(parent, true).await?;
        let now = self.client.net.now();
        self.folders.borrow_mut().keep_folders(parent, now, &rows);
        Ok(())
    }

    /// A folder by its name, made if it is not there.
    pub(crate) async fn make_folder(&self, parent: Option<i64>, name: &str) -> Result<i64, Error> {
        // What was listed some time ago is good enough: a name that is taken is refused.
        if !self.was_listed(parent)
            && let Some(id) = self.find_folder(parent, name).await?
        {
            return Ok(id);
        }
        let _one = self.locks.lock(format!("make {parent:?} {name}")).await;
        if let Known::Is(id) = self.known_folder(parent, name) {
            return Ok(id);
        }
        if let Some(id) = self.create_folder(parent, name).await? {
            return Ok(id);
        }
        // Taken, and not by a folder of this name: by one that differs in case, or by a file.
        let other = aside(name);
        match self.create_folder(parent, &other).await? {
            Some(id) => Ok(id),
            None => Err(Error::Unavailable("a new folder does not show up".into())),
        }
    }

    /// Makes a folder; `None` if its name is taken by something else.
    pub(crate) async fn create_folder(
        &self,
        parent: Option<i64>,
        name: &str,
    ) -> Result<Option<i64>, Error> {
        let workspace = self.settings.workspace;
        let mut body = json!({"name": name, "workspaceId": workspace});
        if let (Some(body), Some(parent)) = (body.as_object_mut(), parent) {
            body.insert("parentId".into(), parent.into());
        }
        let call = Call::post(format!("folders?workspaceId={workspace}"), body);
        let fault = match self.client.call(&call).await {
            Ok(answer) => {
                let made = Entry::of_answer(&answer)
                    .filter(|made| made.name == name && made.parent == parent)
                    .ok_or_else(|| {
                        Error::Unavailable("Drime made another folder than asked for".into())
                    })?;
                let made = Entry {
                    folder: true,
                    ..made
                };
                let id = made.id;
                self.folders.borrow_mut().add(self.client.net.now(), made);
                return Ok(Some(id));
            }
            Err(fault) => fault,
        };
        if fault.is_gone() {
            self.folders.borrow_mut().doubt();
            return Err(Error::Unavailable("a folder has gone meanwhile".into()));
        }
        // After an answer that was lost, too, the folder may be there.
        let lost = matches!(fault, crate::client::Fault::Broken(_));
        if !fault.is_taken() && !lost {
            return Err(fault.into());
        }
        for wait in [0].into_iter().chain(LAG) {
            if wait > 0 {
                self.client.net.sleep(wait).await;
            }
            self.list_folders(parent).await?;
            if let Known::Is(id) = self.known_folder(parent, name) {
                return Ok(Some(id));
            }
            let others = self.folders.borrow();
            let differs_in_case = others.known.get(&parent).is_some_and(|known| {
                known
                    .below
                    .keys()
                    .any(|other| other.to_lowercase() == name.to_lowercase())
            });
            if differs_in_case {
                return Ok(None);
            }
            if lost && wait >= 400 {
                return Err(fault.into());
            }
        }
        Ok(None)
    }
}

enum Known {
    Is(i64),
    Absent,
    Unknown,
}

/// The folders of a key and the name of its object.
fn path(key: &str) -> (Vec<String>, String) {
    let mut names: Vec<String> = key.split('/').flat_map(encode).collect();
    let last = names.pop().unwrap_or_default();
    (names, last)
}
