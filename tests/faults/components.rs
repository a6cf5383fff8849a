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

/// The one line that tells why this is no plugin.
fn refused(bytes: &[u8]) -> String {
    let mut file = NamedTempFile::with_suffix(".wasm").unwrap();
    file.write_all(bytes).unwrap();
    let path = file.path().to_str().unwrap();
    let failed = start_with(path);
    assert_eq!(failed.code, Some(1), "{failed}");
    let lines = told(&failed);
    assert_eq!(lines.len(), 1, "{failed}");
    assert!(lines[0].contains(path), "{failed}");
    lines[0].to_owned()
}

/// A component in WebAssembly's text form.
fn refused_text(component: &str) -> String {
    refused(&wat::parse_str(component).unwrap())
}

/// Exports both interfaces that a plugin must have, of some version and without any function.
fn exports(version: &str) -> String {
    format!(
        r#"(instance $empty)
           (export "pys3local:storage/setup@{version}" (instance $empty))
           (export "pys3local:storage/store@{version}" (instance $empty))"#
    )
}

/// That the line has all of these words.
#[track_caller]
fn says(line: &str, words: &[&str]) {
    for word in words {
        assert!(line.contains(word), "no {word:?} in: {line}");
    }
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
fn a_component_of_another_world_is_told_which_interface_it_lacks() {
    let other = r#"(component
        (instance $empty)
        (export "wasi:cli/run@0.2.0" (instance $empty)))"#;
    says(
        &refused_text(other),
        &["no storage plugin", "pys3local:storage/setup@0.1.0"],
    );
}

#[test]
fn a_component_with_half_of_the_world_is_told_the_other_half() {
    let half = r#"(component
        (instance $empty)
        (export "pys3local:storage/setup@0.1.0" (instance $empty)))"#;
    says(&refused_text(half), &["pys3local:storage/store@0.1.0"]);
}

#[test]
fn a_component_of_another_version_is_told_both_versions() {
    let newer = format!("(component {})", exports("7.3.0"));
    says(
        &refused_text(&newer),
        &[
            "pys3local:storage/setup@7.3.0",
            "pys3local:storage/setup@0.1.0",
        ],
    );
}

#[test]
fn a_component_with_the_right_names_and_wrong_functions_is_of_another_version() {
    let hollow = format!("(component {})", exports("0.1.0"));
    says(&refused_text(&hollow), &["another version"]);
}

#[test]
fn an_import_that_no_plugin_is_given_is_named() {
    let greedy = format!(
        r#"(component
            (import "wasi:keyvalue/store@0.2.0" (instance
                (export "open" (func (param "name" string)))))
            {})"#,
        exports("0.1.0")
    );
    says(
        &refused_text(&greedy),
        &["imports", "wasi:keyvalue/store@0.2.0"],
    );
}

#[test]
fn an_import_of_the_wrong_type_is_named() {
    let odd = format!(
        r#"(component
            (import "wasi:random/random@0.3.0" (instance
                (export "get-random-bytes" (func (param "odd" string)))))
            {})"#,
        exports("0.1.0")
    );
    says(
        &refused_text(&odd),
        &["imports", "wasi:random/random@0.3.0"],
    );
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
