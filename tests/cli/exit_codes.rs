//! The exit codes that `--help` lists. (`cache migrate` with a plugin that fails has code 3 in the
//! suite `cache`, and a server that is stopped has code 0 in the suite `faults`.)

use crate::program::Home;
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
