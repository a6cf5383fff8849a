//! The service unit and the container file are what their readers expect, and say of the program
//! only what is true.

use crate::program::{Home, output};
use std::collections::BTreeSet;
use std::path::PathBuf;

fn packaging(name: &str) -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../host/packaging")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

/// The variables that `serve --help` names.
fn variables() -> BTreeSet<String> {
    let help = Home::new().ok(&["serve", "--help"]);
    let named = help.split("[env: ").skip(1);
    named
        .filter_map(|rest| rest.split(['=', ']']).next().map(str::to_owned))
        .collect()
}

#[test]
fn the_unit_has_sections_of_known_assignments() {
    let (path, text) = packaging("pys3local.service");
    let mut sections = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let section = line.strip_prefix('[');
        if let Some(section) = section.and_then(|rest| rest.strip_suffix(']')) {
            sections.push(section);
        } else {
            let (key, _) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
            assert!(key.chars().all(|c| c.is_ascii_alphanumeric()), "{line}");
        }
    }
    assert_eq!(sections, ["Unit", "Service", "Install"]);
    // The whole truth, where systemd is at hand.
    let analyze = std::process::Command::new("systemd-analyze")
        .arg("verify")
        .arg(path)
        .output();
    if let Ok(found) = analyze {
        let said = String::from_utf8_lossy(&found.stderr).into_owned();
        let ours = said
            .lines()
            .filter(|line| line.contains("pys3local.service"));
        // The program need not be installed where the tests run.
        let ours: Vec<_> = ours
            .filter(|line| !line.contains("is not executable"))
            .collect();
        assert!(ours.is_empty(), "{said}");
    }
}

#[test]
fn unit_and_container_set_variables_that_the_program_reads() {
    let known = variables();
    assert!(known.contains("PYS3LOCAL_LISTEN"), "{known:?}");
    for name in ["pys3local.service", "Containerfile"] {
        let (_, text) = packaging(name);
        let mut found = 0;
        for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
            if word.starts_with("PYS3LOCAL_") {
                assert!(known.contains(word), "{name} sets {word}");
                found += 1;
            }
        }
        assert!(found > 3, "{name}");
    }
}

#[test]
fn the_container_file_has_known_instructions_and_ends_as_the_program() {
    let (_, text) = packaging("Containerfile");
    let joined = text.replace("\\\n", " ");
    let mut instructions = Vec::new();
    for line in joined
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
    {
        let (name, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
        let known = [
            "FROM",
            "RUN",
            "WORKDIR",
            "COPY",
            "USER",
            "VOLUME",
            "ENV",
            "EXPOSE",
            "STOPSIGNAL",
            "ENTRYPOINT",
            "CMD",
        ];
        assert!(known.contains(&name), "{line}");
        if matches!(name, "ENTRYPOINT" | "CMD") {
            let words: Vec<String> = serde_json::from_str(rest).unwrap();
            assert!(!words.is_empty());
        }
        instructions.push(name);
    }
    assert_eq!(instructions.first(), Some(&"FROM"));
    assert_eq!(instructions.last(), Some(&"CMD"));
    assert!(instructions.contains(&"USER"), "it must not run as root");
}

#[test]
fn completions_and_manual_are_printed() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(
            home.ok(&["completions", shell]).contains("admin-listen"),
            "{shell}"
        );
    }
    assert!(
        home.ok(&["man"]).starts_with(".ie"),
        "{}",
        home.ok(&["man"])
    );
    home.ok(&["man", "pages"]);
    assert!(home.0.path().join("pages/pys3local-config-add.1").is_file());
    let bash = output(home.command(&["completions", "bash"]), "").stdout;
    let mut check = std::process::Command::new("bash");
    check.arg("-n");
    assert_eq!(output(check, &bash).code, Some(0));
}
