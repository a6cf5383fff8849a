//! What a plugin may do, in words.

use crate::backend::{Description, Grants, HostPattern};

/// What an interface that a component imports lets it do.
pub(in crate::cli) fn import(name: &str) -> &'static str {
    let package = name.split(['/', '@']).next().unwrap_or(name);
    match package {
        "wasi:filesystem" => "files, in granted directories only",
        "wasi:http" => "HTTP requests, to granted hosts only",
        "wasi:sockets" => "sockets: there for language runtimes, and refused",
        "wasi:cli" => {
            "granted environment variables only, no arguments or input; output goes to the log"
        }
        "wasi:clocks" => "clocks",
        "wasi:random" => "random numbers",
        "wasi:io" => "streams between these",
        "pys3local:storage" => "the log, and the types of the plugin interface",
        _ => "unknown",
    }
}

/// What these grants reach, an item each.
pub(in crate::cli) fn reach(grants: &Grants) -> Vec<String> {
    let dirs = grants.dirs.iter().map(|dir| {
        let access = if dir.writable {
            "read and write"
        } else {
            "read only"
        };
        format!(
            "the directory {} as {} ({access})",
            dir.host.display(),
            dir.guest
        )
    });
    let hosts = grants.hosts.iter().map(|host| format!("the host {host}"));
    let env = grants.env.keys();
    let env = env.map(|name| format!("the environment variable {name}"));
    dirs.chain(hosts).chain(env).collect()
}

/// What a plugin asks for and these grants do not give, an item each.
pub(in crate::cli) fn missing(description: &Description, grants: &Grants) -> Vec<String> {
    let dirs = description.dirs.iter().filter(|wish| {
        let gives = |dir: &crate::backend::DirGrant| {
            dir.guest == wish.guest && (dir.writable || !wish.writable)
        };
        !grants.dirs.iter().any(gives)
    });
    let dirs = dirs.map(|wish| {
        let access = if wish.writable {
            "read and write"
        } else {
            "read only"
        };
        format!("a directory as {} ({access})", wish.guest)
    });
    let hosts = description.hosts.iter().filter(|host| {
        let pattern = host.parse::<HostPattern>();
        !pattern.is_ok_and(|pattern| grants.hosts.contains(&pattern))
    });
    dirs.chain(hosts.map(|host| format!("the host {host}")))
        .collect()
}

/// Items in a line.
pub(in crate::cli) fn list(items: &[String]) -> String {
    match items {
        [] => "nothing".to_owned(),
        items => items.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{DirGrant, DirWish};

    fn description() -> Description {
        Description {
            name: "mine".into(),
            version: "1".into(),
            summary: String::new(),
            settings: Vec::new(),
            hosts: vec!["app.example.org".into(), "*.cdn.example.org".into()],
            dirs: vec![DirWish {
                guest: "/".into(),
                setting: "path".into(),
                writable: true,
            }],
        }
    }

    #[test]
    fn what_is_not_granted_is_named_as_missing() {
        let mut grants = Grants::default();
        assert_eq!(missing(&description(), &grants).len(), 3);
        grants
            .hosts
            .push("https://app.example.org:443".parse().unwrap());
        grants
            .hosts
            .push("http://x.cdn.example.org".parse().unwrap());
        grants.dirs.push(DirGrant {
            guest: "/".into(),
            host: "/srv".into(),
            writable: false,
        });
        assert_eq!(
            missing(&description(), &grants),
            [
                "a directory as / (read and write)",
                "the host *.cdn.example.org"
            ]
        );
        assert_eq!(
            list(&reach(&grants)),
            "the directory /srv as / (read only), the host https://app.example.org, \
             the host http://x.cdn.example.org"
        );
    }

    #[test]
    fn every_interface_of_the_world_has_words() {
        let world = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/v0/world.wit");
        let text = std::fs::read_to_string(world).unwrap();
        let imports = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("import "));
        let mut found = 0;
        for name in imports.filter(|name| name.contains(':')) {
            assert_ne!(import(name), "unknown", "{name}");
            found += 1;
        }
        assert!(found > 0);
    }
}
