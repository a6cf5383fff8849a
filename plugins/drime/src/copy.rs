//! Copies within the service.

use crate::api::Entry;
use crate::client::Call;
use crate::fault::Fault;
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
        // The copy has the name of its source until it is renamed, and whatever has that name there
        // might be taken for it, or be replaced. So the service copies only what needs no other
        // name and finds none of it; the gateway reads and writes the rest.
        let place = self.make_place(bucket, key).await?;
        if from.name != place.name || known.is_some() {
            return Err(Error::Unsupported);
        }
        let there = self.rows(place.folder, LISTED).await?;
        if there.iter().any(|row| row.name == place.name) {
            return Err(Error::Unsupported);
        }
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
            // It has been out of order for weeks: the gateway reads and writes then. A copy whose
            // answer was lost is removed when that is published.
            Err(Fault::Broken(_)) => {
                let now = self.client.net.now();
                self.folders.borrow_mut().doubt_upload(now, &place, None);
                return Err(Error::Unsupported);
            }
            Err(fault) => return Err(fault.into()),
        };
        let made = answer
            .get("entries")
            .and_then(Value::as_array)
            .and_then(|list| list.first());
        let Some(made) = made.and_then(Entry::read) else {
            let now = self.client.net.now();
            self.folders.borrow_mut().doubt_upload(now, &place, None);
            return Err(Error::Unavailable(
                "Drime does not say what it has copied".into(),
            ));
        };
        if made.name != place.name {
            // Somebody else has made one of this name meanwhile.
            self.remove(made.parent, &[made.id]).await?;
            return Err(Error::Unsupported);
        }
        self.publish(&place, size, Some(made), known).await
    }
}
