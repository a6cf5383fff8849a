//! Folder by folder: one page of what is directly in a folder, in the order of creation.

use crate::api::Entry;
use crate::folders::FIRST;
use crate::listing::{Cursor, Listed};
use crate::names::{Decoded, decode};
use crate::net::Net;
use crate::walk::Item;
use crate::{Drime, Error};
use serde_json::{Value, json};
use std::collections::HashSet;

/// A page of one folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanPage {
    /// The objects directly in it. A key that several files have comes several times.
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
        self.check_still(&state)?;
        let now = self.client.net.now();
        let made = match cursor {
            None => self.folders.borrow_mut().just_made(state.folder, now),
            Some(_) => None,
        };
        let Listed {
            mut rows,
            mut next,
            ages,
            so_far,
        } = match made {
            Some(rows) => Listed {
                rows,
                next: None,
                ages: Vec::new(),
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
        if self.is_disturbed(&mut state, &ages, next, so_far).await {
            next = Some(Cursor::default());
        }
        self.folders.borrow_mut().meet(state.folder, &rows);
        let mut names = HashSet::new();
        let (mut entries, mut folders) = (Vec::new(), Vec::new());
        for row in rows {
            match decode(&row.name) {
                Some(Decoded::Whole(segment)) if row.folder => {
                    self.folders.borrow_mut().note(now, &row);
                    folders.push(format!("{prefix}{}{segment}/", state.head));
                }
                Some(Decoded::Continued(head)) if row.folder => {
                    state.todo.push((row.id, format!("{}{head}", state.head)));
                }
                Some(Decoded::Whole(segment)) => {
                    // Of several files of one name all are told: the gateway has to know that.
                    if !names.insert(row.name.clone()) {
                        self.folders.borrow_mut().note_double(&row);
                    }
                    entries.push(Item {
                        key: format!("{prefix}{}{segment}", state.head),
                        info: (&row).into(),
                    });
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
        Ok(ScanPage {
            entries,
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

    /// A look at the end of a folder that changed while it was listed is not enough: something that
    /// was listed may be gone.
    fn check_still(&self, scan: &Scan) -> Result<(), Error> {
        let scans = self.scans.borrow();
        let known = scan.check.as_ref().and_then(|check| scans.get(&check.scan));
        match known {
            Some(false) => Err(Error::Other(
                "the folder changed while it was listed".into(),
            )),
            _ => Ok(()),
        }
    }

    /// Follows the pages of a folder: whether with the last one it has to be listed once more.
    async fn is_disturbed(
        &self,
        scan: &mut Scan,
        ages: &[(i64, i64)],
        next: Option<Cursor>,
        so_far: Option<u64>,
    ) -> bool {
        if scan.at.page <= 1 && scan.at.since.is_none() {
            if next.is_some() {
                scan.check = self.begin_check(scan, ages.last()).await;
            }
            return false;
        }
        let Some(check) = scan.check.as_mut() else {
            return false;
        };
        check.follow(scan.at, ages);
        let so_far = so_far.filter(|_| next.is_none());
        so_far.is_some_and(|so_far| self.has_lost_rows(check, so_far))
    }

    /// A listing of several pages loses a row for each one that is deleted meanwhile: the rows
    /// behind it move to the page before. So they are counted first. Rows that are made meanwhile
    /// come on top of that, so it is noted which is the newest one, before they are counted: one
    /// that is made in between counts twice, which is safe. `edge` is the last row of the first
    /// page, with which the second one begins unless something was deleted before the count.
    async fn begin_check(&self, scan: &Scan, edge: Option<&(i64, i64)>) -> Option<Check> {
        let known = scan.check.as_ref();
        Some(Check {
            scan: known.map_or_else(|| self.client.net.random() >> 12, |check| check.scan),
            newest: self.newest_row(scan.folder).await?,
            rows: self.count_rows(scan.folder).await?,
            made: 0,
            edge: edge?.1,
            moved: false,
            missing: known.and_then(|check| check.missing),
            passes: known.map_or(0, |check| check.passes),
        })
    }

    /// Whether rows may have been lost, so that the folder is listed once more: what any of the
    /// listings has brought is there. The service may count some that it never lists.
    fn has_lost_rows(&self, check: &mut Check, listed: u64) -> bool {
        let mut scans = self.scans.borrow_mut();
        let missing = (check.rows + check.made).saturating_sub(listed);
        // The last page of a listing that is over may be asked for again.
        if scans.contains_key(&check.scan) {
            return false;
        }
        let is_whole = !check.moved && (missing == 0 || check.missing == Some(missing));
        if !is_whole && check.passes < PASSES {
            check.passes += 1;
            check.missing = Some(missing);
            return true;
        }
        if scans.len() >= FINISHED {
            scans.clear();
        }
        // That as many were missing again means that the service counts more than it lists.
        let kept_still = check.passes == 0 || check.passes == 1 && is_whole && missing > 0;
        scans.insert(check.scan, kept_still);
        false
    }
}

/// Scans that are over and are remembered.
const FINISHED: usize = 10_000;
/// So often a folder is listed once more because it changes meanwhile.
const PASSES: u64 = 3;

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
    /// The newest row when it began.
    newest: (i64, i64),
    /// Rows when it began.
    rows: u64,
    /// Rows that were made since and that it has brought.
    made: u64,
    /// The last row of the first page.
    edge: i64,
    /// Whether the second page did not begin with it.
    moved: bool,
    /// How many of them the listing before this one did not bring.
    missing: Option<u64>,
    /// How many listings there were before this one.
    passes: u64,
}

impl Check {
    /// Takes note of a page behind the first one.
    fn follow(&mut self, at: Cursor, ages: &[(i64, i64)]) {
        let made = ages.iter().filter(|age| **age > self.newest).count();
        self.made += u64::try_from(made).unwrap_or(u64::MAX);
        if at.page == 2 && at.since.is_none() {
            self.moved = at.per.is_some() && ages.first().is_none_or(|first| first.1 != self.edge);
        }
    }

    fn text(&self) -> Value {
        json!([
            self.scan,
            self.newest.0,
            self.newest.1,
            self.rows,
            self.made,
            self.edge,
            self.moved,
            self.missing,
            self.passes
        ])
    }

    fn read(value: &Value) -> Option<Self> {
        Some(Self {
            scan: value.get(0)?.as_u64()?,
            newest: (value.get(1)?.as_i64()?, value.get(2)?.as_i64()?),
            rows: value.get(3)?.as_u64()?,
            made: value.get(4)?.as_u64()?,
            edge: value.get(5)?.as_i64()?,
            moved: value.get(6)?.as_bool()?,
            missing: value.get(7)?.as_u64(),
            passes: value.get(8)?.as_u64()?,
        })
    }
}

impl Scan {
    fn text(&self) -> String {
        let check = self.check.as_ref().map(Check::text);
        json!([
            self.folder,
            self.head,
            self.at.page,
            self.at.since,
            self.todo,
            check,
            self.at.per
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
        let check = value.get(5).and_then(Check::read);
        Some(Self {
            folder: value.get(0)?.as_i64(),
            head: value.get(1)?.as_str()?.to_owned(),
            at: Cursor {
                page: value.get(2)?.as_u64()?,
                since: value.get(3)?.as_i64(),
                per: value.get(6).and_then(Value::as_u64),
            },
            todo: todo.collect::<Option<_>>()?,
            check,
        })
    }
}
