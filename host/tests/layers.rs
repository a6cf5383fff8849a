//! Calls go one way. What a layer must not know, its sources must not name.

#![allow(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;

/// Directory, and what must not be named below it.
const LAYERS: [(&str, &[&str]); 6] = [
    (
        "core/src/model",
        &["crate::service", "crate::s3", "tokio::", "http::"],
    ),
    (
        "core/src/service",
        &["crate::s3", "http::", "quick_xml", "wasmtime", "rusqlite"],
    ),
    (
        "core/src/s3",
        &[
            "axum",
            "hyper",
            "tokio::net",
            "wasmtime",
            "rusqlite",
            "service::ports",
        ],
    ),
    (
        "src/http",
        &[
            "crate::service",
            "crate::backend",
            "crate::cache",
            "wasmtime",
            "rusqlite",
        ],
    ),
    (
        "src/backend",
        &[
            "crate::s3",
            "crate::http",
            "crate::cache",
            "crate::config",
            "crate::cli",
            "rusqlite",
        ],
    ),
    (
        "src/cache",
        &[
            "crate::s3",
            "crate::http",
            "crate::backend",
            "crate::config",
            "crate::cli",
            "wasmtime",
        ],
    ),
];

fn violations(dir: &Path, forbidden: &[&str], found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "tests" {
                violations(&path, forbidden, found);
            }
        } else if path.extension().is_some_and(|end| end == "rs") && !name.contains("tests") {
            let source = fs::read_to_string(&path).unwrap();
            // Tests at the end of a file may use more.
            let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
            for line in source
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
            {
                for name in forbidden.iter().filter(|name| names(line, name)) {
                    found.push(format!(
                        "{} must not use `{name}`: {}",
                        path.display(),
                        line.trim()
                    ));
                }
            }
        }
    }
}

/// Whether a line names a path or crate as a whole word.
fn names(line: &str, name: &str) -> bool {
    line.match_indices(name)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

#[test]
fn calls_go_one_way() {
    let host = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for (dir, forbidden) in LAYERS {
        violations(&host.join(dir), forbidden, &mut found);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_planted_violation_is_found() {
    assert!(names("use crate::s3::Gateway;", "crate::s3"));
    assert!(!names("use hyper_http::x;", "http::"));
}
