//! The gateway's text beside an object: its description, whose greatest length is not known.

use crate::api::Entry;
use crate::client::{Call, Fault};
use crate::net::Net;
use crate::{Drime, Error, Known};
use serde_json::json;

/// The longest text that is tried.
pub(crate) const LONGEST: usize = 4096;

impl<N: Net> Drime<N> {
    /// Keeps the first of `texts` that fits, the longest first.
    pub async fn set_portable(&self, known: &Known, texts: &[String]) -> Result<(), Error> {
        let id = known.number().ok_or(Error::Changed)?;
        let workspace = self.settings.workspace;
        let longest = self.description.get();
        let mut refused = None;
        for text in texts.iter().filter(|text| text.len() <= longest) {
            let call = Call::update(
                format!("file-entries/{id}?workspaceId={workspace}"),
                json!({"description": text}),
            );
            match self.client.call(&call).await {
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
