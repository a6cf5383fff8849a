//! What a plugin may reach. Nothing is ambient: what is not named here does not exist for it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A directory of this machine that a plugin sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirGrant {
    /// Where the plugin sees it, `/` for example.
    pub guest: String,
    /// The directory on this machine.
    pub host: PathBuf,
    /// Whether anything in it may be changed.
    pub writable: bool,
}

/// Everything that one plugin may reach and use up.
// No `Debug`: a variable may be a secret.
#[derive(Clone)]
pub struct Grants {
    /// Directories.
    pub dirs: Vec<DirGrant>,
    /// Hosts that it may send HTTP requests to.
    pub hosts: Vec<HostPattern>,
    /// Environment variables that it sees.
    pub env: BTreeMap<String, String>,
    /// Bytes of memory of each instance.
    pub memory: u64,
    /// How long a call may go on without any progress. Waiting for the client does not count.
    pub call_timeout: Duration,
    /// How many calls may run at once, over all instances; further ones wait. `None`: as many as the
    /// handles of the instances suffice for.
    pub max_calls: Option<NonZeroUsize>,
}

impl Default for Grants {
    fn default() -> Self {
        Self {
            dirs: Vec::new(),
            hosts: Vec::new(),
            env: BTreeMap::new(),
            memory: 64 << 20,
            call_timeout: Duration::from_mins(1),
            max_calls: None,
        }
    }
}

/// Which requests a grant of hosts allows: `[SCHEME://]HOST[:PORT]`.
///
/// The scheme is https unless `http://` is said, and the port is the scheme's unless one is
/// said. The first label of the host may be `*`, which stands for exactly one label or several:
/// `*.example.com` allows `a.example.com` and `a.b.example.com`, not `example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    plain: bool,
    wildcard: bool,
    /// Lower case; behind the `*.` of a wildcard.
    host: String,
    port: u16,
}

/// Why a text is no pattern of hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no host: {why}")]
pub struct HostPatternError {
    text: String,
    why: &'static str,
}

impl FromStr for HostPattern {
    type Err = HostPatternError;

    fn from_str(text: &str) -> Result<Self, HostPatternError> {
        let wrong = |why| HostPatternError {
            text: text.into(),
            why,
        };
        let (plain, rest) = match text.split_once("://") {
            None => (false, text),
            Some(("https", rest)) => (false, rest),
            Some(("http", rest)) => (true, rest),
            Some(_) => return Err(wrong("the scheme is http or https")),
        };
        if rest.contains(['/', '?', '#', '@']) {
            return Err(wrong("only [SCHEME://]HOST[:PORT] is expected"));
        }
        let (wildcard, rest) = match rest.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let authority: http::uri::Authority =
            rest.parse().map_err(|_| wrong("this is no host name"))?;
        let host = authority.host().to_ascii_lowercase();
        if host.is_empty() || host.contains('*') {
            return Err(wrong(
                "a wildcard is only possible as the whole first label",
            ));
        }
        if wildcard && (address(&host).is_some() || !host.contains('.')) {
            return Err(wrong("a wildcard needs at least two labels behind it"));
        }
        let port = match authority.port() {
            Some(port) => port
                .as_str()
                .parse()
                .map_err(|_| wrong("the port is no number"))?,
            None if rest.len() > authority.host().len() => {
                return Err(wrong("the port is no number"));
            }
            None => default_port(plain),
        };
        Ok(Self {
            plain,
            wildcard,
            host,
            port,
        })
    }
}

impl std::fmt::Display for HostPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.plain { "http://" } else { "https://" };
        let wildcard = if self.wildcard { "*." } else { "" };
        write!(f, "{scheme}{wildcard}{}", self.host)?;
        if self.port == default_port(self.plain) {
            return Ok(());
        }
        write!(f, ":{}", self.port)
    }
}

impl HostPattern {
    /// Whether a request to this URI is allowed.
    pub fn allows(&self, uri: &http::Uri) -> bool {
        let plain = match uri.scheme_str() {
            Some("http") => true,
            Some("https") => false,
            _ => return false,
        };
        let Some(host) = uri.host() else { return false };
        let port = uri.port_u16().unwrap_or(default_port(plain));
        plain == self.plain && port == self.port && self.covers(host)
    }

    fn covers(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        if !self.wildcard {
            return host == self.host;
        }
        host.strip_suffix(&self.host)
            .is_some_and(|front| front.len() > 1 && front.ends_with('.'))
    }

    /// Whether the operator named exactly this host, and so any address that it has.
    pub(super) fn names(&self, host: &str) -> bool {
        !self.wildcard && self.covers(host)
    }
}

fn default_port(plain: bool) -> u16 {
    if plain { 80 } else { 443 }
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

/// Whether a name may lead to an address. A name that the operator wrote out may lead into the
/// network at home, to a NAS say. No name leads to link-local addresses or to a cloud's metadata
/// service: whoever wants those has to grant the address itself.
pub(super) fn is_reachable(address: IpAddr, named: bool) -> bool {
    let address = address.to_canonical();
    is_public(address) || (named && is_private(address) && !is_metadata(address))
}

/// Loopback, and networks of one's own.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_loopback() || v4.is_private() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

/// Metadata services that lie in networks of one's own; the others are link-local.
fn is_metadata(address: IpAddr) -> bool {
    let v6 = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    address == IpAddr::V6(v6) || address == IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200))
}

/// Whether an address lies in the public internet: not loopback, private, link-local (cloud
/// metadata services among them), shared, multicast or reserved.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_documentation()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (b == 18 || b == 19)))
        }
        IpAddr::V6(v6) => {
            if let Some(v4) = v6.to_ipv4_mapped() {
                return is_public(v4.into());
            }
            let [a, b, ..] = v6.segments();
            // Global unicast is 2000::/3; of that, Teredo, 6to4 and NAT64 wrap other addresses.
            (0x2000..0x4000).contains(&a) && !(a == 0x2001 && b == 0) && a != 0x2002
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(pattern: &str, uri: &str) -> bool {
        pattern
            .parse::<HostPattern>()
            .unwrap()
            .allows(&uri.parse().unwrap())
    }

    #[test]
    fn a_host_grant_means_that_scheme_and_port_alone() {
        assert!(allows("app.example.com", "https://app.example.com/x"));
        assert!(allows("APP.example.com", "https://App.Example.com:443/"));
        assert!(!allows("app.example.com", "http://app.example.com/"));
        assert!(!allows("app.example.com", "https://app.example.com:8443/"));
        assert!(!allows("app.example.com", "https://example.com/"));
        assert!(allows("http://127.0.0.1:9000", "http://127.0.0.1:9000/"));
        assert!(allows("[::1]:9000", "https://[::1]:9000/"));
    }

    #[test]
    fn a_pattern_prints_as_one_that_means_the_same() {
        for text in [
            "https://a.example.com",
            "http://*.example.com:81",
            "https://[::1]:9000",
        ] {
            let pattern: HostPattern = text.parse().unwrap();
            assert_eq!(pattern.to_string(), text);
            assert_eq!(pattern.to_string().parse(), Ok(pattern));
        }
    }

    #[test]
    fn a_wildcard_stands_for_labels_and_not_for_a_part_of_one() {
        assert!(allows(
            "*.storage.example.com",
            "https://a.storage.example.com/"
        ));
        assert!(allows(
            "*.storage.example.com",
            "https://a.b.storage.example.com/"
        ));
        assert!(!allows(
            "*.storage.example.com",
            "https://storage.example.com/"
        ));
        assert!(!allows(
            "*.storage.example.com",
            "https://evilstorage.example.com/"
        ));
        assert!(!allows(
            "*.storage.example.com",
            "https://.storage.example.com/"
        ));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for odd in [
            "",
            "ftp://x.org",
            "a/b",
            "*",
            "*.com",
            "a.*.com",
            "*.1.2.3.4",
            "x:y",
            "u@h.org",
            "http://",
        ] {
            assert!(odd.parse::<HostPattern>().is_err(), "{odd}");
        }
    }

    #[test]
    fn a_name_that_was_written_out_leads_home_but_never_to_a_metadata_service() {
        for home in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "::1",
            "fd12::1",
            "100.64.0.1",
        ] {
            assert!(is_reachable(home.parse().unwrap(), true), "{home}");
            assert!(!is_reachable(home.parse().unwrap(), false), "{home}");
        }
        for never in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "::ffff:0.0.0.0",
        ] {
            assert!(!is_reachable(never.parse().unwrap(), true), "{never}");
        }
        assert!(is_reachable("1.1.1.1".parse().unwrap(), false));
    }

    #[test]
    fn inner_addresses_are_not_public() {
        for inner in [
            "127.0.0.1",
            "10.1.2.3",
            "169.254.169.254",
            "192.168.0.1",
            "172.16.0.1",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "2002:7f00:1::",
            "::",
        ] {
            assert!(!is_public(inner.parse().unwrap()), "{inner}");
        }
        for outer in ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "172.32.0.1"] {
            assert!(is_public(outer.parse().unwrap()), "{outer}");
        }
    }
}
