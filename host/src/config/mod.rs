//! What the gateway was told: config files, secrets, directories, and the one place
//! ([`resolve`](mod@resolve)) where flags, environment, files and defaults become settings.
//!
//! After [`resolve::serve`] no `Option` stands for "use the default", and every error says where
//! the offending value came from. Nothing in here listens, opens a store or prints.

pub mod access;
mod backend;
pub mod edit;
pub mod error;
mod exposure;
pub mod file;
pub mod listen;
pub mod places;
pub mod resolve;
pub mod secret;
mod section;

pub use access::KeyPair;
pub use error::{ConfigError, Origin};
pub use exposure::{Exposed, all_exposed, exposed, exposed_key};
pub use listen::ListenAddress;
pub use places::Places;
pub use resolve::{Access, Given, RawServe, Serve};
pub use secret::SecretText;
pub use section::is_own_key;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One backend: a section of `backends.toml`, a `NAME.toml`, or what the flags describe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackendConfig {
    /// The section's name; `None` when flags alone describe the backend.
    pub name: Option<String>,
    /// The key `type`: a built-in, or the name of a plugin.
    pub kind: String,
    /// The component's file, when the section names one.
    pub component: Option<PathBuf>,
    /// The SHA-256 that the component must have, when the section pins it.
    pub sha256: Option<[u8; 32]>,
    /// What the plugin may reach.
    pub grants: Grants,
    /// The key `sync`.
    pub sync: Option<SyncPolicy>,
    /// The key `metadata_db`: where this backend has its metadata.
    pub metadata_db: Option<PathBuf>,
    /// The key `upload_expiry`: how long an upload in parts waits for more of them.
    pub upload_expiry: Option<Duration>,
    /// The key `spool_limit`: how many bytes of parts may wait on our own disk.
    pub spool_limit: Option<u64>,
    /// The key `max_age`: when what is known of a folder of the storage has to be asked again.
    pub max_age: Option<Duration>,
    /// The key `exclusive`: nobody else writes to the storage.
    pub exclusive: bool,
    /// All other keys; they belong to the plugin.
    pub settings: BTreeMap<String, SettingValue>,
}

/// What a section allows its plugin to reach. Built-in plugins add defaults of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Patterns of hosts for outgoing HTTP.
    pub hosts: Vec<String>,
    /// Directories.
    pub dirs: Vec<DirGrant>,
    /// Environment variables.
    pub env: BTreeMap<String, SecretText>,
    /// The largest memory of one instance, in bytes.
    pub memory: Option<u64>,
    /// How long a call may go without progress.
    pub call_timeout: Option<Duration>,
    /// How many calls may run at once.
    pub max_calls: Option<NonZeroUsize>,
}

/// A directory that the plugin may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirGrant {
    /// Where the plugin finds it.
    pub guest: String,
    /// The directory on this machine; absolute.
    pub host: PathBuf,
    /// Whether the plugin may change it.
    pub writable: bool,
}

/// A value for the plugin, as text. Secrets are revealed, and only the plugin knows of all that they
/// are: `Debug` shows none.
#[derive(Clone, PartialEq, Eq)]
pub struct SettingValue {
    /// The text that the plugin gets.
    pub text: String,
    /// Whether the text must never be shown.
    pub secret: bool,
    /// The flag that gave this value. A plugin that does not declare such a setting is then
    /// an error of the command line, where the same key in a file is only worth a warning.
    pub flag: Option<Origin>,
}

impl SettingValue {
    /// A value that may be shown.
    pub fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            secret: false,
            flag: None,
        }
    }
}

impl fmt::Debug for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SettingValue(..)")
    }
}

/// Makes a directory that only its owner can look into, if it is not there: config files hold
/// secrets.
pub fn private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Whether an acknowledged write must survive a power failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncPolicy {
    /// Data and directory are on the disk before the answer.
    #[default]
    Always,
    /// The operating system writes when it likes.
    Never,
}

impl SyncPolicy {
    /// `always` or `never`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err("expected `always` or `never`"),
        }
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Never => "never",
        }
    }

    /// Whether to wait for the disk.
    pub fn is_durable(self) -> bool {
        self == Self::Always
    }
}
