//! Folder by folder: one page of what is directly in a folder, in the order of creation.

use crate::api::Entry;
use crate::folders::FIRST;
use crate::listing::{Cursor, Listed};
use crate::names::{Decoded, decode};
use crate::net::Net;
use crate::walk::Item;
use crate::{Drime, Error};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A page of one folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanPage {
    /// The objects directly in it.
    pub entries: Vec<Item>,
    /// The folders directly in it, as prefixes of keys.
    pub folders: Vec<String>,
    /// Where the next page is.
    pub next: Option<String>,
}

impl<N: Net> Drime<N> {
    /// One page of the objects directly in `prefix`, which is empty or ends with a slash.
    pub async fn scan(
        &self,
        bucket: &str,
        prefix: &str,
        cursor: Option<&str>,
    ) -> Result<ScanPage, Error> {
        let begun = match cursor {
            Some(text) => Some(
                Scan::read(text).ok_or_else(|| Error::Other("no cursor of this plugin".into()))?,
            ),
            None => self.begin_scan(bucket, prefix).await?,
        };
        let Some(mut state) = begun else {
            return Ok(ScanPage::default());
        };
        let now = self.client.net.now();
        let made = match cursor {
            None => self.folders.borrow_mut().just_made(state.folder, now),
            Some(_) => None,
        };
        let Listed {
            mut rows,
            mut next,
            so_far,
        } = match made {
            Some(rows) => Listed {
                rows,
                next: None,
                so_far: None,
            },
            None => self.list_page(state.folder, false, state.at).await?,
        };
        let now = self.client.net.now();
        let behind = match (state.at.page > 1 || state.at.since.is_some(), rows.first()) {
            _ if next.is_some() => None,
            (false, _) => Some(FIRST),
            (true, first) => first.map(Entry::age),
        };
        self.folders
            .borrow()
            .correct(state.folder, now, &mut rows, behind);
        if state.at.page <= 1 && state.at.since.is_none() && next.is_some() {
            state.check = self.begin_check(&state).await;
        }
        if next.is_none()
            && let (Some(so_far), Some(check)) = (so_far, state.check.as_mut())
            && self.has_lost_rows(check, so_far)
        {
            next = Some(Cursor::default());
        }
        let mut newest: BTreeMap<String, Entry> = BTreeMap::new();
        let mut folders = Vec::new();
        for row in rows {
            match decode(&row.name) {
                Some(Decoded::Whole(segment)) if row.folder => {
                    self.folders.borrow_mut().note(&row);
                    folders.push(format!("{prefix}{}{segment}/", state.head));
                }
                Some(Decoded::Continued(head)) if row.folder => {
                    state.todo.push((row.id, format!("{}{head}", state.head)));
                }
                Some(Decoded::Whole(segment)) => {
                    let key = format!("{prefix}{}{segment}", state.head);
                    match newest.get_mut(&key) {
                        Some(other) => {
                            self.folders.borrow_mut().note_double(&row);
                            if other.age() < row.age() {
                                *other = row;
                            }
                        }
                        None => drop(newest.insert(key, row)),
                    }
                }
                _ => {}
            }
        }
        folders.sort_unstable();
        folders.dedup();
        let next = match next {
            Some(at) => Some(Scan { at, ..state }),
            None => state.todo.pop().map(|(folder, head)| Scan {
                folder: Some(folder),
                head,
                at: Cursor::default(),
                todo: state.todo,
                check: None,
            }),
        };
        let entries = newest.into_iter().map(|(key, row)| Item {
            key,
            info: (&row).into(),
        });
        Ok(ScanPage {
            entries: entries.collect(),
            folders,
            next: next.map(|next| next.text()),
        })
    }
}

impl<N: Net> Drime<N> {
    /// The start of a folder; `None` if it is not there.
    async fn begin_scan(&self, bucket: &str, prefix: &str) -> Result<Option<Scan>, Error> {
        let folder = if prefix.is_empty() {
            self.bucket(bucket).await?
        } else {
            // The place of an object in it: its folder is the one that is asked for.
            let Some(place) = self.place(bucket, &format!("{prefix}x")).await? else {
                return Ok(None);
            };
            place.folder
        };
        Ok(Some(Scan {
            folder,
            head: String::new(),
            at: Cursor::default(),
            todo: Vec::new(),
            check: None,
        }))
    }

    /// A listing of several pages loses a row for each one that is deleted meanwhile: the rows
    /// behind it move to the page before. So they are counted first.
    async fn begin_check(&self, scan: &Scan) -> Option<Check> {
        let known = scan.check.as_ref();
        Some(Check {
            scan: known.map_or_else(|| self.client.net.random() >> 12, |check| check.scan),
            rows: self.count_rows(scan.folder).await?,
            missing: known.and_then(|check| check.missing),
        })
    }

    /// Whether rows were lost, so that the folder is listed once more. The service may count some
    /// that it never lists.
    fn has_lost_rows(&self, check: &mut Check, listed: u64) -> bool {
        let mut scans = self.scans.borrow_mut();
        let missing = check.rows.saturating_sub(listed);
        // The last page of a listing that is over may be asked for again.
        if scans.contains(&check.scan) {
            return false;
        }
        if missing > 0 && check.missing.is_none() {
            check.missing = Some(missing);
            return true;
        }
        if scans.len() >= FINISHED {
            scans.clear();
        }
        scans.insert(check.scan);
        false
    }
}

/// Scans that are over and are remembered.
const FINISHED: usize = 10_000;

/// Where a scan is: a page of a folder, and the folders of long names that follow.
struct Scan {
    folder: Option<i64>,
    head: String,
    at: Cursor,
    todo: Vec<(i64, String)>,
    check: Option<Check>,
}

/// What a listing has to bring.
struct Check {
    /// A number of its own.
    scan: u64,
    /// Rows when it began.
    rows: u64,
    /// How many of them the listing before this one did not bring.
    missing: Option<u64>,
}

impl Scan {
    fn text(&self) -> String {
        let check = self.check.as_ref();
        let check = check.map(|check| (check.scan, check.rows, check.missing));
        json!([
            self.folder,
            self.head,
            self.at.page,
            self.at.since,
            self.todo,
            check
        ])
        .to_string()
    }

    fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let todo = value
            .get(4)?
            .as_array()?
            .iter()
            .map(|pair| Some((pair.get(0)?.as_i64()?, pair.get(1)?.as_str()?.to_owned())));
        let check = value.get(5).and_then(|check| {
            Some(Check {
                scan: check.get(0)?.as_u64()?,
                rows: check.get(1)?.as_u64()?,
                missing: check.get(2)?.as_u64(),
            })
        });
        Some(Self {
            folder: value.get(0)?.as_i64(),
            head: value.get(1)?.as_str()?.to_owned(),
            at: Cursor {
                page: value.get(2)?.as_u64()?,
                since: value.get(3)?.as_i64(),
            },
            todo: todo.collect::<Option<_>>()?,
            check,
        })
    }
}
