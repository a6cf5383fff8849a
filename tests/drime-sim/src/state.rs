//! Everything that the two servers share.

use crate::blob::Blob;
use crate::clock::{Clock, Millis};
use crate::entry::{Entry, FileData, Life, Seen};
use crate::fault::Script;
use crate::log::Log;
use crate::refusal::Refusal;
use crate::switches::{FolderNames, RenameOntoTaken, SameName, Switches};
use md5::{Digest, Md5};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

/// Workspace and folder (`None`: the workspace's root).
pub(crate) type Place = (i64, Option<i64>);

pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) switches: Switches,
    pub(crate) tokens: Vec<String>,
    pub(crate) workspaces: BTreeMap<i64, String>,
    pub(crate) entries: BTreeMap<i64, Entry>,
    pub(crate) children: HashMap<Place, BTreeSet<i64>>,
    pub(crate) next_id: i64,
    /// Stored bytes by their key without `uploads/U/`.
    pub(crate) objects: HashMap<String, Arc<Blob>>,
    pub(crate) uploads: HashMap<String, Multipart>,
    pub(crate) faults: Vec<Script>,
    pub(crate) log: Log,
    pub(crate) window: Window,
    /// Where large blobs go.
    pub(crate) blobs: PathBuf,
    serial: u64,
    /// The start of the serial numbers' hash: two simulators make different names.
    salt: String,
}

/// An upload in parts.
pub(crate) struct Multipart {
    pub(crate) file_name: String,
    pub(crate) parts: BTreeMap<u32, Part>,
}

pub(crate) struct Part {
    pub(crate) blob: Arc<Blob>,
    pub(crate) etag: String,
}

/// The requests of the current minute.
#[derive(Debug, Default)]
pub(crate) struct Window {
    pub(crate) began: Millis,
    pub(crate) used: u32,
}

/// A file to be.
pub(crate) struct NewFile {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) data: FileData,
}

impl State {
    pub(crate) const FIRST_ID: i64 = 700_000_000;

    pub(crate) fn new(clock: Clock, switches: Switches, blobs: PathBuf) -> Self {
        let salt = format!("{}-{}", std::process::id(), blobs.display());
        Self {
            clock,
            switches,
            tokens: vec![crate::TOKEN.to_owned()],
            workspaces: BTreeMap::from([(crate::WORKSPACE, "team".to_owned())]),
            entries: BTreeMap::new(),
            children: HashMap::new(),
            next_id: Self::FIRST_ID,
            objects: HashMap::new(),
            uploads: HashMap::new(),
            faults: Vec::new(),
            log: Log::default(),
            window: Window::default(),
            blobs,
            serial: 0,
            salt,
        }
    }

    /// 32 hexadecimal digits that were not there before.
    pub(crate) fn unique(&mut self) -> String {
        self.serial += 1;
        hex::encode(Md5::digest(format!("{}/{}", self.salt, self.serial)))
    }

    /// The name of a new object in storage: a UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let mut text = self.unique();
        for at in [8, 13, 18, 23] {
            text.insert(at, '-');
        }
        text
    }

    /// A path for a new large blob.
    pub(crate) fn blob_path(&mut self) -> PathBuf {
        let name = self.unique();
        self.blobs.join(name)
    }

    pub(crate) fn live(&self, id: i64) -> Option<&Entry> {
        let entry = self.entries.get(&id)?;
        (entry.life == Life::Live).then_some(entry)
    }

    /// A live folder of this workspace.
    pub(crate) fn folder(&self, workspace: i64, id: i64) -> Result<&Entry, Refusal> {
        let folder = self
            .live(id)
            .filter(|entry| entry.is_folder() && entry.workspace == workspace);
        folder.ok_or(Refusal::Unknown(id.to_string()))
    }

    /// The ids from the top down to `id`, with slashes.
    pub(crate) fn path(&self, id: i64) -> String {
        let mut path = id.to_string();
        let mut above = self.entries.get(&id).and_then(|entry| entry.parent);
        while let Some(id) = above {
            path = format!("{id}/{path}");
            above = self.entries.get(&id).and_then(|entry| entry.parent);
        }
        path
    }

    /// The entries of a folder that are alive.
    pub(crate) fn live_children(&self, place: Place) -> impl Iterator<Item = &Entry> {
        let ids = self.children.get(&place).into_iter().flatten();
        ids.filter_map(|id| self.live(*id))
    }

    /// Everything below `id`, and itself.
    pub(crate) fn subtree(&self, id: i64) -> Vec<i64> {
        let mut all = vec![id];
        let mut next = 0;
        while let Some(&id) = all.get(next) {
            next += 1;
            if let Some(entry) = self.entries.get(&id).filter(|entry| entry.is_folder()) {
                let below = self.children.get(&(entry.workspace, Some(id)));
                all.extend(below.into_iter().flatten());
            }
        }
        all
    }

    pub(crate) fn create_folder(&mut self, place: Place, name: &str) -> Result<i64, Refusal> {
        let name = clean_name(name)?;
        if let (workspace, Some(parent)) = place {
            self.folder(workspace, parent)?;
        }
        let same = |other: &str| match self.switches.folder_names {
            FolderNames::Exact => other == name,
            FolderNames::CaseInsensitive => other.to_lowercase() == name.to_lowercase(),
        };
        let taken = self
            .live_children(place)
            .any(|entry| entry.is_folder() && same(&entry.name));
        if taken {
            let message = "Folder with same name already exists.";
            return Err(Refusal::Invalid("name", message.to_owned()));
        }
        Ok(self.insert(place, name, 0, None))
    }

    /// Makes a file, and does to those of its name what the switch says.
    pub(crate) fn create_file(&mut self, place: Place, file: NewFile) -> i64 {
        let fate = match self.switches.same_name {
            SameName::KeepBoth => None,
            SameName::Replace => Some(Life::Backup),
            SameName::Trash => Some(Life::Trashed(self.clock.now())),
        };
        if let Some(fate) = fate {
            let files = self.live_children(place).filter(|entry| !entry.is_folder());
            let old = files.filter(|entry| entry.name == file.name);
            for id in old.map(|entry| entry.id).collect::<Vec<i64>>() {
                self.bury(id, fate);
            }
        }
        let blob = (file.data.file_name.clone(), Arc::clone(&file.data.blob));
        self.objects.insert(blob.0, blob.1);
        self.insert(place, file.name, file.size, Some(file.data))
    }

    fn insert(&mut self, place: Place, name: String, size: u64, file: Option<FileData>) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        let now = self.clock.now();
        let entry = Entry {
            id,
            name,
            parent: place.1,
            workspace: place.0,
            description: None,
            created: now,
            updated: now,
            size,
            file,
            life: Life::Live,
            seen: Seen {
                from: now + self.switches.create_lag,
                ..Seen::default()
            },
        };
        self.restore_entry(entry);
        self.resize_above(place.1, size, u64::saturating_add);
        id
    }

    /// Puts an entry as it is.
    pub(crate) fn restore_entry(&mut self, entry: Entry) {
        let place = (entry.workspace, entry.parent);
        self.children.entry(place).or_default().insert(entry.id);
        self.next_id = self.next_id.max(entry.id + 1);
        self.entries.insert(entry.id, entry);
    }

    fn resize_above(&mut self, mut above: Option<i64>, by: u64, change: fn(u64, u64) -> u64) {
        while let Some(folder) = above.and_then(|id| self.entries.get_mut(&id)) {
            folder.size = change(folder.size, by);
            above = folder.parent;
        }
    }

    /// Ends the life of an entry and of all below it.
    pub(crate) fn bury(&mut self, id: i64, life: Life) {
        let now = self.clock.now();
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        let (above, size, was_live) = (entry.parent, entry.size, entry.life == Life::Live);
        if was_live {
            self.resize_above(above, size, u64::saturating_sub);
        }
        let lag = self.switches.delete_lag;
        for id in self.subtree(id).into_iter().rev() {
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            if entry.life == Life::Live {
                entry.seen.until = now + lag;
            }
            entry.life = life;
            if life == Life::Gone && entry.seen.until <= now {
                self.remove(id);
            }
        }
    }

    /// Brings an entry and all below it back from the trash.
    pub(crate) fn revive(&mut self, id: i64) {
        for id in self.subtree(id) {
            if let Some(entry) = self.entries.get_mut(&id)
                && matches!(entry.life, Life::Trashed(_))
            {
                entry.life = Life::Live;
                entry.seen.until = 0;
            }
        }
        if let Some(entry) = self.entries.get(&id) {
            let (above, size) = (entry.parent, entry.size);
            self.resize_above(above, size, u64::saturating_add);
        }
    }

    fn remove(&mut self, id: i64) {
        let Some(entry) = self.entries.remove(&id) else {
            return;
        };
        if let Some(siblings) = self.children.get_mut(&(entry.workspace, entry.parent)) {
            siblings.remove(&id);
        }
        if let Some(file) = entry.file
            && let Some(object) = self.objects.get(&file.file_name)
            // A copy of the file shares the bytes.
            && Arc::strong_count(object) <= 2
        {
            self.objects.remove(&file.file_name);
        }
    }

    /// Forgets deleted entries that no listing shows any more.
    pub(crate) fn forget_ghosts(&mut self, place: Place) {
        if self.switches.delete_lag == 0 {
            return;
        }
        let now = self.clock.now();
        let ids: Vec<i64> = self
            .children
            .get(&place)
            .into_iter()
            .flatten()
            .copied()
            .collect();
        for id in ids {
            let gone = |entry: &Entry| entry.life == Life::Gone && entry.seen.until <= now;
            if self.entries.get(&id).is_some_and(gone) {
                self.remove(id);
            }
        }
    }

    /// Renames or describes an entry; an empty description is none.
    pub(crate) fn change(
        &mut self,
        id: i64,
        name: Option<&str>,
        description: Option<&str>,
    ) -> Result<(), Refusal> {
        let now = self.clock.now();
        let lag = self.switches.rename_lag;
        let name = name.map(clean_name).transpose()?;
        let Some(entry) = self.live(id) else {
            return Err(Refusal::Unknown(id.to_string()));
        };
        if let Some(name) = &name
            && self.switches.rename_onto_taken == RenameOntoTaken::Refused
            && self
                .live_children((entry.workspace, entry.parent))
                .any(|other| other.id != id && other.name == *name)
        {
            let message = format!("An entry named \"{name}\" already exists in this folder.");
            return Err(Refusal::Bad(message));
        }
        let Some(entry) = self.entries.get_mut(&id) else {
            return Err(Refusal::Unknown(id.to_string()));
        };
        let before = (entry.name.clone(), entry.description.clone(), now + lag);
        entry.seen.as_before = Some(before);
        if let Some(name) = name {
            if entry.is_folder() && name != entry.name {
                entry.seen.empty_until = now + lag;
            }
            entry.name = name;
        }
        if let Some(description) = description {
            entry.description = (!description.is_empty()).then(|| description.to_owned());
        }
        entry.updated = now;
        Ok(())
    }

    /// Moves an entry within or between workspaces.
    pub(crate) fn relocate(&mut self, id: i64, place: Place) {
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        let (old, size) = ((entry.workspace, entry.parent), entry.size);
        self.resize_above(old.1, size, u64::saturating_sub);
        let below = self.subtree(id);
        let now = self.clock.now();
        for each in below {
            let Some(entry) = self.entries.get_mut(&each) else {
                continue;
            };
            let from = (entry.workspace, entry.parent);
            entry.workspace = place.0;
            if each == id {
                entry.parent = place.1;
                entry.updated = now;
            }
            let to = (entry.workspace, entry.parent);
            if let Some(siblings) = self.children.get_mut(&from) {
                siblings.remove(&each);
            }
            self.children.entry(to).or_default().insert(each);
        }
        self.resize_above(place.1, size, u64::saturating_add);
    }

    /// Copies an entry with all below it; the copies share the bytes. A copy beside its source
    /// gets another name.
    pub(crate) fn duplicate(&mut self, id: i64, place: Place) -> Option<i64> {
        let entry = self.live(id)?.clone();
        let beside = place == (entry.workspace, entry.parent);
        let name = match (beside, entry.name.rsplit_once('.')) {
            (false, _) => entry.name.clone(),
            (true, Some((stem, extension))) if !entry.is_folder() => {
                format!("{stem} - Copy.{extension}")
            }
            (true, _) => format!("{} - Copy", entry.name),
        };
        let below: Vec<i64> = self
            .live_children((entry.workspace, Some(id)))
            .map(|child| child.id)
            .collect();
        let size = if entry.is_folder() { 0 } else { entry.size };
        let copy = self.insert(place, name, size, entry.file.clone());
        if entry.is_folder() {
            for child in below {
                self.duplicate(child, (place.0, Some(copy)));
            }
        }
        Some(copy)
    }

    /// Bytes that count against the account's space: the trash does.
    pub(crate) fn used(&self) -> u64 {
        let files = self.entries.values().filter(|entry| entry.is_known());
        let files = files.filter(|entry| !entry.is_folder());
        files.map(|entry| entry.size).sum()
    }

    /// Counts a request. `None` when there have been too many in this minute, else how many are
    /// left.
    pub(crate) fn spend(&mut self) -> Option<u32> {
        let now = self.clock.now();
        if now >= self.window.began + 60_000 {
            self.window = Window {
                began: now,
                used: 0,
            };
        }
        let left = self.switches.rate_limit.checked_sub(self.window.used + 1)?;
        self.window.used += 1;
        Some(left)
    }
}

/// A name as the server keeps it: without spaces at its ends, 1 to 255 bytes.
pub(crate) fn clean_name(name: &str) -> Result<String, Refusal> {
    let name = name.trim();
    if name.is_empty() {
        let message = "The name field is required.";
        return Err(Refusal::Invalid("name", message.to_owned()));
    }
    if name.len() > 255 {
        let message = "The name may not be greater than 255 characters.";
        return Err(Refusal::Invalid("name", message.to_owned()));
    }
    Ok(name.to_owned())
}
