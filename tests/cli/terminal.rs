//! The interactive session on a real terminal.

use crate::program::Home;
use rexpect::session::{PtySession, spawn_command};

const PATIENCE_MS: u64 = 60_000;

/// To be dropped as soon as it has ended: its reader takes a whole processor from then on.
fn spawn(home: &Home, args: &[&str]) -> PtySession {
    let mut command = home.command(args);
    command.env("TERM", "dumb");
    spawn_command(command, Some(PATIENCE_MS)).unwrap()
}

#[test]
fn a_backend_is_added_and_removed_in_a_session() {
    let home = Home::new();
    let mut session = spawn(&home, &["config"]);
    session.exp_string("What to do? ").unwrap();
    session.send_line("a").unwrap();
    session.exp_string("Name of the new backend: ").unwrap();
    session.send_line("mine").unwrap();
    session.exp_string("Type: ").unwrap();
    session.send_line("local").unwrap();
    session.exp_string("path: ").unwrap();
    session.exp_string("path: ").unwrap();
    session.send_line("~/store").unwrap();
    session.exp_string("Make it? [Y/n] ").unwrap();
    session.send_line("").unwrap();
    session.exp_string("layout [objects]: ").unwrap();
    session.send_line("plain").unwrap();
    session.exp_string("Added mine to").unwrap();
    session.exp_string("What to do? ").unwrap();
    session.send_line("exit").unwrap();
    session.exp_eof().unwrap();
    drop(session);
    let text = std::fs::read_to_string(home.config().join("backends.toml")).unwrap();
    let store = home.0.path().join("store");
    assert!(store.is_dir());
    assert_eq!(
        text,
        format!(
            "[mine]\ntype = \"local\"\npath = \"{}\"\nlayout = \"plain\"\n",
            store.display()
        )
    );
}

#[test]
fn a_secret_is_not_echoed() {
    let home = Home::new();
    let mut session = spawn(&home, &["obscure"]);
    session.exp_string("Password: ").unwrap();
    session.send_line("hunter2").unwrap();
    let rest = session.exp_eof().unwrap();
    drop(session);
    assert!(!rest.contains("hunter2"), "{rest}");
    let obscured = rest
        .lines()
        .map(str::trim)
        .find(|line| line.len() > 20)
        .unwrap();
    assert_eq!(home.ok(&["obscure", "--reveal", obscured]), "hunter2\n");
}

#[test]
fn removing_asks_on_a_terminal() {
    let home = Home::with_backends("[a]\ntype = \"local\"\npath = \"/x\"\n");
    let mut session = spawn(&home, &["config", "remove", "a"]);
    session
        .exp_string("/.config/pys3local/backends.toml. What the backend stores stays as it is.")
        .unwrap();
    session
        .exp_string("Remove the backend \"a\"? [y/N] ")
        .unwrap();
    session.send_line("").unwrap();
    session.exp_string("nothing was removed").unwrap();
    session.exp_eof().unwrap();
    drop(session);
    assert!(home.ok(&["config", "list"]).contains("local"));
}

#[test]
fn a_migration_shows_a_bar_with_rate_and_remaining_time_on_a_terminal_only() {
    let home = Home::new();
    let store = home.0.path().join("store");
    std::fs::create_dir(&store).unwrap();
    for n in 0..12 {
        // Of no blocks, but to be read and hashed all the same.
        let file = std::fs::File::create(store.join(n.to_string())).unwrap();
        file.set_len(48 << 20).unwrap();
    }
    let migrate = ["cache", "migrate", "--path", "store"];
    let mut terminal = home.command(&migrate);
    terminal.env("TERM", "xterm");
    let mut session = spawn_command(terminal, Some(PATIENCE_MS)).unwrap();
    let shown = session.exp_eof().unwrap();
    drop(session);
    assert!(shown.contains("/576.00 MiB"), "{shown}");
    assert!(
        shown.contains("MiB/s") || shown.contains("GiB/s"),
        "{shown}"
    );
    assert!(shown.contains(" left"), "{shown}");
    assert!(shown.contains("default/7: migrated ("), "{shown}");
    assert!(shown.contains("Migrated: 12"), "{shown}");

    std::fs::write(store.join("0"), "changed").unwrap();
    let plain = home.run(&migrate);
    assert_eq!(plain.code, Some(0), "{plain:?}");
    assert_eq!(plain.stderr, "");
    let lines = plain.stdout.lines();
    let objects = lines.filter(|line| line.starts_with("default/")).count();
    assert_eq!(objects, 12, "{plain:?}");
    assert!(!plain.stdout.contains(['\r', '\x1b']), "{plain:?}");
}

#[test]
fn cleaning_everything_asks_on_a_terminal() {
    let home = Home::new();
    let store = home.0.path().join("store");
    std::fs::create_dir(&store).unwrap();
    std::fs::write(store.join("a"), "x").unwrap();
    home.ok(&["cache", "migrate", "--path", "store"]);
    for (answer, last) in [
        ("n", "Aborted."),
        ("", "Aborted."),
        ("y", "Removed 1 entries"),
    ] {
        let mut session = spawn(&home, &["cache", "cleanup", "--all"]);
        session
            .exp_string("This will remove 1 entries from the cache.")
            .unwrap();
        session.exp_string("Are you sure? [y/N]: ").unwrap();
        session.send_line(answer).unwrap();
        session.exp_string(last).unwrap();
        session.exp_eof().unwrap();
    }
    assert_eq!(home.ok(&["cache", "stats"]), "Cache is empty\n");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let home = Home::new();
    let mut coloured = home.command(&["--help"]);
    coloured.env("TERM", "xterm");
    let mut session = spawn_command(coloured, Some(PATIENCE_MS)).unwrap();
    assert!(session.exp_eof().unwrap().contains("\x1b["));
    drop(session);
    let mut plain = home.command(&["--help"]);
    plain.env("TERM", "xterm").env("NO_COLOR", "1");
    let mut session = spawn_command(plain, Some(PATIENCE_MS)).unwrap();
    assert!(!session.exp_eof().unwrap().contains("\x1b["));
    drop(session);
    assert!(!home.ok(&["--help"]).contains("\x1b["));
}
