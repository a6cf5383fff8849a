//! Uploads in parts of clients onto storages that want parts of one size. What all common clients
//! do passes straight through; what does not fit waits in the spool and is cut anew.

use super::plugin::Plugin;
use super::split::{Kept, Rules};
use super::stream::Exactly;
use crate::model::{Bucket, ByteStream, ObjectKey, ObjectState};
use crate::service::ports::{
    PartOptions, PutOptions, Receipt, StoreError, StoredObject, StoredPart,
};
use futures_util::StreamExt as _;
use futures_util::stream::{self, TryStreamExt as _};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;

/// Begins the token of a part in the spool.
const SPOOLED: &str = "spool:";

fn is_spooled(part: &StoredPart) -> bool {
    part.token.starts_with(SPOOLED)
}

/// The part as the spool knows it.
fn in_spool(part: &StoredPart) -> StoredPart {
    StoredPart {
        token: part.token.trim_start_matches(SPOOLED).to_owned(),
        ..part.clone()
    }
}

/// The spool's name for an upload that has one of the storage.
pub(super) fn spool_name(upload: &str) -> String {
    use sha2::{Digest as _, Sha256};
    hex::encode(Sha256::digest(upload.as_bytes()))
}

/// The parts of one upload that have begun to arrive.
#[derive(Debug, Default)]
struct Layout {
    /// All parts up to this number have begun, with this size. Part 1 decides it.
    run: Option<(u64, u16)>,
    /// Those that came before their turn.
    ahead: BTreeMap<u16, u64>,
}

impl Layout {
    /// Whether this part has its place in the storage: it has the size of the first one, and so
    /// has every part before it. Any other may have to move.
    fn fits(&mut self, number: u16, size: u64) -> bool {
        if let Some((wanted, last)) = self.run
            && number <= last
            && size != wanted
        {
            // What is behind it has lost its place, and has to come again: the storage gives no part
            // back.
            self.run = (number > 1).then_some((wanted, number - 1));
        }
        let (wanted, last) = match self.run {
            Some(run) => run,
            None if number == 1 => (size, 0),
            None => {
                self.ahead.insert(number, size);
                return false;
            }
        };
        if number <= last || size != wanted || number > last + 1 {
            self.ahead.insert(number, size);
            return number <= last && size == wanted;
        }
        let mut last = number;
        while self.ahead.remove(&(last + 1)) == Some(wanted) {
            last += 1;
        }
        self.run = Some((wanted, last));
        true
    }
}

/// The layouts of all uploads. A restart forgets them: what comes then goes to the spool.
#[derive(Debug, Default)]
pub(super) struct Layouts(Mutex<HashMap<String, Layout>>);

impl Layouts {
    fn fits(&self, upload: &str, number: u16, size: u64) -> bool {
        let mut layouts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        layouts
            .entry(upload.to_owned())
            .or_default()
            .fits(number, size)
    }

    pub(super) fn forget(&self, upload: &str) {
        let mut layouts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        layouts.remove(upload);
    }
}

/// What becomes of the parts of a completion, in order.
#[derive(Debug)]
struct Cut {
    /// All these have one size: the storage has them, or gets them under their own numbers.
    in_place: Vec<StoredPart>,
    /// These are in the spool and are cut into parts of this size.
    rest: Vec<StoredPart>,
    size: u64,
}

fn cut(rules: &Rules, mut parts: Vec<StoredPart>, total: u64) -> Result<Cut, StoreError> {
    let stored = parts.iter().rposition(|part| !is_spooled(part));
    let first = parts.iter().find(|part| !is_spooled(part));
    let size = first.map_or_else(|| rules.part_size(total), |part| part.size);
    let rest = parts.split_off(stored.map_or(0, |last| last + 1));
    // Only by sending a part again with another size.
    if let Some(odd) = parts.iter().position(|part| part.size != size) {
        let behind = parts.iter().skip(odd).find(|part| !is_spooled(part));
        let number = behind.map_or(1, |part| part.number.get());
        return Err(StoreError::Displaced { number });
    }
    Ok(Cut {
        in_place: parts,
        rest,
        size,
    })
}

impl Plugin {
    /// Takes a client's part for a storage that wants equal ones.
    pub(super) async fn put_equal_part(
        &self,
        rules: Rules,
        (bucket, key, upload): (&Bucket, &ObjectKey, &str),
        options: PartOptions,
        body: ByteStream,
    ) -> Result<String, StoreError> {
        let dir = spool_name(upload);
        self.spool().existing(&dir).await?;
        let allowed = (rules.min..=rules.max).contains(&options.size);
        let fits = self
            .layouts()
            .fits(upload, options.number.get(), options.size);
        if allowed && fits {
            return self
                .put_storage_part(bucket, key, upload, options, body)
                .await;
        }
        Ok(SPOOLED.to_owned() + &self.spool().part(&dir, options, body).await?)
    }

    /// Completes an upload of which some parts may be in the spool.
    pub(super) async fn complete_equal_parts(
        &self,
        rules: Rules,
        place: (&Bucket, &ObjectKey, &str),
        parts: Vec<StoredPart>,
        known: Option<&ObjectState>,
        receipt: Receipt,
    ) -> Result<StoredObject, StoreError> {
        let (_, _, upload) = place;
        let dir = spool_name(upload);
        self.spool().existing(&dir).await?;
        if receipt.size == 0 {
            return self.complete_nothing(place, known, receipt).await;
        }
        let Cut {
            in_place,
            rest,
            size,
        } = cut(&rules, parts, receipt.size)?;
        let mut parts: Vec<StoredPart> = stream::iter(in_place)
            .map(|part| async {
                if !is_spooled(&part) {
                    return Ok(part);
                }
                let file = self.spool().open(&dir, &in_spool(&part)).await?;
                let kept = Kept::File { file, _room: None };
                self.send_part(place, part.number, part.size, kept).await
            })
            .buffered(usize::try_from(rules.parallel.max(1)).unwrap_or(1))
            .try_collect()
            .await?;
        if !rest.is_empty() {
            let last = parts.last().map_or(0, |part| part.number.get());
            let total = rest.iter().map(|part| part.size).sum();
            let body = self
                .spool()
                .body(&dir, rest.iter().map(in_spool).collect())
                .await?;
            let body = Exactly::new(body, total).boxed();
            let sent = self.send_parts(rules, place, (last, size), total, body.into());
            parts.extend(sent.await?);
        }
        let stored = self.complete_parts(place, parts, known, receipt).await?;
        self.forget_upload(upload).await;
        Ok(stored)
    }

    /// Completes an upload of no bytes. Not every storage takes an empty part, or an upload without
    /// parts, but all take an empty object.
    async fn complete_nothing(
        &self,
        place: (&Bucket, &ObjectKey, &str),
        known: Option<&ObjectState>,
        receipt: Receipt,
    ) -> Result<StoredObject, StoreError> {
        let (bucket, key, _) = place;
        let options = PutOptions {
            content_type: receipt.content_type.clone(),
            known: known.cloned(),
        };
        let (approve, verdict) = oneshot::channel();
        // Who does not hear it gives an answer that counts.
        let _ = approve.send(receipt);
        let about = self.about(bucket, key);
        let nothing = stream::empty().boxed();
        let stored = self
            .put_object(about, (bucket, key), (0, options), nothing, verdict)
            .await?;
        self.give_up(place).await;
        Ok(stored)
    }

    /// Forgets what was kept here of an upload that is over.
    pub(super) async fn forget_upload(&self, upload: &str) {
        if !self.notes() {
            return;
        }
        self.layouts().forget(upload);
        if let Err(error) = self.spool().remove(&spool_name(upload)).await {
            tracing::warn!(%error, "what was spooled of an upload could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PartNumber;

    const MIB: u64 = 1 << 20;

    fn fits(arrivals: &[(u16, u64)]) -> Vec<bool> {
        let mut layout = Layout::default();
        let fits = |&(number, size)| layout.fits(number, size);
        arrivals.iter().map(fits).collect()
    }

    #[test]
    fn equal_parts_in_order_pass_straight_through_and_the_shorter_last_one_does_not() {
        let arrivals = [(1, 8), (2, 8), (3, 8), (4, 5)];
        assert_eq!(fits(&arrivals), [true, true, true, false]);
    }

    #[test]
    fn a_part_before_its_turn_is_spooled_and_those_behind_pass_again() {
        let arrivals = [(1, 8), (3, 8), (2, 8), (4, 8)];
        assert_eq!(fits(&arrivals), [true, false, true, true]);
        let arrivals = [(2, 8), (1, 8), (3, 8)];
        assert_eq!(fits(&arrivals), [false, true, true]);
    }

    #[test]
    fn nothing_behind_a_part_of_another_size_passes() {
        let arrivals = [(1, 8), (2, 9), (3, 8), (4, 8)];
        assert_eq!(fits(&arrivals), [true, false, false, false]);
        let arrivals = [(1, 8), (3, 8), (2, 7), (4, 8)];
        assert_eq!(fits(&arrivals), [true, false, false, false]);
    }

    #[test]
    fn a_part_may_come_again() {
        assert_eq!(fits(&[(1, 8), (2, 8), (1, 8)]), [true, true, true]);
    }

    #[test]
    fn behind_a_part_that_comes_again_with_another_size_none_passes() {
        let arrivals = [(1, 8), (2, 8), (3, 8), (2, 7), (3, 8), (4, 8)];
        assert_eq!(fits(&arrivals), [true, true, true, false, false, false]);
        // Unless it gets its size back.
        let arrivals = [(1, 8), (2, 8), (3, 8), (2, 7), (3, 8), (2, 8), (4, 8)];
        let passed = [true, true, true, false, false, true, true];
        assert_eq!(fits(&arrivals), passed);
        // The first one decides anew.
        let arrivals = [(1, 8), (2, 8), (1, 9), (2, 9), (3, 9)];
        assert_eq!(fits(&arrivals), [true; 5]);
    }

    fn part(number: u32, size: u64, spooled: bool) -> StoredPart {
        StoredPart {
            number: PartNumber::new(number).unwrap(),
            size,
            token: if spooled { "spool:1" } else { "etag" }.into(),
        }
    }

    const RULES: Rules = Rules {
        min: 5 * MIB,
        max: 5 << 30,
        count: 10_000,
        equal: true,
        preferred: 8 * MIB,
        parallel: 4,
    };

    #[test]
    fn what_lies_behind_the_last_stored_part_is_cut_anew() {
        let parts = vec![
            part(1, 6 * MIB, false),
            part(2, 6 * MIB, true),
            part(3, 6 * MIB, false),
            part(5, 7 * MIB, true),
            part(9, 1, true),
        ];
        let cut = cut(&RULES, parts, 25 * MIB + 1).unwrap();
        assert_eq!((cut.in_place.len(), cut.rest.len()), (3, 2));
        assert_eq!(cut.size, 6 * MIB);
    }

    #[test]
    fn without_a_stored_part_everything_is_cut_as_the_storage_prefers() {
        let cut = cut(&RULES, vec![part(7, 3, true)], 3).unwrap();
        assert_eq!((cut.in_place.len(), cut.size), (0, 8 * MIB));
    }

    #[test]
    fn what_is_stored_behind_a_part_of_another_size_has_to_come_again() {
        let parts = vec![
            part(1, 8 * MIB, false),
            part(2, 6 * MIB, true),
            part(5, 8 * MIB, false),
            part(6, 8 * MIB, false),
        ];
        assert!(matches!(
            cut(&RULES, parts, 30 * MIB),
            Err(StoreError::Displaced { number: 5 })
        ));
        let parts = vec![part(1, 6 * MIB, false), part(2, 8 * MIB, false)];
        assert!(matches!(
            cut(&RULES, parts, 14 * MIB),
            Err(StoreError::Displaced { number: 2 })
        ));
    }
}
