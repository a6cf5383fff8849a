//! What is in a folder, by the traps of the service's listing.

use crate::api::{Entry, Page, number, time_text};
use crate::client::{Call, quoted};
use crate::fault::Fault;
use crate::net::Net;
use crate::{Drime, Error};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::rc::Rc;

/// Rows that are asked for; the service may give fewer.
const PER_PAGE: u64 = 200;
/// Newest rows that are asked for to know which one was the last: some share a second.
const NEWEST: u64 = 50;
/// Folders are found anew when a page says that they are gone.
const FRESH_FOLDER_WAITS: [u64; 3] = [200, 400, 800];

/// A place in a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Counted from 1 in this run.
    pub(crate) page: u64,
    /// Where the run began again: only rows created then or later.
    pub(crate) since: Option<i64>,
    /// Rows of a page. From the second page on it is one less than the first page has, so that
    /// the second begins with the last row of the first, unless rows were deleted in between.
    pub(crate) per: Option<u64>,
}

/// A page of a listing.
pub(crate) struct Listed {
    /// The rows that belong there.
    pub(crate) rows: Vec<Entry>,
    /// Where the next page is.
    pub(crate) next: Option<Cursor>,
    /// The ages of all rows that the service has listed, whether they belong there or not.
    pub(crate) ages: Vec<(i64, i64)>,
    /// How many rows the service has listed from the start up to here.
    pub(crate) so_far: Option<u64>,
}

impl<N: Net> Drime<N> {
    /// One page of a folder, checked row by row, and where the next one is.
    pub(crate) async fn list_page(
        &self,
        folder: Option<i64>,
        folders_only: bool,
        at: Cursor,
    ) -> Result<Listed, Error> {
        let asked = at.page.max(1);
        let per = at.per.unwrap_or(PER_PAGE);
        let mut path = format!(
            "drive/file-entries?page={asked}&perPage={per}&orderBy=created_at&orderDir=asc&workspaceId={}",
            self.settings.workspace
        );
        if let Some(id) = folder {
            let _ = write!(path, "&folderId={id}");
        }
        if folders_only {
            path += "&type=folder";
        }
        if let Some(since) = at.since {
            let filter = format!(
                r#"[{{"key":"created_at","operator":">=","value":"{}"}}]"#,
                time_text(since)
            );
            let _ = write!(path, "&filters={}", quoted(&base64(filter.as_bytes())));
        }
        let call = Call::get(path);
        let mut waits = FRESH_FOLDER_WAITS.into_iter();
        let answer = loop {
            match self.client.call(&call).await {
                Err(fault @ Fault::Refused { status: 404, .. }) => {
                    // A folder that was just made is not always there at once.
                    let Some(wait) = waits.next() else {
                        self.folders.borrow_mut().doubt();
                        return Err(match folder {
                            Some(_) if folder == self.root => self.no_root(),
                            _ => fault.into(),
                        });
                    };
                    self.client.net.sleep(wait).await;
                }
                answer => break answer?,
            }
        };
        let page = Page::read(&answer, asked)
            .ok_or_else(|| Error::Unavailable("Drime's answer is no listing".into()))?;
        let so_far = page.so_far.filter(|_| at.since.is_none());
        let newest = page.entries.iter().map(|row| row.created).max();
        let ages = page.entries.iter().map(Entry::age).collect();
        let workspace = self.settings.workspace;
        let rows = page.entries.into_iter().filter(|row| {
            row.parent == folder
                && !row.deleted
                && row.workspace.is_none_or(|of| of == workspace)
                && (row.folder || !folders_only)
        });
        let rows: Vec<Entry> = rows.collect();
        let next = if page.current < asked {
            // The ceiling: the last page that can be reached, once more. The listing begins
            // again with what came last.
            let since = newest.filter(|newest| at.since.is_none_or(|since| *newest > since));
            let since = since.ok_or_else(|| {
                Error::Unavailable("Drime does not list all of a very large folder".into())
            })?;
            Some(Cursor {
                page: 1,
                since: Some(since),
                per: None,
            })
        } else {
            let overlapping = page.per.filter(|per| *per > 1 && at.since.is_none());
            page.more.then_some(Cursor {
                page: asked + 1,
                since: at.since,
                per: at.per.or(overlapping.map(|per| per - 1)),
            })
        };
        Ok(Listed {
            rows,
            next,
            ages,
            so_far,
        })
    }

    /// The folder with all buckets was deleted, or moved out of reach. What is remembered of its
    /// content belongs to that folder, so none is made in its place while the gateway runs.
    fn no_root(&self) -> Error {
        Error::Unavailable(format!(
            "the root folder {:?} is gone from Drime: take it out of the trash, or start the \
             gateway again, which makes an empty one",
            self.settings.root.join("/")
        ))
    }

    /// The age of the newest row of a folder.
    pub(crate) async fn newest_row(&self, folder: Option<i64>) -> Option<(i64, i64)> {
        let call = Call::get(format!(
            "drive/file-entries?page=1&perPage={NEWEST}&orderBy=created_at&orderDir=desc&workspaceId={}&folderId={}",
            self.settings.workspace, folder?
        ));
        let answer = self.client.call(&call).await.ok()?;
        let page = Page::read(&answer, 1)?;
        page.entries.iter().map(Entry::age).max()
    }

    /// How many rows a folder has; `None` if the service does not say.
    pub(crate) async fn count_rows(&self, folder: Option<i64>) -> Option<u64> {
        let call = Call::get(format!("folders/{}/count", folder?));
        let answer = self.client.call(&call).await.ok()?;
        answer.get("count").and_then(number)?.try_into().ok()
    }

    /// Everything in a folder, each row once.
    pub(crate) async fn list(
        &self,
        folder: Option<i64>,
        folders_only: bool,
    ) -> Result<Vec<Entry>, Error> {
        let mut rows: Vec<Entry> = Vec::new();
        let mut seen = HashSet::new();
        let mut at = Some(Cursor::default());
        while let Some(cursor) = at {
            let Listed {
                rows: page, next, ..
            } = self.list_page(folder, folders_only, cursor).await?;
            rows.extend(page.into_iter().filter(|row| seen.insert(row.id)));
            at = next;
        }
        Ok(rows)
    }

    /// Everything in a folder, as it was at most `age` milliseconds ago.
    pub(crate) async fn rows(
        &self,
        folder: Option<i64>,
        age: u64,
    ) -> Result<Rc<Vec<Entry>>, Error> {
        let fresh = |now: u64| self.folders.borrow().rows(folder, now.saturating_sub(age));
        if age > 0
            && let Some(rows) = fresh(self.client.net.now())
        {
            return Ok(rows);
        }
        let asked = self.client.net.now();
        let _one = self.locks.lock(format!("list {folder:?}")).await;
        // Listed by another call while this one waited.
        if let Some(rows) = self.folders.borrow().rows(folder, asked + 1) {
            return Ok(rows);
        }
        let rows = self.list(folder, false).await?;
        let now = self.client.net.now();
        Ok(self.folders.borrow_mut().keep(folder, now, rows))
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, at| {
            bits << 8 | u32::from(group.get(at).copied().unwrap_or(0))
        });
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) & 63;
            let digit = DIGITS
                .get(index as usize)
                .map_or('=', |digit| char::from(*digit));
            out.push(if place <= group.len() { digit } else { '=' });
        }
    }
    out
}
