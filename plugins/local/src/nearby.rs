//! Paths of any length and depth.
//!
//! The system walks through a path name by name, on each call from the start, and takes only paths
//! of less than 4096 bytes (`PATH_MAX`). Whoever goes down or up a deep path level by level would
//! have it walk each time through almost everything that it has just walked through. So a directory
//! near the end of the last path stays open, and the next path is looked up from there.

use crate::disk::{Dir, Fault, Kind, Stat};

/// Bytes of a path that the system takes at once.
const MAX_PATH: usize = 4000;
/// Names of a path that the system looks up at once. Ordinary paths have fewer: nothing is opened
/// for them.
const MAX_NAMES: usize = 64;
/// How many names are left to look up behind a directory that is opened; as far it is to the next one.
const LEFT: usize = MAX_NAMES / 2;

/// The tree, for the calls of one operation. Each may be at another place; what is next to the one
/// before is found sooner.
#[derive(Debug)]
pub(crate) struct Nearby<'t, D> {
    root: &'t D,
    /// At most one directory is open, since handles are few.
    open: Option<(String, D)>,
}

impl<'t, D: Dir> Nearby<'t, D> {
    pub(crate) fn new(root: &'t D) -> Self {
        Self { root, open: None }
    }

    fn dir(&self) -> &D {
        self.open.as_ref().map_or(self.root, |(_, dir)| dir)
    }

    /// An open directory, and how the path goes on from it. `""` is the root.
    pub(crate) async fn at<'p>(&mut self, path: &'p str) -> Result<(&D, &'p str), Fault> {
        let mut rest = path;
        if let Some((open, _)) = &self.open {
            match path
                .strip_prefix(open.as_str())
                .map(|r| r.strip_prefix('/'))
            {
                Some(Some(below)) => rest = below,
                _ => self.open = None,
            }
        }
        while is_long(rest) {
            let cut = cut(rest).ok_or(Fault::BadName)?;
            let (head, tail) = rest.split_at(cut);
            let dir = self.dir().open_dir(head).await?;
            let opened = path.strip_suffix(tail).unwrap_or(path).to_owned();
            self.open = Some((opened, dir));
            rest = tail.strip_prefix('/').unwrap_or(tail);
            // Whoever has come so far has been at it for a while.
            D::pause().await;
        }
        Ok((self.dir(), if rest.is_empty() { "." } else { rest }))
    }

    pub(crate) async fn stat(&mut self, path: &str) -> Result<Stat, Fault> {
        let (dir, rest) = self.at(path).await?;
        dir.stat(rest).await
    }

    pub(crate) async fn lstat(&mut self, path: &str) -> Result<Stat, Fault> {
        let (dir, rest) = self.at(path).await?;
        dir.lstat(rest).await
    }

    pub(crate) async fn open_dir(&mut self, path: &str) -> Result<D, Fault> {
        let (dir, rest) = self.at(path).await?;
        dir.open_dir(rest).await
    }

    pub(crate) async fn make_dir(&mut self, path: &str) -> Result<(), Fault> {
        let (dir, rest) = self.at(path).await?;
        dir.make_dir(rest).await
    }

    pub(crate) async fn remove_dir(&mut self, path: &str) -> Result<(), Fault> {
        let (dir, rest) = self.at(path).await?;
        dir.remove_dir(rest).await
    }

    /// What stands at the path, or where a link there leads; None if that is nothing.
    pub(crate) async fn look(&mut self, path: &str) -> Result<Option<Stat>, Fault> {
        match self.stat(path).await {
            Ok(stat) => Ok(Some(stat)),
            Err(fault) if fault.is_missing() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// What stands at the path, which is a file also where a link leads to one. Any other link
    /// is a link.
    pub(crate) async fn look_here(&mut self, path: &str) -> Result<Option<Stat>, Fault> {
        match self.lstat(path).await {
            Ok(link) if link.kind == Kind::Link => match self.look(path).await? {
                Some(stat) if stat.kind == Kind::File => Ok(Some(stat)),
                _ => Ok(Some(link)),
            },
            Ok(stat) => Ok(Some(stat)),
            Err(fault) if fault.is_missing() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Whether a directory stands there, and no link to one.
    pub(crate) async fn is_own_dir(&mut self, path: &str) -> Result<bool, Fault> {
        let standing = self.look_here(path).await?;
        Ok(standing.is_some_and(|stat| stat.kind == Kind::Directory))
    }

    /// Make the entries of a directory durable.
    pub(crate) async fn sync_dir(&mut self, path: &str) -> Result<(), Fault> {
        // Always through a new descriptor: the root's may be one for paths only, which the
        // system does not sync.
        self.open_dir(path).await?.sync().await
    }
}

fn is_long(path: &str) -> bool {
    // A name and its slash have two bytes or more.
    path.len() > MAX_PATH || path.len() > 2 * MAX_NAMES && slashes(path) >= MAX_NAMES
}

fn slashes(path: &str) -> usize {
    path.bytes().filter(|&byte| byte == b'/').count()
}

/// The slash of a long path up to which it is opened next.
fn cut(path: &str) -> Option<usize> {
    let most = match slashes(path) {
        many @ MAX_NAMES.. => many - LEFT + 1,
        few => few,
    };
    let ends = path.match_indices('/').map(|(at, _)| at);
    // A name has at most 255 bytes, so there is a slash in reach.
    ends.take(most).take_while(|at| *at <= MAX_PATH).last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_paths_are_looked_up_at_once() {
        for path in [
            "",
            "a",
            "bucket/objects/a/b/c",
            &"d/".repeat(60),
            &"x".repeat(3000),
        ] {
            assert!(!is_long(path), "{path}");
        }
    }

    #[test]
    fn a_long_path_is_cut_near_its_end_and_never_into_pieces_that_are_too_long() {
        let deep = format!("{}x", "d/".repeat(100));
        assert_eq!(deep.len() - cut(&deep).unwrap(), 2 * LEFT);
        let name = "n".repeat(255);
        for path in [
            vec![name.as_str(); 20].join("/"),
            vec![name.as_str(); 1000].join("/"),
            vec!["%%e"; 1025].join("/"),
        ] {
            let mut rest = path.as_str();
            let mut pieces = 0;
            while is_long(rest) {
                let at = cut(rest).unwrap();
                assert!((1..=MAX_PATH).contains(&at), "{at}");
                rest = &rest[at + 1..];
                pieces += 1;
            }
            assert!(pieces <= path.len() / (MAX_PATH - 256) + 1, "{pieces}");
        }
    }
}
