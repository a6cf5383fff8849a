//! Files whose bytes are in storage, and questions before an upload.

use super::Outcome;
use super::changes::{parent, show};
use crate::call::{Call, text};
use crate::entry::FileData;
use crate::refusal::Refusal;
use crate::state::{NewFile, Place, State, clean_name};
use crate::switches::{RelativePath, UploadAnswer};
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

/// `POST /s3/entries`.
pub(super) fn register(state: &mut State, call: &Call) -> Outcome {
    let file_name = call
        .text("filename")
        .ok_or_else(|| Refusal::field("filename"))?;
    let client_name = call
        .text("clientName")
        .ok_or_else(|| Refusal::field("clientName"))?;
    let size = call
        .number("size")
        .and_then(|size| u64::try_from(size).ok());
    let size = size.ok_or_else(|| Refusal::field("size"))?;
    let Some(blob) = state.objects.get(&file_name).map(Arc::clone) else {
        let message = "The selected filename is invalid.";
        return Err(Refusal::Invalid("filename", message.to_owned()));
    };
    check_space(state, size)?;
    let (place, name) = target(state, call, &client_name)?;
    let extension = call.text("clientExtension").unwrap_or_default();
    let file = NewFile {
        name,
        // As declared, whatever the bytes are.
        size,
        data: FileData {
            file_name,
            mime: call.text("clientMime").unwrap_or_else(|| OCTETS.to_owned()),
            extension,
            blob,
        },
    };
    Ok(created(state, place, file))
}

pub(super) const OCTETS: &str = "application/octet-stream";

/// Makes the file and the answer, with what the switch takes out of it.
pub(super) fn created(state: &mut State, place: Place, file: NewFile) -> (StatusCode, Value) {
    let id = state.create_file(place, file);
    let mut entry = show(state, id);
    let change = match state.switches.upload_answer {
        UploadAnswer::Complete => None,
        UploadAnswer::EmptyUsers => Some(("users", json!([]))),
        UploadAnswer::WrongSize => {
            let size = entry.get("file_size").and_then(Value::as_u64).unwrap_or(0);
            Some(("file_size", json!(size + 1)))
        }
        UploadAnswer::MissingUrl => Some(("url", Value::Null)),
        UploadAnswer::StringId => Some(("id", json!(id.to_string()))),
    };
    if let (Some((field, value)), Some(fields)) = (change, entry.as_object_mut()) {
        match value {
            Value::Null => fields.remove(field),
            value => fields.insert(field.to_owned(), value),
        };
    }
    let answer = json!({"fileEntry": entry, "status": "success"});
    (StatusCode::CREATED, answer)
}

/// Folder and name of an upload. `relativePath` gives the name; its directories are made.
pub(super) fn target(
    state: &mut State,
    call: &Call,
    file_name: &str,
) -> Result<(Place, String), Refusal> {
    let mut place = parent(state, call)?;
    let path = call.text("relativePath");
    let path = path.as_deref().unwrap_or(file_name);
    let mut segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let leaf = clean_name(segments.pop().unwrap_or(""))?;
    let is_absolute = path.starts_with('/');
    if state.switches.drop_zero_segments {
        segments.retain(|segment| *segment != "0");
    }
    let at_root = state.switches.relative_path == RelativePath::AtRoot;
    if is_absolute || (at_root && !segments.is_empty()) {
        place.1 = None;
    }
    for segment in segments {
        let name = clean_name(segment)?;
        let is_it =
            |name: &str, entry: &crate::entry::Entry| entry.is_folder() && entry.name == name;
        let found = state.live_children(place).find(|entry| is_it(&name, entry));
        let found = found.map(|entry| entry.id);
        place.1 = Some(match found {
            Some(id) => id,
            None => state.create_folder(place, &name)?,
        });
    }
    Ok((place, leaf))
}

/// Refuses an upload for which there is no space.
pub(super) fn check_space(state: &State, size: u64) -> Result<(), Refusal> {
    if state.used() + size > state.switches.quota {
        let message =
            "You have exhausted your allowed space. Delete some files or upgrade your plan.";
        return Err(Refusal::Invalid("size", message.to_owned()));
    }
    Ok(())
}

/// `POST /uploads/validate`: finds taken names, but only with `parentId` at top level.
pub(super) fn validate(state: &State, call: &Call) -> Value {
    let place = (call.workspace(), call.number("parentId"));
    let files = call.body.get("files").and_then(Value::as_array);
    let names = files.into_iter().flatten();
    let names = names.filter_map(|file| file.get("name").and_then(text));
    let is_taken = |name: &String| state.live_children(place).any(|entry| entry.name == *name);
    let duplicates: Vec<String> = match place.1 {
        Some(_) => names.filter(is_taken).collect(),
        None => Vec::new(),
    };
    json!({"errors": false, "duplicates": duplicates, "status": "success"})
}

/// `POST /entry/getAvailableName`: a name with a suffix, even when the name is free.
pub(super) fn available_name(state: &State, call: &Call) -> Result<Value, Refusal> {
    let name = call.text("name").ok_or_else(|| Refusal::field("name"))?;
    let place = (call.workspace(), call.number("parentId"));
    let suffixed = |n: u32| match name.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem} ({n}).{extension}"),
        None => format!("{name} ({n})"),
    };
    let is_free = |name: &String| !state.live_children(place).any(|entry| entry.name == *name);
    let available = (1..u32::MAX).map(suffixed).find(is_free);
    Ok(json!({"available": available, "status": "success"}))
}
