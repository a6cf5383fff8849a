//! Uploads whose bytes go to storage: one presigned PUT, or parts.

use super::register::check_space;
use crate::Shared;
use crate::blob::Blob;
use crate::call::{Call, number};
use crate::refusal::Refusal;
use crate::state::{Multipart, State};
use crate::storage::Signed;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn presign(shared: &Shared, state: &mut State, call: &Call) -> Result<Value, Refusal> {
    require_upload_fields(state, call)?;
    let file_name = state.uuid();
    let mime = call.text("mime").unwrap_or_default();
    let signed = Signed::put(&file_name, &mime, expiry(state));
    Ok(json!({
        "url": signed.url(shared),
        "key": format!("uploads/{file_name}/{file_name}"),
        "acl": "private",
        "status": "success",
    }))
}

pub(super) fn create(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    require_upload_fields(state, call)?;
    let file_name = state.uuid();
    let upload: String = (0..7).map(|_| state.unique()).collect();
    let answer = json!({
        "key": format!("uploads/{file_name}/{file_name}"),
        "uploadId": upload,
        "acl": "private",
        "status": "success",
    });
    let multipart = Multipart {
        file_name,
        parts: BTreeMap::new(),
    };
    state.uploads.insert(upload, multipart);
    Ok(answer)
}

fn require_upload_fields(state: &State, call: &Call) -> Result<(), Refusal> {
    for field in ["filename", "mime"] {
        call.text(field).ok_or_else(|| Refusal::field(field))?;
    }
    let size = call
        .number("size")
        .and_then(|size| u64::try_from(size).ok());
    let size = size.ok_or_else(|| Refusal::field("size"))?;
    if call.body.get("extension").is_none() {
        return Err(Refusal::field("extension"));
    }
    check_space(state, size)
}

/// The upload that `key` and `uploadId` name.
fn upload<'a>(state: &'a State, call: &Call) -> Result<(String, &'a Multipart), Refusal> {
    let key = call.text("key").ok_or_else(|| Refusal::field("key"))?;
    let id = call
        .text("uploadId")
        .ok_or_else(|| Refusal::field("uploadId"))?;
    let upload = state.uploads.get(&id).ok_or(Refusal::UnknownUpload)?;
    if key != format!("uploads/{0}/{0}", upload.file_name) {
        return Err(Refusal::UnknownUpload);
    }
    Ok((id, upload))
}

pub(super) fn sign(shared: &Shared, state: &State, call: &Call) -> Result<Value, Refusal> {
    let (id, upload) = upload(state, call)?;
    let numbers = call.ids("partNumbers").unwrap_or_default();
    let numbers: Option<Vec<u32>> = numbers
        .iter()
        .map(|number| u32::try_from(*number).ok())
        .map(|number| number.filter(|number| (1..=10_000).contains(number)))
        .collect();
    let numbers = numbers.filter(|numbers| !numbers.is_empty());
    let numbers = numbers.ok_or_else(|| Refusal::field("partNumbers"))?;
    // Not in order: clients must look at the numbers.
    let urls: Vec<Value> = numbers
        .iter()
        .rev()
        .map(|number| {
            let signed = Signed::part(&upload.file_name, &id, *number, expiry(state));
            json!({"partNumber": number, "url": signed.url(shared)})
        })
        .collect();
    Ok(json!({"urls": urls, "status": "success"}))
}

fn expiry(state: &State) -> u64 {
    state.clock.now() + state.switches.url_expiry * 1000
}

pub(super) fn complete(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let (id, upload) = upload(state, call)?;
    let named = call.body.get("parts").and_then(Value::as_array);
    let named = named.filter(|parts| !parts.is_empty());
    let named = named.ok_or_else(|| Refusal::field("parts"))?;
    let bad = |message: &str| Refusal::Bad(message.to_owned());
    let mut blobs: Vec<Arc<Blob>> = Vec::new();
    let mut last = 0;
    for part in named {
        let number = part.get("PartNumber").and_then(number);
        let number = number.and_then(|number| u32::try_from(number).ok());
        let number = number.ok_or_else(|| Refusal::field("PartNumber"))?;
        if number <= last {
            return Err(bad("The list of parts was not in ascending order."));
        }
        last = number;
        let etag = part.get("ETag").and_then(Value::as_str).unwrap_or("");
        let stored = upload.parts.get(&number);
        let stored = stored.filter(|stored| stored.etag == etag.trim_matches('"'));
        let stored = stored.ok_or_else(|| bad("One or more of the parts could not be found."))?;
        blobs.push(Arc::clone(&stored.blob));
    }
    let lens: Vec<u64> = blobs.iter().map(|blob| blob.len()).collect();
    if let Some((_, full)) = lens.split_last()
        && let Some(first) = full.first()
    {
        if full.iter().any(|len| *len < state.switches.min_part) {
            return Err(bad(
                "Your proposed upload is smaller than the minimum allowed size.",
            ));
        }
        if full.iter().any(|len| len != first) {
            return Err(bad("All non-trailing parts must have the same length."));
        }
    }
    let file_name = upload.file_name.clone();
    state.uploads.remove(&id);
    let location = format!("https://storage.invalid/uploads/{file_name}/{file_name}");
    state
        .objects
        .insert(file_name, Arc::new(Blob::Joined(blobs)));
    Ok(json!({"location": location, "status": "success"}))
}

pub(super) fn abort(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let (id, _) = upload(state, call)?;
    state.uploads.remove(&id);
    Ok(json!({"status": "success"}))
}

pub(super) fn uploaded(state: &State, call: &Call) -> Result<Value, Refusal> {
    let (_, upload) = upload(state, call)?;
    let parts: Vec<Value> = upload
        .parts
        .iter()
        .map(|(number, part)| {
            let etag = format!("\"{}\"", part.etag);
            json!({"PartNumber": number, "ETag": etag, "Size": part.blob.len()})
        })
        .collect();
    Ok(json!({"parts": parts, "status": "success"}))
}
