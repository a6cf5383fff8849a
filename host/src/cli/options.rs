//! The flags of `serve`, as they are written. What they mean is in `config/resolve.rs`.

use super::log;
use super::whereabouts::quoted;
use crate::config::{ConfigError, Given, Origin, Places, RawServe, SecretText};
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::path::PathBuf;

/// Where config files and plugins are.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Directories {
    /// Config directory [default: pys3local in $XDG_CONFIG_HOME or ~/.config]
    #[arg(long, env = "PYS3LOCAL_CONFIG_DIR", value_name = "DIR", global = true)]
    config_dir: Option<PathBuf>,

    /// Directory of plugins [default: plugins in the config directory]
    #[arg(long, env = "PYS3LOCAL_PLUGIN_DIR", value_name = "DIR", global = true)]
    plugin_dir: Option<PathBuf>,
}

impl Directories {
    /// With this config directory.
    #[cfg(test)]
    pub(super) fn of(config_dir: &std::path::Path) -> Self {
        Self {
            config_dir: Some(config_dir.to_owned()),
            plugin_dir: None,
        }
    }

    /// These options again, as a shell reads them, for a command that is to use the same places.
    pub(super) fn again(&self) -> String {
        let dirs = [
            ("config-dir", &self.config_dir),
            ("plugin-dir", &self.plugin_dir),
        ];
        let word = |(name, dir): (&str, &Option<PathBuf>)| {
            let dir = dir.as_ref().filter(|dir| !dir.as_os_str().is_empty())?;
            Some(format!(" --{name} {}", quoted(&dir.display().to_string())))
        };
        dirs.into_iter().filter_map(word).collect()
    }

    /// The places of this process. A variable that is set to nothing is not set.
    pub(super) fn places(&self) -> Result<Places, ConfigError> {
        let config = self.config_dir.as_deref();
        Places::of_this_process(config.filter(|dir| !dir.as_os_str().is_empty()))
    }

    /// The directory of plugins.
    pub(super) fn plugin_dir(&self, places: &Places) -> PathBuf {
        match &self.plugin_dir {
            Some(given) if !given.as_os_str().is_empty() => places.current.join(given),
            _ => places.config.join("plugins"),
        }
    }
}

/// How a directory is read: what opens one that `serve` serves needs the same.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Layout {
    /// Where `local` keeps objects: objects (BUCKET/objects/KEY), plain (BUCKET/KEY) [default: objects]
    #[arg(long, env = "PYS3LOCAL_LAYOUT")]
    layout: Option<String>,
}

impl Layout {
    /// What was given, and how.
    pub(super) fn given(self, origins: &Origins<'_>) -> Option<Given<String>> {
        origins.text("layout", self.layout)
    }
}

/// Whether a variable that stands for a flag turns it on. Any other word is a mistake: what was meant
/// to keep a door shut must not open it.
pub(super) fn truth(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("expected 1, true, yes or on, or 0, false, no or off"),
    }
}

/// What stands below the options of `serve`.
fn after_serve() -> String {
    let environment = "\
Environment:
  Every option has a variable, which the option overrides. Without --backend-config, the backend
  `drime` takes DRIME_API_KEY and DRIME_WORKSPACE_ID. RUST_LOG chooses what is logged, and
  NO_COLOR turns colours off.";
    format!("{environment}\n\n{}", super::EXIT_CODES)
}

/// Each flag has a variable, which a flag overrides.
#[derive(Debug, clap::Args)]
#[command(after_help = after_serve())]
pub(super) struct ServeOptions {
    /// Directory that holds the objects [default: `s3store` in the system's temp directory]
    #[arg(long, env = "PYS3LOCAL_PATH", value_name = "DIR")]
    path: Option<PathBuf>,

    /// Address to listen on; without HOST all interfaces, with port 0 any port [default: :10001]
    #[arg(long, env = "PYS3LOCAL_LISTEN", value_name = "[HOST]:PORT")]
    listen: Option<String>,

    /// Address for /health/live, /health/ready and Prometheus' /metrics, which anybody who reaches
    /// it may read; for example 127.0.0.1:10002 [default: none]
    #[arg(long, env = "PYS3LOCAL_ADMIN_LISTEN", value_name = "[HOST]:PORT")]
    admin_listen: Option<String>,

    /// Access key that clients must use [default: test]
    #[arg(long, env = "PYS3LOCAL_ACCESS_KEY_ID", value_name = "ID")]
    access_key_id: Option<String>,

    /// Its secret; in the variable it stays out of the list of processes [default: test]
    #[arg(
        long,
        env = "PYS3LOCAL_SECRET_ACCESS_KEY",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    secret_access_key: Option<SecretText>,

    /// File of further keys with their rights [default: access.toml in the config directory]
    #[arg(long, env = "PYS3LOCAL_ACCESS_FILE", value_name = "PATH")]
    access_file: Option<PathBuf>,

    /// Certificate chain (PEM): serve HTTPS. Read again when it changes
    #[arg(long, env = "PYS3LOCAL_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// Private key (PEM) of the certificate
    #[arg(long, env = "PYS3LOCAL_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// Region that clients must name [default: us-east-1]
    #[arg(long, env = "PYS3LOCAL_REGION")]
    region: Option<String>,

    /// Let everybody in, signed or not
    #[arg(long, env = "PYS3LOCAL_NO_AUTH", value_parser = truth)]
    no_auth: bool,

    /// What stores the objects: a built-in (local, drime), or the name of a plugin [default: local]
    #[arg(long, env = "PYS3LOCAL_BACKEND", value_name = "NAME")]
    backend: Option<String>,

    /// Backend from the config directory: a section of backends.toml, or NAME.toml
    #[arg(long, env = "PYS3LOCAL_BACKEND_CONFIG", value_name = "NAME")]
    backend_config: Option<String>,

    /// Folder of the backend that is the root, for backends that have such a setting
    #[arg(long, env = "PYS3LOCAL_ROOT_FOLDER", value_name = "PATH")]
    root_folder: Option<String>,

    /// Let clients make buckets, instead of the one bucket `default`
    #[arg(long, env = "PYS3LOCAL_ALLOW_BUCKET_CREATION", value_parser = truth)]
    allow_bucket_creation: bool,

    /// Whether an upload is on the disk before it is acknowledged: always, never [default: always]
    #[arg(long, env = "PYS3LOCAL_SYNC", value_name = "WHEN")]
    sync: Option<String>,

    #[command(flatten)]
    layout: Layout,

    /// Domain below which a bucket may stand as host name; may be repeated
    #[arg(long, env = "PYS3LOCAL_DOMAIN", value_delimiter = ',')]
    domain: Vec<String>,

    /// Database of metadata [default: metadata.db in the config directory]
    #[arg(long, env = "PYS3LOCAL_METADATA_DB", value_name = "PATH")]
    metadata_db: Option<PathBuf>,

    #[command(flatten)]
    pub(super) directories: Directories,

    /// Connections at once; those that wait for their clients make room for more [default: 512]
    #[arg(long, env = "PYS3LOCAL_MAX_CONNECTIONS", value_name = "N")]
    max_connections: Option<String>,

    /// How long an upload in parts waits for more of them, before it is removed: 90s, 12h, 30d
    /// [default: 7d]
    #[arg(long, env = "PYS3LOCAL_UPLOAD_EXPIRY", value_name = "TIME")]
    upload_expiry: Option<String>,

    /// How much of the disk beside the metadata database the parts of uploads may take that the
    /// storage cannot take as they come: 500MiB, 20GiB [default: 64GiB]
    #[arg(long, env = "PYS3LOCAL_SPOOL_LIMIT", value_name = "SIZE")]
    spool_limit: Option<String>,

    /// Log each request, and more
    #[arg(long, env = "PYS3LOCAL_DEBUG", value_parser = truth)]
    pub(super) debug: bool,

    /// How the log looks
    #[arg(
        long,
        env = "PYS3LOCAL_LOG_FORMAT",
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub(super) log_format: log::Format,
}

impl ServeOptions {
    /// What was given, and how: `matches` knows a flag from a variable.
    pub(super) fn into_raw(self, matches: Option<&ArgMatches>) -> RawServe {
        let origins = Origins(matches);
        let domains = self.domain.into_iter();
        let domains = domains.filter_map(|name| origins.text("domain", Some(name)));
        RawServe {
            path: origins.path("path", self.path),
            listen: origins.text("listen", self.listen),
            access_key_id: origins.text("access_key_id", self.access_key_id),
            secret_access_key: origins.of("secret_access_key", self.secret_access_key),
            access_file: origins.of("access_file", self.access_file),
            tls_cert: origins.of("tls_cert", self.tls_cert),
            tls_key: origins.of("tls_key", self.tls_key),
            region: origins.text("region", self.region),
            no_auth: self.no_auth,
            backend: origins.text("backend", self.backend),
            backend_config: origins.text("backend_config", self.backend_config),
            root_folder: origins.text("root_folder", self.root_folder),
            allow_bucket_creation: self.allow_bucket_creation,
            sync: origins.text("sync", self.sync),
            layout: self.layout.given(&origins),
            domains: domains.collect(),
            metadata_db: origins.path("metadata_db", self.metadata_db),
            plugin_dir: origins.path("plugin_dir", self.directories.plugin_dir),
            max_connections: origins.text("max_connections", self.max_connections),
            upload_expiry: origins.text("upload_expiry", self.upload_expiry),
            spool_limit: origins.text("spool_limit", self.spool_limit),
            admin_listen: origins.text("admin_listen", self.admin_listen),
            drime_api_key: variable("DRIME_API_KEY").map(|given| Given {
                value: SecretText::new(given.value),
                origin: given.origin,
            }),
            drime_workspace_id: variable("DRIME_WORKSPACE_ID"),
        }
    }
}

/// A variable that no flag stands for.
fn variable(name: &str) -> Option<Given<String>> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    let origin = Origin::Env(name.to_owned());
    Some(Given { value, origin })
}

/// Tells flags from variables.
pub(super) struct Origins<'a>(pub(super) Option<&'a ArgMatches>);

impl Origins<'_> {
    fn of<T>(&self, id: &str, value: Option<T>) -> Option<Given<T>> {
        let origin = match self.0.and_then(|matches| matches.value_source(id)) {
            Some(ValueSource::EnvVariable) => {
                Origin::Env(format!("PYS3LOCAL_{}", id.to_uppercase()))
            }
            _ => Origin::Flag(format!("--{}", id.replace('_', "-"))),
        };
        value.map(|value| Given { value, origin })
    }

    /// A variable that is set to nothing is not set.
    pub(super) fn path(&self, id: &str, value: Option<PathBuf>) -> Option<Given<PathBuf>> {
        let is_unset = |given: &Given<PathBuf>| {
            given.value.as_os_str().is_empty() && matches!(given.origin, Origin::Env(_))
        };
        self.of(id, value).filter(|given| !is_unset(given))
    }

    /// The same for a text.
    pub(super) fn text(&self, id: &str, value: Option<String>) -> Option<Given<String>> {
        let is_unset = |given: &Given<String>| {
            given.value.is_empty() && matches!(given.origin, Origin::Env(_))
        };
        self.of(id, value).filter(|given| !is_unset(given))
    }
}
