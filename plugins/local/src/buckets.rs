//! Buckets: directories of the root.

use crate::disk::{Dir, Fault, Kind};
use crate::layout::{PRIVATE, is_bucket_name, join};
use crate::settings::Layout;
use crate::window::is_lost_and_found;
use crate::{Error, Local};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// A bucket and when it was made, in nanoseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Nanoseconds since 1970.
    pub created: i64,
}

/// The directory in a bucket that holds its objects, in the layout `objects`.
const OBJECTS: &str = "objects";
/// How many directories that are no buckets are named.
const TOLD: usize = 5;

impl<D: Dir> Local<D> {
    /// The directory of a bucket's objects, whether or not it is there. What a link leads to is no
    /// bucket: see [`crate::links`].
    pub(crate) async fn base<'b>(&self, bucket: &'b str) -> Result<Cow<'b, str>, Error> {
        let base = self.path_of(bucket)?;
        if self.is_own("", &base).await {
            Ok(base)
        } else {
            Err(Error::NoSuchBucket)
        }
    }

    /// The path of a bucket's objects.
    fn path_of<'b>(&self, bucket: &'b str) -> Result<Cow<'b, str>, Error> {
        if self.settings.single_bucket {
            return if bucket.is_empty() {
                Ok("".into())
            } else {
                Err(Error::NoSuchBucket)
            };
        }
        if !is_bucket_name(bucket) {
            return Err(Error::NoSuchBucket);
        }
        Ok(match self.settings.layout {
            Layout::Objects => join(bucket, OBJECTS).into(),
            Layout::Plain => bucket.into(),
        })
    }

    /// The same, of a bucket that is there.
    pub(crate) async fn existing_base<'b>(&self, bucket: &'b str) -> Result<Cow<'b, str>, Error> {
        let base = self.base(bucket).await?;
        if !base.is_empty() && !self.tree.is_dir(&base).await? {
            return Err(Error::NoSuchBucket);
        }
        Ok(base)
    }

    /// `error`, unless the truth is that the bucket is not there.
    pub(crate) async fn or_no_bucket(&self, base: &str, error: Error) -> Error {
        match self.tree.is_dir(base).await {
            Ok(false) if !base.is_empty() => Error::NoSuchBucket,
            _ => error,
        }
    }

    /// All buckets, in any order.
    pub async fn list_buckets(&self) -> Result<Vec<Bucket>, Error> {
        let mut names = Vec::new();
        self.tree
            .read("", |name, kind| {
                if kind == Kind::Directory && is_bucket_name(name) {
                    names.push(name.to_owned());
                }
                ControlFlow::Continue(())
            })
            .await?;
        names.sort_unstable();
        names.dedup();
        let mut buckets = Vec::with_capacity(names.len());
        for name in names {
            match self.stat_bucket(&name).await {
                Ok(bucket) => buckets.push(bucket),
                Err(Error::NoSuchBucket) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(buckets)
    }

    /// What to say of directories that are no buckets though somebody may think so: in a tree that
    /// was there before, and in which every directory is one if it can. Links to directories count.
    pub async fn no_buckets(&self) -> Result<Option<String>, Error> {
        if self.settings.single_bucket || self.settings.layout == Layout::Objects {
            return Ok(None);
        }
        let (mut names, mut links) = (BTreeSet::new(), Vec::new());
        let read = self.tree.read("", |name, kind| {
            match kind {
                Kind::Link => links.push(name.to_owned()),
                Kind::Directory if name == PRIVATE || is_lost_and_found(name) => {}
                Kind::Directory if !is_bucket_name(name) => _ = names.insert(name.to_owned()),
                _ => {}
            }
            ControlFlow::Continue(())
        });
        read.await?;
        for link in links {
            // One that leads nowhere, or out, is nothing at all.
            if matches!(self.tree.is_dir(&link).await, Ok(true)) {
                names.insert(link);
            }
        }
        let told: Vec<_> = names
            .iter()
            .take(TOLD)
            .map(|name| format!("{name:?}"))
            .collect();
        let more = match names.len() - told.len() {
            _ if told.is_empty() => return Ok(None),
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Ok(Some(format!(
            "these are no buckets, since a bucket is a directory (and no link) whose name is legal \
             for one: {}{more}",
            told.join(", ")
        )))
    }

    /// A bucket that is there.
    pub async fn stat_bucket(&self, bucket: &str) -> Result<Bucket, Error> {
        self.existing_base(bucket).await?;
        let Some(stat) = self.tree.look(bucket).await? else {
            return Err(Error::NoSuchBucket);
        };
        // Either may be the later one: a copied directory keeps only its modification time.
        let created = stat.created.min(stat.modified);
        Ok(Bucket {
            name: bucket.to_owned(),
            created,
        })
    }

    /// Make a bucket.
    pub async fn create_bucket(&self, bucket: &str) -> Result<(), Error> {
        if self.settings.single_bucket {
            return Err(if bucket.is_empty() {
                Error::AlreadyExists
            } else {
                Error::Unsupported
            });
        }
        if !is_bucket_name(bucket) {
            return Err(Error::InvalidName(format!("{bucket:?} is no bucket name")));
        }
        let base = self.path_of(bucket)?;
        let made = self.make_bucket_dir(bucket).await?;
        if self.settings.layout == Layout::Objects {
            // A directory without `objects` is no bucket yet.
            if !self.make_bucket_dir(&base).await? {
                return Err(Error::AlreadyExists);
            }
        } else if !made {
            return Err(Error::AlreadyExists);
        }
        if self.settings.durable {
            self.tree.sync_dir("").await?;
            self.tree.sync_dir(bucket).await?;
        }
        Ok(())
    }

    /// Make a directory of a bucket; whether it was not there yet.
    async fn make_bucket_dir(&self, path: &str) -> Result<bool, Error> {
        match self.tree.make_dir(path).await {
            Ok(()) => Ok(true),
            Err(Fault::Exists) if self.tree.is_own_dir(path).await? => Ok(false),
            Err(Fault::Exists) => Err(Error::InvalidName(format!(
                "what stands at {path:?} is no directory"
            ))),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Delete a bucket without objects. Directories that a crash left behind empty do not
    /// count; a file does, whatever its name.
    pub async fn delete_bucket(&self, bucket: &str) -> Result<(), Error> {
        if self.settings.single_bucket && bucket.is_empty() {
            return Err(Error::NotEmpty);
        }
        let base = self.existing_base(bucket).await?;
        let mut near = self.tree.nearby();
        // Children behind their parents, so that the reverse is an order to remove them in.
        let mut dirs = Vec::new();
        let mut unread = vec![bucket.to_owned()];
        while let Some(dir) = unread.pop() {
            let mut file = false;
            let found = async {
                let opened = near.open_dir(&dir).await?;
                let read = opened.read(|name, kind| {
                    if kind == Kind::Directory {
                        unread.push(join(&dir, name));
                        return ControlFlow::Continue(());
                    }
                    file = true;
                    ControlFlow::Break(())
                });
                read.await
            };
            match found.await {
                Ok(()) if file => return Err(Error::NotEmpty),
                Ok(()) => {}
                Err(fault) if fault.is_missing() => {}
                Err(fault) => return Err(fault.into()),
            }
            dirs.push(dir);
            D::pause().await;
        }
        for dir in dirs.iter().rev() {
            match near.remove_dir(dir).await {
                Ok(()) | Err(Fault::Missing) => {}
                Err(Fault::NotEmpty | Fault::Exists) => {
                    // Somebody was faster. The bucket stays one if only its inside is new.
                    if dir == bucket && *base != *bucket {
                        self.tree
                            .make_dir(&base)
                            .await
                            .or_else(|fault| match fault {
                                Fault::Exists => Ok(()),
                                fault => Err(fault),
                            })?;
                    }
                    return Err(Error::NotEmpty);
                }
                Err(fault) => return Err(fault.into()),
            }
            D::pause().await;
        }
        if self.settings.durable {
            self.tree.sync_dir("").await?;
        }
        Ok(())
    }
}
