//! How pages of folders, own writes and listings meet in the index: rules over whatever keeps it.
//!
//! Every key that is written gets a mark, in the transaction of its row, and so does one that is
//! deleted while its folder is being looked at. What a page says about a key that was marked since
//! the look began, or about one that is just being written, does not count: the page may be older
//! than the write. So pages that arrive late can neither bring deleted objects back nor hide new
//! ones, whichever process writes. And because listings of a storage may lag behind, a page of the
//! next moments that lacks a written key, or has an older object of it, is not believed either, nor
//! one that still has a deleted object: the plugin that knew better may have died meanwhile, or
//! belong to another process.

use super::marks::LAG;
pub use super::marks::{Age, Mark};
use super::ports::{Applied, End, Folder, Found, Fresh, Run};
use super::sweep::conclude;
pub use super::told::merge;
use super::told::{Told, by_key};
use crate::model::{ObjectKey, Timestamp};
use crate::service::ports::{Remembered, Row};
use std::collections::HashSet;

/// What keeps the index of one bucket. Folders end with `/`, but for the root, which is empty.
pub trait Tables {
    /// Why it fails.
    type Error;
    /// A folder.
    fn folder(&self, folder: &str) -> Result<Option<Folder>, Self::Error>;
    /// Notes a folder.
    fn put_folder(&self, folder: &str, state: &Folder) -> Result<(), Self::Error>;
    /// The first folder that is this text or behind it.
    fn folder_from(&self, from: &str) -> Result<Option<(String, Folder)>, Self::Error>;
    /// Forgets a folder and all its marks.
    fn drop_folder(&self, folder: &str) -> Result<(), Self::Error>;
    /// The mark of a name in a folder.
    fn mark(&self, folder: &str, name: &str) -> Result<Option<Mark>, Self::Error>;
    /// Marks a name.
    fn put_mark(&self, folder: &str, name: &str, mark: Mark) -> Result<(), Self::Error>;
    /// Removes the marks of a folder, but for our own of after this time.
    fn clear_marks(&self, folder: &str, ours: Timestamp) -> Result<(), Self::Error>;
    /// Removes our own marks of this time and before from all folders without a run.
    fn expire_marks(&self, ours: Timestamp) -> Result<(), Self::Error>;
    /// The first key with a row of the bucket's own that is this text or behind it.
    fn key_from(&self, from: &str) -> Result<Option<ObjectKey>, Self::Error>;
    /// What is known about a key.
    fn remembered(&self, key: &ObjectKey) -> Result<Remembered, Self::Error>;
    /// Puts a row in place of the one that is known. `met`: since when its object is known to have
    /// the key, if that is another one than before.
    fn put_row(
        &self,
        key: &ObjectKey,
        known: Option<&Row>,
        row: &Row,
        met: Timestamp,
    ) -> Result<(), Self::Error>;
    /// Since when the object of a key is known to have it; `None` if no object is known.
    fn met(&self, key: &ObjectKey) -> Result<Option<Timestamp>, Self::Error>;
    /// Notes, until the key is deleted or nothing hides behind its object any more, that the storage
    /// may have several objects of this key.
    fn note_double(&self, key: &ObjectKey) -> Result<(), Self::Error>;
    /// Whether what is known of a key still has to be written beside its object.
    fn owes_text(&self, key: &ObjectKey) -> Result<bool, Self::Error>;
    /// Forgets a row.
    fn drop_row(&self, key: &ObjectKey) -> Result<(), Self::Error>;
}

/// The folder that a key is directly in.
pub fn folder_of(key: &str) -> &str {
    key.rfind('/')
        .and_then(|at| key.get(..=at))
        .unwrap_or_default()
}

/// A folder and all that it is in, the root first.
fn chain(folder: &str) -> impl DoubleEndedIterator<Item = &str> {
    let below = folder.match_indices('/').map(|(at, _)| at + 1);
    let all: Vec<usize> = std::iter::once(0).chain(below).collect();
    all.into_iter().filter_map(|end| folder.get(..end))
}

/// The name directly in `folder` that leads to `text`; that of a folder ends with `/`.
pub fn name_in<'a>(folder: &str, text: &'a str) -> &'a str {
    let rest = text.get(folder.len()..).unwrap_or_default();
    let end = rest.find('/').map_or(rest.len(), |at| at + 1);
    rest.get(..end).unwrap_or_default()
}

/// The first text behind everything in a folder; `None` for the root.
pub(super) fn behind(folder: &str) -> Option<String> {
    // `0` comes next after `/`.
    Some(format!("{}0", folder.strip_suffix('/')?))
}

/// The first text behind this one.
pub(super) fn next(text: &str) -> String {
    format!("{text}\0")
}

/// Begins a run. Marks of an earlier one go.
pub fn begin<T: Tables>(tables: &T, folder: &str, began: Timestamp) -> Result<(), T::Error> {
    let mut state = tables.folder(folder)?.unwrap_or_default();
    state.run = Some(Run {
        began,
        cursor: None,
        refused: 0,
    });
    tables.clear_marks(folder, began - LAG)?;
    tables.put_folder(folder, &state)
}

/// Notes that a key was settled: its folders are known from now on, and what runs say about it
/// does not count.
pub fn written<T: Tables>(tables: &T, key: &ObjectKey, now: Timestamp) -> Result<(), T::Error> {
    if tables.folder("")?.is_none() {
        return Ok(());
    }
    tables.expire_marks(now - LAG)?;
    for folder in chain(folder_of(key.as_str())) {
        if tables.folder(folder)?.is_none() {
            tables.put_folder(folder, &Folder::default())?;
        }
        let name = name_in(folder, key.as_str());
        tables.put_mark(folder, name, Mark::Ours(now))?;
    }
    Ok(())
}

/// Notes that a key is about to be forgotten, because its object is deleted: what runs say about it
/// does not count, and for some time pages that still have the object are not believed.
pub fn forgotten<T: Tables>(tables: &T, key: &ObjectKey, now: Timestamp) -> Result<(), T::Error> {
    let folder = folder_of(key.as_str());
    if tables.folder(folder)?.is_none() {
        return Ok(());
    }
    tables.expire_marks(now - LAG)?;
    let row = tables.remembered(key)?.row;
    let mark = match row.filter(|row| !row.state.version.is_empty()) {
        Some(row) => Mark::Deleted(now, Age::of(&row)),
        None => Mark::Ours(now),
    };
    tables.put_mark(folder, name_in(folder, key.as_str()), mark)
}

/// Since when the object of a key is known to have it, if its folder was not looked at since: an
/// older object may hide behind it, of which a look tells. `exclusive`: nobody else writes, and any
/// look at the folder was enough.
pub fn unconfirmed<T: Tables>(
    tables: &T,
    key: &ObjectKey,
    exclusive: bool,
) -> Result<Option<Timestamp>, T::Error> {
    let Some(met) = tables.met(key)? else {
        return Ok(None);
    };
    let folder = tables.folder(folder_of(key.as_str()))?;
    let confirmed = folder.and_then(|folder| folder.confirmed);
    let is_enough = |at: Timestamp| exclusive || at >= met;
    Ok((!confirmed.is_some_and(is_enough)).then_some(met))
}

/// Notes that a key may have several objects, if it may.
fn note_if<T: Tables>(tables: &T, key: &ObjectKey, is_double: bool) -> Result<(), T::Error> {
    if is_double {
        return tables.note_double(key);
    }
    Ok(())
}

/// Notes a folder that a page has told; `true` if it was not known.
fn make_known<T: Tables>(tables: &T, folder: &str) -> Result<bool, T::Error> {
    let is_new = tables.folder(folder)?.is_none();
    if is_new {
        tables.put_folder(folder, &Folder::default())?;
    }
    Ok(is_new)
}

/// Takes over what a run has found; `None` if it is no longer the folder's run.
pub fn apply<T: Tables>(
    tables: &T,
    folder: &str,
    began: Timestamp,
    found: Found,
) -> Result<Option<Applied>, T::Error> {
    let Some(mut state) = tables.folder(folder)? else {
        return Ok(None);
    };
    let Some(run) = state.run.as_mut().filter(|run| run.began == began) else {
        return Ok(None);
    };
    let only_page = run.cursor.is_none() && matches!(found.end, End::Whole(_));
    let newest_only = matches!(found.end, End::Newest | End::Unchanged(_));
    // Of the only page nothing need be written down.
    let mut seen = HashSet::new();
    let mut applied = Applied::default();
    for told in by_key(found.entries) {
        let Told { key, row, .. } = told;
        state.newest = state.newest.max(Some(row.modified));
        let name = name_in(folder, key.as_str());
        let mark = tables.mark(folder, name)?;
        let Remembered { row: known, intent } = tables.remembered(&key)?;
        let own = known.as_ref().filter(|known| is_own(known));
        let is_known = own.is_some();
        let is_other = own.is_some_and(|known| known.state.id != row.state.id);
        if mark.as_ref().is_some_and(|mark| mark.refuses(&row, began)) {
            // It may be what we have replaced meanwhile, or hide behind it.
            let is_ours = matches!(mark, Some(Mark::Ours(_)));
            note_if(tables, &key, is_ours && (told.is_double || is_other))?;
            applied.refused += if is_known { 0 } else { told.rows };
            continue;
        }
        let lately = mark.as_ref().is_some_and(|mark| mark.is_lately(began));
        applied.meet(known.as_ref(), &row, mark.as_ref());
        let rival = known.as_ref().filter(|known| {
            known.state.id != row.state.id
                // The page may be older.
                && (lately
                    // Another page has told it, or will.
                    || matches!(mark, Some(Mark::Seen | Mark::Doubtful))
                    || !only_page && is_own(known))
        });
        let is_older = rival.is_some_and(|known| Age::of(&row) < Age::of(known));
        let is_second = is_other && matches!(mark, Some(Mark::Seen | Mark::Doubtful));
        // Of what is just being written it is not known yet what it replaces.
        let may_hide = intent.is_some() && (is_other || !is_known);
        note_if(
            tables,
            &key,
            told.is_double || is_older || is_second || may_hide,
        )?;
        if intent.is_none()
            && !is_older
            && let Some(row) = merge(known.as_ref(), row)
        {
            match &known {
                Some(known) if known.state.id == row.state.id => {}
                Some(known) if is_own(known) => applied.changed += 1,
                _ => applied.new += 1,
            }
            tables.put_row(&key, known.as_ref(), &row, began)?;
        } else if !is_known {
            applied.refused += told.rows;
        }
        if lately && is_older {
            continue;
        }
        if lately {
            // Told at last, or replaced by somebody else: from now on pages are believed.
            tables.put_mark(folder, name, Mark::Seen)?;
        } else if only_page {
            seen.insert(name.to_owned());
        } else if !newest_only {
            let now = match mark {
                Some(Mark::Seen) => Mark::Seen,
                _ if is_older => Mark::Doubtful,
                _ => Mark::Seen,
            };
            if mark.as_ref() != Some(&now) {
                tables.put_mark(folder, name, now)?;
            }
        }
    }
    for below in found.folders {
        applied.folders += u64::from(make_known(tables, &below)?);
        let name = name_in(folder, &below);
        if only_page {
            seen.insert(name.to_owned());
        } else if !newest_only && tables.mark(folder, name)?.is_none() {
            tables.put_mark(folder, name, Mark::Seen)?;
        }
    }
    run.refused += applied.refused;
    let (state, gone) = conclude(tables, folder, state, found.end, (began, &seen))?;
    applied.gone += gone;
    tables.put_folder(folder, &state)?;
    Ok(Some(applied))
}

impl Applied {
    /// Takes note of an object that was told before, unless we have just written it.
    fn meet(&mut self, known: Option<&Row>, told: &Row, mark: Option<&Mark>) {
        let is_known = known.is_some_and(|known| known.state.id == told.state.id);
        if is_known && !matches!(mark, Some(Mark::Ours(_))) {
            let oldest = self.familiar.unwrap_or(told.modified);
            self.familiar = Some(oldest.min(told.modified));
        }
    }
}

/// Whether a row is one of the index, and not about an object of the Python program that nobody has
/// looked at.
fn is_own(row: &Row) -> bool {
    !row.state.version.is_empty()
}

/// How many objects and folders are known directly in a folder.
pub fn content<T: Tables>(tables: &T, folder: &str) -> Result<u64, T::Error> {
    let mut count = 0;
    let mut from = folder.to_owned();
    while let Some(key) = tables.key_from(&from)? {
        if !key.as_str().starts_with(folder) {
            break;
        }
        let name = name_in(folder, key.as_str());
        from = match behind(&format!("{folder}{name}")) {
            Some(behind) if name.ends_with('/') => behind,
            _ => {
                count += 1;
                next(key.as_str())
            }
        };
    }
    let mut from = next(folder);
    while let Some((below, _)) = tables.folder_from(&from)? {
        if !below.starts_with(folder) {
            break;
        }
        count += 1;
        from = behind(&format!("{folder}{}", name_in(folder, &below))).unwrap_or_default();
    }
    Ok(count)
}

/// What part of a listing a page is.
#[derive(Debug, Clone, Copy)]
pub struct Extent<'a> {
    /// Keys that start with this.
    pub prefix: &'a str,
    /// Rolled up at the first `/` behind the prefix.
    pub shallow: bool,
    /// Behind this.
    pub after: Option<&'a str>,
    /// Up to this; `None`: to the end.
    pub last: Option<&'a str>,
}

/// The first `limit` folders on which a page depends and that are not fresh.
pub fn stale<T: Tables>(
    tables: &T,
    extent: Extent<'_>,
    fresh: Fresh,
    limit: usize,
) -> Result<Vec<String>, T::Error> {
    let base = folder_of(extent.prefix);
    let above = stale_above(tables, base, fresh)?;
    if !above.is_empty() {
        return Ok(above);
    }
    let mut stale = Vec::new();
    let is_passed = |folder: &str| {
        let passed = |after: &str| folder <= after && !after.starts_with(folder);
        extent.after.is_some_and(passed)
    };
    let mut from = next(base).max(extent.prefix.to_owned());
    if let Some(after) = extent.after {
        // Those that the page begins in come before it in the order of texts.
        for folder in chain(folder_of(after)) {
            let inside = folder.len() > base.len() && folder.starts_with(extent.prefix);
            if inside
                && !extent.shallow
                && folder < after
                && let Some(state) = tables.folder(folder)?
                && !fresh.holds(&state)
            {
                stale.push(folder.to_owned());
            }
        }
        from = from.max(after.to_owned());
    }
    while stale.len() < limit
        && let Some((folder, state)) = tables.folder_from(&from)?
        && folder.starts_with(extent.prefix)
        && extent.last.is_none_or(|last| folder.as_str() <= last)
    {
        from = next(&folder);
        if is_passed(&folder) || stale.contains(&folder) {
            continue;
        }
        if extent.shallow {
            // A folder with an object is a prefix whatever else is in it.
            let rolled = format!("{base}{}", name_in(base, &folder));
            let first = tables.key_from(&rolled)?;
            let has_object = first.is_some_and(|key| key.as_str().starts_with(&rolled));
            if has_object || extent.after == Some(&rolled) {
                from = behind(&rolled).unwrap_or_default();
                continue;
            }
        }
        if !fresh.holds(&state) {
            stale.push(folder);
        }
    }
    Ok(stale)
}

/// The folders that have to be asked before it can be said what is directly in `folder`.
pub fn stale_above<T: Tables>(
    tables: &T,
    folder: &str,
    fresh: Fresh,
) -> Result<Vec<String>, T::Error> {
    for above in chain(folder).rev() {
        let Some(state) = tables.folder(above)? else {
            continue;
        };
        if fresh.holds(&state) {
            // It is not there, or nothing is to be asked.
            return Ok(Vec::new());
        }
        if state.confirmed.is_some() || above == folder {
            return Ok(vec![above.to_owned()]);
        }
        break;
    }
    // Nobody knows yet whether it is there; it need not wait for all that is above it.
    Ok(vec![folder.to_owned()])
}
