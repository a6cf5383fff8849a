//! Listing: a walk through the directories in the order of keys.
//!
//! Only directories that can hold a match are read. Among its siblings a directory sorts as
//! its name and a `/`; with that, going into each directory where it stands gives the keys in
//! the order of their bytes.

use crate::disk::{Dir, Fault, Kind};
use crate::folder::Folder;
use crate::layout::{MAX_KEY, Mark, child, join, split_mark};
use crate::objects::Info;
use crate::window::{Sources, Window, is_lost_and_found};
use crate::{Error, Local};
use std::ops::ControlFlow;
use std::sync::Arc;

/// What to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Only keys that start with this.
    pub prefix: String,
    /// Only keys behind this.
    pub after: Option<String>,
    /// Roll up what has a `/` behind the prefix.
    pub shallow: bool,
    /// At most so many items.
    pub limit: usize,
}

/// How many of the innermost folders a walk keeps open.
const OPEN: usize = 16;

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Its state.
    pub info: Info,
}

/// Part of a listing, in the order of the keys' bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Objects.
    pub entries: Vec<Entry>,
    /// Rolled-up prefixes.
    pub prefixes: Vec<String>,
    /// Whether items follow behind the last one.
    pub more: bool,
}

/// What a walk meets.
enum Found {
    Object(Entry),
    /// Only of shallow walks: a directory, with or without objects in it.
    Folder(String, Sources),
}

/// A directory on the way down.
struct Frame<D> {
    /// What its keys start with.
    above: String,
    folder: Folder<D>,
    window: Arc<Window>,
    at: usize,
}

/// A walk through the keys that start with `above` and `rest`.
struct Walk<'q, D> {
    after: Option<&'q str>,
    /// What names of the first directory start with.
    rest: &'q str,
    shallow: bool,
    frames: Vec<Frame<D>>,
}

impl<D: Dir> Local<D> {
    /// One page of a bucket.
    pub async fn list(&self, bucket: &str, query: &Query) -> Result<Page, Error> {
        let base = self.existing_base(bucket).await?;
        let mut page = Page::default();
        let prefix = query.prefix.as_str();
        let (above, rest) = prefix.split_at(prefix.rfind('/').map_or(0, |slash| slash + 1));
        let after = query.after.as_deref();
        if ends_before(above, after) {
            return Ok(page);
        }
        let sources = self.sources(&base, above).await?;
        let mut walk = Walk {
            after,
            rest,
            shallow: query.shallow,
            frames: Vec::new(),
        };
        self.enter_folder(&mut walk, above.to_owned(), Folder::new(sources))
            .await?;
        while let Some(found) = self.advance(&mut walk).await? {
            if let Found::Folder(prefix, sources) = &found
                && !self.is_populated(prefix, sources, after).await?
            {
                continue;
            }
            if page.entries.len() + page.prefixes.len() >= query.limit {
                page.more = true;
                break;
            }
            match found {
                Found::Object(entry) => page.entries.push(entry),
                Found::Folder(prefix, _) => page.prefixes.push(prefix),
            }
        }
        Ok(page)
    }

    /// The directories that hold the keys that start with `above` (empty or ending in `/`).
    async fn sources(&self, base: &str, above: &str) -> Result<Sources, Error> {
        let mut sources = vec![base.to_owned()];
        let Some(path) = above.strip_suffix('/') else {
            return Ok(sources);
        };
        let mut near = self.tree.nearby();
        for (depth, segment) in path.split('/').enumerate() {
            let mut inner = Vec::with_capacity(1);
            for dir in sources {
                for mark in [Mark::None, Mark::Directory] {
                    let path = child(&dir, segment, depth == 0, mark);
                    if near.is_own_dir(&path).await? {
                        inner.push(path);
                    }
                }
            }
            sources = inner;
        }
        Ok(sources)
    }

    /// Whether a folder has an object, behind `after` if that is inside it.
    async fn is_populated(
        &self,
        prefix: &str,
        sources: &Sources,
        after: Option<&str>,
    ) -> Result<bool, Error> {
        if !after.is_some_and(|after| after.starts_with(prefix)) {
            return Ok(self.has_object(sources).await?);
        }
        let mut walk = Walk {
            after,
            rest: "",
            shallow: false,
            frames: Vec::new(),
        };
        self.enter_folder(&mut walk, prefix.to_owned(), Folder::new(sources.clone()))
            .await?;
        Ok(self.advance(&mut walk).await?.is_some())
    }

    /// Whether there is an object anywhere in or below these directories.
    async fn has_object(&self, sources: &Sources) -> Result<bool, Fault> {
        let mut open = sources.clone();
        while let Some(dir) = open.pop() {
            let mut found = false;
            let mut links = Vec::new();
            let read = self.tree.read(&dir, |name, kind| {
                match (kind, split_mark(name)) {
                    (Kind::File, Some((_, Mark::None | Mark::File))) => {
                        found = true;
                        return ControlFlow::Break(());
                    }
                    (Kind::Directory, Some((_, mark))) if mark != Mark::File => {
                        open.push(join(&dir, name));
                    }
                    (Kind::Link, Some(_)) => links.push(join(&dir, name)),
                    _ => {}
                }
                ControlFlow::Continue(())
            });
            match read.await {
                Ok(()) if found => return Ok(true),
                // That it cannot be read is told to who lists it.
                Err(Fault::Denied(_)) if !is_lost_and_found(&dir) => return Ok(true),
                Err(fault) if !fault.is_missing() && !matches!(fault, Fault::Denied(_)) => {
                    return Err(fault);
                }
                _ => {}
            }
            for link in links {
                if self.tree.object(&link).await?.is_some() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn enter_folder(
        &self,
        walk: &mut Walk<'_, D>,
        above: String,
        mut folder: Folder<D>,
    ) -> Result<(), Error> {
        if folder.paths().is_empty() {
            return Ok(());
        }
        // The first name that can matter. One that leads to `after` matters itself.
        let behind = walk
            .after
            .and_then(|after| after.strip_prefix(above.as_str()))
            .unwrap_or("");
        let behind = behind.split_inclusive('/').next().unwrap_or("");
        let rest = if walk.frames.is_empty() {
            walk.rest
        } else {
            ""
        };
        let low = behind.max(rest);
        let window = self
            .windows
            .get(&self.tree, &mut folder, low, above.is_empty())
            .await?;
        let at = window.position(low);
        if let Some(outer) = walk.frames.iter_mut().nth_back(OPEN) {
            outer.folder.close();
        }
        walk.frames.push(Frame {
            above,
            folder,
            window,
            at,
        });
        Ok(())
    }

    /// The next thing in the order of keys.
    async fn advance(&self, walk: &mut Walk<'_, D>) -> Result<Option<Found>, Error> {
        loop {
            let outermost = walk.frames.len() == 1;
            let Some(frame) = walk.frames.last_mut() else {
                return Ok(None);
            };
            let window = frame.window.clone();
            let first = frame.above.is_empty();
            let Some(name) = window.name(frame.at) else {
                let Some(until) = window.until() else {
                    walk.frames.pop();
                    continue;
                };
                let low = format!("{until}\0");
                frame.window = self
                    .windows
                    .get(&self.tree, &mut frame.folder, &low, first)
                    .await?;
                frame.at = frame.window.position(&low);
                continue;
            };
            if outermost && !name.text.starts_with(walk.rest) {
                return Ok(None);
            }
            // The same name twice is one key: the first that is there, or all directories.
            let mut places = Vec::with_capacity(1);
            while let Some(same) = window.name(frame.at)
                && same.text == name.text
            {
                places.push(same.place(first));
                frame.at += 1;
            }
            let key = join_key(&frame.above, name.text);
            if key.len() > MAX_KEY || ends_before(&key, walk.after) {
                continue;
            }
            if !name.segment().1 {
                if walk.after.is_some_and(|after| key.as_str() <= after) {
                    continue;
                }
                for (source, name) in &places {
                    let found = frame.folder.object(&self.tree, *source, name).await?;
                    if let Some(info) = found {
                        return Ok(Some(Found::Object(Entry { key, info })));
                    }
                }
            } else if !walk.shallow {
                let folder = frame.folder.inner(&self.tree, places).await;
                self.enter_folder(walk, key, folder).await?;
            } else if walk.after != Some(key.as_str()) {
                let paths = places
                    .iter()
                    .map(|(source, name)| frame.folder.path(*source, name));
                return Ok(Some(Found::Folder(key, paths.collect())));
            }
        }
    }
}

fn join_key(above: &str, name: &str) -> String {
    let mut key = String::with_capacity(above.len() + name.len());
    key.push_str(above);
    key.push_str(name);
    key
}

/// Whether no key that starts with `prefix` is behind `after`.
fn ends_before(prefix: &str, after: Option<&str>) -> bool {
    after.is_some_and(|after| after > prefix && !after.starts_with(prefix))
}
