//! The storage's directory.

use crate::disk::{Dir, Fault, Kind, Stat};
use crate::layout::parent;
use crate::nearby::Nearby;
use std::ops::ControlFlow;

/// The root and everything below it; `""` is the root itself.
#[derive(Debug)]
pub(crate) struct Tree<D> {
    root: D,
}

impl<D: Dir> Tree<D> {
    pub(crate) fn new(root: D) -> Self {
        Self { root }
    }

    /// For several calls at places that are next to each other.
    pub(crate) fn nearby(&self) -> Nearby<'_, D> {
        Nearby::new(&self.root)
    }

    pub(crate) async fn open_dir(&self, path: &str) -> Result<D, Fault> {
        self.nearby().open_dir(path).await
    }

    pub(crate) async fn open(&self, path: &str) -> Result<D::File, Fault> {
        let mut near = self.nearby();
        let (dir, rest) = near.at(path).await?;
        dir.open(rest).await
    }

    pub(crate) async fn open_to_write(&self, path: &str) -> Result<D::File, Fault> {
        let mut near = self.nearby();
        let (dir, rest) = near.at(path).await?;
        dir.open_to_write(rest).await
    }

    pub(crate) async fn create(&self, path: &str) -> Result<D::File, Fault> {
        let mut near = self.nearby();
        let (dir, rest) = near.at(path).await?;
        dir.create(rest).await
    }

    pub(crate) async fn stat(&self, path: &str) -> Result<Stat, Fault> {
        self.nearby().stat(path).await
    }

    /// What stands at the path, or where a link there leads; None if that is nothing.
    pub(crate) async fn look(&self, path: &str) -> Result<Option<Stat>, Fault> {
        self.nearby().look(path).await
    }

    /// Whether a directory stands there, and no link to one.
    pub(crate) async fn is_own_dir(&self, path: &str) -> Result<bool, Fault> {
        self.nearby().is_own_dir(path).await
    }

    /// What stands at the path; see [`Nearby::look_here`].
    pub(crate) async fn look_here(&self, path: &str) -> Result<Option<Stat>, Fault> {
        self.nearby().look_here(path).await
    }

    pub(crate) async fn is_dir(&self, path: &str) -> Result<bool, Fault> {
        Ok(self
            .look(path)
            .await?
            .is_some_and(|stat| stat.kind == Kind::Directory))
    }

    pub(crate) async fn make_dir(&self, path: &str) -> Result<(), Fault> {
        self.nearby().make_dir(path).await
    }

    pub(crate) async fn remove_dir(&self, path: &str) -> Result<(), Fault> {
        self.nearby().remove_dir(path).await
    }

    pub(crate) async fn remove_file(&self, path: &str) -> Result<(), Fault> {
        let mut near = self.nearby();
        let (dir, rest) = near.at(path).await?;
        dir.remove_file(rest).await
    }

    pub(crate) async fn rename(&self, from: &str, to: &str) -> Result<(), Fault> {
        let (mut near_from, mut near_to) = (self.nearby(), self.nearby());
        let (from_dir, from) = near_from.at(from).await?;
        let (to_dir, to) = near_to.at(to).await?;
        from_dir.rename(from, to_dir, to).await
    }

    /// Make the entries of a directory durable.
    pub(crate) async fn sync_dir(&self, path: &str) -> Result<(), Fault> {
        self.nearby().sync_dir(path).await
    }

    /// Call `each` with every entry of a directory; see [`Dir::read`].
    pub(crate) async fn read(
        &self,
        path: &str,
        each: impl FnMut(&str, Kind) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        self.open_dir(path).await?.read(each).await
    }

    /// Remove directories that have become empty, upwards from `dir` and below `base`.
    pub(crate) async fn prune(&self, dir: &str, base: &str) {
        let mut near = self.nearby();
        let mut dir = dir;
        while dir.len() > base.len() && near.remove_dir(dir).await.is_ok() {
            dir = parent(dir);
        }
    }
}
