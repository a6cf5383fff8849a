//! Who the token belongs to, workspaces, space.

use crate::call::Call;
use crate::entry::USER;
use crate::http::{Answer, answer};
use crate::refusal::Refusal;
use crate::state::State;
use http::StatusCode;
use serde_json::{Value, json};

pub(super) fn logged_user() -> Value {
    json!({"user": {"id": USER, "email": "a@example.com", "display_name": "a"}})
}

pub(super) fn nobody() -> Answer {
    answer(StatusCode::OK, "application/json", r#"{"user":null}"#)
}

pub(super) fn workspaces(state: &State) -> Value {
    let show = |(id, name): (&i64, &String)| show(*id, name);
    let workspaces: Vec<Value> = state.workspaces.iter().map(show).collect();
    json!({"workspaces": workspaces, "status": "success"})
}

pub(super) fn new_workspace(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let name = call.text("name").ok_or_else(|| Refusal::field("name"))?;
    let id = state.workspaces.keys().max().unwrap_or(&0) + 1;
    let shown = show(id, &name);
    state.workspaces.insert(id, name);
    Ok(json!({"workspace": shown, "status": "success"}))
}

fn show(id: i64, name: &str) -> Value {
    json!({
        "id": id, "name": name, "owner_id": USER, "members_count": 1,
        "currentUser": {
            "id": USER, "email": "a@example.com", "role_name": "Workspace Owner", "is_owner": true,
            "joined_at": "2026-01-05 08:30:00",
        },
    })
}

pub(super) fn space_usage(state: &State) -> Value {
    json!({"used": state.used(), "available": state.switches.quota, "status": "success"})
}
