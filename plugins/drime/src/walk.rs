//! Listings of keys: a page of a whole bucket, in order.

use crate::names::{Decoded, decode};
use crate::net::Net;
use crate::{Drime, Error, Info};
use std::collections::BTreeMap;

/// How old the listings of folders may be that a page is made of, in milliseconds: pages follow
/// each other.
const AGE: u64 = 5_000;

/// A question for keys.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Only keys that start with this.
    pub prefix: String,
    /// Only keys behind this.
    pub after: Option<String>,
    /// Keys with a `/` behind the prefix are rolled up there.
    pub shallow: bool,
    /// So many items at most.
    pub limit: usize,
}

/// An object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its key.
    pub key: String,
    /// Its state.
    pub info: Info,
}

/// A page of keys in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The objects.
    pub entries: Vec<Item>,
    /// What was rolled up.
    pub prefixes: Vec<String>,
    /// Whether there is more.
    pub more: bool,
}

enum Found {
    Object(Info),
    Folder(i64),
}

impl<N: Net> Drime<N> {
    /// What is in a folder, by key: folders end with a slash. The folders that carry long names
    /// are opened here.
    async fn content(
        &self,
        folder: Option<i64>,
        prefix: &str,
    ) -> Result<BTreeMap<String, Found>, Error> {
        let mut found = BTreeMap::new();
        let mut ages = BTreeMap::new();
        let mut todo = vec![(folder, prefix.to_owned())];
        while let Some((folder, prefix)) = todo.pop() {
            let rows = self.rows(folder, AGE).await?;
            for row in rows.iter() {
                match decode(&row.name) {
                    Some(Decoded::Whole(segment)) if row.folder => {
                        let folder = found.entry(format!("{prefix}{segment}/"));
                        let known = self.find_folder(row.parent, &row.name);
                        // Of several folders with one name it is always the same one.
                        if known.await? == Some(row.id) {
                            folder.or_insert(Found::Folder(row.id));
                        }
                    }
                    Some(Decoded::Continued(head)) if row.folder => {
                        todo.push((Some(row.id), format!("{prefix}{head}")));
                    }
                    Some(Decoded::Whole(segment)) => {
                        let key = format!("{prefix}{segment}");
                        if ages.get(&key).is_none_or(|age| *age < row.age()) {
                            ages.insert(key.clone(), row.age());
                            found.insert(key, Found::Object(row.into()));
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(found)
    }

    /// One page of a bucket, in the order of the keys.
    pub async fn walk(&self, bucket: &str, query: &Query) -> Result<Page, Error> {
        let mut page = Page::default();
        let bucket = self.bucket(bucket).await?;
        let mut stack = vec![self.content(bucket, "").await?];
        while let Some(top) = stack.last_mut() {
            let Some((key, found)) = top.pop_first() else {
                stack.pop();
                continue;
            };
            let inside = matches!(found, Found::Folder(_));
            let related =
                key.starts_with(&query.prefix) || inside && query.prefix.starts_with(&key);
            let behind = query
                .after
                .as_ref()
                .is_none_or(|after| key > *after || inside && after.starts_with(&key));
            if !related || !behind {
                continue;
            }
            let full = page.entries.len() + page.prefixes.len() >= query.limit;
            match found {
                Found::Object(info) => {
                    if full {
                        page.more = true;
                        return Ok(page);
                    }
                    page.entries.push(Item { key, info });
                }
                Found::Folder(id) => {
                    let rolled = query.shallow && key.len() > query.prefix.len();
                    if !rolled {
                        stack.push(self.content(Some(id), &key).await?);
                        continue;
                    }
                    if query.after.as_ref() == Some(&key) {
                        continue;
                    }
                    // Folders without objects are none to S3.
                    if self.has_object(id, &key, query.after.as_deref()).await? {
                        if full {
                            page.more = true;
                            return Ok(page);
                        }
                        page.prefixes.push(key);
                    }
                }
            }
        }
        Ok(page)
    }

    /// Whether a folder has an object behind `after`.
    async fn has_object(
        &self,
        folder: i64,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<bool, Error> {
        let mut todo = vec![(folder, prefix.to_owned())];
        while let Some((folder, prefix)) = todo.pop() {
            for (key, found) in self.content(Some(folder), &prefix).await? {
                match found {
                    Found::Object(_) if after.is_none_or(|after| key.as_str() > after) => {
                        return Ok(true);
                    }
                    Found::Object(_) => {}
                    Found::Folder(id) => todo.push((id, key)),
                }
            }
        }
        Ok(false)
    }
}
