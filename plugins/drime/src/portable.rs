//! The gateway's text beside an object: its description, whose greatest length is not known.

use crate::api::Entry;
use crate::client::Call;
use crate::fault::Fault;
use crate::net::Net;
use crate::objects::LISTED;
use crate::{Drime, Error, Known};
use serde_json::json;

/// A folder that may hold what we do not know of is listed again after so many milliseconds.
const JUST_LISTED: u64 = 300;
/// The longest text that is tried.
pub(crate) const LONGEST: usize = 4096;

impl<N: Net> Drime<N> {
    /// Keeps the first of `texts` that fits, the longest first. The object is known to be whole:
    /// what hides behind it under its name goes.
    pub async fn set_portable(
        &self,
        (bucket, key): (&str, &str),
        known: &Known,
        texts: &[String],
    ) -> Result<(), Error> {
        let kept = self.describe(known, texts).await;
        let passes = |error: &Error| matches!(error, Error::Unavailable(_) | Error::Throttled(_));
        match &kept {
            Err(Error::Changed) => return kept,
            Err(error) if passes(error) => return kept,
            _ => {}
        }
        // The gateway comes again until all is done, also after a crash.
        match self.tidy(bucket, key, known).await {
            Ok(()) => kept,
            Err(error) if passes(&error) => Err(error),
            Err(error) => {
                let stays = format!("what hides behind {bucket}/{key} stays: {error:?}");
                self.client.net.warn(&stays);
                Err(Error::Denied(stays))
            }
        }
    }

    async fn tidy(&self, bucket: &str, key: &str, known: &Known) -> Result<(), Error> {
        if !self.folders.borrow().has_doubts() {
            return Ok(());
        }
        let (Some(place), Some(id)) = (self.place(bucket, key).await?, known.number()) else {
            return Ok(());
        };
        let mut left = self.folders.borrow().left(&place);
        left.retain(|other| *other != id);
        self.remove(place.folder, &left).await?;
        let now = self.client.net.now();
        let uncertain = self.folders.borrow_mut().is_uncertain(now, place.folder);
        if !uncertain && !self.folders.borrow().is_double(&place) {
            return Ok(());
        }
        let age = if uncertain { JUST_LISTED } else { LISTED };
        self.rows(place.folder, age).await?;
        let hidden = self.folders.borrow().hidden(place.folder, id);
        self.remove(place.folder, &hidden).await?;
        Ok(())
    }

    async fn describe(&self, known: &Known, texts: &[String]) -> Result<(), Error> {
        let id = known.number().ok_or(Error::Changed)?;
        let workspace = self.settings.workspace;
        let longest = self.description.get();
        let mut refused = None;
        for text in texts.iter().filter(|text| text.len() <= longest) {
            let call = Call::update(
                format!("file-entries/{id}?workspaceId={workspace}"),
                json!({"description": text}),
            );
            match self.client.call(&call.spare()).await {
                Ok(answer) => {
                    let kept = Entry::of_answer(&answer).and_then(|entry| entry.description);
                    // An answer without it says nothing; one that is cut says that it is too long.
                    if kept.is_none_or(|kept| kept == *text) {
                        // Others like those that were refused before need not be tried.
                        self.description
                            .set(refused.map_or(longest, |refused: usize| refused - 1));
                        return Ok(());
                    }
                }
                Err(fault) if fault.is_gone() => return Err(Error::Changed),
                Err(Fault::Refused { status: 422, .. }) => {}
                Err(fault) => return Err(fault.into()),
            }
            refused = Some(text.len().max(1));
        }
        Err(Error::Unsupported)
    }
}
