//! `[HOST]:PORT`: where to listen.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// An address to listen on, as a user writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// An address or a name, without brackets; `None` for all interfaces.
    host: Option<String>,
    port: u16,
}

/// Why a text is no address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// There is no colon before the port.
    #[error("{0:?} is not of the form [HOST]:PORT")]
    NoColon(String),
    /// The port is not a number from 0 to 65535.
    #[error("the port {0:?} is not a number from 0 to 65535")]
    Port(String),
    /// An IPv6 address must be set apart from its port.
    #[error("the IPv6 address {0} must be written in brackets")]
    Brackets(String),
    /// Something else is wrong with the host.
    #[error("{0:?} is not a host")]
    Host(String),
}

impl ListenError {
    /// The right form.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Brackets(_) => "for example [::1]:10001",
            _ => "for example 127.0.0.1:10001, [::1]:10001 or :10001 for all interfaces",
        }
    }
}

/// The port where none is said.
const PORT: u16 = 10_001;

impl ListenAddress {
    /// All interfaces.
    pub fn any(port: u16) -> Self {
        Self { host: None, port }
    }

    /// What to try to bind, in order. All interfaces means IPv6 with IPv4 mapped into it, and
    /// IPv4 alone where there is no IPv6. A name is looked up in the system's resolver.
    pub async fn candidates(&self) -> std::io::Result<Vec<SocketAddr>> {
        let Some(host) = &self.host else {
            return Ok(vec![
                (Ipv6Addr::UNSPECIFIED, self.port).into(),
                (Ipv4Addr::UNSPECIFIED, self.port).into(),
            ]);
        };
        Ok(tokio::net::lookup_host((host.as_str(), self.port))
            .await?
            .collect())
    }
}

impl FromStr for ListenAddress {
    type Err = ListenError;

    fn from_str(raw: &str) -> Result<Self, ListenError> {
        let Some((host, port)) = raw.rsplit_once(':') else {
            // As the Python program had it.
            if raw == "localhost" || raw.parse::<Ipv4Addr>().is_ok() {
                let host = Some(raw.to_owned());
                return Ok(Self { host, port: PORT });
            }
            return Err(ListenError::NoColon(raw.to_owned()));
        };
        if raw.parse::<Ipv6Addr>().is_ok() || host.parse::<Ipv6Addr>().is_ok() {
            return Err(ListenError::Brackets(raw.to_owned()));
        }
        // `parse` alone would take `+80`.
        let port = match port.parse() {
            Ok(number) if port.bytes().all(|b| b.is_ascii_digit()) => number,
            _ => return Err(ListenError::Port(port.to_owned())),
        };
        let host = match host.strip_prefix('[') {
            Some(inside) => inside
                .strip_suffix(']')
                .filter(|inside| inside.parse::<Ipv6Addr>().is_ok())
                .ok_or_else(|| ListenError::Host(host.to_owned()))?,
            None => host,
        };
        let odd = |c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'));
        if host.contains(odd) || (host.contains(':') && !raw.starts_with('[')) {
            return Err(ListenError::Host(host.to_owned()));
        }
        let host = (!host.is_empty()).then(|| host.to_owned());
        Ok(Self { host, port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
            None => write!(f, ":{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(raw: &str) -> Result<ListenAddress, ListenError> {
        raw.parse()
    }

    #[test]
    fn an_address_prints_as_it_was_written() {
        for raw in [
            ":10001",
            ":0",
            "127.0.0.1:80",
            "localhost:9000",
            "[::1]:9000",
            "[::]:65535",
        ] {
            assert_eq!(parse(raw).unwrap().to_string(), raw);
        }
    }

    #[test]
    fn no_host_means_all_interfaces() {
        assert_eq!(parse(":10001"), Ok(ListenAddress::any(10001)));
    }

    #[test]
    fn a_bare_ipv6_address_is_refused_with_advice() {
        for raw in ["::1:9000", "::1", "fe80::1"] {
            let error = parse(raw).unwrap_err();
            assert_eq!(error, ListenError::Brackets(raw.to_owned()));
            assert_eq!(error.hint(), "for example [::1]:10001");
        }
    }

    #[test]
    fn ports_outside_the_range_are_refused() {
        for (raw, port) in [
            (":65536", "65536"),
            (":", ""),
            ("h:+80", "+80"),
            ("h:x", "x"),
            ("h:-1", "-1"),
        ] {
            assert_eq!(parse(raw), Err(ListenError::Port(port.to_owned())), "{raw}");
        }
    }

    #[test]
    fn hosts_that_cannot_be_are_refused() {
        for raw in [
            "http://h:80",
            "[::1:80",
            "[]:80",
            "[h]:80",
            "a b:80",
            "u@h:80",
            "1:2:80",
        ] {
            assert!(matches!(parse(raw), Err(ListenError::Host(_))), "{raw}");
        }
        assert_eq!(parse("9000"), Err(ListenError::NoColon("9000".into())));
    }

    #[tokio::test]
    async fn numeric_hosts_resolve_to_themselves() {
        let found = parse("[::1]:9000").unwrap().candidates().await.unwrap();
        assert_eq!(found, ["[::1]:9000".parse().unwrap()]);
    }

    proptest! {
        #[test]
        fn no_input_panics_and_what_parses_prints_and_parses_again(raw in "\\PC*") {
            if let Ok(address) = parse(&raw) {
                prop_assert_eq!(parse(&address.to_string()), Ok(address));
            }
        }
    }
}
