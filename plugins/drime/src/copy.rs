//! Copies within the service.

use crate::api::Entry;
use crate::client::{Call, Fault};
use crate::net::Net;
use crate::objects::LISTED;
use crate::{Drime, Error, Info, Known};
use serde_json::{Value, json};

impl<N: Net> Drime<N> {
    /// Copies an object whose state is still `source`. Nothing has the key's name before the
    /// copy is complete.
    pub async fn copy(
        &self,
        (from_bucket, from_key, source): (&str, &str, &Known),
        (bucket, key): (&str, &str),
        known: Option<Known>,
        size: u64,
    ) -> Result<Info, Error> {
        let id = source.number().ok_or(Error::Changed)?;
        // A replaced entry can live on in the trash and be copied from there.
        let from = self.place(from_bucket, from_key).await?;
        let from = from.ok_or(Error::NoSuchKey)?;
        match self.entries(&from, LISTED).await?.first() {
            None => return Err(Error::NoSuchKey),
            Some(entry) if entry.id != id => return Err(Error::Changed),
            Some(_) => {}
        }
        let place = self.make_place(bucket, key).await?;
        let workspace = self.settings.workspace;
        let body =
            json!({"entryIds": [id], "destinationId": place.folder, "workspaceId": workspace});
        let call = Call::post(
            format!("file-entries/duplicate?workspaceId={workspace}"),
            body,
        );
        let answer = match self.client.call(&call).await {
            Ok(answer) => answer,
            Err(fault) if fault.is_gone() => return Err(Error::Changed),
            // It has been out of order for weeks: the gateway reads and writes then.
            Err(Fault::Broken(_)) => {
                self.folders.borrow_mut().stale(place.folder);
                return Err(Error::Unsupported);
            }
            Err(fault) => return Err(fault.into()),
        };
        let made = answer
            .get("entries")
            .and_then(Value::as_array)
            .and_then(|list| list.first());
        let Some(made) = made.and_then(Entry::read) else {
            return Err(Error::Unavailable(
                "Drime does not say what it has copied".into(),
            ));
        };
        let made = if made.name == place.name {
            made
        } else {
            match self.rename(made.id, &place.name).await {
                Ok(renamed) => Entry {
                    name: renamed.name,
                    ..made
                },
                Err(fault) if fault.is_taken() => {
                    // The copy is safe, so the old one may step aside for it.
                    let mut old: Vec<i64> = self
                        .entries(&place, 0)
                        .await?
                        .iter()
                        .map(|e| e.id)
                        .collect();
                    old.extend(known.as_ref().and_then(Known::number));
                    old.sort_unstable();
                    old.dedup();
                    old.retain(|other| *other != made.id);
                    self.remove(place.folder, &old).await?;
                    let renamed = self.rename(made.id, &place.name).await?;
                    Entry {
                        name: renamed.name,
                        ..made
                    }
                }
                Err(fault) => {
                    self.remove(made.parent, &[made.id]).await?;
                    return Err(fault.into());
                }
            }
        };
        self.publish(&place, size, Some(made), known).await
    }

    async fn rename(&self, id: i64, name: &str) -> Result<Entry, Fault> {
        let workspace = self.settings.workspace;
        let call = Call::update(
            format!("file-entries/{id}?workspaceId={workspace}"),
            json!({"name": name}),
        );
        let answer = self.client.call(&call).await?;
        Entry::of_answer(&answer).ok_or_else(|| Fault::Broken("an odd answer to a rename".into()))
    }
}
