//! Objects that the database knows and the storage does not have any more.

use super::migrate::Outcome;
use super::walk::{Walk, patiently};
use crate::cache::{CacheReader, KnownStore};
use crate::cli::Failure;
use crate::model::{BucketName, ObjectKey};
use crate::service::{ReadConditions, ReadObject, ServiceError};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Seek as _, Write as _};

/// Known objects of one look into the database.
const PAGE: u64 = 1000;

/// Compares what is known with what is listed, while that is listed. Both come in the same order,
/// so neither is kept; what is not listed waits in a file, however much it is, until all that is
/// listed was verified.
pub(super) struct Missing<'a> {
    walk: &'a Walk,
    reader: CacheReader,
    store: KnownStore,
    /// The buckets of the walk in its order, and then those that only the database knows.
    buckets: Vec<BucketName>,
    /// The bucket that is compared.
    at: usize,
    known: Known,
    unlisted: BufWriter<File>,
}

/// The known objects of a bucket that were not compared yet.
#[derive(Default)]
struct Known {
    page: std::vec::IntoIter<(ObjectKey, u64)>,
    /// Behind which the next page begins.
    after: Option<ObjectKey>,
    at_end: bool,
}

impl<'a> Missing<'a> {
    /// `None` if nothing is known of the store.
    pub(super) fn begin(walk: &'a Walk) -> Result<Option<Self>, Failure> {
        let reader = walk.reader()?;
        let stores = reader.stores().map_err(Failure::from)?;
        let mut stores = stores.into_iter();
        let Some(store) = stores.find(|store| store.name == walk.backend.namespace) else {
            return Ok(None);
        };
        Ok(Some(Self {
            buckets: buckets(walk, &reader, &store)?,
            walk,
            reader,
            store,
            at: 0,
            known: Known::default(),
            unlisted: BufWriter::new(tempfile::tempfile().map_err(|error| no_file(&error))?),
        }))
    }

    /// This object is listed, and none between the one before and it.
    pub(super) fn listed(&mut self, bucket: &BucketName, key: &ObjectKey) -> Result<(), Failure> {
        while self.bucket().is_some_and(|current| current != bucket) {
            self.end_bucket()?;
        }
        while let Some((known, size)) = self.next(|known| known <= key)? {
            if known != *key {
                self.keep(&known, size)?;
            }
        }
        Ok(())
    }

    /// Nothing more is listed. Tells `each` of the known objects that are not there, or of which
    /// that cannot be found out.
    pub(super) async fn tell(
        mut self,
        mut each: impl FnMut(&BucketName, &ObjectKey, u64, &Outcome) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        while self.bucket().is_some() {
            self.end_bucket()?;
        }
        let unlisted = self.unlisted.into_inner();
        let mut unlisted = unlisted.map_err(|error| no_file(error.error()))?;
        unlisted.rewind().map_err(|error| no_file(&error))?;
        let mut unlisted = BufReader::new(unlisted);
        while let Some((at, key, size)) = read(&mut unlisted).map_err(|error| no_file(&error))? {
            let Some(bucket) = self.buckets.get(at) else {
                break;
            };
            // It may have been put since it was listed.
            let outcome = match look(self.walk, bucket, &key).await {
                Ok(()) => continue,
                Err(ServiceError::NoSuchKey | ServiceError::NoSuchBucket) => Outcome::Missing,
                Err(error) => Outcome::Failed(error.to_string()),
            };
            // Or deleted, and forgotten.
            let known = self
                .reader
                .knows(&self.store, self.walk.row_bucket(bucket), &key);
            if known.map_err(Failure::from)? {
                each(bucket, &key, size, &outcome)?;
            }
        }
        Ok(())
    }

    fn bucket(&self) -> Option<&BucketName> {
        self.buckets.get(self.at)
    }

    /// What else is known of the current bucket is not listed.
    fn end_bucket(&mut self) -> Result<(), Failure> {
        while let Some((key, size)) = self.next(|_| true)? {
            self.keep(&key, size)?;
        }
        self.at += 1;
        self.known = Known::default();
        Ok(())
    }

    /// The next known object of the current bucket, if it is one of `these`.
    fn next(
        &mut self,
        these: impl Fn(&ObjectKey) -> bool,
    ) -> Result<Option<(ObjectKey, u64)>, Failure> {
        if self.known.page.as_slice().is_empty()
            && !self.known.at_end
            && let Some(bucket) = self.buckets.get(self.at)
        {
            let bucket = self.walk.row_bucket(bucket);
            let after = self.known.after.as_ref();
            let page = self
                .reader
                .objects_behind(&self.store, bucket, after, PAGE)
                .map_err(Failure::from)?;
            self.known = Known {
                after: page.last().map(|(key, _)| key.clone()),
                at_end: page.is_empty(),
                page: page.into_iter(),
            };
        }
        let next = self.known.page.as_slice().first();
        if next.is_some_and(|(key, _)| these(key)) {
            return Ok(self.known.page.next());
        }
        Ok(None)
    }

    fn keep(&mut self, key: &ObjectKey, size: u64) -> Result<(), Failure> {
        let (at, key) = (self.at as u64, key.as_str());
        let mut line = Vec::with_capacity(24 + key.len());
        for number in [at, size, key.len() as u64] {
            line.extend(number.to_le_bytes());
        }
        line.extend(key.as_bytes());
        let kept = self.unlisted.write_all(&line);
        kept.map_err(|error| no_file(&error))
    }
}

/// What [`Missing::keep`] has written: the number of the bucket, the key and its bytes.
fn read(from: &mut BufReader<File>) -> io::Result<Option<(usize, ObjectKey, u64)>> {
    if from.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let mut number = || {
        let mut bytes = [0; 8];
        from.read_exact(&mut bytes)?;
        Ok::<u64, io::Error>(u64::from_le_bytes(bytes))
    };
    let (at, size, length) = (number()?, number()?, number()?);
    let mut key = String::new();
    from.take(length).read_to_string(&mut key)?;
    let key = key.parse().map_err(io::Error::other)?;
    let at = usize::try_from(at).map_err(io::Error::other)?;
    Ok(Some((at, key, size)))
}

fn no_file(error: &io::Error) -> Failure {
    Failure::new(format!("a temporary file does not do: {error}"))
        .hint("TMPDIR names another directory for it")
}

/// The buckets of the walk, and those that only the database knows.
fn buckets(
    walk: &Walk,
    reader: &CacheReader,
    store: &KnownStore,
) -> Result<Vec<BucketName>, Failure> {
    let mut buckets = walk.buckets.clone();
    if walk.is_whole() {
        let known = reader.buckets(store).map_err(Failure::from)?;
        let known = known.iter().filter_map(|name| name.parse().ok());
        let gone: Vec<BucketName> = known.filter(|name| !buckets.contains(name)).collect();
        buckets.extend(gone);
    }
    Ok(buckets)
}

async fn look(walk: &Walk, bucket: &BucketName, key: &ObjectKey) -> Result<(), ServiceError> {
    let request = || ReadObject {
        bucket: bucket.clone(),
        key: key.clone(),
        section: None,
        if_range: None,
        conditions: ReadConditions::default(),
    };
    patiently(|| walk.service.head_object(request()))
        .await
        .map(drop)
}
