//! Changing `backends.toml`: one section at a time, with the comments and the order of
//! everything else left alone. The file is replaced as a whole, so that a reader sees the old one
//! or the new one, and only its owner can read it.

use super::error::ConfigError;
use super::section::GATEWAY_KEYS;
use super::{BackendConfig, file, secret};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

/// A section to be written.
#[derive(Debug, Clone, Default)]
pub struct NewSection {
    /// The key `type`.
    pub kind: String,
    /// The key `component`.
    pub component: Option<PathBuf>,
    /// The grant `hosts`.
    pub hosts: Vec<String>,
    /// The grant `dirs`.
    pub dirs: Vec<super::DirGrant>,
    /// Further keys of the program, and the plugin's own settings, in order.
    pub settings: Vec<(String, NewValue)>,
}

/// A value to be written.
#[derive(Clone)]
pub enum NewValue {
    /// As it stands.
    Text(String),
    /// Obscured.
    Secret(secret::SecretText),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Flag(bool),
    /// Of one of the program's own keys.
    Own(Value),
}

impl NewValue {
    /// A value of one of the program's own keys as it is written in a file; a text needs no quotes.
    /// `absolute` makes a path of what a person has written.
    pub fn own(key: &str, text: &str, absolute: &dyn Fn(&str) -> PathBuf) -> Self {
        let path = |text: &str| Value::from(absolute(text).display().to_string());
        let mut value = match key {
            "metadata_db" => path(text),
            "sync" | "sha256" => text.into(),
            _ => text.parse().unwrap_or_else(|_| text.into()),
        };
        if key == "dirs"
            && let Some(dirs) = value.as_array_mut()
        {
            for dir in dirs.iter_mut() {
                let host = dir
                    .as_inline_table_mut()
                    .and_then(|dir| dir.get_mut("host"));
                if let Some(host) = host
                    && let Some(text) = host.as_str()
                {
                    *host = path(text);
                }
            }
        }
        value.decor_mut().clear();
        Self::Own(value)
    }
}

/// What has become of a section.
#[derive(Debug)]
pub struct Written {
    /// The file that it is in.
    pub path: PathBuf,
    /// Whether there was a backend of this name before.
    pub replaced: bool,
    /// Keys of the section before it that are still there.
    pub kept: Vec<String>,
    /// Keys of that which are gone.
    pub removed: Vec<String>,
}

impl std::fmt::Debug for NewValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            // A variable of the environment may be one.
            Self::Secret(_) | Self::Own(_) => f.write_str("(hidden)"),
            Self::Number(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
        }
    }
}

/// Writes the section `name` into the `backends.toml` of `dir`, in place of one that has this
/// name. Of that one, keys that the new one does not have stay, except those of `asked`, which are
/// left out of the new one on purpose, and those that mean nothing to another type. The directory
/// is made if it is not there.
pub fn write(
    dir: &Path,
    name: &str,
    section: &NewSection,
    asked: &[&str],
) -> Result<Written, ConfigError> {
    super::private_dir(dir).map_err(failed(dir))?;
    let _lock = lock(dir)?;
    let (document, written) = composed(dir, name, section, asked)?;
    let text = document.to_string();
    file::backend(&written.path, &text, name)?;
    replace(&written.path, &text)?;
    Ok(written)
}

/// What [`write()`] would write, as it is read again.
pub fn preview(
    dir: &Path,
    name: &str,
    section: &NewSection,
    asked: &[&str],
) -> Result<BackendConfig, ConfigError> {
    let (document, written) = composed(dir, name, section, asked)?;
    file::backend(&written.path, &document.to_string(), name)
}

fn composed(
    dir: &Path,
    name: &str,
    section: &NewSection,
    asked: &[&str],
) -> Result<(DocumentMut, Written), ConfigError> {
    let path = dir.join(file::BACKENDS);
    let mut document = parse(&path)?;
    let mut table = table(section)?;
    let own = match file::own_file(dir, name) {
        Some(own) if !document.contains_key(name) && own.is_file() => Some(parse(&own)?),
        _ => None,
    };
    let old = match &own {
        Some(own) => Some(own.as_table() as &dyn TableLike),
        None => document.get(name).and_then(Item::as_table_like),
    };
    let replaced = old.is_some();
    let (kept, removed) = old.map_or_else(Default::default, |old| carry(old, &mut table, asked));
    if let Some(old) = document.get_mut(name).and_then(Item::as_table_mut) {
        // The comment above a section is about the backend, not about its old settings.
        *table.decor_mut() = old.decor().clone();
        table.set_position(old.position());
        *old = table;
    } else {
        if !document.is_empty() {
            table.decor_mut().set_prefix("\n");
        }
        document.insert(name, Item::Table(table));
    }
    let written = Written {
        path,
        replaced,
        kept,
        removed,
    };
    Ok((document, written))
}

/// Takes keys of an old section over into a new one. Answers those that were, and those that are lost.
fn carry(old: &dyn TableLike, new: &mut Table, asked: &[&str]) -> (Vec<String>, Vec<String>) {
    let text = |table: &dyn TableLike, key: &str| {
        let item = table.get(key).and_then(Item::as_str);
        item.map(str::to_owned)
    };
    let same_type = text(old, "type") == text(new, "type");
    let same_file =
        text(old, "component") == text(new, "component") || !new.contains_key("component");
    let (mut kept, mut removed) = (Vec::new(), Vec::new());
    for (key, _) in old.iter() {
        if key == "type" || new.contains_key(key) || asked.contains(&key) {
            continue;
        }
        // Grants and settings were meant for that very plugin, and a digest for that very file.
        let stays = match key {
            "sha256" => same_type && same_file,
            _ => same_type || GATEWAY_KEYS.contains(&key),
        };
        match old.get_key_value(key) {
            Some((key, item)) if stays => {
                new.insert_formatted(key, item.clone());
                kept.push(key.get().to_owned());
            }
            _ => removed.push(key.to_owned()),
        }
    }
    (kept, removed)
}

/// What the removal of a backend does to files: at least one of both.
#[derive(Debug, PartialEq, Eq)]
pub struct Removal {
    /// Loses a section.
    pub changed: Option<PathBuf>,
    /// The backend's own file, which would come to light without the section.
    pub deleted: Option<PathBuf>,
}

impl std::fmt::Display for Removal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let changes = self.changed.as_ref();
        let changes = changes.map(|path| format!("changes {}", path.display()));
        let deletes = self.deleted.as_ref();
        let deletes = deletes.map(|path| format!("deletes {}", path.display()));
        let all: Vec<_> = changes.into_iter().chain(deletes).collect();
        write!(f, "This {}.", all.join(" and "))
    }
}

/// What [`remove()`] would do.
pub fn removal(dir: &Path, name: &str) -> Result<Removal, ConfigError> {
    let path = dir.join(file::BACKENDS);
    let changed = parse(&path)?.contains_key(name).then_some(path);
    let deleted = file::own_file(dir, name).filter(|own| own.is_file());
    if changed.is_none() && deleted.is_none() {
        return Err(file::unknown(dir, name)?);
    }
    Ok(Removal { changed, deleted })
}

/// Removes the backend `name`. Answers where it was.
pub fn remove(dir: &Path, name: &str) -> Result<Vec<PathBuf>, ConfigError> {
    let _lock = dir.is_dir().then(|| lock(dir)).transpose()?;
    let Removal { changed, deleted } = removal(dir, name)?;
    if let Some(path) = &changed {
        let mut document = parse(path)?;
        document.remove(name);
        replace(path, &document.to_string())?;
    }
    if let Some(own) = &deleted {
        std::fs::remove_file(own).map_err(failed(own))?;
    }
    Ok(changed.into_iter().chain(deleted).collect())
}

fn table(section: &NewSection) -> Result<Table, ConfigError> {
    let text = |path: &Path| {
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| ConfigError::Write {
            path: path.to_owned(),
            why: "the path is not UTF-8".into(),
        })
    };
    let mut table = Table::new();
    table.insert("type", value(section.kind.as_str()));
    if let Some(component) = &section.component {
        table.insert("component", value(text(component)?));
    }
    if !section.hosts.is_empty() {
        let hosts: Array = section.hosts.iter().collect();
        table.insert("hosts", value(hosts));
    }
    if !section.dirs.is_empty() {
        let mut dirs = Array::new();
        for dir in &section.dirs {
            let mut entry = InlineTable::new();
            entry.insert("guest", dir.guest.as_str().into());
            entry.insert("host", text(&dir.host)?.into());
            entry.insert("writable", dir.writable.into());
            dirs.push(entry);
        }
        table.insert("dirs", value(dirs));
    }
    for (key, setting) in &section.settings {
        let setting = match setting {
            NewValue::Text(text) => value(text.as_str()),
            NewValue::Number(number) => value(*number),
            NewValue::Flag(flag) => value(*flag),
            NewValue::Own(own) => value(own.clone()),
            NewValue::Secret(secret) => {
                let obscured = secret::obscure(secret.expose());
                value(obscured.map_err(|error| ConfigError::Secret {
                    key: key.clone(),
                    why: error.to_string(),
                })?)
            }
        };
        table.insert(key, setting);
    }
    Ok(table)
}

fn value(value: impl Into<Value>) -> Item {
    Item::Value(value.into())
}

fn parse(path: &Path) -> Result<DocumentMut, ConfigError> {
    let text = file::read(path)?.unwrap_or_default();
    // The reader's words for what is wrong; what it accepts, the editor does too.
    file::check(path, &text)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    text.parse()
        .map_err(|error: toml_edit::TomlError| ConfigError::Write {
            path: path.to_owned(),
            why: error.message().to_owned(),
        })
}

/// One writer at a time; the lock ends with the returned handle.
fn lock(dir: &Path) -> Result<File, ConfigError> {
    let handle = File::open(dir).map_err(failed(dir))?;
    match handle.lock() {
        // Some network file systems have no locks. One user seldom writes twice at once.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
        other => other.map_err(failed(dir))?,
    }
    Ok(handle)
}

/// Replaces a file at once by one with mode 0600.
fn replace(path: &Path, text: &str) -> Result<(), ConfigError> {
    // Who keeps the file elsewhere, behind a link, keeps the link.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let dir = path.parent().unwrap_or(Path::new("/"));
    let write = || {
        let mut new = tempfile::Builder::new()
            .prefix(".backends.")
            .suffix(".tmp")
            .tempfile_in(dir)?;
        new.write_all(text.as_bytes())?;
        new.as_file().sync_all()?;
        new.persist(&path).map_err(|error| error.error)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(failed(&path))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> ConfigError {
    move |error| ConfigError::Write {
        path: path.to_owned(),
        why: super::error::io_text(&error),
    }
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
