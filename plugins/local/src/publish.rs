//! The step that makes a finished file an object.

use crate::disk::{Dir, Fault, File, Kind, Stat};
use crate::layout::{self, Mark, child, join, parent};
use crate::nearby::Nearby;
use crate::objects::Info;
use crate::{Error, Local};

/// How often the step starts again when directories come and go under it.
const ATTEMPTS: usize = 16;
/// Nanoseconds. Modification times behind the clock by more than this are not kept up with.
const FUTURE: i64 = 60_000_000_000;
/// Bytes. The alternate of a longer last segment may need directories of its own: the slow way.
const LONG: usize = 200;

/// Where an object goes.
struct Target {
    path: String,
    replaced: Option<Stat>,
}

impl<D: Dir> Local<D> {
    /// Make a finished file ready to be published: give it a time, and make it durable.
    pub(crate) async fn seal(&self, file: &D::File) -> Result<(), Fault> {
        // The system's own stamps have steps of milliseconds: two files of one size that somebody
        // else and we finish within one would pass for the same state. Where times cannot be set,
        // those have to do.
        let _ = file.set_modified(D::now()).await;
        if self.settings.durable {
            file.sync().await?;
        }
        Ok(())
    }

    /// Move the temporary file `tmp`, open as `file` and sealed, to where `key` belongs.
    pub(crate) async fn publish(
        &self,
        base: &str,
        key: &str,
        tmp: &str,
        file: &D::File,
        size: u64,
    ) -> Result<Info, Error> {
        let mut stat = file.stat().await?;
        if stat.size != size {
            let found = stat.size;
            return Err(Error::Other(format!(
                "{found} bytes were stored, not {size}"
            )));
        }
        // Directories with new entries.
        let mut changed: Vec<String> = Vec::new();
        for attempt in 0..ATTEMPTS {
            let target = match attempt {
                0 => self.ordinary_target(base, key).await,
                _ => Ok(None),
            };
            let target = match target {
                Ok(Some(target)) => target,
                Ok(None) => match self.target(base, key, &mut changed).await {
                    Err(fault) if fault.is_race() => continue,
                    target => target?,
                },
                Err(fault) => return Err(fault.into()),
            };
            if let Some(old) = target.replaced
                && stat.modified <= old.modified
                && old.modified < stat.modified.saturating_add(FUTURE)
            {
                stat = outdate(file, old).await?;
                if self.settings.durable {
                    file.sync().await?;
                }
            }
            match self.tree.rename(tmp, &target.path).await {
                Ok(()) => {
                    if self.settings.durable {
                        self.sync_dirs(parent(&target.path), changed).await?;
                    }
                    return Ok(stat.into());
                }
                Err(fault) if fault.is_race() => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        let error = Error::Unavailable("files and directories change too fast".into());
        Err(self.or_no_bucket(base, error).await)
    }

    async fn sync_dirs(&self, dir: &str, mut changed: Vec<String>) -> Result<(), Error> {
        changed.push(dir.to_owned());
        changed.sort_unstable();
        changed.dedup();
        let mut near = self.tree.nearby();
        // The inner ones first: an outer one leads to them.
        for dir in changed.iter().rev() {
            match near.sync_dir(dir).await {
                // Deleted again by somebody else, with what it held.
                Err(fault) if fault.is_missing() => {}
                synced => synced?,
            }
        }
        Ok(())
    }

    /// The ordinary path of the key, if it is free or an object's already.
    async fn ordinary_target(&self, base: &str, key: &str) -> Result<Option<Target>, Fault> {
        let path = join(base, &layout::path(key));
        if !self.is_direct(base, &path).await {
            return Ok(None);
        }
        match self.tree.stat(&path).await {
            Ok(stat) if stat.kind != Kind::File => Ok(None),
            Ok(stat) => Ok(Some(Target {
                path,
                replaced: Some(stat),
            })),
            Err(Fault::Missing) => {
                let (above, name) = match key.rsplit_once('/') {
                    Some((_, name)) => (parent(&path), name),
                    None => (base, key),
                };
                if name.len() > LONG {
                    return Ok(None);
                }
                let other = child(above, name, !key.contains('/'), Mark::File);
                match self.tree.look(&other).await? {
                    Some(stat) if stat.kind == Kind::File => Ok(Some(Target {
                        path: other,
                        replaced: Some(stat),
                    })),
                    _ => Ok(Some(Target {
                        path,
                        replaced: None,
                    })),
                }
            }
            Err(fault) if fault.is_missing() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Where the key is, or else the first place that is free for it. Makes its directories.
    async fn target(
        &self,
        base: &str,
        key: &str,
        changed: &mut Vec<String>,
    ) -> Result<Target, Fault> {
        if let Some((path, stat)) = self.find(base, key).await? {
            return Ok(Target {
                path,
                replaced: Some(stat),
            });
        }
        let mut near = self.tree.nearby();
        let mut dir = base.to_owned();
        let (dirs, name) = key
            .rsplit_once('/')
            .map_or((None, key), |(dirs, n)| (Some(dirs), n));
        for (depth, segment) in dirs
            .into_iter()
            .flat_map(|dirs| dirs.split('/'))
            .enumerate()
        {
            dir = self
                .enter(&mut near, &dir, (segment, depth == 0), changed)
                .await?;
        }
        let first = dirs.is_none();
        let mut path = child(&dir, name, first, Mark::None);
        // Directories and pipes stay what they are; of links, those that lead to nothing go.
        let standing = near.look(&path).await?;
        if standing.is_some_and(|stat| stat.kind != Kind::File) {
            path = child(&dir, name, first, Mark::File);
        }
        self.make_chain(&mut near, &dir, parent(&path), changed)
            .await?;
        Ok(Target {
            path,
            replaced: None,
        })
    }

    /// The directory of a segment, made if need be. `first` says that the segment starts the key.
    async fn enter(
        &self,
        near: &mut Nearby<'_, D>,
        dir: &str,
        (segment, first): (&str, bool),
        changed: &mut Vec<String>,
    ) -> Result<String, Fault> {
        let ordinary = child(dir, segment, first, Mark::None);
        let standing = near.look_here(&ordinary).await?;
        if standing.is_some_and(|stat| stat.kind == Kind::Directory) {
            return Ok(ordinary);
        }
        let other = child(dir, segment, first, Mark::Directory);
        if near.is_own_dir(&other).await? {
            return Ok(other);
        }
        let (chosen, rival) = match standing {
            None => (ordinary, other),
            Some(_) => (other, ordinary),
        };
        self.make_chain(near, dir, &chosen, changed).await?;
        // Somebody who saw another state may have made the other one: both look after they
        // have made theirs, so at least one of them sees it and steps back.
        if near.is_own_dir(&rival).await? && near.remove_dir(&chosen).await.is_ok() {
            return Ok(rival);
        }
        Ok(chosen)
    }

    /// Make the directories that `path` has behind `dir`: one, or several for a long name.
    async fn make_chain(
        &self,
        near: &mut Nearby<'_, D>,
        dir: &str,
        path: &str,
        changed: &mut Vec<String>,
    ) -> Result<(), Fault> {
        let start = if dir.is_empty() { 0 } else { dir.len() + 1 };
        let names = path.get(start..).unwrap_or_default();
        let ends = names
            .match_indices('/')
            .map(|(at, _)| at)
            .chain([names.len()]);
        for made in ends.filter_map(|end| path.get(..start + end)) {
            if made.len() <= dir.len() {
                continue;
            }
            match near.make_dir(made).await {
                Ok(()) if self.settings.durable => changed.push(parent(made).to_owned()),
                Ok(()) => {}
                // A file or a link is no way in.
                Err(Fault::Exists) if near.is_own_dir(made).await? => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }
}

/// Make the file's modification time later than that of the one it replaces, also where
/// the file system rounds it.
async fn outdate<F: File>(file: &F, old: Stat) -> Result<Stat, Fault> {
    let mut stat = old;
    for step in [1, 1_000, 1_000_000, 1_000_000_000, 2_000_000_000] {
        file.set_modified(old.modified.saturating_add(step)).await?;
        stat = file.stat().await?;
        if stat.modified > old.modified {
            return Ok(stat);
        }
    }
    Ok(stat)
}
