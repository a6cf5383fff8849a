//! Removal of what a crash left behind.

use crate::disk::{Dir, Fault, Kind};
use crate::layout::join;
use crate::parts::UPLOADS;
use crate::{Error, Local, TMP};
use std::ops::ControlFlow;

impl<D: Dir> Local<D> {
    /// Remove temporary files and uploads that nobody has written to since `before`
    /// (nanoseconds since 1970), except the uploads in `keep`. Answers how many went.
    pub async fn sweep<K: AsRef<str>>(&self, before: i64, keep: &[K]) -> Result<u32, Error> {
        let mut swept = 0;
        for (name, kind) in self.names(TMP).await? {
            let path = join(TMP, &name);
            if kind == Kind::Directory || self.modified(&path).await? >= before {
                continue;
            }
            match self.tree.remove_file(&path).await {
                Ok(()) => swept += 1,
                Err(Fault::Missing) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        for (name, kind) in self.names(UPLOADS).await? {
            let kept = keep.iter().any(|kept| kept.as_ref() == name);
            if kept || kind != Kind::Directory {
                continue;
            }
            let dir = join(UPLOADS, &name);
            let mut latest = self.modified(&dir).await?;
            for (file, _) in self.names(&dir).await? {
                latest = latest.max(self.modified(&join(&dir, &file)).await?);
            }
            if latest < before {
                self.remove_upload(&dir).await?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    async fn names(&self, dir: &str) -> Result<Vec<(String, Kind)>, Error> {
        let mut names = Vec::new();
        let read = self.tree.read(dir, |name, kind| {
            names.push((name.to_owned(), kind));
            ControlFlow::Continue(())
        });
        match read.await {
            Err(fault) if fault.is_missing() => Ok(Vec::new()),
            read => Ok(read.map(|()| names)?),
        }
    }

    /// When it was last written to; the end of time if it is gone.
    async fn modified(&self, path: &str) -> Result<i64, Error> {
        Ok(self
            .tree
            .look(path)
            .await?
            .map_or(i64::MAX, |stat| stat.modified))
    }
}
