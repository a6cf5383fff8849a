//! The service unit and the container file are what their readers expect, and say of the program
//! only what is true.

use crate::program::{Home, output};
use parse_dockerfile::{Command, Instruction};
#[cfg(target_os = "linux")]
use pys3local_tests::gateway::Options;
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
fn the_container_file_builds_in_one_stage_and_runs_the_program_alone_in_another() {
    let (_, text) = packaging("Containerfile");
    let file = parse_dockerfile::parse(&text).unwrap();
    let mut last = Vec::new();
    for stage in file.stages() {
        last = stage.instructions.iter().collect();
        for instruction in stage.instructions {
            if let Instruction::Run(run) = instruction
                && let Command::Shell(script) = &run.arguments
            {
                let mut check = std::process::Command::new("sh");
                check.arg("-n");
                let found = output(check, &script.value.replace("\\\n", " "));
                assert_eq!(found.code, Some(0), "{}: {found:?}", script.value);
            }
        }
    }
    assert_eq!(file.stages().len(), 2);
    let user = last.iter().find_map(|instruction| match instruction {
        Instruction::User(user) => Some(user.arguments.value.as_ref()),
        _ => None,
    });
    let number = user.unwrap().split(':').next().unwrap().parse::<u32>();
    assert_ne!(number, Ok(0), "it must not run as root");
    assert!(
        number.is_ok(),
        "Kubernetes tells root from others by the number"
    );
    // Of the form that needs no shell, which would keep signals from the program.
    let words = last.iter().filter_map(|instruction| match instruction {
        Instruction::Entrypoint(entry) => Some(&entry.arguments),
        Instruction::Cmd(command) => Some(&command.arguments),
        _ => None,
    });
    let words = words.flat_map(|command| match command {
        Command::Exec(words) => words.value.iter().map(|word| word.value.as_ref()),
        other => panic!("{other:?}"),
    });
    let words: Vec<&str> = words.collect();
    let program = ["/usr/local/bin/pys3local", "serve", "--path", "/data/store"];
    assert_eq!(words, program);
    let copied = last.iter().any(|instruction| match instruction {
        Instruction::Copy(copy) => copy.dest.value == "/usr/local/bin/pys3local",
        _ => false,
    });
    assert!(copied);
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

/// What a container or the unit does to the program: everything is read-only but its own state, and
/// it has no capabilities and gets no more.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_serves_on_a_read_only_system_without_any_capability() {
    let unshared = std::process::Command::new("unshare")
        .args(["-m", "true"])
        .output();
    if !unshared.is_ok_and(|done| done.status.success()) {
        println!("skipped: this user may not make a mount namespace");
        return;
    }
    let script = "set -e
        mount --make-rprivate /
        mount --bind \"$HOME\" \"$HOME\"
        mount -o remount,bind,ro /
        ! touch /pys3local-test 2>/dev/null
        exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all \"$0\" \"$@\"";
    let words = ["unshare", "-m", "sh", "-c", script].map(str::to_owned);
    let mut gateway = Options::default().cold().behind(words.to_vec()).start();
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    assert!(status.contains("\nNoNewPrivs:\t1\n"), "{status}");
    assert!(status.contains("\nCapEff:\t0000000000000000\n"), "{status}");
    let s3 = gateway.s3();
    s3.create_bucket("bucket").await;
    let body = pys3local_tests::data::bytes(1, 6 << 20);
    s3.store("bucket", "key", body.clone()).await;
    let upload = s3.create_upload("bucket", "parts").await;
    let part = s3
        .store_part("bucket", "parts", &upload, 1, body.clone())
        .await;
    let complete = s3.complete("bucket", "parts", &upload, &[(1, part)]);
    complete.send().await.expect(200);
    gateway.restart();
    let s3 = gateway.s3();
    assert!(s3.fetch("bucket", "parts").await == body);
    assert_eq!(s3.keys("bucket").await, ["key", "parts"]);
    let said = gateway.stderr();
    assert!(
        !said.contains(" WARN ") && !said.contains(" ERROR "),
        "{said}"
    );
}

#[test]
fn the_unit_looks_for_plugins_where_its_user_can_read_them() {
    let (_, text) = packaging("pys3local.service");
    let dir = text
        .lines()
        .find_map(|line| line.strip_prefix("Environment=PYS3LOCAL_PLUGIN_DIR="));
    let dir = dir.unwrap();
    let closed: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("install -d -m 0700"))
        .filter_map(|line| line.split(' ').next_back())
        .collect();
    assert!(!closed.is_empty());
    assert!(
        closed.iter().all(|closed| !dir.starts_with(closed)),
        "{dir}"
    );
    assert!(text.contains(&format!("--plugin-dir {dir}\n")), "{text}");
}
