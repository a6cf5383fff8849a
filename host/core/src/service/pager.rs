//! One page of a listing, put together from pages of the store. No I/O.

use super::ServiceError;
use super::ports::{StoreListQuery, StorePage, StoredObject};
use crate::model::ObjectKey;
use std::iter::Peekable;

/// The most that a store answers at once.
const STORE_PAGE: u16 = 1000;

/// Builds one page: ask [`Pager::wants`], answer with [`Pager::accept`], until it wants no more.
///
/// The items of a listing are keys and common prefixes, in byte order, and a page is those
/// strictly behind `after`. So a common prefix at or before `after` is skipped with all its keys.
pub(super) struct Pager {
    prefix: String,
    delimiter: Option<String>,
    after: Option<String>,
    max_keys: usize,
    listed: Listed,
    /// What the store is asked next; `None` at the end.
    next_query: Option<StoreListQuery>,
}

/// What a page holds.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) entries: Vec<(ObjectKey, StoredObject)>,
    pub(super) prefixes: Vec<String>,
    /// The last item, when more follow.
    pub(super) next: Option<String>,
}

enum Item {
    Entry(ObjectKey, StoredObject),
    Prefix(String),
}

impl Item {
    fn name(&self) -> &str {
        match self {
            Self::Entry(key, _) => key.as_str(),
            Self::Prefix(prefix) => prefix,
        }
    }
}

impl Pager {
    pub(super) fn new(
        prefix: String,
        delimiter: Option<String>,
        after: Option<String>,
        max_keys: u16,
    ) -> Self {
        let mut pager = Self {
            prefix,
            delimiter,
            after,
            max_keys: max_keys.into(),
            listed: Listed::default(),
            next_query: None,
        };
        if max_keys > 0 {
            let from = pager.after.as_deref().map(|after| pager.behind(after));
            pager.ask(from);
        }
        pager
    }

    /// The next question to the store.
    pub(super) fn wants(&self) -> Option<StoreListQuery> {
        self.next_query.clone()
    }

    /// Takes the answer. Fails if the store does not move on.
    pub(super) fn accept(&mut self, page: StorePage) -> Result<(), ServiceError> {
        let Some(query) = self.next_query.take() else {
            return Ok(());
        };
        let more = page.more;
        let mut last = None;
        let mut rolled_by_us = false;
        for item in in_order(page) {
            let (item, name) = match item {
                Item::Entry(key, stored) => {
                    let name = key.as_str().to_owned();
                    rolled_by_us = false;
                    match self.group(key.as_str()) {
                        Some(group) => {
                            rolled_by_us = true;
                            (Item::Prefix(group.to_owned()), name)
                        }
                        None => (Item::Entry(key, stored), name),
                    }
                }
                Item::Prefix(prefix) => {
                    rolled_by_us = false;
                    (Item::Prefix(prefix.clone()), prefix)
                }
            };
            let is_new = self.last().is_none_or(|last| item.name() > last);
            if is_new {
                if self.count() == self.max_keys {
                    self.listed.next = self.last().map(str::to_owned);
                    return Ok(());
                }
                match item {
                    Item::Entry(key, stored) => self.listed.entries.push((key, stored)),
                    Item::Prefix(prefix) => self.listed.prefixes.push(prefix),
                }
            }
            last = Some(name);
        }
        if !more {
            return Ok(());
        }
        if self.count() == self.max_keys && !rolled_by_us {
            self.listed.next = self.last().map(str::to_owned);
            return Ok(());
        }
        let from = last.map(|last| self.behind(&last));
        // A plugin's mistake must not make a client believe that it has seen everything.
        if from.is_none() || from <= query.after {
            let reason = "the store's listing does not move on";
            return Err(ServiceError::Internal(reason.into()));
        }
        self.ask(from);
        Ok(())
    }

    pub(super) fn finish(self) -> Listed {
        self.listed
    }

    fn ask(&mut self, after: Option<String>) {
        // One more than fits tells whether more follow.
        let room = self.max_keys - self.count() + 1;
        self.next_query = Some(StoreListQuery {
            prefix: self.prefix.clone(),
            after,
            shallow: self.delimiter.as_deref() == Some("/"),
            limit: u16::try_from(room).unwrap_or(STORE_PAGE).min(STORE_PAGE),
        });
    }

    fn count(&self) -> usize {
        self.listed.entries.len() + self.listed.prefixes.len()
    }

    /// The last item so far, or where the page begins.
    fn last(&self) -> Option<&str> {
        let entry = self.listed.entries.last().map(|(key, _)| key.as_str());
        let prefix = self.listed.prefixes.last().map(String::as_str);
        entry.max(prefix).or(self.after.as_deref())
    }

    fn group<'a>(&self, name: &'a str) -> Option<&'a str> {
        group(&self.prefix, self.delimiter.as_deref(), name)
    }

    /// Where to go on behind `name` and everything that is rolled up with it.
    fn behind(&self, name: &str) -> String {
        match (self.group(name), self.delimiter.as_deref()) {
            (None, _) => name.to_owned(),
            // The store rolls up itself and knows what this means.
            (Some(group), Some("/")) => group.to_owned(),
            (Some(group), _) => behind_group(group),
        }
    }
}

/// The common prefix into which a name is rolled up, if it is.
pub(super) fn group<'a>(prefix: &str, delimiter: Option<&str>, name: &'a str) -> Option<&'a str> {
    let delimiter = delimiter?;
    let at = name.strip_prefix(prefix)?.find(delimiter)?;
    name.get(..prefix.len() + at + delimiter.len())
}

/// A text behind every key that starts with `group`: no key is longer, and no character sorts
/// behind the last one of Unicode.
pub(super) fn behind_group(group: &str) -> String {
    const LAST: char = char::MAX;
    let room = ObjectKey::MAX_BYTES.saturating_sub(group.len());
    let padding = std::iter::repeat_n(LAST, room.div_ceil(LAST.len_utf8()).max(1));
    group.chars().chain(padding).collect()
}

/// Entries and prefixes of a store's page as one sequence.
fn in_order(page: StorePage) -> impl Iterator<Item = Item> {
    let mut entries = page.entries.into_iter().peekable();
    let mut prefixes = page.prefixes.into_iter().peekable();
    std::iter::from_fn(move || next_of(&mut entries, &mut prefixes))
}

fn next_of(
    entries: &mut Peekable<impl Iterator<Item = (ObjectKey, StoredObject)>>,
    prefixes: &mut Peekable<impl Iterator<Item = String>>,
) -> Option<Item> {
    let entry_first = match (entries.peek(), prefixes.peek()) {
        (Some((key, _)), Some(prefix)) => key.as_str() < prefix.as_str(),
        (entry, _) => entry.is_some(),
    };
    if entry_first {
        let (key, stored) = entries.next()?;
        Some(Item::Entry(key, stored))
    } else {
        prefixes.next().map(Item::Prefix)
    }
}
