//! New folders, and what happens to entries that are there.

use crate::call::{Call, text};
use crate::entry::Life;
use crate::refusal::Refusal;
use crate::state::{Place, State};
use crate::switches::{DeleteForever, Duplicate};
use http::StatusCode;
use serde_json::{Value, json};

pub(super) fn show(state: &State, id: i64) -> Value {
    let entry = state.entries.get(&id);
    entry.map_or(Value::Null, |entry| entry.show(&state.path(id), None))
}

/// The folder that `parentId` names; none is the root.
pub(super) fn parent(state: &State, call: &Call) -> Result<Place, Refusal> {
    let workspace = call.workspace();
    let parent = call.number("parentId");
    if let Some(id) = parent {
        // A file for another workspace's folder is accepted, and not found there.
        let folder = state.live(id).filter(|entry| entry.is_folder());
        folder.ok_or(Refusal::Unknown(id.to_string()))?;
    }
    Ok((workspace, parent))
}

pub(super) fn new_folder(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let name = call.text("name").ok_or_else(|| Refusal::field("name"))?;
    let place = (call.workspace(), call.number("parentId"));
    let id = state.create_folder(place, &name)?;
    Ok(json!({"folder": show(state, id), "status": "success"}))
}

/// The ids of a batch: all of them are known, or none is touched.
fn known_ids(state: &State, call: &Call) -> Result<Vec<i64>, Refusal> {
    let ids = call.ids("entryIds").ok_or_else(Refusal::unknown_ids)?;
    if ids.is_empty() {
        return Err(Refusal::field("entryIds"));
    }
    let known = |id: &i64| {
        state
            .entries
            .get(id)
            .is_some_and(crate::entry::Entry::is_known)
    };
    if ids.iter().all(known) {
        Ok(ids)
    } else {
        Err(Refusal::unknown_ids())
    }
}

pub(super) fn delete(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    if call.truth("emptyTrash") {
        let is_trashed = |life: Life| matches!(life, Life::Trashed(_));
        let entries = state.entries.values();
        let trashed: Vec<i64> = entries
            .filter(|entry| is_trashed(entry.life))
            .map(|entry| entry.id)
            .collect();
        for id in trashed {
            state.bury(id, Life::Gone);
        }
        return Ok(json!({"status": "success"}));
    }
    let forever = call.truth("deleteForever");
    for id in known_ids(state, call)? {
        let Some(entry) = state.entries.get(&id) else {
            continue;
        };
        let trashed = matches!(entry.life, Life::Trashed(_));
        let only_trashes = state.switches.delete_forever == DeleteForever::Trashes;
        let life = match (forever, trashed) {
            (false, true) => continue,
            (false, false) => Life::Trashed(state.clock.now()),
            (true, false) if only_trashes => Life::Trashed(state.clock.now()),
            (true, _) => Life::Gone,
        };
        state.bury(id, life);
    }
    Ok(json!({"status": "success"}))
}

pub(super) fn restore(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    for id in known_ids(state, call)? {
        if state.live(id).is_none() {
            state.revive(id);
        }
    }
    Ok(json!({"status": "success"}))
}

pub(super) fn change(state: &mut State, call: &Call, id: i64) -> Result<Value, Refusal> {
    let name = call.text("name");
    let description = call.body.get("description");
    let description = description.map(|value| text(value).unwrap_or_default());
    let longest = state.switches.max_description;
    if description
        .as_ref()
        .is_some_and(|text| text.len() > longest)
    {
        let message = format!("The description may not be greater than {longest} characters.");
        return Err(Refusal::Invalid("description", message));
    }
    state.change(id, name.as_deref(), description.as_deref())?;
    Ok(json!({"fileEntry": show(state, id), "status": "success"}))
}

fn destination(state: &State, call: &Call) -> Result<Place, Refusal> {
    let workspace = call.workspace();
    let folder = call.number("destinationId");
    if let Some(id) = folder {
        state.folder(workspace, id)?;
    }
    Ok((workspace, folder))
}

pub(super) fn relocate(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let ids = known_ids(state, call)?;
    let place = destination(state, call)?;
    for id in &ids {
        if place.1.is_some_and(|to| state.subtree(*id).contains(&to)) {
            let message = "A folder cannot be moved into itself.";
            return Err(Refusal::Invalid("destinationId", message.to_owned()));
        }
    }
    for id in &ids {
        state.relocate(*id, place);
    }
    let entries: Vec<Value> = ids.iter().map(|id| show(state, *id)).collect();
    Ok(json!({"entries": entries, "status": "success"}))
}

pub(super) fn duplicate(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    if state.switches.duplicate == Duplicate::Fails {
        return Err(Refusal::Status(StatusCode::INTERNAL_SERVER_ERROR));
    }
    let ids = known_ids(state, call)?;
    let place = destination(state, call)?;
    let copies: Vec<i64> = ids
        .iter()
        .filter_map(|id| state.duplicate(*id, place))
        .collect();
    let entries: Vec<Value> = copies.iter().map(|id| show(state, *id)).collect();
    Ok(json!({"entries": entries, "status": "success"}))
}
