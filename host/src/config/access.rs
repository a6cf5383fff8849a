//! `access.toml`: further key pairs with their rights, and the buckets that anybody may read.
//!
//! ```toml
//! public = ["site"]                  # anybody may read these, signed or not
//!
//! [[key]]
//! access_key_id = "backup"
//! secret_access_key = "i0nYns…"      # plain, or as `pys3local obscure` prints it
//!
//! [[key]]
//! access_key_id = "auditor"
//! secret_access_key = "…"
//! read_only = true
//! buckets = ["photos", "logs-*"]     # without this key: all buckets
//! ```

use super::error::ConfigError;
use super::secret::{SecretText, reveal_or_plain};
use super::section::{self, Document, Value};
use crate::s3::auth::{BucketPattern, Rights};
use std::io;
use std::path::Path;
use toml::de::DeTable;

/// A key pair and what it is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// What requests name.
    pub id: String,
    /// What they are signed with.
    pub secret: SecretText,
    /// What it is good for.
    pub rights: Rights,
}

/// The content of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessFile {
    /// In the order of the file; no id is there twice.
    pub keys: Vec<KeyPair>,
    /// Buckets that anybody may read.
    pub public: Vec<BucketPattern>,
}

/// Reads the file; `None` if it is not there.
pub fn load(path: &Path) -> Result<Option<AccessFile>, ConfigError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => {
            let path = path.to_owned();
            return Err(ConfigError::Read { path, cause });
        }
    };
    let document = Document::new(path, &text);
    let table = document.parse()?;
    // The Python program may have called a backend so.
    if section::is_backend(&table) {
        return Ok(None);
    }
    let mut file = AccessFile::default();
    for (name, value) in &table {
        match name.get_ref().as_ref() {
            "public" => file.public = patterns(&document, "public", value)?,
            "key" => file.keys = keys(&document, value)?,
            other => {
                let why = format!("`{other}` is unknown; expected `public` and `[[key]]`");
                return Err(document.error(name.span(), why));
            }
        }
    }
    Ok(Some(file))
}

fn keys(document: &Document<'_>, value: &Value<'_>) -> Result<Vec<KeyPair>, ConfigError> {
    let Some(entries) = value.get_ref().as_array() else {
        return Err(document.wrong("key", value, "tables, each below a line `[[key]]`"));
    };
    let mut keys: Vec<KeyPair> = Vec::new();
    for entry in entries {
        let Some(table) = entry.get_ref().as_table() else {
            return Err(document.wrong("key", entry, "a table"));
        };
        let key = key(document, entry, table)?;
        if keys.iter().any(|known| known.id == key.id) {
            let why = format!("the access key {:?} is there twice", key.id);
            return Err(document.error(entry.span(), why));
        }
        keys.push(key);
    }
    Ok(keys)
}

fn key(
    document: &Document<'_>,
    entry: &Value<'_>,
    table: &DeTable<'_>,
) -> Result<KeyPair, ConfigError> {
    let (mut id, mut secret) = (None, None);
    let mut rights = Rights::default();
    for (name, value) in table {
        match name.get_ref().as_ref() {
            "access_key_id" => {
                let text = document.text_of("access_key_id", value)?;
                super::resolve::check_word(text)
                    .map_err(|why| document.bad("access_key_id", value, why))?;
                id = Some(text.to_owned());
            }
            "secret_access_key" => {
                let text = reveal_or_plain(document.text_of("secret_access_key", value)?);
                if text.is_empty() {
                    return Err(document.bad("secret_access_key", value, "must not be empty"));
                }
                secret = Some(SecretText::new(text));
            }
            "read_only" => {
                rights.read_only = value
                    .get_ref()
                    .as_bool()
                    .ok_or_else(|| document.wrong("read_only", value, "true or false"))?;
            }
            "buckets" => rights.buckets = Some(patterns(document, "buckets", value)?),
            other => {
                let why = format!(
                    "`{other}` is unknown; expected access_key_id, secret_access_key, read_only, buckets"
                );
                return Err(document.error(name.span(), why));
            }
        }
    }
    let (Some(id), Some(secret)) = (id, secret) else {
        let why = "a key needs `access_key_id` and `secret_access_key`";
        return Err(document.error(entry.span(), why));
    };
    Ok(KeyPair { id, secret, rights })
}

fn patterns(
    document: &Document<'_>,
    key: &str,
    value: &Value<'_>,
) -> Result<Vec<BucketPattern>, ConfigError> {
    let texts = document.texts(key, value)?;
    let pattern = |text: &String| {
        BucketPattern::parse(text).ok_or_else(|| {
            let why = format!("no bucket can be called {text:?}; a `*` may stand at the end only");
            document.bad(key, value, &why)
        })
    };
    texts.iter().map(pattern).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<AccessFile>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.toml");
        std::fs::write(&path, text).unwrap();
        let shown = |error: ConfigError| {
            let text = error.to_string();
            text.replace(&format!("{}/", dir.path().display()), "")
        };
        load(&path).map_err(shown)
    }

    #[test]
    fn keys_have_the_rights_that_the_file_says() {
        let text = "public = [\"site\"]\n[[key]]\naccess_key_id = \"all\"\nsecret_access_key = \"i0nYnsBQHmFXPIAKOwHh5zyzn8PsUeYRcUKe_tA_\"\n\
            [[key]]\naccess_key_id = \"some\"\nsecret_access_key = \"plain\"\nread_only = true\nbuckets = [\"logs-*\"]\n";
        let file = read(text).unwrap().unwrap();
        assert_eq!(file.public, [BucketPattern::parse("site").unwrap()]);
        let [all, some] = &file.keys[..] else {
            panic!("{file:?}")
        };
        assert_eq!(
            (all.id.as_str(), all.secret.expose()),
            ("all", "secret-key-123")
        );
        assert_eq!(all.rights, Rights::default());
        assert_eq!(some.secret.expose(), "plain");
        let rights = Rights {
            read_only: true,
            buckets: BucketPattern::parse("logs-*").map(|pattern| vec![pattern]),
            ..Rights::default()
        };
        assert_eq!(some.rights, rights);
        assert!(!format!("{file:?}").contains("plain"));
    }

    #[test]
    fn a_file_that_is_not_there_says_nothing() {
        assert_eq!(load(Path::new("/nonexistent/access.toml")).unwrap(), None);
        assert_eq!(read(""), Ok(Some(AccessFile::default())));
    }

    #[test]
    fn mistakes_are_reported_with_their_place() {
        let key = "[[key]]\naccess_key_id = \"a\"\nsecret_access_key = \"b\"\n";
        for (text, expected) in [
            (
                "pubic = []",
                "access.toml:1:1: `pubic` is unknown; expected `public` and `[[key]]`",
            ),
            (
                "public = \"x\"",
                "access.toml:1:10: `public` is a string; expected an array of texts",
            ),
            (
                "public = [\"A\"]",
                "access.toml:1:10: `public`: no bucket can be called \"A\"; a `*` may stand at the end only",
            ),
            (
                "[key]\nx = 1",
                "access.toml:1:1: `key` is a table; expected tables, each below a line `[[key]]`",
            ),
            (
                "[[key]]\naccess_key_id = \"a\"",
                "access.toml:1:1: a key needs `access_key_id` and `secret_access_key`",
            ),
            (
                "[[key]]\naccess_key_id = \"a/b\"",
                "access.toml:2:17: `access_key_id`: must be visible ASCII without `/` and `,`",
            ),
            (
                "[[key]]\nsecret_access_key = \"\"",
                "access.toml:2:21: `secret_access_key`: must not be empty",
            ),
            (
                "[[key]]\nread_only = \"yes\"",
                "access.toml:2:13: `read_only` is a string; expected true or false",
            ),
            (
                "[[key]]\nadmin = true",
                "access.toml:2:1: `admin` is unknown; expected access_key_id, secret_access_key, read_only, buckets",
            ),
            (
                &format!("{key}{key}"),
                "access.toml:4:1: the access key \"a\" is there twice",
            ),
        ] {
            assert_eq!(read(text), Err(expected.to_owned()), "{text}");
        }
    }
}
