//! Files that are no plugins: one clear line, exit code 1.

use pys3local_tests::gateway::{Options, StartError};
use std::io::Write as _;
use tempfile::NamedTempFile;

fn start_with(component: &str) -> StartError {
    let toml = format!("[mine]\ntype = \"mine\"\ncomponent = \"{component}\"\n");
    let started = Options::default().backend("mine", &toml).try_start();
    started
        .err()
        .expect("a start with something that is no plugin")
}

/// The lines that tell what went wrong.
fn told(failed: &StartError) -> Vec<&str> {
    let lines = failed.stderr.lines().filter(|line| !line.trim().is_empty());
    lines.filter(|line| !line.starts_with("WARNING")).collect()
}

fn refused(bytes: &[u8]) {
    let mut file = NamedTempFile::with_suffix(".wasm").unwrap();
    file.write_all(bytes).unwrap();
    let path = file.path().to_str().unwrap();
    let failed = start_with(path);
    assert_eq!(failed.code, Some(1), "{failed}");
    let lines = told(&failed);
    assert_eq!(lines.len(), 1, "{failed}");
    assert!(lines[0].contains(path), "{failed}");
}

#[test]
fn a_text_file_is_no_component() {
    refused(b"this is not WebAssembly\n");
}

#[test]
fn an_empty_file_is_no_component() {
    refused(b"");
}

#[test]
fn a_core_module_is_no_component() {
    refused(b"\0asm\x01\0\0\0");
}

#[test]
fn a_component_that_exports_nothing_is_no_plugin() {
    refused(b"\0asm\x0d\0\x01\0");
}

#[test]
fn a_component_that_is_cut_off_is_no_plugin() {
    refused(b"\0asm\x0d\0\x01\0\x07\x20\x01");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let failed = start_with("/nowhere/plugin.wasm");
    assert_eq!(failed.code, Some(1), "{failed}");
    assert!(failed.stderr.contains("/nowhere/plugin.wasm"), "{failed}");
    assert_eq!(told(&failed).len(), 1, "{failed}");
}

#[test]
fn an_unknown_backend_type_is_named() {
    let failed = Options::default()
        .backend("mine", "[mine]\ntype = \"floppy\"\n")
        .try_start();
    let failed = failed.err().expect("a start of nothing");
    assert_eq!(failed.code, Some(1), "{failed}");
    assert!(failed.stderr.contains("floppy"), "{failed}");
}

#[test]
fn a_built_in_plugin_cannot_be_shadowed() {
    let toml =
        "[mine]\ntype = \"local\"\npath = \"{data}\"\ncomponent = \"/nowhere/plugin.wasm\"\n";
    let failed = Options::default().backend("mine", toml).try_start();
    let failed = failed.err().expect("a start with a shadowed plugin");
    assert_eq!(failed.code, Some(1), "{failed}");
}
