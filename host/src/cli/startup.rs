//! What `serve` prints when it is ready, and what it warns of.

use super::output::visible;
use crate::config::resolve::DEFAULT_KEY;
use crate::config::{Access, Serve};
use crate::service::BucketMode;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where the program listens.
#[derive(Clone, Copy)]
pub(super) struct Addresses {
    pub(super) bound: SocketAddr,
    /// For health and metrics.
    pub(super) admin: Option<SocketAddr>,
}

/// What the plugin says of the storage.
pub(super) struct Storage<'a> {
    /// The plugin's words about itself.
    pub(super) summary: &'a str,
    /// The number by which people know the storage.
    pub(super) label: Option<u64>,
}

/// Who reads the text.
#[derive(Clone, Copy)]
pub(super) enum Reader {
    /// A person at a terminal, perhaps one with colours.
    Person { bold: bool },
    /// A log, which is no place for secrets.
    Log,
}

/// The text for stdout. It ends with a line on how to stop.
pub(super) fn text(
    settings: &Serve,
    storage: &Storage<'_>,
    addresses: Addresses,
    reader: Reader,
) -> String {
    let Addresses { bound, admin } = addresses;
    let (strong, plain) = if let Reader::Person { bold: true } = reader {
        ("\x1b[1m", "\x1b[0m")
    } else {
        ("", "")
    };
    let mut text = format!("{strong}pys3local {}{plain}\n\n", env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{strong}{:<17}{plain}{value}", format!("{name}:"));
    };
    match &settings.data_dir {
        Some(dir) => line("Data directory", &dir.display().to_string()),
        None => line(
            "Backend",
            &format!("{} ({})", settings.backend.kind, storage.summary),
        ),
    }
    if let Some(label) = storage.label {
        line("Workspace", &label.to_string());
    }
    if let Some(name) = &settings.backend.name {
        line("Backend config", name);
    }
    if let Some(folder) = settings.backend.settings.get("root_folder") {
        line("Root folder", &visible(&folder.text));
    }
    match &settings.access {
        Access::Open => line("Authentication", "off"),
        Access::Keys { pairs, public } => {
            let keys = match pairs.as_slice() {
                [pair] => format!("on, access key {}", pair.id),
                pairs => format!("on, {} access keys", pairs.len()),
            };
            let readers = if public.is_empty() {
                ""
            } else {
                "; public buckets can be read without"
            };
            line("Authentication", &format!("{keys}{readers}"));
        }
    }
    line("Region", &settings.region);
    line(
        "Buckets",
        match settings.mode {
            BucketMode::Default => {
                "only `default` (--allow-bucket-creation lets clients make others)"
            }
            BucketMode::Advanced => "clients may make them",
        },
    );
    let scheme = settings.tls.as_ref().map_or("http", |_| "https");
    let endpoint = self::endpoint(scheme, bound);
    if bound.ip().is_unspecified() {
        line("Address", &format!("{endpoint} (all interfaces)"));
    } else {
        line("Address", &endpoint);
    }
    if let Some(admin) = admin {
        line("Health, metrics", &self::endpoint("http", admin));
    }
    let (id, secret) = &settings.access_key;
    let _ = write!(
        text,
        "\n{strong}For rclone.conf:{plain}\n\n\
         [pys3local]\n\
         type = s3\n\
         provider = Other\n\
         access_key_id = {id}\n\
         secret_access_key = {}\n\
         endpoint = {endpoint}\n\
         region = {}\n\
         force_path_style = true\n\
         \n\
         Press Ctrl+C to stop.\n",
        match (secret, reader) {
            (None, _) => "(as in the file of keys)",
            // Everybody knows the default.
            (Some(secret), Reader::Log) if secret.expose() != DEFAULT_KEY => "(as it was given)",
            (Some(secret), _) => secret.expose(),
        },
        settings.region,
    );
    text
}

/// An address that works on this machine.
fn endpoint(scheme: &str, bound: SocketAddr) -> String {
    let ip = match bound.ip() {
        // IPv6's "all" includes IPv4 where we listen on it.
        ip if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("{scheme}://{}", SocketAddr::new(ip, bound.port()))
}

/// What the user should know before an accident.
pub(super) fn warnings(settings: &Serve, bound: SocketAddr, temporary: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    let weakness = match &settings.access {
        Access::Open => Some(("without authentication", "Leave --no-auth out")),
        Access::Keys { .. } if settings.default_key => Some((
            "with the secret key that everybody knows",
            "Set --access-key-id and --secret-access-key",
        )),
        Access::Keys { .. } => None,
    };
    if let Some((weakness, remedy)) = weakness
        && !is_loopback(bound.ip())
    {
        warnings.push(format!(
            "other machines can reach this server {weakness}: they can read, change and delete \
             everything in it. {remedy}, or listen on 127.0.0.1:{} only.",
            bound.port()
        ));
    }
    if temporary && let Some(dir) = &settings.data_dir {
        warnings.push(format!(
            "the data directory {} is in a directory for temporary files: the system may delete \
             it at any time. Name another one with --path.",
            dir.display()
        ));
    }
    warnings
}

fn is_loopback(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => {
            ip == Ipv6Addr::LOCALHOST || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SecretText;
    use crate::config::{Given, Origin, Places, RawServe, resolve};
    use std::path::Path;

    const LOOPBACK: &str = "127.0.0.1:10001";

    #[expect(clippy::unnecessary_wraps, reason = "the fields are optional")]
    fn flag<T>(value: T) -> Option<Given<T>> {
        Some(Given {
            value,
            origin: Origin::Default,
        })
    }

    fn places(config: &Path) -> Places {
        Places {
            config: config.into(),
            cache: None,
            temp: "/tmp".into(),
            current: "/".into(),
        }
    }

    fn local() -> RawServe {
        RawServe {
            path: flag("/srv/s3".into()),
            ..RawServe::default()
        }
    }

    fn settings(raw: RawServe) -> Serve {
        resolve::serve(raw, &places(Path::new("/nonexistent"))).unwrap()
    }

    fn shown(settings: &Serve, bound: &str) -> String {
        let storage = Storage {
            summary: "Buckets in a cloud",
            label: settings.data_dir.is_none().then_some(1465),
        };
        let addresses = Addresses {
            bound: bound.parse().unwrap(),
            admin: settings
                .admin_listen
                .as_ref()
                .map(|_| LOOPBACK.parse().unwrap()),
        };
        text(
            settings,
            &storage,
            addresses,
            Reader::Person { bold: false },
        )
    }

    fn warned(raw: RawServe, bound: &str) -> Vec<String> {
        warnings(&settings(raw), bound.parse().unwrap(), false)
    }

    #[test]
    fn the_text_for_a_directory() {
        insta::assert_snapshot!(shown(&settings(local()), LOOPBACK).replace(env!("CARGO_PKG_VERSION"), "VERSION"), @"
        pys3local VERSION

        Data directory:  /srv/s3
        Authentication:  on, access key test
        Region:          us-east-1
        Buckets:         only `default` (--allow-bucket-creation lets clients make others)
        Address:         http://127.0.0.1:10001

        For rclone.conf:

        [pys3local]
        type = s3
        provider = Other
        access_key_id = test
        secret_access_key = test
        endpoint = http://127.0.0.1:10001
        region = us-east-1
        force_path_style = true

        Press Ctrl+C to stop.
        ");
    }

    #[test]
    fn the_text_for_a_configured_cloud() {
        let dir = tempfile::tempdir().unwrap();
        let section =
            "[cloud]\ntype = \"drime\"\nroot_folder = \"backups\"\napi_key = \"never-shown\"\n";
        std::fs::write(dir.path().join("backends.toml"), section).unwrap();
        let raw = RawServe {
            backend_config: flag("cloud".into()),
            allow_bucket_creation: true,
            no_auth: true,
            admin_listen: flag(":10002".into()),
            ..RawServe::default()
        };
        let settings = resolve::serve(raw, &places(dir.path())).unwrap();
        let text = shown(&settings, "[::]:4711").replace(env!("CARGO_PKG_VERSION"), "VERSION");
        insta::assert_snapshot!(text, @"
        pys3local VERSION

        Backend:         drime (Buckets in a cloud)
        Workspace:       1465
        Backend config:  cloud
        Root folder:     backups
        Authentication:  off
        Region:          us-east-1
        Buckets:         clients may make them
        Address:         http://127.0.0.1:4711 (all interfaces)
        Health, metrics: http://127.0.0.1:10001

        For rclone.conf:

        [pys3local]
        type = s3
        provider = Other
        access_key_id = test
        secret_access_key = test
        endpoint = http://127.0.0.1:4711
        region = us-east-1
        force_path_style = true

        Press Ctrl+C to stop.
        ");
    }

    #[test]
    fn an_own_secret_is_shown_to_a_person_and_not_to_a_log() {
        let settings = settings(RawServe {
            secret_access_key: flag(SecretText::new("hush")),
            ..local()
        });
        assert!(shown(&settings, LOOPBACK).contains("secret_access_key = hush\n"));
        let storage = Storage {
            summary: "",
            label: None,
        };
        let addresses = Addresses {
            bound: LOOPBACK.parse().unwrap(),
            admin: None,
        };
        let logged = text(&settings, &storage, addresses, Reader::Log);
        assert!(!logged.contains("hush"), "{logged}");
        assert!(logged.contains("secret_access_key = (as it was given)"));
    }

    #[test]
    fn default_keys_on_the_network_are_warned_about() {
        for bound in ["0.0.0.0:1", "[::]:1", "192.168.1.2:1", "[2001:db8::1]:1"] {
            let found = warned(local(), bound);
            assert!(found[0].contains("everybody knows"), "{bound}: {found:?}");
        }
    }

    #[test]
    fn no_authentication_on_the_network_is_warned_about() {
        let secret = flag(SecretText::new("own"));
        let raw = RawServe {
            no_auth: true,
            secret_access_key: secret,
            ..local()
        };
        assert!(warned(raw, "0.0.0.0:1")[0].contains("without authentication"));
    }

    #[test]
    fn own_keys_and_loopback_addresses_are_not_warned_about() {
        let raw = RawServe {
            secret_access_key: flag(SecretText::new("own")),
            ..local()
        };
        assert!(warned(raw, "0.0.0.0:1").is_empty());
        for bound in [LOOPBACK, "127.1.2.3:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(warned(local(), bound).is_empty(), "{bound}");
        }
    }

    #[test]
    fn a_temporary_data_directory_is_warned_about() {
        let found = warnings(
            &settings(RawServe::default()),
            LOOPBACK.parse().unwrap(),
            true,
        );
        assert!(found[0].contains("/tmp/s3store"), "{found:?}");
    }
}
