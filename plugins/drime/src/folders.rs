//! What is remembered of folders, until the service contradicts.

mod doubts;

use crate::api::Entry;
use crate::names::aside;
use crate::places::Place;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// For how long a folder is believed not to be there, in milliseconds.
const ABSENT: u64 = 5_000;
/// For how long a folder is believed to have the name under which it was listed: people rename and
/// move folders.
const NAMED: u64 = 60_000;
/// How long our own changes win over listings.
const OVERLAY: u64 = 60_000;
/// Rows and folders that are remembered in all.
const REMEMBERED: usize = 40_000;
/// Names of lost uploads, and of files that are there twice, that are remembered.
const NAMES: usize = 10_000;
/// Before every entry, in their order.
pub(crate) const FIRST: (i64, i64) = (i64::MIN, i64::MIN);

/// What is known about the content of a folder.
#[derive(Default)]
struct Folder {
    /// Folders in it, by name, and when they were listed.
    below: HashMap<String, (i64, u64)>,
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

/// What is known about a name in a folder.
pub(crate) enum Known {
    Is(i64),
    Absent,
    Unknown,
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
    /// Entries that were replaced and could not be deleted.
    left: HashMap<Place, Vec<i64>>,
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
        known.below = below(&rows, now);
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

    /// These rows of a folder were just listed: a listing of the whole that lacks one of them is too
    /// old to say what is there.
    pub(crate) fn meet(&mut self, folder: Option<i64>, rows: &[Entry]) {
        let Some(known) = self.known.get_mut(&folder) else {
            return;
        };
        if let Some((_, all)) = &known.rows {
            let listed: HashSet<i64> = all.iter().map(|row| row.id).collect();
            if rows.iter().any(|row| !listed.contains(&row.id)) {
                known.rows = None;
            }
        }
    }

    /// Whether an entry may not be in a folder: a complete listing of late lacks it or, where there
    /// is none, it is older than the folder.
    pub(crate) fn may_lack(&self, now: u64, folder: Option<i64>, id: i64) -> bool {
        match self.rows(folder, now.saturating_sub(OVERLAY)) {
            Some(rows) => rows.iter().all(|row| row.id != id),
            None => folder.is_some_and(|folder| folder > id),
        }
    }

    /// The files at a place by what was listed or made lately.
    pub(crate) fn lately(&self, now: u64, place: &Place) -> Vec<Entry> {
        let Some(known) = self.known.get(&place.folder) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        if let Some((listed, rows)) = &known.rows
            && listed + OVERLAY >= now
        {
            found.extend(rows.iter().filter(|row| row.name == place.name).cloned());
        }
        // Our own changes are kept also where no listing is.
        for (at, change) in &known.changes {
            let counts = match change {
                Change::New(entry) => entry.name == place.name,
                Change::Gone(_) => true,
            };
            if at + OVERLAY > now && counts {
                apply(&mut found, change.clone());
            }
        }
        found.retain(|row| !row.folder);
        found
    }

    /// What is in a folder that we have just made: nobody need be asked, the first time.
    pub(crate) fn just_made(&mut self, folder: Option<i64>, now: u64) -> Option<Vec<Entry>> {
        let known = self.known.get_mut(&folder)?;
        let made = known.made.take()?;
        let (_, rows) = known.rows.as_ref()?;
        (made + ABSENT > now).then(|| rows.to_vec())
    }

    /// A folder that was listed.
    pub(crate) fn note(&mut self, now: u64, row: &Entry) {
        self.make_room(1);
        let known = self.known.entry(row.parent).or_default();
        note(&mut known.below, now, row);
    }

    /// Whether a folder has another one of this name in it.
    pub(crate) fn below(&self, now: u64, parent: Option<i64>, name: &str) -> Known {
        let Some(known) = self.known.get(&parent) else {
            return Known::Unknown;
        };
        match (known.named(name), known.folders_listed) {
            (Some((id, at)), _) if at + NAMED > now => Known::Is(id),
            (None, Some(at)) if at + ABSENT > now => Known::Absent,
            _ => Known::Unknown,
        }
    }

    /// The folder that had this name when it was last listed, however long ago that was.
    pub(crate) fn last_below(&self, parent: Option<i64>, name: &str) -> Option<i64> {
        let (id, _) = self.known.get(&parent)?.named(name)?;
        Some(id)
    }

    /// Whether a folder has one in it whose name differs from this one in case alone.
    pub(crate) fn differs_in_case(&self, parent: Option<i64>, name: &str) -> bool {
        let known = self.known.get(&parent);
        let mut names = known.into_iter().flat_map(|known| known.below.keys());
        names.any(|other| other.to_lowercase() == name.to_lowercase())
    }

    /// Whether the folders in a folder were ever listed.
    pub(crate) fn was_listed(&self, folder: Option<i64>) -> bool {
        let known = self.known.get(&folder);
        known.is_some_and(|known| known.folders_listed.is_some())
    }

    /// Keeps a listing of the folders in a folder.
    pub(crate) fn keep_folders(&mut self, folder: Option<i64>, now: u64, rows: &[Entry]) {
        self.make_room(rows.len());
        let known = self.known.entry(folder).or_default();
        let mut all = rows.to_vec();
        known.changes.retain(|(at, _)| at + OVERLAY > now);
        for (_, change) in &known.changes {
            apply(&mut all, change.clone());
        }
        known.below = below(&all, now);
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
            known.below.insert(entry.name.clone(), (entry.id, now));
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
        known.below.retain(|_, (other, _)| *other != id);
        Self::change(known, now, Change::Gone(id));
        self.known.remove(&Some(id));
        self.not_left(id);
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

impl Folder {
    /// The folder in it that stands for this name, and when it was listed.
    fn named(&self, name: &str) -> Option<(i64, u64)> {
        let found = self.below.get(name);
        found.or_else(|| self.below.get(&aside(name))).copied()
    }
}

/// Folders by name.
fn below(rows: &[Entry], now: u64) -> HashMap<String, (i64, u64)> {
    let mut below = HashMap::new();
    for row in rows.iter().filter(|row| row.folder) {
        note(&mut below, now, row);
    }
    below
}

/// Of several folders with one name the lowest id counts, if all were listed lately.
fn note(below: &mut HashMap<String, (i64, u64)>, now: u64, row: &Entry) {
    match below.get_mut(&row.name) {
        Some((id, at)) if *id < row.id && *at + NAMED > now => {}
        Some(known) => *known = (row.id, now),
        None => drop(below.insert(row.name.clone(), (row.id, now))),
    }
}
