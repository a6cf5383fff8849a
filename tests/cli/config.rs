//! `config` in scripts.

use crate::program::{Home, output};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const BACKENDS: &str = "# kept\n[mydrime]\ntype = \"drime\"\napi_key = \"i0nYnsBQHmFXPIAKOwHh5zyzn8PsUeYRcUKe_tA_\"\nworkspace_id = 1465\n\n[mylocal] # kept, too\ntype = \"local\"\npath = \"/srv/s3\"\n";

#[test]
fn an_empty_home_has_no_backends_and_gets_no_files() {
    let home = Home::new();
    assert_eq!(
        home.ok(&["config", "list"]),
        "No backends in HOME/.config/pys3local; `pys3local config add` adds one.\n"
    );
    assert_eq!(home.ok(&["config", "list", "--json"]), "[]\n");
    assert_eq!(
        home.fails(1, &["config", "show", "x"]),
        "error: no backend config is named \"x\" in HOME/.config/pys3local\n\
         hint: there are no backend configs yet; `pys3local config add` makes one\n"
    );
    assert!(!home.config().exists());
}

#[test]
fn sections_and_files_are_listed() {
    let home = Home::with_backends(BACKENDS);
    fs::write(
        home.config().join("old.toml"),
        "type = \"local\"\npath = \"/old\"\n",
    )
    .unwrap();
    assert_eq!(
        home.ok(&["config", "list"]),
        "NAME     TYPE   FILE\n\
         mydrime  drime  HOME/.config/pys3local/backends.toml\n\
         mylocal  local  HOME/.config/pys3local/backends.toml\n\
         old      local  HOME/.config/pys3local/old.toml\n"
    );
    let json: serde_json::Value =
        serde_json::from_str(&home.ok(&["config", "list", "--json"])).unwrap();
    assert_eq!(json[2]["name"], "old");
    assert_eq!(json[2]["type"], "local");
    assert_eq!(json[2]["file"], "HOME/.config/pys3local/old.toml");
}

#[test]
fn secrets_are_shown_only_to_who_asks() {
    let home = Home::with_backends(BACKENDS);
    assert_eq!(
        home.ok(&["config", "show", "mydrime"]),
        "mydrime\n  file:          HOME/.config/pys3local/backends.toml\n  type:          drime\n  \
         api_key:       (hidden)\n  workspace_id:  1465\n"
    );
    let revealed = home.ok(&["config", "show", "mydrime", "--reveal"]);
    assert!(
        revealed.contains("api_key:       secret-key-123\n"),
        "{revealed}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&home.ok(&["config", "show", "mydrime", "--json"])).unwrap();
    assert_eq!(json["hidden"], serde_json::json!(["api_key"]));
    assert_eq!(
        json["settings"],
        serde_json::json!({"workspace_id": "1465"})
    );
    let json: serde_json::Value =
        serde_json::from_str(&home.ok(&["config", "show", "mydrime", "--json", "--reveal"]))
            .unwrap();
    assert_eq!(json["settings"]["api_key"], "secret-key-123");
}

/// Of what was said, the lines that name a file with secrets, and its mode.
fn exposed(said: &str) -> Vec<&str> {
    let warnings = said.lines().filter(|line| line.contains("chmod 600"));
    warnings.collect()
}

#[test]
fn whoever_leaves_secrets_open_to_others_is_warned() {
    let home = Home::with_backends(BACKENDS);
    let file = home.config().join("backends.toml");
    let mode = |mode| fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
    mode(0o640);
    for args in [&["config", "list"][..], &["config", "show", "mylocal"]] {
        let said = home.run(args);
        assert_eq!(exposed(&said.stderr).len(), 1, "{args:?}: {said:?}");
        assert!(said.stderr.contains(file.to_str().unwrap()), "{said:?}");
    }
    mode(0o600);
    let said = home.run(&["config", "list"]);
    assert_eq!(said.stderr, "");
    // What the program writes is as it should be, whatever it was before.
    mode(0o644);
    let said = home.run(&["config", "remove", "mylocal", "--yes"]);
    assert_eq!((said.code, &*said.stderr), (Some(0), ""));
}

#[test]
fn an_added_backend_can_be_served_and_removed() {
    let home = Home::with_backends(BACKENDS);
    let said = home.ok(&[
        "config",
        "add",
        "new",
        "--type",
        "local",
        "--set",
        "path=store",
    ]);
    assert_eq!(
        said,
        "Added new to HOME/.config/pys3local/backends.toml\n\
         Serve it: pys3local serve --backend-config new\n"
    );
    let text = fs::read_to_string(home.config().join("backends.toml")).unwrap();
    assert!(text.starts_with(BACKENDS), "{text}");
    let mode = fs::metadata(home.config().join("backends.toml"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // A relative path was meant from here.
    let path = home.0.path().join("store").display().to_string();
    assert!(text.contains(&format!("path = \"{path}\"")), "{text}");
    let again = home.fails(
        1,
        &["config", "add", "new", "--type", "local", "--set", "path=x"],
    );
    assert!(again.contains("hint: --replace"), "{again}");
    let said = home.ok(&[
        "config",
        "add",
        "new",
        "--type",
        "local",
        "--set",
        "path=x",
        "--replace",
    ]);
    assert!(said.starts_with("Replaced new in HOME/"), "{said}");
    let refused = home.fails(2, &["config", "remove", "new"]);
    assert!(refused.contains("hint: --yes"), "{refused}");
    home.ok(&["config", "remove", "new", "--yes"]);
    assert_eq!(
        fs::read_to_string(home.config().join("backends.toml")).unwrap(),
        BACKENDS
    );
}

#[test]
fn what_the_backend_does_not_declare_is_refused() {
    let home = Home::new();
    let cases = [
        (
            1,
            vec!["--type", "local"],
            "needs the setting \"path\": the directory",
        ),
        (
            2,
            vec!["--type", "local", "--set", "path=x", "--set", "colour=red"],
            "it has: path, layout",
        ),
        (1, vec!["--type", "tape"], "hint: types: local"),
        (2, vec!["--set", "path=x"], "--type"),
    ];
    for (code, args, expected) in cases {
        let all: Vec<&str> = ["config", "add", "new"].into_iter().chain(args).collect();
        let said = home.fails(code, &all);
        assert!(said.contains(expected), "{all:?}: {said}");
    }
    assert!(
        home.fails(2, &["config", "add", "a/b", "--type", "local"])
            .contains("no name for a backend")
    );
    assert!(!home.config().exists());
}

#[test]
fn broken_toml_is_named_with_line_and_column_and_left_alone() {
    let home = Home::with_backends("[a]\ntype = local\n");
    for args in [
        &["config", "list"][..],
        &["config", "show", "a"],
        &["config", "add", "b", "--type", "local", "--set", "path=x"],
        &["serve", "--backend-config", "a"],
    ] {
        let said = home.fails(1, args);
        assert!(
            said.starts_with("error: HOME/.config/pys3local/backends.toml:2:8: "),
            "{said}"
        );
    }
    let text = fs::read_to_string(home.config().join("backends.toml")).unwrap();
    assert_eq!(text, "[a]\ntype = local\n");
}

#[test]
fn control_characters_in_the_config_are_refused_in_one_line_or_shown_as_what_they_are() {
    let odd = "x\\u001b[31m\\ny";
    for section in [
        format!("[\"{odd}\"]\ntype = \"local\"\npath = \"p\"\n"),
        format!("[a]\ntype = \"{odd}\"\n"),
        format!("[a]\ntype = \"mine\"\nhosts = [\"{odd}\"]\n"),
        format!("[a]\ntype = \"local\"\npath = \"p\"\nsync = \"{odd}\"\n"),
        format!("[a]\ntype = \"local\"\npath = \"p\"\nlayout = \"{odd}\"\n"),
        format!("[a]\ntype = \"local\"\npath = \"p\"\nmemory = \"{odd}\"\n"),
        format!("[a]\ntype = \"local\"\npath = \"p\"\nmetadata_db = \"{odd}/x\"\n"),
        format!("[a]\ntype = \"local\"\npath = \"/{odd}/x\"\n"),
        format!("[a]\ntype = \"mine\"\ncomponent = \"{odd}\"\n"),
        format!("[a]\ntype = \"local\"\npath = \"p\"\n\"{odd}\" = 1\n"),
    ] {
        let home = Home::with_backends(&section);
        fs::create_dir(home.0.path().join("p")).unwrap();
        for args in [
            &["serve", "--listen", "127.0.0.1:1", "--backend-config", "a"][..],
            &["config", "list"],
            &["config", "show", "a"],
        ] {
            let said = home.run(args);
            let all = said.stdout + &said.stderr;
            let odd = all.lines().find(|line| line.contains(char::is_control));
            assert_eq!(odd, None, "{args:?} of {section}: {all:?}");
        }
    }
}

#[test]
fn a_section_without_sense_does_not_hide_the_others() {
    let home = Home::with_backends("[a]\nroot = \"/x\"\n\n[b]\ntype = \"local\"\n");
    let output = home.run(&["config", "list"]);
    assert!(
        output.stdout.contains("a     ?") && output.stdout.contains("b     local"),
        "{output:?}"
    );
    assert!(
        output
            .stderr
            .contains("backends.toml:1:1: `type` is missing"),
        "{output:?}"
    );
}

#[test]
fn a_session_can_be_piped() {
    let home = Home::with_backends(BACKENDS);
    let output = home.run_with(&["config"], "show mylocal\nexit\n");
    assert_eq!(output.code, Some(0));
    assert!(output.stdout.contains("path:  /srv/s3"), "{output:?}");
}

#[test]
fn another_config_directory_can_be_named_in_two_ways() {
    let home = Home::with_backends(BACKENDS);
    let config = home.config();
    let config = config.to_str().unwrap();
    let empty = Home::new();
    assert!(
        empty
            .ok(&["config", "--config-dir", config, "list"])
            .contains("mylocal")
    );
    assert!(
        empty
            .ok(&["config", "list", "--config-dir", config])
            .contains("mylocal")
    );
    let mut command = empty.command(&["config", "list"]);
    command.env("PYS3LOCAL_CONFIG_DIR", config);
    assert!(output(command, "").stdout.contains("mylocal"));
    let mut command = empty.command(&["config", "list"]);
    command.env("XDG_CONFIG_HOME", home.0.path().join(".config"));
    assert!(output(command, "").stdout.contains("mylocal"));
}

#[test]
fn the_command_that_serves_a_new_backend_works_as_it_is_printed() {
    let home = Home::new();
    let said = home.ok(&[
        "config",
        "add",
        "my store",
        "--type",
        "local",
        "--set",
        "path=s",
        "--config-dir",
        "other dir",
        "--plugin-dir",
        "plugins",
    ]);
    let command = said
        .lines()
        .find_map(|line| line.strip_prefix("Serve it: "));
    assert_eq!(
        command,
        Some(
            "pys3local serve --config-dir 'other dir' --plugin-dir plugins --backend-config 'my store'"
        )
    );
}

#[test]
fn a_path_below_the_home_directory_may_be_written_with_a_tilde() {
    let home = Home::with_backends(
        "[a]\ntype = \"local\"\npath = \"~/store\"\nmetadata_db = \"~/own.db\"\n",
    );
    fs::create_dir(home.0.path().join("store")).unwrap();
    fs::write(home.0.path().join("store/key"), "x").unwrap();
    let done = home.ok(&["cache", "migrate", "--backend-config", "a"]);
    assert!(done.contains("Migrated: 1"), "{done}");
    assert!(home.0.path().join("own.db").exists());
    assert!(!home.0.path().join("~").exists());
}

#[test]
fn keys_of_the_program_are_given_as_settings_are_and_checked_as_serve_does() {
    let home = Home::new();
    let add = ["config", "add", "a", "--type", "local", "--set", "path=s"];
    for (pair, expected) in [
        (
            "memory=100",
            "error: --set: `memory`: no plugin starts with 100 bytes",
        ),
        (
            "max_calls=0",
            "error: --set: `max_calls`: expected a number above 0",
        ),
        (
            "sync=maybe",
            "error: --set: `sync`: expected `always` or `never`",
        ),
        (
            "hosts=example.org",
            "error: --set: `hosts` is a string; expected an array of texts",
        ),
        (
            "type=drime",
            "error: --set type: there is an option for that",
        ),
    ] {
        let said = home.fails(2, &[&add[..], &["--set", pair]].concat());
        assert!(said.starts_with(expected), "{pair}: {said}");
    }
    assert!(!home.config().exists());
    let more = [
        "--set",
        "sync=never",
        "--set",
        "upload_expiry=30 d",
        "--set",
        "metadata_db=own.db",
    ];
    home.ok(&[&add[..], &more].concat());
    let text = fs::read_to_string(home.config().join("backends.toml")).unwrap();
    for line in [
        "sync = \"never\"\n",
        "upload_expiry = \"30 d\"\n",
        "/own.db\"\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(
        home.ok(&[
            "config",
            "add",
            "a",
            "--type",
            "local",
            "--set",
            "layout=plain",
            "--replace"
        ]),
        "Replaced a in HOME/.config/pys3local/backends.toml\n\
         Kept from before: sync, upload_expiry, metadata_db, path\n\
         Serve it: pys3local serve --backend-config a\n"
    );
    let text = fs::read_to_string(home.config().join("backends.toml")).unwrap();
    assert!(
        text.contains("/s\"\n") && text.contains("layout = \"plain\"\n"),
        "{text}"
    );
}

#[test]
fn a_plugin_that_is_not_granted_what_it_asks_for_is_warned_about() {
    let home = Home::new();
    let path = pys3local_tests::artifacts::component("guest-released").unwrap();
    let path = path.display().to_string();
    let add = [
        "config",
        "add",
        "a",
        "--type",
        "mine",
        "--component",
        &path,
        "--replace",
    ];
    let said = home.run(&add);
    assert_eq!(said.code, Some(0), "{said:?}");
    let expected =
        "WARNING: mine is not granted what it asks for: a directory as / (read and write)";
    assert!(said.stderr.starts_with(expected), "{said:?}");
    let dirs = "dirs=[{ guest = \"/\", host = \"data\", writable = true }]";
    let hosts = "hosts=[\"example.org\", \"*.example.net\"]";
    let said = home.run(&[&add[..], &["--set", dirs, "--set", hosts]].concat());
    assert_eq!((said.code, &*said.stderr), (Some(0), ""), "{said:?}");
    let reach = home.ok(&["plugin", "inspect", "--backend-config", "a"]);
    assert!(
        reach.contains("the directory HOME/data as / (read and write)"),
        "{reach}"
    );
    // Given anew by nobody, they stay.
    let said = home.run(&add);
    assert_eq!((said.code, &*said.stderr), (Some(0), ""), "{said:?}");
    assert!(
        said.stdout.contains("Kept from before: dirs, hosts\n"),
        "{said:?}"
    );
}
