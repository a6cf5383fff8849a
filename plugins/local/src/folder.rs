//! The directories of one folder during a listing.

use crate::disk::{Dir, Fault, Kind};
use crate::layout::join;
use crate::objects::Info;
use crate::tree::Tree;
use crate::window::Sources;

/// A folder as keys see it. Its directories are opened when they are first needed: names in an
/// open one are looked up faster than paths.
#[derive(Debug)]
pub(crate) struct Folder<D> {
    paths: Sources,
    open: Vec<Option<D>>,
}

impl<D: Dir> Folder<D> {
    pub(crate) fn new(paths: Sources) -> Self {
        let open = paths.iter().map(|_| None).collect();
        Self { paths, open }
    }

    /// The one that is at these places of this one.
    pub(crate) async fn inner(&mut self, tree: &Tree<D>, places: Vec<(usize, String)>) -> Self {
        let mut inner = Self {
            paths: Vec::with_capacity(places.len()),
            open: Vec::with_capacity(places.len()),
        };
        for (source, name) in places {
            inner.paths.push(self.path(source, &name));
            inner.open.push(match self.dir(tree, source).await {
                // Why it does not open is found out when it is needed.
                Ok(dir) => dir.open_dir(&name).await.ok(),
                Err(_) => None,
            });
        }
        inner
    }

    /// Where its directories are.
    pub(crate) fn paths(&self) -> &Sources {
        &self.paths
    }

    /// The path of what is called `name` in one of them; of that one itself if it is empty.
    pub(crate) fn path(&self, source: usize, name: &str) -> String {
        let path = self.paths.get(source).map_or("", String::as_str);
        if name.is_empty() {
            path.to_owned()
        } else {
            join(path, name)
        }
    }

    /// One of them, open.
    pub(crate) async fn dir(&mut self, tree: &Tree<D>, source: usize) -> Result<&D, Fault> {
        let (Some(path), Some(open)) = (self.paths.get(source), self.open.get_mut(source)) else {
            return Err(Fault::Missing);
        };
        if open.is_none() {
            *open = Some(tree.open_dir(path).await?);
        }
        open.as_ref().ok_or(Fault::Missing)
    }

    /// Let go of the directories until they are needed again.
    pub(crate) fn close(&mut self) {
        self.open.fill_with(|| None);
    }

    /// The state of the file that is called `name` in one of them, if it is one.
    pub(crate) async fn object(
        &mut self,
        tree: &Tree<D>,
        source: usize,
        name: &str,
    ) -> Result<Option<Info>, Fault> {
        if let Ok(dir) = self.dir(tree, source).await
            && let Ok(stat) = dir.stat(name).await
        {
            return Ok((stat.kind == Kind::File).then(|| stat.into()));
        }
        // A link out of the directory, or nothing at all any more.
        tree.object(&self.path(source, name)).await
    }
}

impl<D: Dir> Tree<D> {
    /// The state of a file, if it is one. Also a link may lead to one, inside the root.
    pub(crate) async fn object(&self, path: &str) -> Result<Option<Info>, Fault> {
        match self.look(path).await {
            Ok(Some(stat)) if stat.kind == Kind::File => Ok(Some(stat.into())),
            Ok(_) | Err(Fault::Denied(_)) => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}
