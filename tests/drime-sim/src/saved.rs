//! The account in a directory: `entries.json` and one file for each stored object.

use crate::blob::Blob;
use crate::entry::{Entry, FileData, Life, Seen};
use crate::state::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

#[derive(Serialize, Deserialize)]
struct Saved {
    next_id: i64,
    workspaces: BTreeMap<i64, String>,
    entries: Vec<SavedEntry>,
}

#[derive(Serialize, Deserialize)]
struct SavedEntry {
    id: i64,
    name: String,
    parent: Option<i64>,
    workspace: i64,
    description: Option<String>,
    created: u64,
    updated: u64,
    size: u64,
    trashed: Option<u64>,
    backup: bool,
    /// Name in storage, type, extension.
    file: Option<(String, String, String)>,
}

pub(crate) fn save(state: &State, directory: &Path) -> io::Result<()> {
    let objects = directory.join("objects");
    std::fs::create_dir_all(&objects)?;
    for (name, blob) in &state.objects {
        let path = objects.join(name);
        if !path.exists() {
            blob.save(&path)?;
        }
    }
    let known = state.entries.values();
    let known = known.filter(|entry| entry.life != Life::Gone);
    let saved = Saved {
        next_id: state.next_id,
        workspaces: state.workspaces.clone(),
        entries: known.map(saved_entry).collect(),
    };
    let json = serde_json::to_vec(&saved)?;
    let new = directory.join("entries.json.new");
    std::fs::write(&new, json)?;
    std::fs::rename(new, directory.join("entries.json"))
}

fn saved_entry(entry: &Entry) -> SavedEntry {
    let file = entry.file.as_ref();
    SavedEntry {
        id: entry.id,
        name: entry.name.clone(),
        parent: entry.parent,
        workspace: entry.workspace,
        description: entry.description.clone(),
        created: entry.created,
        updated: entry.updated,
        size: entry.size,
        trashed: match entry.life {
            Life::Trashed(at) => Some(at),
            _ => None,
        },
        backup: entry.life == Life::Backup,
        file: file.map(|file| {
            let (name, mime) = (file.file_name.clone(), file.mime.clone());
            (name, mime, file.extension.clone())
        }),
    }
}

pub(crate) fn load(state: &mut State, directory: &Path) -> io::Result<()> {
    let json = match std::fs::read(directory.join("entries.json")) {
        Ok(json) => json,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let saved: Saved = serde_json::from_slice(&json)?;
    state.workspaces = saved.workspaces;
    for entry in saved.entries {
        let file = match entry.file {
            None => None,
            Some((file_name, mime, extension)) => {
                let blob = match state.objects.get(&file_name) {
                    Some(blob) => Arc::clone(blob),
                    None => Arc::new(Blob::kept(directory.join("objects").join(&file_name))?),
                };
                state.objects.insert(file_name.clone(), Arc::clone(&blob));
                Some(FileData {
                    file_name,
                    mime,
                    extension,
                    blob,
                })
            }
        };
        state.restore_entry(Entry {
            id: entry.id,
            name: entry.name,
            parent: entry.parent,
            workspace: entry.workspace,
            description: entry.description,
            created: entry.created,
            updated: entry.updated,
            size: entry.size,
            file,
            life: match (entry.trashed, entry.backup) {
                (Some(at), _) => Life::Trashed(at),
                (None, true) => Life::Backup,
                (None, false) => Life::Live,
            },
            seen: Seen::default(),
        });
    }
    state.next_id = state.next_id.max(saved.next_id);
    Ok(())
}
