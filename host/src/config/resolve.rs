//! Flags, environment, config file and defaults become the settings of `serve`, once.
//!
//! A flag wins over the environment, that over the config file, that over the default.

use super::access::{self, AccessFile, KeyPair};
use super::backend::{apply_drime, apply_flags, backend, complete_local};
use super::error::{ConfigError, Origin};
use super::listen::ListenAddress;
use super::places::Places;
use super::secret::SecretText;
use super::{BackendConfig, SyncPolicy, section};
use crate::s3::auth::{BucketPattern, Rights};
use crate::service::BucketMode;
use std::path::PathBuf;
use std::time::Duration;

/// A value that somebody gave, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given<T> {
    /// The value.
    pub value: T,
    /// Flag or variable.
    pub origin: Origin,
}

/// What was said on the command line and in the environment; `None` where nothing was.
#[derive(Debug, Clone, Default)]
pub struct RawServe {
    /// `--path`
    pub path: Option<Given<PathBuf>>,
    /// `--listen`
    pub listen: Option<Given<String>>,
    /// `--access-key-id`
    pub access_key_id: Option<Given<String>>,
    /// `--secret-access-key`
    pub secret_access_key: Option<Given<SecretText>>,
    /// `--access-file`
    pub access_file: Option<Given<PathBuf>>,
    /// `--tls-cert`
    pub tls_cert: Option<Given<PathBuf>>,
    /// `--tls-key`
    pub tls_key: Option<Given<PathBuf>>,
    /// `--region`
    pub region: Option<Given<String>>,
    /// `--no-auth`
    pub no_auth: bool,
    /// `--backend`
    pub backend: Option<Given<String>>,
    /// `--backend-config`
    pub backend_config: Option<Given<String>>,
    /// `--root-folder`
    pub root_folder: Option<Given<String>>,
    /// `--allow-bucket-creation`
    pub allow_bucket_creation: bool,
    /// `--sync`
    pub sync: Option<Given<String>>,
    /// `--layout`
    pub layout: Option<Given<String>>,
    /// `--domain`
    pub domains: Vec<Given<String>>,
    /// `--metadata-db`
    pub metadata_db: Option<Given<PathBuf>>,
    /// `--plugin-dir`
    pub plugin_dir: Option<Given<PathBuf>>,
    /// `--max-connections`
    pub max_connections: Option<Given<String>>,
    /// `--upload-expiry`
    pub upload_expiry: Option<Given<String>>,
    /// `--spool-limit`
    pub spool_limit: Option<Given<String>>,
    /// `--admin-listen`
    pub admin_listen: Option<Given<String>>,
    /// `DRIME_API_KEY`
    pub drime_api_key: Option<Given<SecretText>>,
    /// `DRIME_WORKSPACE_ID`
    pub drime_workspace_id: Option<Given<String>>,
}

/// Who may use the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Open,
    /// Whoever has one of these keys.
    Keys {
        /// At least one.
        pairs: Vec<KeyPair>,
        /// Buckets that anybody may read.
        public: Vec<BucketPattern>,
    },
}

/// The files that make the gateway speak HTTPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain of certificates.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The settings of `serve`: complete, checked, paths absolute.
#[derive(Debug, Clone)]
pub struct Serve {
    /// Where to listen.
    pub listen: ListenAddress,
    /// Where to answer questions about health and metrics, if at all.
    pub admin_listen: Option<ListenAddress>,
    /// Who may use it.
    pub access: Access,
    /// HTTPS instead of HTTP.
    pub tls: Option<TlsFiles>,
    /// The access key that clients are told in the start-up text; without its secret if that
    /// is in a file.
    pub access_key: (String, Option<SecretText>),
    /// Whether everybody knows the access key.
    pub default_key: bool,
    /// The region that signatures must name.
    pub region: String,
    /// Which buckets there are.
    pub mode: BucketMode,
    /// Durability of acknowledged writes.
    pub sync: SyncPolicy,
    /// Domains below which a bucket may stand as a host name.
    pub domains: Vec<String>,
    /// What stores the objects.
    pub backend: BackendConfig,
    /// The data directory, if the backend is the built-in local one.
    pub data_dir: Option<PathBuf>,
    /// Whether to make the data directory when it is not there: only one that was named on the
    /// command line, since one from a config file may be a disk that is not mounted.
    pub create_data_dir: bool,
    /// Where the config files are.
    pub config_dir: PathBuf,
    /// The files that were read: of the backend, and of keys.
    pub config_files: Vec<PathBuf>,
    /// The cache database.
    pub metadata_db: PathBuf,
    /// Where plugins are looked for.
    pub plugin_dir: PathBuf,
    /// Where compiled components are kept.
    pub compile_cache: Option<PathBuf>,
    /// Where parts of uploads wait, for plugins that cannot take parts. Not the cache
    /// directory: these are clients' bytes until their upload is complete.
    pub spool: PathBuf,
    /// How many bytes may wait there, if somebody said so.
    pub spool_limit: Option<u64>,
    /// Connections at once.
    pub max_connections: usize,
    /// An upload in parts that nobody has sent anything to for so long is given up.
    pub upload_expiry: Duration,
    /// Hash what is read, and break off on a mismatch.
    pub verify_reads: bool,
}

/// The access key, and its secret, when nobody gives others.
pub const DEFAULT_KEY: &str = "test";
const ACCESS_FILE: &str = "access.toml";
const DEFAULT_PORT: u16 = 10001;
const DEFAULT_REGION: &str = "us-east-1";
const DEFAULT_CONNECTIONS: usize = 512;
const DEFAULT_UPLOAD_EXPIRY: Duration = Duration::from_hours(7 * 24);

/// The settings of `serve`.
pub fn serve(raw: RawServe, places: &Places) -> Result<Serve, ConfigError> {
    let listen = match &raw.listen {
        Some(given) => address(given)?,
        None => ListenAddress::any(DEFAULT_PORT),
    };
    let admin_listen = raw.admin_listen.as_ref().map(address).transpose()?;
    let named = raw.access_key_id.is_some() || raw.secret_access_key.is_some();
    let (keys, key_file) = keys(
        raw.access_key_id,
        raw.secret_access_key,
        raw.access_file,
        places,
    )?;
    let is_default = |pair: &KeyPair| pair.secret.expose() == DEFAULT_KEY;
    // A secret of the file stays there.
    let shown = named || keys.keys.iter().all(is_default);
    let region = text(raw.region, DEFAULT_REGION)?;
    let domains = raw.domains.iter().map(domain).collect::<Result<_, _>>()?;
    let max_connections = connections(raw.max_connections)?;

    let (mut backend, origin) = backend(raw.backend, raw.backend_config, places)?;
    let config_files = origin.iter().cloned().chain(key_file).collect();
    let named_here = raw.path.is_some() || backend.name.is_none();
    if backend.name.is_none() {
        apply_drime(&mut backend, raw.drime_api_key, raw.drime_workspace_id);
    }
    apply_flags(&mut backend, raw.path, raw.layout, raw.root_folder, places)?;
    let data_dir = complete_local(&mut backend, origin, places)?;
    let sync = match (raw.sync, backend.sync) {
        (Some(given), _) => {
            SyncPolicy::parse(&given.value).map_err(|why| ConfigError::value(&given.origin, why))?
        }
        (None, from_file) => from_file.unwrap_or_default(),
    };

    let upload_expiry = match raw.upload_expiry {
        Some(given) => upload_expiry(&given)?,
        None => backend.upload_expiry.unwrap_or(DEFAULT_UPLOAD_EXPIRY),
    };

    let spool_limit = match raw.spool_limit {
        Some(given) => Some(spool_limit(&given)?),
        None => backend.spool_limit,
    };

    let place = |given: Option<Given<PathBuf>>, default: &str| match given {
        Some(given) => places.absolute(&given.value),
        None => places.config.join(default),
    };
    let metadata_db = match (raw.metadata_db, backend.metadata_db.clone()) {
        (None, Some(path)) => path,
        (given, _) => place(given, "metadata.db"),
    };
    Ok(Serve {
        listen,
        admin_listen,
        tls: tls(raw.tls_cert, raw.tls_key, places)?,
        access: if raw.no_auth {
            Access::Open
        } else {
            Access::Keys {
                pairs: keys.keys.clone(),
                public: keys.public.clone(),
            }
        },
        default_key: keys.keys.iter().any(is_default),
        access_key: match keys.keys.iter().min_by_key(|pair| limits(&pair.rights)) {
            Some(pair) => (pair.id.clone(), shown.then(|| pair.secret.clone())),
            None => (DEFAULT_KEY.to_owned(), None),
        },
        region,
        mode: if raw.allow_bucket_creation {
            BucketMode::Advanced
        } else {
            BucketMode::Default
        },
        sync,
        domains,
        create_data_dir: data_dir.is_some() && named_here,
        verify_reads: data_dir.is_none(),
        data_dir,
        backend,
        spool: metadata_db.with_file_name("spool"),
        metadata_db,
        config_dir: places.config.clone(),
        config_files,
        plugin_dir: place(raw.plugin_dir, "plugins"),
        compile_cache: places.compile_cache(),
        max_connections,
        upload_expiry,
        spool_limit,
    })
}

fn tls(
    certificate: Option<Given<PathBuf>>,
    key: Option<Given<PathBuf>>,
    places: &Places,
) -> Result<Option<TlsFiles>, ConfigError> {
    let lonely = |given: Given<PathBuf>, other: &str| {
        Err(ConfigError::value(&given.origin, format!("needs {other}")))
    };
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles {
            certificate: places.current.join(certificate.value),
            key: places.current.join(key.value),
        })),
        (Some(given), None) => lonely(given, "--tls-key"),
        (None, Some(given)) => lonely(given, "--tls-cert"),
    }
}

fn address(given: &Given<String>) -> Result<ListenAddress, ConfigError> {
    let parsed = given.value.parse::<ListenAddress>();
    parsed.map_err(|error| ConfigError::advise(&given.origin, error.to_string(), error.hint()))
}

/// All keys: the one that flags name, and those of the file, and which file that is. Where neither
/// names any, the key that everybody knows.
fn keys(
    id: Option<Given<String>>,
    secret: Option<Given<SecretText>>,
    file: Option<Given<PathBuf>>,
    places: &Places,
) -> Result<(AccessFile, Option<PathBuf>), ConfigError> {
    let path = match &file {
        Some(given) => places.absolute(&given.value),
        None => places.config.join(ACCESS_FILE),
    };
    let loaded = access::load(&path)?;
    if let Some(given) = file
        && loaded.is_none()
    {
        return Err(ConfigError::value(&given.origin, "there is no such file"));
    }
    let path = loaded.is_some().then_some(path);
    let mut found = loaded.unwrap_or_default();
    if id.is_none() && secret.is_none() && !found.keys.is_empty() {
        return Ok((found, path));
    }
    let origin = id.as_ref().map(|given| given.origin.clone());
    let id = text(id, DEFAULT_KEY)?;
    let secret = match secret {
        Some(given) if given.value.expose().is_empty() => {
            return Err(ConfigError::value(&given.origin, "must not be empty"));
        }
        Some(given) => given.value,
        None => SecretText::new(DEFAULT_KEY),
    };
    if found.keys.iter().any(|pair| pair.id == id) {
        let origin = origin.unwrap_or(Origin::Default);
        let why = format!("the access key {id:?} is in the file of keys, too");
        return Err(ConfigError::value(&origin, why));
    }
    let rights = Rights::default();
    found.keys.insert(0, KeyPair { id, secret, rights });
    Ok((found, path))
}

/// How little a key is good for: of several, clients are told the first of those that may do most.
fn limits(rights: &Rights) -> (bool, bool) {
    (rights.read_only, rights.buckets.is_some())
}

fn text(given: Option<Given<String>>, default: &str) -> Result<String, ConfigError> {
    let Some(given) = given else {
        return Ok(default.to_owned());
    };
    check_word(&given.value).map_err(|why| ConfigError::value(&given.origin, why))?;
    Ok(given.value)
}

/// Keys and regions stand in headers between `/` and `,`; see the SigV4 credential scope.
pub(super) fn check_word(text: &str) -> Result<(), &'static str> {
    let odd = |c: char| !c.is_ascii_graphic() || matches!(c, '/' | ',');
    if text.is_empty() {
        return Err("must not be empty");
    }
    if text.contains(odd) {
        return Err("must be visible ASCII without `/` and `,`");
    }
    Ok(())
}

fn domain(given: &Given<String>) -> Result<String, ConfigError> {
    let name = given.value.trim_end_matches('.').to_ascii_lowercase();
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if name.split('.').all(label) {
        return Ok(name);
    }
    let why = format!("{:?} is not a domain", given.value);
    Err(ConfigError::advise(
        &given.origin,
        why,
        "for example s3.example.org, without port",
    ))
}

fn connections(given: Option<Given<String>>) -> Result<usize, ConfigError> {
    let Some(given) = given else {
        return Ok(DEFAULT_CONNECTIONS);
    };
    match given.value.parse::<u32>() {
        Ok(number) if number > 0 => Ok(number as usize),
        _ => {
            let why = format!("{:?} is not a positive number", given.value);
            Err(ConfigError::value(&given.origin, why))
        }
    }
}

/// Days that were taken for seconds would cost uploads.
fn has_unit(amount: &str) -> bool {
    amount.ends_with(|last: char| !last.is_ascii_digit())
}

fn spool_limit(given: &Given<String>) -> Result<u64, ConfigError> {
    let size = section::bytes(&given.value).filter(|_| has_unit(&given.value));
    size.ok_or_else(|| {
        let why = format!("{:?} is not a size", given.value);
        ConfigError::advise(&given.origin, why, "for example 20GiB or 500MiB")
    })
}

fn upload_expiry(given: &Given<String>) -> Result<Duration, ConfigError> {
    let time = section::duration(&given.value).filter(|_| has_unit(&given.value));
    time.ok_or_else(|| {
        let why = format!("{:?} is not a time", given.value);
        ConfigError::advise(&given.origin, why, "for example 7d, 12h or 90min")
    })
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
