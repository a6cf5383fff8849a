//! Many deletions: the service takes many ids in one call.

use crate::net::Net;
use crate::places::Place;
use crate::{Drime, Error, Known};
use futures_util::stream::{self, StreamExt as _};

/// Ids of one call.
const IDS: usize = 100;
/// Objects that are deleted one by one at the same time.
const AT_ONCE: usize = 8;

/// An object that is to be deleted.
pub(crate) type Deletion = (String, Option<Known>);

/// A deletion by its number, and all that goes with it.
type Sure = (usize, Place, Vec<i64>);

impl<N: Net> Drime<N> {
    /// Deletes objects of a bucket; one answer for each, in order.
    pub async fn delete_many(
        &self,
        bucket: &str,
        deletions: &[Deletion],
    ) -> Result<Vec<Result<(), Error>>, Error> {
        // The bucket must be there, and then its folders are known.
        self.bucket(bucket).await?;
        let mut answers: Vec<Result<(), Error>> = deletions.iter().map(|_| Ok(())).collect();
        let (mut calls, mut singly) = (vec![Vec::<Sure>::new()], Vec::new());
        let mut count = 0;
        for (at, (key, known)) in deletions.iter().enumerate() {
            let Some((place, mut ids)) = self.ids_to_delete(bucket, key, known.as_ref()) else {
                singly.push(at);
                continue;
            };
            ids.sort_unstable();
            ids.dedup();
            if count + ids.len() > IDS && count > 0 {
                calls.push(Vec::new());
                count = 0;
            }
            count += ids.len();
            if let Some(call) = calls.last_mut() {
                call.push((at, place, ids));
            }
        }
        for call in calls.into_iter().filter(|call| !call.is_empty()) {
            let ids: Vec<i64> = call.iter().flat_map(|(.., ids)| ids).copied().collect();
            match self.delete_ids(&ids).await {
                Ok(()) => {
                    let now = self.client.net.now();
                    let mut folders = self.folders.borrow_mut();
                    for (_, place, ids) in call {
                        for id in ids {
                            folders.remove(now, place.folder, id);
                        }
                    }
                }
                // One of them is not there, so none was deleted.
                Err(fault) if fault.is_gone() => singly.extend(call.iter().map(|(at, ..)| *at)),
                Err(fault) => {
                    for (at, ..) in call {
                        if let Some(answer) = answers.get_mut(at) {
                            *answer = Err(fault.clone().into());
                        }
                    }
                }
            }
        }
        let deleted = stream::iter(singly)
            .map(|at| async move {
                let Some((key, known)) = deletions.get(at) else {
                    return (at, Ok(()));
                };
                (at, self.delete(bucket, key, known.clone()).await)
            })
            .buffer_unordered(AT_ONCE);
        for (at, deleted) in deleted.collect::<Vec<_>>().await {
            if let Some(answer) = answers.get_mut(at) {
                *answer = deleted;
            }
        }
        Ok(answers)
    }
}
