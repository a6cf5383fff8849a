//! Uploads in parts.
//!
//! An upload is a directory. Its file `data` takes the parts whose place is known when they
//! arrive, at that place; every other part is a file of its own. So a usual upload is complete
//! as soon as its parts are there, and completing it is one rename.

use crate::disk::{Dir, Fault, File, Kind};
use crate::layout::join;
use crate::objects::{Info, Receipt};
use crate::{Error, Local};
use std::ops::ControlFlow;

/// Unfinished uploads, below the root.
pub(crate) const UPLOADS: &str = ".pys3local/uploads";
const DATA: &str = "data";

/// One part as the upload's completion names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Bytes.
    pub size: u64,
    /// What [`Local::part`] answered.
    pub token: String,
}

/// Where a part's bytes are.
enum Place<'t> {
    /// In `data`, at this offset.
    Data(u64),
    /// In a file of this name.
    Own(&'t str),
}

impl<'t> Place<'t> {
    fn parse(token: &'t str) -> Result<Self, Error> {
        if let Some(offset) = token.strip_prefix('@') {
            return offset.parse().map(Self::Data).map_err(|_| unknown_token());
        }
        let own = token.starts_with('p') && !token.contains('/');
        if own {
            Ok(Self::Own(token))
        } else {
            Err(unknown_token())
        }
    }
}

fn unknown_token() -> Error {
    Error::Other("this is no token of a part".into())
}

/// The directory of an upload.
fn dir_of(upload: &str) -> Result<String, Error> {
    let ours = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if upload.is_empty() || upload.len() > 255 || !upload.bytes().all(ours) {
        return Err(Error::NoSuchUpload);
    }
    Ok(join(UPLOADS, upload))
}

/// A fault of a file in an upload's directory.
fn in_upload(fault: Fault) -> Error {
    if fault.is_missing() {
        Error::NoSuchUpload
    } else {
        fault.into()
    }
}

impl<D: Dir> Local<D> {
    /// Start an upload and name it.
    pub async fn begin(&self, bucket: &str) -> Result<String, Error> {
        self.existing_base(bucket).await?;
        let upload = self.unique();
        let dir = join(UPLOADS, &upload);
        match self.tree.make_dir(&dir).await {
            Err(Fault::Missing) => {
                self.make_dirs(UPLOADS).await?;
                self.tree.make_dir(&dir).await?;
            }
            made => made?,
        }
        self.tree.create(&join(&dir, DATA)).await?;
        if self.settings.durable {
            self.tree.sync_dir(&dir).await?;
            self.tree.sync_dir(UPLOADS).await?;
        }
        Ok(upload)
    }

    /// Take one part of `size` bytes and answer a token for it.
    ///
    /// At an `offset`, nothing tells how much of the part arrived when later parts are there
    /// already: the stream has to fail if it is cut short.
    pub async fn part(
        &self,
        upload: &str,
        number: u32,
        size: u64,
        offset: Option<u64>,
        body: D::Body,
    ) -> Result<String, Error> {
        let dir = dir_of(upload)?;
        if let Some(offset) = offset {
            let data = self
                .tree
                .open_to_write(&join(&dir, DATA))
                .await
                .map_err(in_upload)?;
            let written = data.write(body, offset).await?;
            let end = offset.saturating_add(size);
            if written.is_some_and(|written| written != size) || data.stat().await?.size < end {
                return Err(Error::Aborted);
            }
            if self.settings.durable {
                data.sync().await?;
            }
            return Ok(format!("@{offset}"));
        }
        let token = format!("p{number}-{}", self.unique());
        let path = join(&dir, &token);
        let file = self.tree.create(&path).await.map_err(in_upload)?;
        let stored = async {
            file.write(body, 0).await?;
            if file.stat().await?.size != size {
                return Err(Error::Aborted);
            }
            if self.settings.durable {
                file.sync().await?;
                self.tree.sync_dir(&dir).await?;
            }
            Ok(token)
        };
        let stored = stored.await;
        if stored.is_err() {
            self.discard(&path, file).await;
        }
        stored
    }

    /// Publish the object that consists of `parts`.
    pub async fn complete(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        parts: &[Part],
        receipt: Receipt,
    ) -> Result<Info, Error> {
        let dir = dir_of(upload)?;
        let data_path = join(&dir, DATA);
        let data = self
            .tree
            .open_to_write(&data_path)
            .await
            .map_err(in_upload)?;
        let base = self.existing_base(bucket).await?;

        let stored = data.stat().await?.size;
        let mut total = 0u64;
        let mut in_place = true;
        let mut places = Vec::with_capacity(parts.len());
        for part in parts {
            let place = Place::parse(&part.token)?;
            if let Place::Data(offset) = place {
                // A completion that failed at its last step may have cut the file already.
                if offset.saturating_add(part.size) > stored {
                    return Err(Error::Other("a part is no longer there".into()));
                }
                in_place &= offset == total;
            }
            places.push((place, total, part.size));
            total = total.saturating_add(part.size);
        }
        if total != receipt.size {
            let size = receipt.size;
            return Err(Error::Other(format!(
                "the parts have {total} bytes, not {size}"
            )));
        }

        let info = if in_place {
            for (place, offset, size) in &places {
                if let Place::Own(name) = place {
                    self.append(&dir, name, *size, &data, *offset).await?;
                }
            }
            // Parts that are not named end here. Not before now: see above.
            data.set_size(total).await?;
            self.seal(&data).await?;
            self.publish(&base, key, &data_path, &data, total).await?
        } else {
            self.assemble(&base, key, &dir, &data, &places).await?
        };
        if let Err(error) = self.remove_upload(&dir).await {
            D::warn(&format!("{dir} stays behind: {error:?}"));
        }
        Ok(info)
    }

    /// Copy the part in the file `name` to its place in `to`.
    async fn append(
        &self,
        dir: &str,
        name: &str,
        size: u64,
        to: &D::File,
        offset: u64,
    ) -> Result<(), Error> {
        let from = self.tree.open(&join(dir, name)).await.map_err(in_upload)?;
        if from.stat().await?.size != size {
            return Err(Error::Other(format!("the part {name} has another size")));
        }
        Ok(from.copy_to(0, size, to, offset).await?)
    }

    /// Publish a copy, because some parts are in `data` but at another place than their own.
    async fn assemble(
        &self,
        base: &str,
        key: &str,
        dir: &str,
        data: &D::File,
        places: &[(Place<'_>, u64, u64)],
    ) -> Result<Info, Error> {
        let (tmp, file) = self.create_tmp().await?;
        let stored = async {
            let mut end = 0;
            for (place, offset, size) in places {
                match place {
                    Place::Own(name) => self.append(dir, name, *size, &file, *offset).await?,
                    Place::Data(from) => data.copy_to(*from, *size, &file, *offset).await?,
                }
                end = offset.saturating_add(*size);
            }
            self.seal(&file).await?;
            self.publish(base, key, &tmp, &file, end).await
        };
        let stored = stored.await;
        if stored.is_err() {
            self.discard(&tmp, file).await;
        }
        stored
    }

    /// Forget an upload and its parts.
    pub async fn abort(&self, upload: &str) -> Result<(), Error> {
        match dir_of(upload) {
            Ok(dir) => self.remove_upload(&dir).await,
            Err(_) => Ok(()),
        }
    }

    /// Remove an upload's directory.
    pub(crate) async fn remove_upload(&self, dir: &str) -> Result<(), Error> {
        // A part that was on its way may add a file meanwhile.
        for _ in 0..3 {
            let mut names = Vec::new();
            let read = self.tree.read(dir, |name, kind| {
                if kind != Kind::Directory {
                    names.push(join(dir, name));
                }
                ControlFlow::Continue(())
            });
            match read.await {
                Err(fault) if fault.is_missing() => return Ok(()),
                read => read?,
            }
            for name in names {
                match self.tree.remove_file(&name).await {
                    Err(Fault::Missing) => {}
                    removed => removed?,
                }
            }
            match self.tree.remove_dir(dir).await {
                Ok(()) | Err(Fault::Missing) => return Ok(()),
                Err(Fault::NotEmpty | Fault::Exists) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        Err(Error::Unavailable("parts still arrive".into()))
    }
}
