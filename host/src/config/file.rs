//! Config files: `backends.toml` with a section for each backend, and the ancestor's `NAME.toml`,
//! one backend each and no section header. Where both name a backend, the section wins.

use super::BackendConfig;
use super::error::ConfigError;
use super::section::{self, Document};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(super) const BACKENDS: &str = "backends.toml";
/// Files that are no backend of their own.
pub const RESERVED: [&str; 2] = ["backends", "access"];

/// The backend called `name` in the config directory `dir`, and the file it is in.
pub fn load(dir: &Path, name: &str) -> Result<(BackendConfig, PathBuf), ConfigError> {
    let path = dir.join(BACKENDS);
    if let Some(text) = read(&path)? {
        let document = Document::new(&path, &text);
        let tables = document.parse()?;
        if let Some((_, value)) = tables.iter().find(|(key, _)| key.get_ref() == name) {
            let DeValue::Table(section) = value.get_ref() else {
                return Err(document.error(value.span(), "this is a value; expected a section"));
            };
            let config = document.backend(name, section, value.span())?;
            return Ok((config, path));
        }
    }
    if let Some(path) = own_file(dir, name)
        && let Some(text) = read(&path)?
    {
        let document = Document::new(&path, &text);
        let section: DeTable<'_> = document.parse()?;
        let config = document.backend(name, &section, 0..0)?;
        return Ok((config, path));
    }
    Err(unknown(dir, name)?)
}

/// The backend called `name` in a text that is to be the `backends.toml` at `path`.
pub(super) fn backend(path: &Path, text: &str, name: &str) -> Result<BackendConfig, ConfigError> {
    let document = Document::new(path, text);
    let tables = document.parse()?;
    let found = tables.iter().find(|(key, _)| key.get_ref() == name);
    match found.map(|(_, value)| (value, value.get_ref())) {
        Some((value, DeValue::Table(section))) => document.backend(name, section, value.span()),
        Some((value, _)) => {
            Err(document.error(value.span(), "this is a value; expected a section"))
        }
        None => Err(unknown(path.parent().unwrap_or(Path::new("/")), name)?),
    }
}

/// What to say of a name that no backend has.
pub(super) fn unknown(dir: &Path, name: &str) -> Result<ConfigError, ConfigError> {
    Ok(ConfigError::UnknownBackend {
        name: name.to_owned(),
        dir: dir.to_owned(),
        known: names(dir)?,
    })
}

/// Where the ancestor would keep a backend of this name.
pub(super) fn own_file(dir: &Path, name: &str) -> Option<PathBuf> {
    // A name with a separator would leave the directory.
    let is_plain = Path::new(name).file_name() == Some(name.as_ref());
    let path = dir.join(format!("{name}.toml"));
    (is_plain && (!RESERVED.contains(&name) || is_backend(&path))).then_some(path)
}

/// Whether a file with a reserved name is a backend all the same.
fn is_backend(path: &Path) -> bool {
    let Ok(Some(text)) = read(path) else {
        return false;
    };
    let table = Document::new(path, &text).parse();
    table.is_ok_and(|table| section::is_backend(&table))
}

/// Says where a text is no TOML.
pub(super) fn check(path: &Path, text: &str) -> Result<(), ConfigError> {
    Document::new(path, text).parse().map(drop)
}

/// The file that the backend called `name` is in, whatever it says there.
pub fn locate(dir: &Path, name: &str) -> Result<PathBuf, ConfigError> {
    let path = dir.join(BACKENDS);
    if sections(&path)?.iter().any(|section| section == name) {
        return Ok(path);
    }
    match own_file(dir, name) {
        Some(path) if path.is_file() => Ok(path),
        _ => Err(unknown(dir, name)?),
    }
}

/// The names of the sections of `backends.toml`.
fn sections(path: &Path) -> Result<Vec<String>, ConfigError> {
    let Some(text) = read(path)? else {
        return Ok(Vec::new());
    };
    let document = Document::new(path, &text);
    let tables = document.parse()?;
    let sections = tables
        .iter()
        .filter(|(_, value)| value.get_ref().is_table());
    let name = |(key, _): (&Spanned<Cow<'_, str>>, _)| {
        // It stands in lists and logs.
        if key.get_ref().contains(char::is_control) {
            let why = "the name of a section must not contain control characters";
            return Err(document.error(key.span(), why));
        }
        Ok(key.get_ref().to_string())
    };
    sections.map(name).collect()
}

/// The names of all backends in `dir`, in order.
pub fn names(dir: &Path) -> Result<Vec<String>, ConfigError> {
    let mut names = BTreeSet::from_iter(sections(&dir.join(BACKENDS))?);
    let failed = |cause| ConfigError::Read {
        path: dir.to_owned(),
        cause,
    };
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::from_iter(names)),
        other => other.map_err(failed)?,
    };
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|end| end == "toml")
            && let Some(stem) = path.file_stem().and_then(|stem| stem.to_str())
            && !stem.contains(char::is_control)
            && (!RESERVED.contains(&stem) || is_backend(&path))
        {
            names.insert(stem.to_owned());
        }
    }
    Ok(Vec::from_iter(names))
}

pub(super) fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(error) => {
                let (good, text) = (error.utf8_error().valid_up_to(), error.into_bytes());
                let text = String::from_utf8_lossy(&text);
                let why = "this is no UTF-8: save the file in that encoding";
                Err(Document::new(path, &text).error(good..good, why))
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(ConfigError::Read {
            path: path.to_owned(),
            cause,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DirGrant, SecretText, SettingValue, SyncPolicy};
    use std::time::Duration;

    fn dir(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    fn failure(files: &[(&str, &str)], name: &str) -> String {
        let dir = dir(files);
        let error = load(dir.path(), name).unwrap_err();
        let mut text = error.to_string();
        if let Some(hint) = error.hint() {
            text = format!("{text} | {hint}");
        }
        text.replace(&format!("{}/", dir.path().display()), "")
            .replace(&dir.path().display().to_string(), "DIR")
    }

    const DRIME: &str = "type = \"drime\"\napi_key = \"i0nYnsBQHmFXPIAKOwHh5zyzn8PsUeYRcUKe_tA_\"\nworkspace_id = 1465\nroot_folder = \"backups/s3\"\n";

    #[test]
    fn a_section_is_read_and_its_secret_revealed() {
        let dir = dir(&[("backends.toml", &format!("[mydrime]\n{DRIME}"))]);
        let (config, _) = load(dir.path(), "mydrime").unwrap();
        assert_eq!(
            (config.name.as_deref(), config.kind.as_str()),
            (Some("mydrime"), "drime")
        );
        let key = &config.settings["api_key"];
        assert_eq!((key.text.as_str(), key.secret), ("secret-key-123", true));
        assert_eq!(config.settings["workspace_id"], SettingValue::plain("1465"));
        assert_eq!(
            config.settings["root_folder"],
            SettingValue::plain("backups/s3")
        );
        assert!(!config.settings.contains_key("type"));
        assert!(!format!("{config:?}").contains("secret-key-123"));
    }

    #[test]
    fn a_file_of_its_own_is_read_without_a_header() {
        let dir = dir(&[("old.toml", DRIME)]);
        let (config, path) = load(dir.path(), "old").unwrap();
        assert_eq!(config.settings["api_key"].text, "secret-key-123");
        assert_eq!(path, dir.path().join("old.toml"));
    }

    #[test]
    fn a_section_wins_over_a_file_of_the_same_name() {
        let dir = dir(&[
            ("backends.toml", "[a]\ntype = \"local\"\n"),
            ("a.toml", DRIME),
        ]);
        assert_eq!(load(dir.path(), "a").unwrap().0.kind, "local");
    }

    #[test]
    fn plain_secrets_are_accepted() {
        let dir = dir(&[("a.toml", "type = \"drime\"\napi_key = \"plain-text\"")]);
        assert_eq!(
            load(dir.path(), "a").unwrap().0.settings["api_key"].text,
            "plain-text"
        );
    }

    #[test]
    fn keys_of_the_host_do_not_reach_the_plugin() {
        let digest = "ab".repeat(32);
        let text = format!(
            "[a]\ntype = \"mine\"\ncomponent = \"mine.wasm\"\nhosts = [\"*.example.org\"]\n\
            dirs = [{{ host = \"data\", guest = \"/\", writable = true }}]\nmemory = \"64 MiB\"\nmax_calls = 4\n\
            env = {{ REGION = \"x\" }}\nsha256 = \"{digest}\"\ncall_timeout = 90\nmax_age = \"5 min\"\nexclusive = true\nsync = \"never\"\nratio = 0.5\nquiet = true\n"
        );
        let dir = dir(&[("backends.toml", &text)]);
        let (config, _) = load(dir.path(), "a").unwrap();
        assert_eq!(config.component, Some(dir.path().join("mine.wasm")));
        assert_eq!(config.grants.hosts, ["*.example.org"]);
        let grant = DirGrant {
            guest: "/".into(),
            host: dir.path().join("data"),
            writable: true,
        };
        assert_eq!(config.grants.dirs, [grant]);
        assert_eq!(config.grants.memory, Some(64 << 20));
        assert_eq!(config.grants.max_calls.map(usize::from), Some(4));
        assert_eq!(config.grants.env["REGION"], SecretText::new("x"));
        assert_eq!(config.sha256, Some([0xab; 32]));
        assert_eq!(config.grants.call_timeout, Some(Duration::from_secs(90)));
        assert_eq!(config.max_age, Some(Duration::from_mins(5)));
        assert!(config.exclusive);
        assert_eq!(config.sync, Some(SyncPolicy::Never));
        let left: Vec<_> = config
            .settings
            .iter()
            .map(|(k, v)| (k.as_str(), v.text.as_str()))
            .collect();
        assert_eq!(left, [("quiet", "true"), ("ratio", "0.5")]);
    }

    #[test]
    fn broken_toml_is_reported_with_its_place() {
        let text = failure(
            &[("backends.toml", "[a]\ntype = \"local\"\npath = é\n")],
            "a",
        );
        assert!(text.starts_with("backends.toml:3:8: "), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_reported_with_its_place() {
        let cases = [
            (
                "type = \"x\"\nexclusive = \"yes\"",
                "a.toml:2:13: `exclusive` is a string; expected true or false",
            ),
            (
                "type = 3",
                "a.toml:1:8: `type` is an integer; expected a text",
            ),
            (
                "type = \"x\"\nhosts = \"h\"",
                "a.toml:2:9: `hosts` is a string; expected an array of texts",
            ),
            (
                "type = \"x\"\nhosts = [1]",
                "a.toml:2:10: `hosts` is an integer; expected a text",
            ),
            (
                "type = \"x\"\nmemory = \"lots\"",
                "a.toml:2:10: `memory`: expected bytes, as 67108864 or \"64 MiB\"",
            ),
            (
                "type = \"x\"\nmemory = 100",
                "a.toml:2:10: `memory`: no plugin starts with 100 bytes; expected some more, as \"64 MiB\"",
            ),
            (
                "type = \"x\"\ncall_timeout = \"soon\"",
                "a.toml:2:16: `call_timeout`: expected seconds, as 90, \"90 s\" or \"5 min\"",
            ),
            (
                "type = \"x\"\nmax_calls = 0",
                "a.toml:2:13: `max_calls`: expected a number above 0",
            ),
            (
                "type = \"x\"\nsha256 = \"abc\"",
                "a.toml:2:10: `sha256`: expected 64 hex digits, as sha256sum prints",
            ),
            (
                "type = \"x\"\nenv = [\"A=1\"]",
                "a.toml:2:7: `env` is an array; expected a table of texts",
            ),
            (
                "type = \"x\"\nenv = { \"A=B\" = \"1\" }",
                "a.toml:2:9: this cannot be the name of a variable",
            ),
            (
                "type = \"x\"\nsync = \"maybe\"",
                "a.toml:2:8: `sync`: expected `always` or `never`",
            ),
            (
                "type = \"../x\"",
                "a.toml:1:8: `type`: \"../x\" is not the name of a plugin (letters, digits, `-`, `_`)",
            ),
            (
                "type = \"x\"\nlist = []",
                "a.toml:2:8: `list` is an array; expected a text, a number, true or false",
            ),
            (
                "type = \"x\"\ndirs = [{ guest = \"/\" }]",
                "a.toml:2:9: an entry of `dirs` needs `host` and `guest`",
            ),
            ("root_folder = \"x\"", "a.toml:1:1: `type` is missing"),
        ];
        for (text, expected) in cases {
            assert_eq!(failure(&[("a.toml", text)], "a"), expected, "{text}");
        }
    }

    #[test]
    fn a_value_in_place_of_a_section_is_an_error() {
        let text = failure(&[("backends.toml", "a = 1")], "a");
        assert_eq!(
            text,
            "backends.toml:1:5: this is a value; expected a section"
        );
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let files = [
            (
                "backends.toml",
                "[two]\ntype=\"local\"\n[one]\ntype=\"local\"",
            ),
            ("old.toml", DRIME),
        ];
        assert_eq!(
            failure(&files, "thre"),
            "no backend config is named \"thre\" in DIR | there are: old, one, two"
        );
    }

    #[test]
    fn a_file_with_a_path_and_no_type_is_a_directory() {
        let dir = dir(&[("a.toml", "path = \"/x\"")]);
        assert_eq!(load(dir.path(), "a").unwrap().0.kind, "local");
    }

    #[test]
    fn a_backend_that_was_called_access_is_one() {
        let dir = dir(&[("access.toml", "type = \"local\"\npath = \"/x\"")]);
        assert_eq!(names(dir.path()).unwrap(), ["access"]);
        assert_eq!(load(dir.path(), "access").unwrap().0.kind, "local");
        let keys = super::super::access::load(&dir.path().join("access.toml"));
        assert_eq!(keys.unwrap(), None);
        std::fs::write(dir.path().join("access.toml"), "public = [\"x\"]").unwrap();
        assert!(names(dir.path()).unwrap().is_empty());
    }

    #[test]
    fn a_file_in_another_encoding_is_reported_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("a.toml"),
            b"type = \"local\"\npath = \"\xe9\"",
        )
        .unwrap();
        let text = load(dir.path(), "a").unwrap_err().to_string();
        assert!(text.contains("a.toml:2:9: this is no UTF-8"), "{text}");
    }

    #[test]
    fn a_missing_directory_has_no_backends() {
        let error = load(Path::new("/nonexistent/pys3local"), "a").unwrap_err();
        assert!(error.hint().unwrap().contains("no backend configs yet"));
    }

    #[test]
    fn a_name_cannot_leave_the_directory() {
        let dir = dir(&[("x.toml", DRIME)]);
        let inner = dir.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        assert!(matches!(
            load(&inner, "../x"),
            Err(ConfigError::UnknownBackend { .. })
        ));
    }
}
