//! Listings, and what else is asked about folders.

use crate::call::{Call, id};
use crate::clock::Millis;
use crate::entry::{Entry, Life, timestamp};
use crate::refusal::Refusal;
use crate::state::State;
use crate::switches::{Paging, UnknownFolder};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::cmp::Ordering;

/// What a listing is of.
enum Scope {
    Root,
    Folders(Vec<i64>),
    Workspace,
}

pub(super) fn list(state: &mut State, call: &Call) -> Result<Value, Refusal> {
    let workspace = call.workspace();
    let scope = scope(state, call, workspace)?;
    forget_ghosts(state, workspace, &scope);
    let now = state.clock.now();
    let filters = filters(call)?;
    let mut rows: Vec<&Entry> = match &scope {
        Scope::Root => children(state, workspace, None).collect(),
        Scope::Folders(ids) => {
            let shown = ids.iter().filter(|id| {
                let folder = state.entries.get(id);
                folder.is_none_or(|folder| now >= folder.seen.empty_until)
            });
            shown
                .flat_map(|id| children(state, workspace, Some(*id)))
                .collect()
        }
        Scope::Workspace => {
            let all = state.entries.values();
            all.filter(|entry| entry.workspace == workspace).collect()
        }
    };
    let asked = Asked::read(call);
    rows.retain(|entry| asked.shows(state, entry, now));
    rows.retain(|entry| filters.iter().all(|filter| filter.matches(entry)));
    sort(call, &mut rows);

    let per_page = call.query("perPage").and_then(|n| n.parse().ok());
    let per_page: usize = per_page.filter(|n| *n > 0).unwrap_or(50);
    let per_page = per_page.min(state.switches.page_cap);
    let page = call.query("page").and_then(|n| n.parse().ok());
    let mut page: usize = page.filter(|n| *n > 0).unwrap_or(1);
    let pages = rows.len().div_ceil(per_page).max(1);
    if let Some(ceiling) = state.switches.page_ceiling {
        page = page.min(ceiling);
    }
    let (last_page, total) = match state.switches.paging {
        Paging::Growing if page < pages => (page + 1, rows.len().min((page + 1) * per_page)),
        Paging::Growing => (page, rows.len()),
        Paging::TrueTotals => (pages, rows.len()),
    };
    let first = (page - 1).saturating_mul(per_page);
    let data: Vec<Value> = rows
        .iter()
        .skip(first)
        .take(per_page)
        .map(|entry| entry.show(&state.path(entry.id), Some(now)))
        .collect();
    let folder = match &scope {
        Scope::Folders(ids) => ids.first().and_then(|id| state.entries.get(id)),
        _ => None,
    };
    let folder = folder.map(|entry| entry.show(&state.path(entry.id), Some(now)));
    let bounds = (!data.is_empty()).then(|| (first + 1, first + data.len()));
    Ok(json!({
        "current_page": page,
        "data": data,
        "folder": folder,
        "from": bounds.map(|(from, _)| from),
        "to": bounds.map(|(_, to)| to),
        "per_page": per_page,
        "last_page": last_page,
        "total": total,
        "next_page_url": null,
        "prev_page_url": null,
    }))
}

fn scope(state: &State, call: &Call, workspace: i64) -> Result<Scope, Refusal> {
    let asked = call.query("folderId").or_else(|| call.query("pageId"));
    let asked: Option<Vec<i64>> = match (asked, call.query("parentIds")) {
        (Some(folder), _) => Some(vec![id(folder)]),
        (None, Some(parents)) => Some(parents.split(',').map(|text| id(text.trim())).collect()),
        (None, None) => None,
    };
    let Some(ids) = asked else {
        let everything = [
            "query",
            "deletedOnly",
            "starredOnly",
            "recentOnly",
            "sharedOnly",
        ];
        let everything = everything.iter().any(|name| call.query(name).is_some());
        return Ok(if everything || state.switches.unscoped_lists_all {
            Scope::Workspace
        } else {
            Scope::Root
        });
    };
    if ids == [0] {
        return Ok(Scope::Root);
    }
    let now = state.clock.now();
    for id in &ids {
        // A new folder may be as unknown as one that never was.
        let known = state.folder(workspace, *id);
        if known.is_ok_and(|folder| folder.seen.from <= now) {
            continue;
        }
        return match state.switches.unknown_folder {
            UnknownFolder::NotFound => Err(Refusal::Unknown(id.to_string())),
            UnknownFolder::Root => Ok(Scope::Root),
        };
    }
    Ok(Scope::Folders(ids))
}

fn forget_ghosts(state: &mut State, workspace: i64, scope: &Scope) {
    match scope {
        Scope::Root => state.forget_ghosts((workspace, None)),
        Scope::Folders(ids) => {
            for id in ids {
                state.forget_ghosts((workspace, Some(*id)));
            }
        }
        Scope::Workspace => {}
    }
}

fn children(state: &State, workspace: i64, parent: Option<i64>) -> impl Iterator<Item = &Entry> {
    let ids = state
        .children
        .get(&(workspace, parent))
        .into_iter()
        .flatten();
    ids.filter_map(|id| state.entries.get(id))
}

/// Which entries are asked for.
struct Asked<'a> {
    nothing: bool,
    deleted: bool,
    backups: bool,
    kind: Option<&'a str>,
    text: Option<String>,
}

impl<'a> Asked<'a> {
    fn read(call: &'a Call) -> Self {
        Self {
            nothing: call.flag("starredOnly") || call.flag("sharedOnly"),
            deleted: call.flag("deletedOnly"),
            backups: call.flag("backup"),
            kind: call.query("type"),
            text: call.query("query").map(str::to_lowercase),
        }
    }

    /// Whether a listing shows this entry now.
    fn shows(&self, state: &State, entry: &Entry, now: Millis) -> bool {
        let lingers = now < entry.seen.until;
        let of_this_kind = match entry.life {
            _ if lingers => !self.deleted && !self.backups,
            Life::Live => !self.deleted && !self.backups,
            Life::Trashed(_) => self.deleted || state.switches.list_trashed,
            Life::Backup => self.backups,
            Life::Gone => false,
        };
        let has_text = |text: &String| entry.name.to_lowercase().contains(text);
        !self.nothing
            && of_this_kind
            && now >= entry.seen.from
            && self.kind.is_none_or(|kind| entry.kind() == kind)
            && self.text.as_ref().is_none_or(has_text)
    }
}

fn sort(call: &Call, rows: &mut [&Entry]) {
    let by = call.query("orderBy").unwrap_or("updated_at");
    let descending = call.query("orderDir").unwrap_or("desc") != "asc";
    rows.sort_by(|a, b| {
        let order = match by {
            // Of whole seconds, as they are stored.
            "created_at" => (a.created / 1000).cmp(&(b.created / 1000)),
            "name" => a.name.cmp(&b.name),
            "file_size" => a.size.cmp(&b.size),
            _ => (a.updated / 1000).cmp(&(b.updated / 1000)),
        };
        let order = order.then(a.id.cmp(&b.id));
        if descending { order.reverse() } else { order }
    });
}

/// One condition of `filters`.
struct Filter {
    key: String,
    operator: String,
    value: String,
}

fn filters(call: &Call) -> Result<Vec<Filter>, Refusal> {
    let Some(encoded) = call.query("filters") else {
        return Ok(Vec::new());
    };
    let bad = || Refusal::Bad("The filters are malformed.".into());
    // Also from clients that encode twice.
    let text = percent_encoding::percent_decode_str(encoded).decode_utf8_lossy();
    let json = STANDARD.decode(text.as_bytes()).map_err(|_| bad())?;
    let list: Vec<Value> = serde_json::from_slice(&json).map_err(|_| bad())?;
    let filters = list.iter().map(|filter| {
        let text = |name: &str| match filter.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        Some(Filter {
            key: text("key")?,
            operator: text("operator").unwrap_or_else(|| "=".to_owned()),
            value: text("value")?,
        })
    });
    filters.collect::<Option<_>>().ok_or_else(bad)
}

impl Filter {
    fn matches(&self, entry: &Entry) -> bool {
        let order = match self.key.as_str() {
            // Their text sorts as they do.
            "created_at" => timestamp(entry.created).cmp(&self.value),
            "updated_at" => timestamp(entry.updated).cmp(&self.value),
            "name" => entry.name.cmp(&self.value),
            "type" => entry.kind().cmp(&self.value),
            "file_size" => entry.size.cmp(&self.value.parse().unwrap_or(0)),
            // The server ignores what it does not know.
            _ => return true,
        };
        match self.operator.as_str() {
            ">=" => order != Ordering::Less,
            ">" => order == Ordering::Greater,
            "<=" => order != Ordering::Greater,
            "<" => order == Ordering::Less,
            "!=" => order != Ordering::Equal,
            _ => order == Ordering::Equal,
        }
    }
}

pub(super) fn count(state: &State, id: i64) -> Result<Value, Refusal> {
    let folder = state.live(id).filter(|entry| entry.is_folder());
    let folder = folder.ok_or(Refusal::Unknown(id.to_string()))?;
    let count = state.live_children((folder.workspace, Some(id))).count();
    Ok(json!({"count": count, "status": "success"}))
}

pub(super) fn path(state: &State, id: i64) -> Result<Value, Refusal> {
    let folder = state.live(id).filter(|entry| entry.is_folder());
    folder.ok_or(Refusal::Unknown(id.to_string()))?;
    let ids = state.path(id);
    let entries: Vec<Value> = ids
        .split('/')
        .filter_map(|id| state.entries.get(&id.parse().ok()?))
        .map(|entry| entry.show(&state.path(entry.id), None))
        .collect();
    Ok(json!({"path": entries, "status": "success"}))
}
