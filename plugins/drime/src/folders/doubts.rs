//! Where there may be more than is known: uploads whose answers were lost, files that are there
//! twice, and those that were replaced and could not be deleted.

use super::{Change, Folders, NAMES, REMEMBERED};
use crate::api::Entry;
use crate::places::Place;
use std::collections::{HashMap, HashSet};

/// For how long listings may lack an upload whose answer was lost, and at the most do.
const UNCERTAIN: u64 = 10_000;
const LOST: u64 = 1_500;

impl Folders {
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
        !self.uncertain.is_empty() || !self.doubles.is_empty() || !self.left.is_empty()
    }

    /// These were replaced at a place and are still to be deleted.
    pub(crate) fn leave(&mut self, place: &Place, ids: &[i64]) {
        if self.left.len() < NAMES || self.left.contains_key(place) {
            let left = self.left.entry(place.clone()).or_default();
            left.extend(ids);
            left.sort_unstable();
            left.dedup();
        }
    }

    /// What is still to be deleted at a place.
    pub(crate) fn left(&self, place: &Place) -> Vec<i64> {
        self.left.get(place).cloned().unwrap_or_default()
    }

    /// It is gone.
    pub(super) fn not_left(&mut self, id: i64) {
        self.left.retain(|_, ids| {
            ids.retain(|other| *other != id);
            !ids.is_empty()
        });
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
}
