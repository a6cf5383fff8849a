//! `plugin inspect`, `list`, `install` and `remove`, and what `serve` says of a plugin.

use crate::program::Home;
use pys3local_tests::artifacts;
use pys3local_tests::gateway::Options;
use std::fs;

fn released() -> String {
    let path = artifacts::component("guest-released").unwrap();
    path.display().to_string()
}

#[test]
fn inspect_says_what_a_plugin_is_granted_and_what_is_missing_and_serve_logs_the_same() {
    let section = |more: &str| {
        let component = released();
        format!("[mine]\ntype = \"released\"\ncomponent = \"{component}\"\n{more}")
    };
    let home = Home::with_backends(&section("hosts = [\"example.org\", \"*.example.net\"]\n"));
    let said = home.ok(&["plugin", "inspect", "--backend-config", "mine"]);
    let (_, reach) = said.split_once("\nMay reach\n").unwrap();
    assert_eq!(
        reach,
        "  the host https://example.org\n  the host https://*.example.net\n\
         \nAsks for and is not granted\n  a directory as / (read and write)\n"
    );
    assert!(
        said.contains("granted environment variables only"),
        "{said}"
    );
    assert!(said.contains("colour (secret, default"), "{said}");

    let hosts = section("hosts = [\"example.org\", \"*.example.net\"]\n");
    let gateway = Options::default().backend("mine", &hosts).start();
    gateway.until_said(
        "plugin released 0.1.0: may reach the host https://example.org, the host https://*.example.net",
    );
    gateway.until_said("is not granted what it asks for: a directory as / (read and write)");

    let all = section(
        "hosts = [\"example.org\"]\ndirs = [{ guest = \"/\", host = \"{data}\", writable = true }]\n",
    );
    let gateway = Options::default().backend("mine", &all).start();
    gateway.until_said("as / (read and write), the host https://example.org");
    assert!(!gateway.stderr().contains("not granted"));
}

#[test]
fn a_plugin_that_is_not_the_pinned_one_serves_nothing() {
    let home = Home::new();
    let path = released();
    let said = home.ok(&["plugin", "inspect", &path]);
    let pin = said.lines().find(|line| line.starts_with("sha256 = "));
    let pin = pin.expect("a line for the config").to_owned();
    let section = |pin: &str| format!("[mine]\ntype = \"mine\"\ncomponent = \"{path}\"\n{pin}\n");
    drop(Options::default().backend("mine", &section(&pin)).start());

    let digit = pin.chars().nth(10).unwrap();
    let other = if digit == '0' { "1" } else { "0" };
    let wrong = format!("{}{other}{}", &pin[..10], &pin[11..]);
    let home = Home::with_backends(&section(&wrong));
    for command in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["plugin", "inspect"],
        &["plugin", "check"],
        &["cache", "migrate"],
    ] {
        let args = [command, &["--backend-config", "mine"]].concat();
        let said = home.fails(1, &args);
        assert!(said.contains("the config pins another"), "{said}");
    }
}

#[test]
fn a_plugin_may_not_write_where_the_program_keeps_what_it_trusts() {
    let path = released();
    let home = Home::new();
    let dir = home.0.path().display();
    let section = |host: &str, writable: bool| {
        format!(
            "[mine]\ntype = \"mine\"\ncomponent = \"{path}\"\n\
             dirs = [{{ guest = \"/\", host = \"{host}\", writable = {writable} }}]\n"
        )
    };
    let home = Home::with_backends(&section(&format!("{dir}/.."), true));
    let said = home.fails(
        1,
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--backend-config",
            "mine",
        ],
    );
    assert!(said.contains("error: no plugin may write to"), "{said}");
    let config = home.config();
    let open = section(config.to_str().unwrap(), true);
    fs::write(home.config().join("backends.toml"), open).unwrap();
    let said = home.fails(
        1,
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--backend-config",
            "mine",
        ],
    );
    assert!(said.contains("pys3local itself relies on"), "{said}");
}

#[test]
fn a_check_of_no_fact_is_a_mistake() {
    let home = Home::new();
    let said = home.fails(2, &["plugin", "check", &released(), "--only", "zzz"]);
    assert!(said.contains("--only zzz"), "{said}");
}

#[test]
fn a_plugin_is_installed_listed_used_and_removed() {
    let home = Home::new();
    let path = released();
    let installed = home.config().join("plugins/mine.wasm");
    home.ok(&["plugin", "install", &path, "--as", "mine"]);
    assert_eq!(fs::read(&installed).unwrap(), fs::read(&path).unwrap());
    let again = home.fails(1, &["plugin", "install", &path, "--as", "mine"]);
    assert!(again.contains("hint: --replace"), "{again}");
    home.ok(&["plugin", "install", &path, "--as", "mine", "--replace"]);
    for name in ["local", "../mine", ""] {
        home.fails(2, &["plugin", "install", &path, "--as", name]);
    }
    let list = home.ok(&["plugin", "list"]);
    let line = list.lines().find(|line| line.starts_with("mine "));
    assert!(line.unwrap().ends_with("(0.1.0)"), "{list}");
    let json: serde_json::Value =
        serde_json::from_str(&home.ok(&["plugin", "list", "--json"])).unwrap();
    let types: Vec<_> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["type"])
        .collect();
    assert_eq!(types, ["local", "drime", "mine"]);

    home.ok(&[
        "config",
        "add",
        "store",
        "--type",
        "mine",
        "--set",
        "colour=green",
    ]);
    home.ok(&["plugin", "inspect", "--backend-config", "store"]);
    home.ok(&["plugin", "remove", "mine"]);
    assert!(!installed.exists());
    let gone = home.fails(1, &["plugin", "remove", "mine"]);
    assert!(gone.contains("hint: no plugin is installed"), "{gone}");

    // What is no plugin is not installed, and one that lies there is named as unusable.
    let rubbish = home.0.path().join("rubbish.wasm");
    fs::write(&rubbish, "rubbish").unwrap();
    home.fails(1, &["plugin", "install", rubbish.to_str().unwrap()]);
    fs::copy(&rubbish, &installed).unwrap();
    let list = home.ok(&["plugin", "list"]);
    assert!(list.contains("mine   unusable: "), "{list}");
}

#[test]
fn installed_plugins_can_be_read_by_the_user_of_a_service() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let binary = artifacts::binary().unwrap();
    let script = format!(
        "umask 022; exec {} plugin install {} --as mine",
        binary.display(),
        released()
    );
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &script]).env("HOME", home.0.path());
    let done = crate::program::output(command, "");
    assert_eq!(done.code, Some(0), "{done:?}");
    let mode = |path: &str| {
        let found = fs::metadata(home.config().join(path)).unwrap();
        found.permissions().mode() & 0o777
    };
    assert_eq!(mode("plugins"), 0o755);
    assert_eq!(mode("plugins/mine.wasm"), 0o644);
    // It may hold secrets.
    assert_eq!(mode(""), 0o700);
}

#[test]
fn a_plugin_that_cannot_be_reached_is_not_said_to_be_missing() {
    let home = Home::with_backends("[mine]\ntype = \"mine\"\n");
    std::os::unix::fs::symlink("plugins", home.config().join("plugins")).unwrap();
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--backend-config",
        "mine",
    ];
    assert_eq!(
        home.fails(1, &serve),
        "error: cannot read the component HOME/.config/pys3local/plugins/mine.wasm: \
         Too many levels of symbolic links\n"
    );
    fs::remove_file(home.config().join("plugins")).unwrap();
    let said = home.fails(1, &serve);
    assert!(said.contains("and there is no HOME/"), "{said}");
}
