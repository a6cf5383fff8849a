//! Files with secrets that others than their owner can read.

use super::file;
use super::secret::SECRET_KEYS;
use super::section::Document;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// A file that holds secrets, and that is open to others than its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    path: PathBuf,
    /// What chmod has to do.
    remedy: &'static str,
}

impl std::fmt::Display for Exposed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (path, remedy) = (self.path.display(), self.remedy);
        write!(
            f,
            "{path} holds secrets, and others on this machine can read it. \
             `chmod {remedy} {path}` keeps them out."
        )
    }
}

/// Looks at a config file, or a file of keys. Its secrets are the values of keys that always hold
/// some, those of `declared` keys, and the variables of plugins. A file that is not there or makes no
/// sense is somebody else's to complain of.
pub fn exposed(path: &Path, declared: &[String]) -> Option<Exposed> {
    let remedy = remedy(path)?;
    let text = file::read(path).ok()??;
    let table = Document::new(path, &text).parse().ok()?;
    holds_secret(&table, declared).then(|| Exposed {
        path: path.to_owned(),
        remedy,
    })
}

/// The same for the file of a private key. One of root's may be for a group, as systems do it that
/// keep the keys of all their servers in one directory.
pub fn exposed_key(path: &Path) -> Option<Exposed> {
    if is_roots_for_a_group(path) {
        return None;
    }
    let remedy = remedy(path)?;
    let path = path.to_owned();
    Some(Exposed { path, remedy })
}

/// The same for each config file in `dir`.
pub fn all_exposed(dir: &Path) -> Vec<Exposed> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "toml"));
    let mut found: Vec<_> = files.filter_map(|path| exposed(&path, &[])).collect();
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// How to keep others from the file; `None` if they are.
#[cfg(unix)]
fn remedy(path: &Path) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path)
        .ok()
        .filter(std::fs::Metadata::is_file)?;
    let own = metadata.uid() == rustix::process::geteuid().as_raw();
    let (group, others) = (metadata.mode() & 0o070 != 0, metadata.mode() & 0o007 != 0);
    match own {
        true if group || others => Some("600"),
        // Its owner lets us read it by our group, or systemd by a list, in which the group stands.
        false if others => Some("o="),
        _ => None,
    }
}

#[cfg(unix)]
fn is_roots_for_a_group(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).is_ok_and(|about| about.uid() == 0 && about.mode() & 0o027 == 0)
}

#[cfg(not(unix))]
fn is_roots_for_a_group(_: &Path) -> bool {
    false
}

#[cfg(not(unix))]
fn remedy(_: &Path) -> Option<&'static str> {
    None
}

fn holds_secret(table: &DeTable<'_>, declared: &[String]) -> bool {
    table.iter().any(|(key, value)| {
        let key: &str = key.get_ref();
        let named = SECRET_KEYS.contains(&key) || declared.iter().any(|name| name == key);
        match value.get_ref() {
            DeValue::String(text) => named && !text.is_empty(),
            DeValue::Table(variables) if key == "env" => !variables.is_empty(),
            DeValue::Table(section) => holds_secret(section, declared),
            DeValue::Array(entries) => entries
                .iter()
                .filter_map(|entry| entry.get_ref().as_table())
                .any(|entry| holds_secret(entry, declared)),
            _ => false,
        }
    })
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn is_exposed(text: &str, mode: u32, declared: &[&str]) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let declared: Vec<_> = declared.iter().map(|&name| name.to_owned()).collect();
        let found = exposed(&path, &declared);
        assert_eq!(all_exposed(dir.path()), Vec::from_iter(exposed(&path, &[])));
        found.is_some()
    }

    #[test]
    fn a_file_with_secrets_is_for_its_owner_alone() {
        for text in [
            "api_key = \"x\"",
            "[a]\ntype = \"drime\"\napi_key = \"x\"",
            "[a]\ntype = \"local\"\n[b]\npassword = \"x\"",
            "[a]\nenv = { COLOUR = \"red\" }",
            "[[key]]\naccess_key_id = \"a\"\nsecret_access_key = \"x\"",
        ] {
            for mode in [0o644, 0o640, 0o660, 0o604, 0o622] {
                assert!(is_exposed(text, mode, &[]), "{mode:o}: {text}");
            }
            assert!(!is_exposed(text, 0o600, &[]), "{text}");
            assert!(!is_exposed(text, 0o400, &[]), "{text}");
        }
    }

    #[test]
    fn a_private_key_is_not_for_everybody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        std::fs::write(&path, "key").unwrap();
        for mode in [0o644, 0o604, 0o660, 0o666] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let said = exposed_key(&path).unwrap().to_string();
            assert!(said.contains("`chmod 600 "), "{mode:o}: {said}");
        }
        for mode in [0o600, 0o400] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            assert_eq!(exposed_key(&path), None, "{mode:o}");
        }
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert_eq!(
            exposed_key(&path).is_none(),
            rustix::process::geteuid().is_root()
        );
        assert_eq!(exposed_key(&dir.path().join("missing")), None);
    }

    #[test]
    fn a_file_without_secrets_is_for_anybody() {
        for text in [
            "",
            "path = \"/x\"",
            "[a]\ntype = \"local\"\npath = \"/x\"\napi_key = \"\"\nenv = {}",
            "api_key",
        ] {
            assert!(!is_exposed(text, 0o644, &[]), "{text}");
        }
    }

    #[test]
    fn what_a_plugin_declares_as_a_secret_is_one() {
        let text = "[a]\ntype = \"mine\"\ntoken = \"x\"";
        assert!(is_exposed(text, 0o644, &["token"]));
        assert!(!is_exposed(text, 0o644, &["colour"]));
    }
}
