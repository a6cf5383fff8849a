//! What a user sees when the gateway starts and stops.

use pys3local_tests::Gateway;
use pys3local_tests::gateway::Options;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

#[test]
fn the_start_up_text_has_what_a_user_needs() {
    let gateway = Options::default().start();
    let address = gateway.address().to_string();
    let data = gateway.data().to_str().unwrap().to_owned();
    gateway.until("the start-up text", || {
        gateway.stdout().contains("endpoint")
    });
    let text = gateway.stdout();
    for part in [
        address.as_str(),
        data.as_str(),
        "us-east-1",
        "type = s3",
        "access_key_id = test",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_one_clear_line_and_exit_code_1() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let failed = Options::default()
        .arg("--path")
        .arg(file.path().join("below"))
        .try_start();
    let failed = failed.err().expect("a start on a file as its directory");
    assert!(matches!(failed.code, Some(1 | 2)), "{failed}");
}

#[test]
fn a_component_is_compiled_by_the_first_start_only() {
    let mut gateway = Options::default().cold().start();
    let compiled = compiled(&gateway);
    assert!(!compiled.is_empty(), "nothing was kept");
    gateway.restart();
    assert_eq!(self::compiled(&gateway), compiled);
}

/// The compiled components below the gateway's cache directory, and when each was written.
fn compiled(gateway: &Gateway) -> BTreeMap<PathBuf, SystemTime> {
    let mut found = BTreeMap::new();
    let mut open = vec![gateway.data().with_file_name(".cache")];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let meta = entry.metadata().unwrap();
            if meta.is_dir() {
                open.push(entry.path());
            } else if meta.len() > 64 * 1024 {
                // What is smaller is about the compiled component.
                found.insert(entry.path(), meta.modified().unwrap());
            }
        }
    }
    found
}
