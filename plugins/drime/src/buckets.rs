//! Buckets: the folders in the root folder.

use crate::folders::FIRST;
use crate::net::Net;
use crate::{Drime, Error};

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Creation, nanoseconds since 1970.
    pub created: i64,
}

impl<N: Net> Drime<N> {
    /// All buckets. Folders whose names no bucket can have are among them.
    pub async fn list_buckets(&self) -> Result<Vec<Bucket>, Error> {
        let mut rows = self.list(self.root, true).await?;
        let now = self.client.net.now();
        self.folders
            .borrow()
            .correct(self.root, now, &mut rows, Some(FIRST));
        rows.retain(|row| row.folder);
        let mut buckets: Vec<Bucket> = Vec::new();
        for row in rows {
            if !buckets.iter().any(|bucket| bucket.name == row.name) {
                buckets.push(Bucket {
                    name: row.name,
                    created: row.created,
                });
            }
        }
        Ok(buckets)
    }

    /// Makes an empty bucket.
    pub async fn create_bucket(&self, bucket: &str) -> Result<(), Error> {
        if self.find_folder(self.root, bucket).await?.is_some() {
            return Err(Error::AlreadyExists);
        }
        self.make_folder(self.root, bucket).await?;
        Ok(())
    }

    /// Whether a bucket is there.
    pub async fn stat_bucket(&self, bucket: &str) -> Result<Bucket, Error> {
        self.bucket(bucket).await?;
        Ok(Bucket {
            name: bucket.into(),
            created: 0,
        })
    }

    /// Deletes a bucket without objects, with the empty folders in it.
    pub async fn delete_bucket(&self, bucket: &str) -> Result<(), Error> {
        let Some(folder) = self.bucket(bucket).await? else {
            return Err(Error::NotEmpty);
        };
        self.folders.borrow_mut().doubt();
        if self.holds_files(Some(folder)).await? {
            return Err(Error::NotEmpty);
        }
        self.remove(self.root, &[folder]).await?;
        self.folders.borrow_mut().doubt();
        Ok(())
    }

    /// Whether there is a file anywhere below, even one that is no object of ours.
    async fn holds_files(&self, folder: Option<i64>) -> Result<bool, Error> {
        let mut todo = vec![folder];
        while let Some(folder) = todo.pop() {
            let rows = self.rows(folder, 0).await?;
            if rows.iter().any(|row| !row.folder) {
                return Ok(true);
            }
            todo.extend(rows.iter().map(|row| Some(row.id)));
        }
        Ok(false)
    }
}
