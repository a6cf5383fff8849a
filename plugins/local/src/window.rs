//! The sorted names of one directory, or a stretch of them.
//!
//! A directory is read as a whole, since its entries come in no order. What fits a window is
//! kept sorted for the next pages, as long as the directory does not change.

use crate::disk::{Dir, Fault, Kind};
use crate::folder::Folder;
use crate::layout::{Mark, PRIVATE, child, join, split_mark, unescape};
use crate::tree::Tree;
use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Bytes of a window: a directory with more is read again for each window of it.
#[cfg(not(test))]
const WINDOW: usize = 2 << 20;
#[cfg(test)]
const WINDOW: usize = 4 << 10;
/// Bytes of all windows that are kept.
const CACHE: usize = 3 * WINDOW;
/// Windows with fewer names are not kept: they are read again as fast.
const WORTH: usize = if cfg!(test) { 4 } else { 256 };
/// Nanoseconds. A directory that changed less than this before it was read may have changed
/// again since, without another modification time.
const SETTLED: i64 = 100_000_000;
/// The same, on file systems that keep whole seconds.
const SETTLED_COARSE: i64 = 2_000_000_000;

/// A directory as keys see it: several on disk if a name needed an alternate.
pub(crate) type Sources = Vec<String>;

/// One name: a segment, and a `/` behind it if it is a directory.
#[derive(Clone, Copy, Debug)]
struct Item {
    start: u32,
    len: u16,
    /// Which of the sources.
    source: u8,
    mark: Mark,
}

/// Names of a directory from `low` on, in the order of their bytes.
#[derive(Debug)]
pub(crate) struct Window {
    low: String,
    /// The last name, if there are more behind it.
    until: Option<String>,
    text: String,
    items: Vec<Item>,
    /// What was read, and when that had last changed.
    seen: Vec<(String, i64)>,
    /// Whether a change would show.
    settled: bool,
}

/// One name of a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<'w> {
    /// The segment; a directory's ends with `/`.
    pub(crate) text: &'w str,
    source: u8,
    mark: Mark,
}

impl<'w> Name<'w> {
    /// The segment, and whether it is a directory.
    pub(crate) fn segment(self) -> (&'w str, bool) {
        match self.text.strip_suffix('/') {
            Some(segment) => (segment, true),
            None => (self.text, false),
        }
    }

    /// Which of the folder's directories it is in, and where in that.
    pub(crate) fn place(self, first: bool) -> (usize, String) {
        let name = child("", self.segment().0, first, self.mark);
        (usize::from(self.source), name)
    }
}

impl Window {
    pub(crate) fn until(&self) -> Option<&str> {
        self.until.as_deref()
    }

    pub(crate) fn name(&self, at: usize) -> Option<Name<'_>> {
        let item = self.items.get(at)?;
        Some(Name {
            text: self.text_of(*item),
            source: item.source,
            mark: item.mark,
        })
    }

    /// The position of the first name that is not before `low`.
    pub(crate) fn position(&self, low: &str) -> usize {
        self.items.partition_point(|item| self.text_of(*item) < low)
    }

    fn text_of(&self, item: Item) -> &str {
        let start = item.start as usize;
        self.text
            .get(start..start + usize::from(item.len))
            .unwrap_or_default()
    }

    fn covers(&self, low: &str) -> bool {
        *self.low <= *low
            && self
                .until
                .as_ref()
                .is_none_or(|until| low <= until.as_str())
    }

    fn bytes(&self) -> usize {
        self.text.len() + self.items.len() * size_of::<Item>()
    }

    fn add(&mut self, segment: &str, dir: bool, source: usize, mark: Mark) {
        let at = self.text.len();
        self.text.push_str(segment);
        if dir {
            self.text.push('/');
        }
        let text = self.text.get(at..).unwrap_or_default();
        let beyond = self
            .until
            .as_ref()
            .is_some_and(|until| text > until.as_str());
        let numbers = (
            u32::try_from(at),
            u16::try_from(text.len()),
            u8::try_from(source),
        );
        match numbers {
            (Ok(start), Ok(len), Ok(source)) if !beyond && text >= self.low.as_str() => {
                self.items.push(Item {
                    start,
                    len,
                    source,
                    mark,
                });
            }
            _ => self.text.truncate(at),
        }
        if self.bytes() > 2 * WINDOW {
            self.settle(WINDOW);
        }
    }

    /// Sort, and keep the first names that fit into `room` bytes.
    fn settle(&mut self, room: usize) {
        let text = std::mem::take(&mut self.text);
        let get = |item: &Item| {
            let start = item.start as usize;
            text.get(start..start + usize::from(item.len))
                .unwrap_or_default()
        };
        // A name that is there twice: the ordinary one and the first source go first.
        self.items.sort_unstable_by(|a, b| {
            get(a)
                .cmp(get(b))
                .then((a.mark as u8, a.source).cmp(&(b.mark as u8, b.source)))
        });
        // Entries may come twice while others vanish.
        self.items
            .dedup_by(|b, a| (a.mark, a.source) == (b.mark, b.source) && get(a) == get(b));
        let mut left = room;
        let mut keep = self.items.len();
        for (at, item) in self.items.iter().enumerate() {
            let cost = usize::from(item.len) + size_of::<Item>();
            if cost > left {
                keep = at.max(1);
                break;
            }
            left -= cost;
        }
        // Equal names stay together.
        let last = keep
            .checked_sub(1)
            .and_then(|at| self.items.get(at))
            .map(&get);
        while keep < self.items.len() && self.items.get(keep).map(&get) == last {
            keep += 1;
        }
        if keep < self.items.len() {
            self.until = last.map(str::to_owned);
            self.items.truncate(keep);
        }
        let mut sorted = String::with_capacity(room.min(text.len()));
        for item in &mut self.items {
            let name = get(item);
            item.start = u32::try_from(sorted.len()).unwrap_or(u32::MAX);
            sorted.push_str(name);
        }
        self.text = sorted;
    }
}

impl Window {
    /// Read the names of a folder from `low` on. `first` says that it is the bucket's own.
    async fn read<D: Dir>(
        tree: &Tree<D>,
        folder: &mut Folder<D>,
        low: &str,
        first: bool,
    ) -> Result<Self, Fault> {
        let mut window = Self {
            low: low.to_owned(),
            until: None,
            text: String::new(),
            items: Vec::new(),
            seen: Vec::new(),
            settled: true,
        };
        // Directories that long names continue in: which of the folder's they belong to, where
        // in that they are, and the start of the names.
        let mut open: Vec<(usize, String, String)> = Vec::new();
        for source in 0..folder.paths().len() {
            open.push((source, String::new(), String::new()));
        }
        while let Some((source, below, start)) = open.pop() {
            match window
                .read_dir(tree, folder, (source, &below, &start), first)
                .await
            {
                Ok(mut more) => open.append(&mut more),
                // Nothing that is kept would notice if it came back.
                Err(fault) if fault.is_missing() => window.settled = false,
                Err(Fault::Denied(why)) => {
                    let path = folder.path(source, &below);
                    if !is_lost_and_found(&path) {
                        // A listing without it would pass for the whole: who mirrors it would
                        // delete.
                        D::warn(&format!("{path:?} cannot be listed: {why}"));
                        return Err(Fault::Denied(why));
                    }
                    D::warn(&format!("{path:?} is not listed: {why}"));
                }
                Err(fault) => return Err(fault),
            }
        }
        window.settle(WINDOW);
        Ok(window)
    }

    /// Add the names of one directory; answers where long names continue.
    async fn read_dir<D: Dir>(
        &mut self,
        tree: &Tree<D>,
        folder: &mut Folder<D>,
        (source, below, start): (usize, &str, &str),
        first: bool,
    ) -> Result<Vec<(usize, String, String)>, Fault> {
        let path = folder.path(source, below);
        let continued;
        let dir = if below.is_empty() {
            folder.dir(tree, source).await?
        } else {
            continued = tree.open_dir(&path).await?;
            &continued
        };
        let now = D::now();
        let modified = dir.stat_self().await?.modified;
        let coarse = modified % 1_000_000_000 == 0;
        let settled = if coarse { SETTLED_COARSE } else { SETTLED };
        self.settled &= modified < now.saturating_sub(settled);
        let mut more = Vec::new();
        dir.read(|name, kind| {
            if first && start.is_empty() && name == PRIVATE {
                return ControlFlow::Continue(());
            }
            let Some((body, mark)) = split_mark(name) else {
                return ControlFlow::Continue(());
            };
            let body: Cow<'_, str> = if start.is_empty() {
                body.into()
            } else {
                format!("{start}{body}").into()
            };
            let dir = match (kind, mark) {
                (Kind::Directory, Mark::Continued) => {
                    more.push((source, join(below, name), body.into_owned()));
                    return ControlFlow::Continue(());
                }
                (Kind::Directory, Mark::None | Mark::Directory) => true,
                (Kind::File | Kind::Link, Mark::None | Mark::File) => false,
                // A mark that we would not have set.
                _ => return ControlFlow::Continue(()),
            };
            let segment = unescape(&body, first);
            // Long names have one way of being cut; others were not made here.
            if start.is_empty() || child("", &segment, first, mark) == join(below, name) {
                self.add(&segment, dir, source, mark);
            }
            ControlFlow::Continue(())
        })
        .await?;
        self.seen.push((path, modified));
        Ok(more)
    }

    /// Whether nothing that it was read from has changed.
    async fn is_current<D: Dir>(
        &self,
        tree: &Tree<D>,
        folder: &mut Folder<D>,
    ) -> Result<bool, Fault> {
        for (path, modified) in &self.seen {
            let source = folder.paths().iter().position(|source| source == path);
            let now = match source {
                Some(source) => match folder.dir(tree, source).await {
                    Ok(dir) => dir.stat_self().await,
                    Err(fault) => Err(fault),
                },
                None => tree.stat(path).await,
            };
            match now {
                Ok(stat) if stat.kind == Kind::Directory && stat.modified == *modified => {}
                Ok(_) => return Ok(false),
                Err(fault) if fault.is_missing() => return Ok(false),
                Err(fault) => return Err(fault),
            }
        }
        Ok(true)
    }
}

/// What file systems keep for their repair at the top of a disk, and for nobody else to read.
pub(crate) fn is_lost_and_found(path: &str) -> bool {
    path.rsplit('/').next() == Some("lost+found")
}

/// Windows that may be good for the next page.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    /// The least recently used first.
    kept: std::sync::Mutex<Vec<(Sources, Arc<Window>)>>,
}

impl Windows {
    /// The names of a directory from `low` on.
    pub(crate) async fn get<D: Dir>(
        &self,
        tree: &Tree<D>,
        folder: &mut Folder<D>,
        low: &str,
        first: bool,
    ) -> Result<Arc<Window>, Fault> {
        if let Some(window) = self.find(folder.paths(), low)
            && window.is_current(tree, folder).await?
        {
            return Ok(window);
        }
        let window = Arc::new(Window::read(tree, folder, low, first).await?);
        if window.settled && window.items.len() >= WORTH {
            self.keep(folder.paths(), &window);
        }
        Ok(window)
    }

    fn find(&self, sources: &[String], low: &str) -> Option<Arc<Window>> {
        let mut kept = self.kept.lock().ok()?;
        let at = kept
            .iter()
            .position(|(of, window)| of == sources && window.covers(low))?;
        // Used last.
        let found = kept.remove(at);
        let window = found.1.clone();
        kept.push(found);
        Some(window)
    }

    fn keep(&self, sources: &[String], window: &Arc<Window>) {
        let Ok(mut kept) = self.kept.lock() else {
            return;
        };
        // What is known of an earlier state is of no use any more.
        kept.retain(|(of, old)| of != sources || old.seen == window.seen && old.low != window.low);
        kept.push((sources.to_owned(), window.clone()));
        let mut bytes: usize = kept.iter().map(|(_, window)| window.bytes()).sum();
        while bytes > CACHE && kept.len() > 1 {
            bytes -= kept.remove(0).1.bytes();
        }
    }
}
