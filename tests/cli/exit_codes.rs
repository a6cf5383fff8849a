//! The exit codes that `--help` lists. (`cache migrate` with a plugin that fails has code 3 in the
//! suite `cache`, and a server that is stopped has code 0 in the suite `faults`.)

use crate::program::{Home, output};
use std::fs;

#[test]
fn what_is_done_has_code_0() {
    let home = Home::new();
    for args in [
        &[][..],
        &["--version"],
        &["--help"],
        &["help", "cache", "migrate"],
        &["cache", "stats"],
        &["config", "list"],
    ] {
        assert_eq!(home.run(args).code, Some(0), "{args:?}");
    }
}

#[test]
fn what_fails_has_code_1_and_one_line_on_stderr() {
    let home = Home::with_backends("[gone]\ntype = \"local\"\npath = \"/nowhere/at/all\"\n");
    for (args, expected) in [
        (
            &["serve", "--backend-config", "x", "--listen", "127.0.0.1:0"][..],
            "error: no backend config is named \"x\" in HOME/.config/pys3local\nhint: there are: gone\n",
        ),
        (
            &["cache", "migrate", "--backend-config", "gone"],
            "error: cannot use the directory /nowhere/at/all: No such file or directory\n\
             hint: `mkdir -p /nowhere/at/all` makes it; if it is on a disk of its own, mount that first\n",
        ),
        (
            &["cache", "cleanup"],
            "error: say what to clean: --workspace, --backend-config, --bucket or --all\n",
        ),
        (
            &["config", "show", "x"],
            "error: no backend config is named \"x\" in HOME/.config/pys3local\nhint: there are: gone\n",
        ),
        (
            &["obscure", ""],
            "error: an empty password cannot be obscured\n",
        ),
    ] {
        assert_eq!(home.fails(1, args), expected, "{args:?}");
    }
}

#[test]
fn a_start_without_an_api_key_says_how_to_give_one() {
    let home = Home::with_backends(
        "[none]\ntype = \"drime\"\n[empty]\ntype = \"drime\"\napi_key = \"\"\n",
    );
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let said = home.fails(1, &[&serve[..], &["--backend", "drime"]].concat());
    let (what, hint) = said.split_once("\nhint: ").unwrap();
    assert!(what.contains("needs the setting \"api_key\""), "{said}");
    assert_eq!(
        hint,
        "the environment variable DRIME_API_KEY gives it, or \
         `pys3local config add NAME --type drime --secret api_key`, and then --backend-config NAME\n"
    );
    for name in ["none", "empty"] {
        let said = home.fails(1, &[&serve[..], &["--backend-config", name]].concat());
        let hint = format!("`pys3local config add {name} --type drime --replace --secret api_key`");
        assert!(said.contains(&hint), "{said}");
        // It is for servers without a config.
        assert!(!said.contains("DRIME_API_KEY"), "{said}");
    }
}

#[test]
fn a_start_that_fails_is_one_object_where_the_log_is_for_programs() {
    let home = Home::with_backends("[there]\ntype = \"local\"\npath = \"x\"\n");
    let args = ["serve", "--backend-config", "x", "--log-format", "json"];
    let said = home.fails(1, &args);
    let object: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(object["level"], "ERROR");
    let message = "no backend config is named \"x\" in HOME/.config/pys3local";
    assert_eq!(object["message"], message);
    assert_eq!(object["hint"], "there are: there");
}

#[test]
fn a_wrong_command_line_has_code_2() {
    let home = Home::new();
    for args in [
        &["frobnicate"][..],
        &["serve", "--frobnicate"],
        &["serve", "--listen", "127.0.0.1:port"],
        &["cache"],
        &["cache", "migrate"],
        &["cache", "migrate", "--path", "x", "--jobs", "0"],
        &["cache", "stats", "--workspace", "x"],
        &["config", "add", "x"],
        &["completions", "tcsh"],
    ] {
        let said = home.fails(2, args);
        assert!(said.starts_with("error: ") || args == ["cache"], "{said}");
    }
}

#[test]
fn some_objects_that_failed_have_code_3() {
    let home = Home::new();
    let store = home.0.path().join("store");
    fs::create_dir(&store).unwrap();
    fs::write(store.join("a"), "sound").unwrap();
    home.ok(&["cache", "migrate", "--path", "store"]);
    let time = fs::metadata(store.join("a")).unwrap().modified().unwrap();
    fs::write(store.join("a"), "rotte").unwrap();
    let file = fs::File::options()
        .write(true)
        .open(store.join("a"))
        .unwrap();
    file.set_modified(time).unwrap();
    let verified = home.run(&["cache", "verify", "--path", "store"]);
    assert_eq!(verified.code, Some(3), "{verified:?}");
    assert_eq!(verified.stderr, "error: 1 object failed\n");
}

#[test]
fn a_variable_that_stands_for_a_flag_takes_words_for_yes_and_no_and_refuses_others() {
    let home = Home::new();
    let serve = |name: &str, value: &str| {
        let mut command = home.command(&["serve", "--listen", "127.0.0.1:port"]);
        command.env(format!("PYS3LOCAL_{name}"), value);
        output(command, "").stderr
    };
    for name in ["NO_AUTH", "ALLOW_BUCKET_CREATION", "DEBUG"] {
        for value in ["none", "disabled", "nope", "maybe", "2", " "] {
            let said = serve(name, value);
            let flag = name.to_lowercase().replace('_', "-");
            let expected =
                format!("error: invalid value '{value}' for '--{flag}': expected 1, true");
            assert!(said.starts_with(&expected), "{name}={value}: {said}");
        }
        for value in ["", "1", "true", "Yes", "ON", "0", "FALSE", "no", "off"] {
            let said = serve(name, value);
            assert!(
                said.starts_with("error: --listen"),
                "{name}={value}: {said}"
            );
        }
    }
    let mut command = home.command(&["cache", "verify", "--path", "."]);
    command.env("PYS3LOCAL_ALLOW_BUCKET_CREATION", "maybe");
    assert_eq!(output(command, "").code, Some(2));
}

#[test]
fn a_directory_is_no_database_and_is_said_to_be_one() {
    let home = Home::new();
    for name in ["dir", "store"] {
        fs::create_dir(home.0.path().join(name)).unwrap();
    }
    for args in [
        &["cache", "stats"][..],
        &["cache", "refresh", "--path", "store"],
        &["serve", "--listen", "127.0.0.1:0", "--path", "store"],
    ] {
        let said = home.fails(1, &[args, &["--metadata-db", "dir"]].concat());
        assert!(
            said.contains(
                "error: cannot use the metadata database HOME/dir: is a directory\nhint: "
            ),
            "{args:?}: {said}"
        );
    }
}
