//! Looking at the account and changing it without requests.

use crate::Simulator;
use crate::blob::Writer;
use crate::entry::{Entry, FileData, Life};
use crate::state::{NewFile, State};
use std::io;
use std::sync::Arc;

/// An entry that is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: i64,
    /// Names from the root down, with slashes.
    pub path: String,
    /// Whether it is a folder.
    pub folder: bool,
    /// Bytes, as declared.
    pub size: u64,
    /// The workspace.
    pub workspace: i64,
    /// The description.
    pub description: Option<String>,
}

impl Simulator {
    /// Makes a folder in the personal space (`parent` `None`: at its root), or finds it.
    pub fn seed_folder(&self, parent: Option<i64>, name: &str) -> i64 {
        self.shared.with(|state| {
            let found = state
                .live_children((0, parent))
                .find(|entry| entry.is_folder() && entry.name == name)
                .map(|entry| entry.id);
            match found {
                Some(id) => id,
                None => state.create_folder((0, parent), name).unwrap_or(-1),
            }
        })
    }

    /// Makes a file in the personal space.
    pub fn seed_file(&self, parent: Option<i64>, name: &str, bytes: &[u8]) -> io::Result<i64> {
        self.shared.with(|state| {
            let mut writer = Writer::new(state.blob_path());
            writer.write(bytes)?;
            let data = FileData {
                file_name: state.uuid(),
                mime: "application/octet-stream".to_owned(),
                extension: String::new(),
                blob: writer.finish().0,
            };
            let file = NewFile {
                name: name.to_owned(),
                size: bytes.len() as u64,
                data,
            };
            Ok(state.create_file((0, parent), file))
        })
    }

    /// All live entries, ordered by path and then id.
    pub fn entries(&self) -> Vec<Listed> {
        let mut all: Vec<Listed> = self.shared.with(|state| {
            let live = state.entries.values();
            live.filter(|entry| entry.life == Life::Live)
                .map(|entry| listed(state, entry))
                .collect()
        });
        all.sort_by(|a, b| (&a.path, a.id).cmp(&(&b.path, b.id)));
        all
    }

    /// The ids of live entries with this path (names with slashes).
    pub fn find(&self, path: &str) -> Vec<i64> {
        let entries = self.entries().into_iter();
        entries
            .filter(|entry| entry.path == path)
            .map(|entry| entry.id)
            .collect()
    }

    /// How many entries are in the trash.
    pub fn trashed(&self) -> usize {
        self.shared.with(|state| {
            let entries = state.entries.values();
            entries
                .filter(|entry| matches!(entry.life, Life::Trashed(_)))
                .count()
        })
    }

    /// The bytes of a file.
    pub fn content(&self, id: i64) -> io::Result<Vec<u8>> {
        let blob = self.shared.with(|state| {
            let file = state.entries.get(&id)?.file.as_ref()?;
            Some(Arc::clone(&file.blob))
        });
        let blob = blob.ok_or(io::ErrorKind::NotFound)?;
        Ok(blob.read(0..blob.len())?.to_vec())
    }

    /// Deletes an entry for ever, as another client would.
    pub fn remove(&self, id: i64) {
        self.shared.with(|state| state.bury(id, Life::Gone));
    }

    /// Renames an entry, as another client would; `false` if that is refused.
    pub fn rename(&self, id: i64, name: &str) -> bool {
        self.shared
            .with(|state| state.change(id, Some(name), None).is_ok())
    }

    /// Sets the description of an entry, as another client would.
    pub fn describe(&self, id: i64, description: Option<&str>) -> bool {
        let description = Some(description.unwrap_or(""));
        self.shared
            .with(|state| state.change(id, None, description).is_ok())
    }

    /// Uploads in parts that are neither completed nor aborted.
    pub fn open_uploads(&self) -> usize {
        self.shared.with(|state| state.uploads.len())
    }

    /// Objects in storage that no entry names.
    pub fn orphans(&self) -> usize {
        self.shared.with(|state| {
            let objects = state.objects.values();
            objects.filter(|blob| Arc::strong_count(blob) == 1).count()
        })
    }
}

pub(crate) fn listed(state: &State, entry: &Entry) -> Listed {
    let ids = state.path(entry.id);
    let names: Vec<&str> = ids
        .split('/')
        .filter_map(|id| state.entries.get(&id.parse().ok()?))
        .map(|entry| entry.name.as_str())
        .collect();
    Listed {
        id: entry.id,
        path: names.join("/"),
        folder: entry.is_folder(),
        size: entry.size,
        workspace: entry.workspace,
        description: entry.description.clone(),
    }
}
