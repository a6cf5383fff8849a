//! The storage's directory, with paths of any length.

use crate::disk::{Dir, Fault, Kind, Stat};
use crate::layout::parent;
use std::ops::ControlFlow;

/// System calls take paths of less than 4096 bytes (`PATH_MAX`).
const MAX_PATH: usize = 4000;

/// The root and everything below it; `""` is the root itself.
#[derive(Debug)]
pub(crate) struct Tree<D> {
    root: D,
}

/// A directory from which the rest of a path is short enough.
enum Near<'t, D> {
    Root(&'t D),
    Below(D),
}

impl<D> Near<'_, D> {
    fn dir(&self) -> &D {
        match self {
            Self::Root(dir) => dir,
            Self::Below(dir) => dir,
        }
    }
}

impl<D: Dir> Tree<D> {
    pub(crate) fn new(root: D) -> Self {
        Self { root }
    }

    async fn near<'t, 'p>(&'t self, path: &'p str) -> Result<(Near<'t, D>, &'p str), Fault> {
        let mut near = Near::Root(&self.root);
        let mut rest = path;
        while rest.len() > MAX_PATH {
            // A name has at most 255 bytes, so there is a slash in reach.
            let head = rest
                .get(..rest.floor_char_boundary(MAX_PATH))
                .unwrap_or(rest);
            let Some(slash) = head.rfind('/') else {
                return Err(Fault::BadName);
            };
            near = Near::Below(
                near.dir()
                    .open_dir(rest.get(..slash).unwrap_or(rest))
                    .await?,
            );
            rest = rest.get(slash + 1..).unwrap_or_default();
        }
        Ok((near, if rest.is_empty() { "." } else { rest }))
    }

    pub(crate) async fn open_dir(&self, path: &str) -> Result<D, Fault> {
        let (near, rest) = self.near(path).await?;
        near.dir().open_dir(rest).await
    }

    pub(crate) async fn open(&self, path: &str) -> Result<D::File, Fault> {
        let (near, rest) = self.near(path).await?;
        near.dir().open(rest).await
    }

    pub(crate) async fn open_to_write(&self, path: &str) -> Result<D::File, Fault> {
        let (near, rest) = self.near(path).await?;
        near.dir().open_to_write(rest).await
    }

    pub(crate) async fn create(&self, path: &str) -> Result<D::File, Fault> {
        let (near, rest) = self.near(path).await?;
        near.dir().create(rest).await
    }

    pub(crate) async fn stat(&self, path: &str) -> Result<Stat, Fault> {
        let (near, rest) = self.near(path).await?;
        near.dir().stat(rest).await
    }

    pub(crate) async fn lstat(&self, path: &str) -> Result<Stat, Fault> {
        let (near, rest) = self.near(path).await?;
        near.dir().lstat(rest).await
    }

    /// What stands at the path, or where a link there leads; None if that is nothing.
    pub(crate) async fn look(&self, path: &str) -> Result<Option<Stat>, Fault> {
        match self.stat(path).await {
            Ok(stat) => Ok(Some(stat)),
            Err(fault) if fault.is_missing() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Whether a directory stands there, and no link to one.
    pub(crate) async fn is_own_dir(&self, path: &str) -> Result<bool, Fault> {
        Ok(self
            .look_here(path)
            .await?
            .is_some_and(|stat| stat.kind == Kind::Directory))
    }

    pub(crate) async fn is_dir(&self, path: &str) -> Result<bool, Fault> {
        Ok(self
            .look(path)
            .await?
            .is_some_and(|stat| stat.kind == Kind::Directory))
    }

    pub(crate) async fn make_dir(&self, path: &str) -> Result<(), Fault> {
        let (near, rest) = self.near(path).await?;
        near.dir().make_dir(rest).await
    }

    pub(crate) async fn remove_dir(&self, path: &str) -> Result<(), Fault> {
        let (near, rest) = self.near(path).await?;
        near.dir().remove_dir(rest).await
    }

    pub(crate) async fn remove_file(&self, path: &str) -> Result<(), Fault> {
        let (near, rest) = self.near(path).await?;
        near.dir().remove_file(rest).await
    }

    pub(crate) async fn rename(&self, from: &str, to: &str) -> Result<(), Fault> {
        let (near_from, from) = self.near(from).await?;
        let (near_to, to) = self.near(to).await?;
        near_from.dir().rename(from, near_to.dir(), to).await
    }

    /// Make the entries of a directory durable.
    pub(crate) async fn sync_dir(&self, path: &str) -> Result<(), Fault> {
        // Always through a new descriptor: the root's may be one for paths only, which the
        // system does not sync.
        self.open_dir(path).await?.sync().await
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
        let mut dir = dir;
        while dir.len() > base.len() && self.remove_dir(dir).await.is_ok() {
            dir = parent(dir);
        }
    }
}
