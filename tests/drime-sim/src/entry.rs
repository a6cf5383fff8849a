//! Files and folders, and how they are shown.

use crate::blob::Blob;
use crate::clock::Millis;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::{Value, json};
use std::sync::Arc;
use time::OffsetDateTime;
use time::macros::format_description;

/// The account that all tokens belong to.
pub(crate) const USER: i64 = 15001;

/// A file or folder.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) parent: Option<i64>,
    pub(crate) workspace: i64,
    pub(crate) description: Option<String>,
    pub(crate) created: Millis,
    pub(crate) updated: Millis,
    /// Of a folder: the total of what is below it.
    pub(crate) size: u64,
    /// `None` for a folder.
    pub(crate) file: Option<FileData>,
    pub(crate) life: Life,
    pub(crate) seen: Seen,
}

#[derive(Debug, Clone)]
pub(crate) struct FileData {
    pub(crate) file_name: String,
    pub(crate) mime: String,
    pub(crate) extension: String,
    pub(crate) blob: Arc<Blob>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Live,
    Trashed(Millis),
    /// Replaced by an upload: an older version of it.
    Backup,
    /// Deleted for ever; only here because listings lag behind.
    Gone,
}

/// What lagging listings show.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Not in listings before.
    pub(crate) from: Millis,
    /// Still in listings, as if it were alive, until then.
    pub(crate) until: Millis,
    /// Name and description that listings show, until then.
    pub(crate) as_before: Option<(String, Option<String>, Millis)>,
    /// A folder's rows are not shown before.
    pub(crate) empty_until: Millis,
}

impl Entry {
    pub(crate) fn is_folder(&self) -> bool {
        self.file.is_none()
    }

    /// Whether the server still knows the id.
    pub(crate) fn is_known(&self) -> bool {
        matches!(self.life, Life::Live | Life::Trashed(_))
    }

    pub(crate) fn kind(&self) -> &'static str {
        let Some(file) = &self.file else {
            return "folder";
        };
        match file.mime.split('/').next() {
            Some("image") => "image",
            Some("audio") => "audio",
            Some("video") => "video",
            Some("text") => "text",
            _ if file.mime == "application/pdf" => "pdf",
            _ => "file",
        }
    }

    /// The entry as JSON. `path` are the ids from the top down to this one. With `lagging`, as a
    /// listing at that time shows it.
    pub(crate) fn show(&self, path: &str, lagging: Option<Millis>) -> Value {
        let (mut name, mut description) = (&self.name, &self.description);
        let mut deleted = match self.life {
            Life::Trashed(at) => Some(timestamp(at)),
            _ => None,
        };
        if let Some(now) = lagging {
            if let Some((old, old_description, until)) = &self.seen.as_before
                && now < *until
            {
                (name, description) = (old, old_description);
            }
            if now < self.seen.until {
                deleted = None;
            }
        }
        let file = self.file.as_ref();
        json!({
            "id": self.id,
            "name": name,
            "description": description,
            "file_name": file.map_or(name, |file| &file.file_name),
            "disk_prefix": file.map(|file| &file.file_name),
            "mime": file.map(|file| &file.mime),
            "type": self.kind(),
            "extension": file.map(|file| &file.extension),
            "file_size": self.size,
            "file_hash": null,
            "parent_id": self.parent,
            "path": path,
            "hash": hash(self.id),
            "url": file.map(|_| format!("api/v1/file-entries/{}", self.id)),
            "workspace_id": self.workspace,
            "owner_id": USER,
            "user_id": null,
            "created_at": timestamp(self.created),
            "updated_at": timestamp(self.updated),
            "is_deleted": u8::from(deleted.is_some()),
            "deleted_at": deleted,
            "public": false,
            "backup": self.life == Life::Backup,
            "tracked": 0,
            "thumbnail": false,
            "thumbnail_url": null,
            "color": null,
            "is_encrypted": 0,
            "iv": null,
            "vault_id": null,
            "tags": [],
            "permissions": {
                "files.update": true, "files.create": true, "files.download": true, "files.delete": true,
            },
            "users": [{
                "id": USER, "email": "a@example.com", "display_name": "a", "avatar": null,
                "model_type": "user", "owns_entry": true, "entry_permissions": [],
            }],
        })
    }
}

/// The address of an id.
pub(crate) fn hash(id: i64) -> String {
    STANDARD_NO_PAD.encode(format!("{id}|"))
}

/// An id as a number, or as its hash.
pub(crate) fn id_of(text: &str) -> Option<i64> {
    if let Ok(id) = text.parse() {
        return Some(id);
    }
    let padded = format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
    let decoded = String::from_utf8(STANDARD.decode(padded).ok()?).ok()?;
    let (id, _) = decoded.split_once('|')?;
    id.parse().ok()
}

/// Whole seconds, six digits.
pub(crate) fn timestamp(at: Millis) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].000000Z");
    let seconds = i64::try_from(at / 1000).unwrap_or(0);
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(format).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_id_and_a_bar_in_base64() {
        assert_eq!(hash(812_000_345), "ODEyMDAwMzQ1fA");
        assert_eq!(id_of("ODEyMDAwMzQ1fA"), Some(812_000_345));
        assert_eq!(id_of("812000345"), Some(812_000_345));
        assert_eq!(id_of("ODEyMDAwMzQ1fHBhZA"), Some(812_000_345));
        assert_eq!(id_of("???"), None);
    }

    #[test]
    fn a_timestamp_has_whole_seconds_and_six_digits() {
        assert_eq!(timestamp(1_767_601_800_999), "2026-01-05T08:30:00.000000Z");
    }
}
