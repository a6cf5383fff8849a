//! One section of a config file: which keys are the host's, and what they must look like.

use super::error::ConfigError;
use super::places::from_home;
use super::secret::{self, SECRET_KEYS, SecretText};
use super::{BackendConfig, DirGrant, Grants, SettingValue, SyncPolicy};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// Keys of a section that say how the gateway serves it, whatever stores the objects.
pub(super) const GATEWAY_KEYS: [&str; 6] = [
    "metadata_db",
    "sync",
    "upload_expiry",
    "spool_limit",
    "max_age",
    "exclusive",
];

/// Keys of a section that say which component it is, what it may reach and what it may use up.
const COMPONENT_KEYS: [&str; 7] = [
    "sha256",
    "hosts",
    "dirs",
    "env",
    "memory",
    "call_timeout",
    "max_calls",
];

/// Whether a key of a section is the program's own, and can stand beside `type` and `component`.
pub fn is_own_key(key: &str) -> bool {
    GATEWAY_KEYS.contains(&key) || COMPONENT_KEYS.contains(&key)
}

/// Units of time in seconds.
const TIMES: [(&str, u64); 5] = [
    ("", 1),
    ("s", 1),
    ("min", 60),
    ("h", 3600),
    ("d", 24 * 3600),
];

/// Units of bytes.
const BYTES: [(&str, u64); 4] = [
    ("", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// The bytes of memory that the smallest plugins begin with.
const LEAST_MEMORY: u64 = 1 << 20;

/// A size as in a config file: `67108864`, `64 MiB`.
pub(super) fn bytes(text: &str) -> Option<u64> {
    amount(text, &BYTES)
}

/// A time as in a config file: `90`, `90 s`, `5 min`, `7 d`; `None` for what is none, or no time
/// at all.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let seconds = amount(text, &TIMES).filter(|seconds| *seconds > 0);
    seconds.map(Duration::from_secs)
}

/// A number and a unit.
fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// Whether a file without sections is a backend.
pub(super) fn is_backend(table: &DeTable<'_>) -> bool {
    let mut entries = table.iter();
    entries.any(|(key, value)| key.get_ref() == "type" && value.get_ref().is_str())
}

/// The text of a config file, and how to point into it.
pub(super) struct Document<'a> {
    path: &'a Path,
    text: &'a str,
}

impl<'a> Document<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        // Editors on Windows begin files with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { path, text }
    }

    pub(super) fn parse(&self) -> Result<DeTable<'a>, ConfigError> {
        match DeTable::parse(self.text) {
            Ok(table) => Ok(table.into_inner()),
            Err(error) => {
                let at = error.span().unwrap_or(0..0);
                let why: Vec<_> = error.message().split_whitespace().collect();
                Err(self.error(at, why.join(" ")))
            }
        }
    }

    /// An error at the start of `span`.
    pub(super) fn error(&self, span: Range<usize>, why: impl Into<String>) -> ConfigError {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ConfigError::File {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            why: why.into(),
        }
    }

    /// The backend that `section` describes; `span` is where the section is.
    pub(super) fn backend(
        &self,
        name: &str,
        section: &DeTable<'_>,
        span: Range<usize>,
    ) -> Result<BackendConfig, ConfigError> {
        let mut kind = None;
        let mut component = None;
        let mut sha256 = None;
        let mut grants = Grants::default();
        let mut sync = None;
        let mut metadata_db = None;
        let mut upload_expiry = None;
        let mut spool_limit = None;
        let mut max_age = None;
        let mut exclusive = false;
        let mut settings = BTreeMap::new();
        for (key, value) in section {
            if key.get_ref().contains(char::is_control) {
                let why = "the name of a setting must not contain control characters";
                return Err(self.error(key.span(), why));
            }
            let key: &str = key.get_ref();
            match key {
                "type" => kind = Some(self.kind(value)?),
                "metadata_db" => {
                    metadata_db = Some(self.file_path(self.line_of(key, value)?));
                }
                "component" => component = Some(self.file_path(self.line_of(key, value)?)),
                "sha256" => sha256 = Some(self.sha256(key, value)?),
                "hosts" => grants.hosts = self.texts(key, value)?,
                "dirs" => grants.dirs = self.dirs(key, value)?,
                "env" => grants.env = self.env(key, value)?,
                "memory" => grants.memory = Some(self.memory(key, value)?),
                "upload_expiry" => upload_expiry = Some(self.duration(key, value)?),
                "spool_limit" => spool_limit = Some(self.bytes(key, value)?),
                "max_age" => max_age = Some(self.duration(key, value)?),
                "exclusive" => {
                    let flag = value.get_ref().as_bool();
                    exclusive = flag.ok_or_else(|| self.wrong(key, value, "true or false"))?;
                }
                "call_timeout" => grants.call_timeout = Some(self.duration(key, value)?),
                "max_calls" => grants.max_calls = Some(self.count(key, value)?),
                "sync" => {
                    let parsed = SyncPolicy::parse(self.text_of(key, value)?);
                    sync = Some(parsed.map_err(|why| self.bad(key, value, why))?);
                }
                _ => {
                    settings.insert(key.to_owned(), self.setting(key, value)?);
                }
            }
        }
        Ok(BackendConfig {
            name: Some(name.to_owned()),
            kind: match kind {
                Some(kind) => kind,
                // The Python program took it for a directory.
                None if settings.contains_key("path") => {
                    tracing::warn!("the backend {name:?} has no `type`; it is taken for `local`");
                    "local".to_owned()
                }
                None => return Err(self.error(span, "`type` is missing")),
            },
            component,
            sha256,
            grants,
            sync,
            metadata_db,
            upload_expiry,
            spool_limit,
            max_age,
            exclusive,
            settings,
        })
    }

    fn setting(&self, key: &str, value: &Value<'_>) -> Result<SettingValue, ConfigError> {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(_) => self.integer(key, value)?.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            DeValue::Array(_) | DeValue::Table(_) => {
                return Err(self.wrong(key, value, "a text, a number, true or false"));
            }
        };
        let secret = SECRET_KEYS.contains(&key);
        Ok(SettingValue {
            text: if secret {
                secret::reveal_or_plain(&text)
            } else {
                text
            },
            secret,
            flag: None,
        })
    }

    fn kind(&self, value: &Value<'_>) -> Result<String, ConfigError> {
        let kind = self.text_of("type", value)?;
        if is_kind(kind) {
            return Ok(kind.to_owned());
        }
        let why = format!("{kind:?} is not the name of a plugin (letters, digits, `-`, `_`)");
        Err(self.bad("type", value, &why))
    }

    fn dirs(&self, key: &str, value: &Value<'_>) -> Result<Vec<DirGrant>, ConfigError> {
        let Some(entries) = value.get_ref().as_array() else {
            return Err(self.wrong(key, value, "an array of tables"));
        };
        let grant = |entry: &Value<'_>| {
            let Some(table) = entry.get_ref().as_table() else {
                return Err(self.wrong(key, entry, "a table"));
            };
            let (mut host, mut guest, mut writable) = (None, None, false);
            for (key, value) in table {
                match key.get_ref().as_ref() {
                    "host" => host = Some(self.file_path(self.line_of("host", value)?)),
                    "guest" => guest = Some(self.line_of("guest", value)?.to_owned()),
                    "writable" => {
                        writable = value
                            .get_ref()
                            .as_bool()
                            .ok_or_else(|| self.wrong("writable", value, "true or false"))?;
                    }
                    other => {
                        let why = format!("`{other}` is unknown; expected host, guest, writable");
                        return Err(self.error(key.span(), why));
                    }
                }
            }
            let (Some(host), Some(guest)) = (host, guest) else {
                let why = "an entry of `dirs` needs `host` and `guest`";
                return Err(self.error(entry.span(), why));
            };
            Ok(DirGrant {
                guest,
                host,
                writable,
            })
        };
        entries.iter().map(grant).collect()
    }

    /// Names and values of environment variables.
    fn env(
        &self,
        key: &str,
        value: &Value<'_>,
    ) -> Result<BTreeMap<String, SecretText>, ConfigError> {
        let Some(table) = value.get_ref().as_table() else {
            return Err(self.wrong(key, value, "a table of texts"));
        };
        let variable = |(name, value): (&Spanned<Cow<'_, str>>, &Value<'_>)| {
            let text = self.text_of(name.get_ref(), value)?;
            let odd = |c: char| c == '=' || c.is_control();
            if name.get_ref().is_empty() || name.get_ref().contains(odd) {
                return Err(self.error(name.span(), "this cannot be the name of a variable"));
            }
            Ok((name.get_ref().to_string(), SecretText::new(text)))
        };
        table.iter().map(variable).collect()
    }

    fn sha256(&self, key: &str, value: &Value<'_>) -> Result<[u8; 32], ConfigError> {
        let digest = hex::decode(self.text_of(key, value)?).ok();
        let digest = digest.and_then(|digest| digest.try_into().ok());
        digest.ok_or_else(|| self.bad(key, value, "expected 64 hex digits, as sha256sum prints"))
    }

    fn count(&self, key: &str, value: &Value<'_>) -> Result<NonZeroUsize, ConfigError> {
        let count = value
            .get_ref()
            .is_integer()
            .then(|| self.integer(key, value))
            .transpose()?;
        let count = count.and_then(|count| NonZeroUsize::new(usize::try_from(count).ok()?));
        count.ok_or_else(|| self.bad(key, value, "expected a number above 0"))
    }

    pub(super) fn texts(&self, key: &str, value: &Value<'_>) -> Result<Vec<String>, ConfigError> {
        let Some(entries) = value.get_ref().as_array() else {
            return Err(self.wrong(key, value, "an array of texts"));
        };
        let text = |entry| Ok(self.line_of(key, entry)?.to_owned());
        entries.iter().map(text).collect()
    }

    pub(super) fn text_of<'v>(
        &self,
        key: &str,
        value: &'v Value<'_>,
    ) -> Result<&'v str, ConfigError> {
        let text = value.get_ref().as_str();
        text.ok_or_else(|| self.wrong(key, value, "a text"))
    }

    /// A text that can stand in a list, an error or a log.
    fn line_of<'v>(&self, key: &str, value: &'v Value<'_>) -> Result<&'v str, ConfigError> {
        let text = self.text_of(key, value)?;
        if text.contains(char::is_control) {
            return Err(self.bad(key, value, "it must not contain control characters"));
        }
        Ok(text)
    }

    fn integer(&self, key: &str, value: &Value<'_>) -> Result<i64, ConfigError> {
        let number = value.get_ref().as_integer();
        let parsed = number.and_then(|n| i64::from_str_radix(n.as_str(), n.radix()).ok());
        parsed.ok_or_else(|| self.bad(key, value, "the number is too large"))
    }

    fn bytes(&self, key: &str, value: &Value<'_>) -> Result<u64, ConfigError> {
        let amount = self.amount(key, value, &BYTES)?;
        amount.ok_or_else(|| self.bad(key, value, "expected bytes, as 67108864 or \"64 MiB\""))
    }

    fn memory(&self, key: &str, value: &Value<'_>) -> Result<u64, ConfigError> {
        let bytes = self.bytes(key, value)?;
        if bytes >= LEAST_MEMORY {
            return Ok(bytes);
        }
        let why = format!("no plugin starts with {bytes} bytes; expected some more, as \"64 MiB\"");
        Err(self.bad(key, value, &why))
    }

    fn duration(&self, key: &str, value: &Value<'_>) -> Result<Duration, ConfigError> {
        let seconds = self
            .amount(key, value, &TIMES)?
            .filter(|seconds| *seconds > 0);
        let expected = "expected seconds, as 90, \"90 s\" or \"5 min\"";
        let seconds = seconds.ok_or_else(|| self.bad(key, value, expected))?;
        Ok(Duration::from_secs(seconds))
    }

    /// A number, or a text of a number and a unit; `None` for what is neither.
    fn amount(
        &self,
        key: &str,
        value: &Value<'_>,
        units: &[(&str, u64)],
    ) -> Result<Option<u64>, ConfigError> {
        if value.get_ref().is_integer() {
            return Ok(u64::try_from(self.integer(key, value)?).ok());
        }
        let text = value.get_ref().as_str();
        Ok(text.and_then(|text| amount(text, units)))
    }

    /// A path in a config file starts from the file's own directory.
    fn file_path(&self, text: &str) -> PathBuf {
        self.path
            .parent()
            .unwrap_or(Path::new("/"))
            .join(from_home(text))
    }

    pub(super) fn wrong(&self, key: &str, value: &Value<'_>, expected: &str) -> ConfigError {
        let found = value.get_ref().type_str();
        let article = if found.starts_with(['a', 'i']) {
            "an"
        } else {
            "a"
        };
        let why = format!("`{key}` is {article} {found}; expected {expected}");
        self.error(value.span(), why)
    }

    pub(super) fn bad(&self, key: &str, value: &Value<'_>, why: &str) -> ConfigError {
        self.error(value.span(), format!("`{key}`: {why}"))
    }
}

/// Whether a text can be the name of a plugin, and so part of a file name.
pub(super) fn is_kind(text: &str) -> bool {
    let ordinary = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !text.is_empty() && text.chars().all(ordinary)
}
