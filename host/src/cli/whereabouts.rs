//! Whether the directory of a local store is where the database knows it: it may have moved, and
//! its disk may not be mounted.

use super::Failure;
use super::cache::objects;
use crate::backend::Backend;
use crate::cache::{CacheReader, KnownStore, SqliteCache};
use crate::config::Serve;
use std::path::Path;

/// What the names of stores begin with that are a directory.
const LOCAL: &str = "local:";

/// Where the plugin keeps what is no object.
const PRIVATE: &str = ".pys3local";

/// What the database calls the store in a directory.
pub(super) fn store_name(dir: &Path) -> String {
    format!("{LOCAL}{}", dir.display())
}

/// The directory of a store, if it is one.
pub(super) fn directory(name: &str) -> Option<&str> {
    name.strip_prefix(LOCAL)
}

/// What to say before the store is served. `usual`: where the database is if nothing else is said.
pub(super) fn warning(
    settings: &Serve,
    backend: &Backend,
    cache: &SqliteCache,
    usual: &Path,
) -> Result<Option<String>, Failure> {
    let Some(dir) = settings
        .data_dir
        .as_ref()
        .and(directory(&backend.namespace))
    else {
        return Ok(None);
    };
    let reader = cache.reader().map_err(Failure::from)?;
    let stores = reader.stores().map_err(Failure::from)?;
    let own = stores.iter().find(|store| store.name == backend.namespace);
    if is_empty(dir) {
        return Ok(match own.map(|own| count(&reader, own)).transpose()? {
            None | Some(0) => None,
            Some(known) => Some(format!(
                "{dir} is empty, but the database knows {} there: if it is on a disk of its own, \
                 stop this server and mount that first.",
                objects(known)
            )),
        });
    }
    if let Some(own) = own
        && reader.has_rows(own).map_err(Failure::from)?
    {
        return Ok(None);
    }
    let mut gone = Vec::new();
    for store in stores.iter().filter(|store| !store.imported) {
        if let Some(old) = directory(&store.name)
            && old != dir
            && is_empty(old)
        {
            let known = count(&reader, store)?;
            if known > 0 && may_be(dir, &reader, store)? {
                gone.push((known, old));
            }
        }
    }
    let Some(&(known, old)) = gone.iter().max() else {
        return Ok(None);
    };
    let mut command = format!("pys3local cache rename {} {}", quoted(old), quoted(dir));
    if settings.metadata_db != usual {
        let database = settings.metadata_db.display().to_string();
        command = format!("{command} --metadata-db {}", quoted(&database));
    }
    let others = match gone.len() {
        1 => "",
        _ => " `pys3local cache stats` names other stores that are gone, too.",
    };
    Ok(Some(format!(
        "the database knows nothing of {dir}, but {} in {old}, where nothing is any more: if \
         that is this store, stop this server and run `{command}`.{others}",
        objects(known)
    )))
}

/// Whether a directory has something that is known of a store: one of its buckets, or one of its
/// objects where these lie in the directory itself.
fn may_be(dir: &str, reader: &CacheReader, store: &KnownStore) -> Result<bool, Failure> {
    const LOOKED_FOR: u64 = 1000;
    for bucket in reader.buckets(store).map_err(Failure::from)? {
        if !bucket.is_empty() {
            if Path::new(dir).join(bucket).is_dir() {
                return Ok(true);
            }
            continue;
        }
        let objects = reader.objects_behind(store, &bucket, None, LOOKED_FOR);
        for (key, _) in objects.map_err(Failure::from)? {
            let first = key.as_str().split('/').next().unwrap_or_default();
            let is_name = !matches!(first, "" | "." | "..");
            if is_name && Path::new(dir).join(first).exists() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn count(reader: &CacheReader, store: &KnownStore) -> Result<u64, Failure> {
    let known = reader.forgettable(store, None).map_err(Failure::from)?;
    Ok(known.rows)
}

/// Whether there is nothing of a client's, or no such directory. One that cannot be read may hold
/// anything.
fn is_empty(dir: impl AsRef<Path>) -> bool {
    match std::fs::read_dir(dir) {
        Ok(entries) => !entries
            .map(|entry| entry.map(|entry| entry.file_name()))
            .any(|name| name.map_or(true, |name| name != PRIVATE)),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// As a shell reads it.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%".contains(c);
    if text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_only_where_a_shell_would_read_something_else() {
        for (path, expected) in [
            ("/srv/s3-1.d", "/srv/s3-1.d"),
            ("/srv/my store", "'/srv/my store'"),
            ("/srv/it's", r"'/srv/it'\''s'"),
        ] {
            assert_eq!(quoted(path), expected);
        }
    }

    #[test]
    fn a_directory_with_nothing_but_the_plugins_own_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        assert!(is_empty(dir.path()));
        assert!(is_empty(dir.path().join("missing")));
        std::fs::create_dir(dir.path().join(PRIVATE)).unwrap();
        assert!(is_empty(dir.path()));
        std::fs::write(dir.path().join("object"), "").unwrap();
        assert!(!is_empty(dir.path()));
        assert!(!is_empty(dir.path().join("object")));
    }
}
