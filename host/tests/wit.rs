//! What was released of the plugin interface stays as it is. That today's program still runs what
//! was built from it is tested with components, in the suite `store`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Each released version, and the digest of its folder. An entry is added with a release and is
/// never changed: components out there were built from exactly this text.
const RELEASED: [(&str, &str); 1] = [(
    "0.1.0",
    "cf264d6704ce97cf560761da31d580c344e828fbb749aaa936902f90a227013f",
)];

fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

/// The texts below a folder, by their paths in it.
fn texts(dir: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            for (below, text) in texts(&path) {
                found.insert(format!("{name}/{below}"), text);
            }
        } else {
            found.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
    found
}

fn digest(texts: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    for (path, text) in texts {
        hash.update(format!("{path}\0{}\0{text}", text.len()));
    }
    hex::encode(hash.finalize())
}

/// The version that the package in a folder gives itself, in each of its files.
fn version(texts: &BTreeMap<String, String>) -> String {
    let own = texts.iter().filter(|(path, _)| !path.contains('/'));
    let named = own.map(|(path, text)| {
        let line = text.lines().next().unwrap();
        let version = line.strip_prefix("package pys3local:storage@");
        version
            .and_then(|version| version.strip_suffix(';'))
            .expect(path)
    });
    let mut versions: Vec<_> = named.collect();
    versions.dedup();
    assert_eq!(versions.len(), 1, "{versions:?}");
    versions[0].to_owned()
}

#[test]
fn a_released_interface_never_changes() {
    for (name, expected) in RELEASED {
        let found = texts(&wit().join("released").join(name));
        assert_eq!(version(&found), name);
        assert_eq!(
            digest(&found),
            expected,
            "wit/released/{name} is what components were built from, and was changed"
        );
    }
}

#[test]
fn every_released_folder_is_watched() {
    let folders = std::fs::read_dir(wit().join("released")).unwrap();
    let folders = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut folders: Vec<_> = folders.collect();
    folders.sort();
    assert_eq!(folders, RELEASED.map(|(version, _)| version));
}

#[test]
fn an_interface_that_reads_otherwise_than_a_released_one_has_a_version_of_its_own() {
    let current = texts(&wit().join("v0"));
    let released = wit().join("released").join(version(&current));
    assert!(
        !released.is_dir() || texts(&released) == current,
        "wit/v0 says that it is what {} is, and reads otherwise: give it the next version",
        released.display()
    );
}
