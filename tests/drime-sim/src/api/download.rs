//! Bytes of files.

use crate::Shared;
use crate::call::Call;
use crate::http::{Answer, Ranged, answer, range, send, set};
use crate::refusal::Refusal;
use crate::storage::Signed;
use crate::switches::Download;
use http::{StatusCode, header};
use std::sync::Arc;

pub(super) fn download(shared: &Shared, call: &Call, id: i64) -> Result<Answer, Refusal> {
    shared.with(|state| {
        let entry = state.live(id).ok_or(Refusal::Unknown(id.to_string()))?;
        // The real server packs folders into an archive.
        let folder = || Refusal::Bad("Folders cannot be downloaded from the simulator.".into());
        let file = entry.file.as_ref().ok_or_else(folder)?;
        if state.switches.download == Download::Redirect {
            let expires = state.clock.now() + state.switches.url_expiry * 1000;
            let url = Signed::get(&file.file_name, expires).url(shared);
            let mut answer = answer(StatusCode::FOUND, "", "");
            set(&mut answer, "location", &url);
            return Ok(answer);
        }
        let ranged = match state.switches.download {
            Download::IgnoresRange => Ranged::All,
            _ => range(call.headers.get(header::RANGE), file.blob.len()),
        };
        let mut answer = send(&Arc::clone(&file.blob), &file.mime, ranged);
        let name = entry.name.replace(['"', '\\'], "_");
        let disposition = format!("attachment; filename=\"{name}\"");
        set(&mut answer, "content-disposition", &disposition);
        Ok(answer)
    })
}
