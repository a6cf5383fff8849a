//! Plugins that misbehave while commands get to know them: one clear line, and exit code 1.

use crate::program::Home;
use pys3local_tests::artifacts;
use std::fs;
use std::path::PathBuf;

/// The hostile plugin, in the home as a plugin that does this in `describe`.
fn install(home: &Home, misdeed: &str) -> PathBuf {
    let mut wasm = fs::read(artifacts::component("guest-hostile").unwrap()).unwrap();
    let marker = b"in describe:....................";
    let found = wasm.windows(marker.len()).position(|part| part == marker);
    let at = found.expect("the place in the component") + "in describe:".len();
    wasm[at..at + misdeed.len()].copy_from_slice(misdeed.as_bytes());
    let path = home.0.path().join("hostile.wasm");
    fs::write(&path, wasm).unwrap();
    path
}

/// With the plugin as the backend `mine`.
fn configured(misdeed: &str, keys: &str) -> (Home, String) {
    let home = Home::with_backends("");
    let path = install(&home, misdeed).display().to_string();
    // Long enough for a busy machine, where the time that it takes is not the misdeed.
    let waits = misdeed == "never" || keys.contains(":never");
    let seconds = if waits { 1 } else { 30 };
    let section = format!(
        "[mine]\ntype = \"hostile\"\ncomponent = \"{path}\"\nmemory = \"32 MiB\"\ncall_timeout = \"{seconds} s\"\n{keys}"
    );
    fs::write(home.config().join("backends.toml"), section).unwrap();
    (home, path)
}

/// Of what a command says, the lines that are no log and no hint.
#[track_caller]
fn only_line(home: &Home, args: &[&str]) -> String {
    let said = home.fails(1, args);
    let lines = said.lines().filter(|line| {
        let log = [" INFO ", " WARN ", " ERROR "]
            .iter()
            .any(|level| line.contains(level));
        !log && !line.starts_with("hint: ") && !line.starts_with("WARNING: ")
    });
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), 1, "{args:?}: {said}");
    assert!(lines[0].starts_with("error: "), "{args:?}: {said}");
    assert!(lines[0].contains("hostile"), "{args:?}: {said}");
    assert!(!lines[0].contains("backtrace"), "{args:?}: {said}");
    lines[0].to_owned()
}

/// The commands that ask a plugin who it is.
fn each_command(misdeed: &str, words: &str) {
    let (home, path) = configured(misdeed, "");
    for args in [
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--backend-config",
            "mine",
        ][..],
        &["plugin", "inspect", &path],
        &["plugin", "inspect", "--backend-config", "mine"],
        &["plugin", "check", &path],
        &["plugin", "install", &path],
        &[
            "config",
            "add",
            "new",
            "--type",
            "hostile",
            "--component",
            &path,
        ],
        &["cache", "migrate", "--backend-config", "mine"],
    ] {
        let line = only_line(&home, args);
        assert!(line.contains(words), "{args:?}: {line}");
    }
    assert!(!home.config().join("plugins/hostile.wasm").exists());
    let config = fs::read_to_string(home.config().join("backends.toml")).unwrap();
    assert!(!config.contains("[new]"), "{config}");
}

#[test]
fn a_plugin_that_traps_when_it_is_asked_who_it_is_is_refused() {
    each_command("trap", "unreachable");
}

#[test]
fn a_plugin_that_computes_for_ever_when_it_is_asked_who_it_is_is_refused() {
    let (home, path) = configured("spin", "");
    for args in [
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--backend-config",
            "mine",
        ][..],
        &["plugin", "inspect", &path],
    ] {
        assert!(only_line(&home, args).contains("computed for too long"));
    }
}

#[test]
fn a_plugin_that_wants_all_memory_when_it_is_asked_who_it_is_is_refused() {
    each_command("memory-bomb", "");
}

#[test]
fn a_plugin_that_recurs_for_ever_when_it_is_asked_who_it_is_is_refused() {
    each_command("stack-bomb", "trap");
}

#[test]
fn a_plugin_that_waits_for_ever_when_it_is_asked_who_it_is_is_refused() {
    let (home, path) = configured("never", "");
    only_line(&home, &["plugin", "inspect", &path]);
}

#[test]
fn a_plugin_that_says_too_much_of_itself_is_cut_short_or_refused() {
    let (home, path) = configured("flood", "");
    only_line(&home, &["plugin", "inspect", &path]);
    let (home, path) = configured("huge-text", "");
    let said = home.run(&["plugin", "inspect", &path]);
    assert!(said.stdout.len() + said.stderr.len() < 10_000);
}

#[test]
fn a_plugin_that_dies_or_hangs_over_its_configuration_is_refused() {
    for (misdeed, words) in [
        ("trap", "unreachable"),
        ("spin", ""),
        ("memory-bomb", ""),
        ("stack-bomb", "trap"),
        ("never", ""),
    ] {
        let setting = format!("misdeed = \"configure:{misdeed}\"\n");
        let (home, path) = configured("", &setting);
        let line = only_line(
            &home,
            &[
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--backend-config",
                "mine",
            ],
        );
        assert!(line.contains("does not start"), "{line}");
        assert!(line.contains(words), "{line}");
        let check = ["plugin", "check", "--backend-config", "mine"];
        assert!(only_line(&home, &check).contains(words));
        // What it only says of itself is still to be had.
        home.ok(&["plugin", "inspect", &path]);
    }
}

#[test]
fn a_plugin_whose_storage_has_no_proper_name_is_refused() {
    for (misdeed, words) in [
        ("odd-namespace", "namespace"),
        ("long-namespace", "namespace"),
        ("huge-label", "label"),
    ] {
        let setting = format!("misdeed = \"configure:{misdeed}\"\n");
        let (home, _) = configured("", &setting);
        let mut args = vec!["serve", "--listen", "127.0.0.1:0"];
        args.extend(["--backend-config", "mine"]);
        let line = only_line(&home, &args);
        assert!(line.contains(words), "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}

#[test]
fn a_plugin_that_never_says_what_a_setting_may_be_is_not_added() {
    // Each of them takes its time.
    std::thread::scope(|scope| {
        for misdeed in ["never", "sleep"] {
            scope.spawn(move || {
                let (home, path) = configured("", "");
                let setting = format!("misdeed=choices:{misdeed}");
                let mut args = vec!["config", "add", "new", "--type", "hostile"];
                args.extend(["--component", &path, "--set", &setting]);
                let line = only_line(&home, &args);
                assert!(line.contains("does not answer"), "{misdeed}: {line}");
                args.push("--no-check");
                home.ok(&args);
            });
        }
    });
}

#[test]
fn a_plugin_that_dies_over_the_choices_of_a_setting_is_not_added() {
    for misdeed in ["trap", "spin", "memory-bomb", "stack-bomb"] {
        let (home, path) = configured("", "");
        let setting = format!("misdeed=choices:{misdeed}");
        let mut args = vec!["config", "add", "new", "--type", "hostile"];
        args.extend(["--component", &path, "--set", &setting]);
        only_line(&home, &args);
        args.push("--no-check");
        home.ok(&args);
    }
}
