//! Which backend to serve: what a section of the config, the flags and the variables of the
//! ancestor say together.

use super::error::{ConfigError, Origin};
use super::places::{Places, from_home};
use super::resolve::Given;
use super::secret::SecretText;
use super::{BackendConfig, Grants, SettingValue, file, section};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const LOCAL: &str = "local";
const DRIME: &str = "drime";

/// The backend before flags add to it, and where its settings came from.
pub(super) fn backend(
    kind: Option<Given<String>>,
    config: Option<Given<String>>,
    places: &Places,
) -> Result<(BackendConfig, Option<PathBuf>), ConfigError> {
    if let Some(kind) = &kind
        && !section::is_kind(&kind.value)
    {
        let why = format!(
            "{:?} is not the name of a plugin (letters, digits, `-`, `_`)",
            kind.value
        );
        return Err(ConfigError::value(&kind.origin, why));
    }
    let Some(config) = config else {
        let kind = kind.map_or_else(|| LOCAL.to_owned(), |given| given.value);
        let backend = BackendConfig {
            name: None,
            kind,
            component: None,
            sha256: None,
            grants: Grants::default(),
            sync: None,
            metadata_db: None,
            upload_expiry: None,
            spool_limit: None,
            max_age: None,
            exclusive: false,
            settings: BTreeMap::new(),
        };
        return Ok((backend, None));
    };
    let (backend, path) = file::load(&places.config, &config.value)?;
    if let Some(kind) = kind
        && kind.value != backend.kind
    {
        let why = format!(
            "the backend config {:?} has type {:?}, not {:?}",
            config.value, backend.kind, kind.value
        );
        return Err(ConfigError::advise(
            &kind.origin,
            why,
            "leave it out: the config decides",
        ));
    }
    Ok((backend, Some(path)))
}

/// Drime without a config: the variables of the ancestor give its account.
pub(super) fn apply_drime(
    backend: &mut BackendConfig,
    api_key: Option<Given<SecretText>>,
    workspace_id: Option<Given<String>>,
) {
    if backend.kind != DRIME || backend.component.is_some() {
        return;
    }
    let mut set = |key: &str, text: String, secret, origin| {
        let value = SettingValue {
            text,
            secret,
            flag: Some(origin),
        };
        backend.settings.insert(key.to_owned(), value);
    };
    if let Some(key) = api_key {
        set("api_key", key.value.expose().to_owned(), true, key.origin);
    }
    if let Some(workspace) = workspace_id {
        set("workspace_id", workspace.value, false, workspace.origin);
    }
}

/// Adds the flags that stand for settings of a plugin.
pub(super) fn apply_flags(
    backend: &mut BackendConfig,
    path: Option<Given<PathBuf>>,
    layout: Option<Given<String>>,
    root_folder: Option<Given<String>>,
    places: &Places,
) -> Result<(), ConfigError> {
    if let Some(given) = &layout
        && !matches!(given.value.as_str(), "objects" | "plain")
    {
        return Err(ConfigError::value(
            &given.origin,
            "expected `objects` or `plain`",
        ));
    }
    let path = match path {
        Some(given) => Some(Given {
            value: path_text(&places.absolute(&given.value), &given.origin)?,
            origin: given.origin,
        }),
        None => None,
    };
    let flags = [
        ("path", path),
        ("layout", layout),
        ("root_folder", root_folder),
    ];
    for (key, given) in flags {
        let Some(given) = given else { continue };
        if is_local(backend) && key == "root_folder" {
            if matches!(given.origin, Origin::Env(_)) {
                tracing::warn!("{}: the backend `local` has no such setting", given.origin);
                continue;
            }
            let why = "the backend `local` has no such setting";
            let hint = "--path names the directory that it serves";
            return Err(ConfigError::advise(&given.origin, why, hint));
        }
        let value = SettingValue {
            text: given.value,
            secret: false,
            flag: Some(given.origin),
        };
        backend.settings.insert(key.to_owned(), value);
    }
    Ok(())
}

/// Gives the built-in local backend the settings that nobody named, and answers its directory.
pub(super) fn complete_local(
    backend: &mut BackendConfig,
    file: Option<PathBuf>,
    places: &Places,
) -> Result<Option<PathBuf>, ConfigError> {
    if !is_local(backend) {
        return Ok(None);
    }
    let origin = match file {
        Some(path) => Origin::File {
            path,
            key: "path".to_owned(),
        },
        None => Origin::Default,
    };
    let dir = match (backend.settings.get("path"), &origin) {
        // It would be the directory where the program was started, whichever that is.
        (Some(value), _) if value.text.trim().is_empty() => {
            return Err(ConfigError::value(&origin, "it is empty"));
        }
        // A relative path in a config file starts where the program was started, as it always did.
        (Some(value), _) if value.flag.is_none() => places.absolute(&from_home(&value.text)),
        (Some(value), _) => places.absolute(Path::new(&value.text)),
        (None, Origin::File { .. }) => {
            let name = backend.name.as_deref().unwrap_or_default();
            let why = format!("it is missing in the backend config {name:?}");
            return Err(ConfigError::value(&origin, why));
        }
        (None, _) => places.temp.join("s3store"),
    };
    let text = path_text(&dir, &origin)?;
    let flag = backend
        .settings
        .get("path")
        .and_then(|value| value.flag.clone());
    let value = SettingValue {
        text,
        secret: false,
        flag,
    };
    backend.settings.insert("path".to_owned(), value);
    let layout = backend.settings.entry("layout".to_owned());
    layout.or_insert_with(|| SettingValue::plain("objects"));
    Ok(Some(dir))
}

fn is_local(backend: &BackendConfig) -> bool {
    backend.kind == LOCAL && backend.component.is_none()
}

fn path_text(path: &Path, origin: &Origin) -> Result<String, ConfigError> {
    match path.to_str() {
        None => Err(ConfigError::value(origin, "the path is not UTF-8")),
        // It stands in the start-up text and in logs.
        Some(text) if text.contains(char::is_control) => {
            let why = "the path must not contain control characters";
            Err(ConfigError::value(origin, why))
        }
        Some(text) => Ok(text.to_owned()),
    }
}
