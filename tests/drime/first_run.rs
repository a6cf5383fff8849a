//! The first steps with an account, and what goes wrong with them: one clear line each.

use crate::{Cloud, options};
use drime_sim::{BadToken, Simulator, Switches, TOKEN, WORKSPACE};
use pys3local_tests::command::Program;
use rexpect::session::spawn_command;
use std::process::Stdio;
use tempfile::TempDir;

async fn account(switches: Switches) -> Simulator {
    Simulator::start(switches).await.unwrap()
}

fn home() -> (TempDir, Program) {
    let home = TempDir::with_prefix("pys3local-test-").unwrap();
    let program = Program::in_home(home.path());
    (home, program)
}

/// What a program said, without what differs from run to run.
fn plain(text: &str, simulator: &Simulator) -> String {
    let text = text.replace(&simulator.api_url(), "API");
    text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

/// Lines of the log that say more than that all goes well.
fn complaints(stderr: &str) -> Vec<String> {
    let lines = stderr.lines().filter(|line| !line.contains(" INFO "));
    lines.map(str::to_owned).collect()
}

/// Needs threads of its own while a program that asks the simulator is waited for.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_checks_the_key_and_offers_the_workspaces() {
    let simulator = account(Switches::default()).await;
    let (dir, program) = home();
    let answers = format!(
        "add\nmydrime\ndrime\nwrong\n{0}\n\n{TOKEN}\n{0}\n2\nbackups/s3\nforever\nexit\n",
        simulator.api_url()
    );
    let said = blocking(move || program.run_with(&["config"], &answers)).await;
    assert_eq!(said.code, Some(0), "{said}");
    insta::assert_snapshot!(plain(&said.stdout, &simulator), @"
    Backends in ~/.config/pys3local

    No backends in ~/.config/pys3local; `pys3local config add` adds one.

      l) list    all backends
      a) add     a backend
      s) show    a backend, without its secrets
      r) remove  a backend
      e) exit
      1) local
      2) drime

    drime VERSION: Buckets and objects in a Drime Cloud account

    api_key: the API key, from the account settings at app.drime.cloud (developers, API access tokens)

    base_url: where the API is; nobody needs another one but those who test

    workspace_id: the workspace, 0 for the personal space
    drime: Drime rejects the API key: make a new one in the account settings at app.drime.cloud and set it as api_key

    api_key: the API key, from the account settings at app.drime.cloud (developers, API access tokens)

    base_url: where the API is; nobody needs another one but those who test

    workspace_id: the workspace, 0 for the personal space
      1) 0     personal space
      2) 1873  team

    root_folder (optional): the folder that holds the buckets, for example backups/s3; made if it is not there

    delete: where deleted objects go: trash or forever
      1) trash    the trash, where they count against the quota
      2) forever  nowhere: they are gone

    Added mydrime to ~/.config/pys3local/backends.toml
    Serve it: pys3local serve --backend-config mydrime
    ");
    let config = dir.path().join(".config/pys3local/backends.toml");
    let text = std::fs::read_to_string(config).unwrap();
    assert!(!text.contains(TOKEN), "{text}");
    assert!(
        text.contains(&format!("workspace_id = {WORKSPACE}\n")),
        "{text}"
    );
    assert!(text.contains("delete = \"forever\"\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_the_key_is_not_to_be_seen() {
    let simulator = account(Switches::default()).await;
    let (_dir, program) = home();
    let url = simulator.api_url();
    blocking(move || {
        let mut command = program.command(&["config", "add", "mine"]);
        command.env("TERM", "dumb").stdin(Stdio::inherit());
        let mut session = spawn_command(command, Some(60_000)).unwrap();
        session.exp_string("Type: ").unwrap();
        session.send_line("drime").unwrap();
        session.exp_string("api_key: ").unwrap();
        session.exp_string("api_key: ").unwrap();
        session.send_line(TOKEN).unwrap();
        session.exp_string("v1]: ").unwrap();
        session.send_line(&url).unwrap();
        session.exp_string("1873  team").unwrap();
        session.exp_string("workspace_id [0]: ").unwrap();
        session.send_line("").unwrap();
        session.exp_string("root_folder: ").unwrap();
        session.send_line("").unwrap();
        session.exp_string("delete [trash]: ").unwrap();
        session.send_line("").unwrap();
        session.exp_string("Added mine to").unwrap();
        let all = session.exp_eof().unwrap();
        assert!(!all.contains(TOKEN), "{all}");
    })
    .await;
}

/// `config add` on the command line, with this key and these settings.
async fn add(simulator: &Simulator, key: &str, more: &[&str]) -> (Option<i32>, String) {
    let (_dir, program) = home();
    let url = format!("base_url={}", simulator.api_url());
    let start = [
        "config", "add", "mine", "--type", "drime", "--secret", "api_key", "--set",
    ];
    let args: Vec<String> = start
        .iter()
        .copied()
        .chain([url.as_str()])
        .chain(more.iter().copied())
        .map(str::to_owned)
        .collect();
    let key = format!("{key}\n");
    let said = blocking(move || {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        program.run_with(&args, &key)
    })
    .await;
    (said.code, plain(&said.stderr, simulator))
}

#[tokio::test(flavor = "multi_thread")]
async fn adding_on_the_command_line_says_what_is_wrong_in_one_line() {
    for bad_token in [BadToken::NullUser, BadToken::Unauthenticated] {
        let simulator = account(Switches {
            bad_token,
            ..Switches::default()
        })
        .await;
        let (code, said) = add(&simulator, "wrong", &[]).await;
        assert_eq!(code, Some(1));
        insta::allow_duplicates! {
            insta::assert_snapshot!(said, @"
            error: drime: Drime rejects the API key: make a new one in the account settings at app.drime.cloud and set it as api_key
            hint: --no-check adds it all the same
            ");
        }
    }
    let simulator = account(Switches::default()).await;
    assert_eq!(add(&simulator, TOKEN, &[]).await, (Some(0), String::new()));
    let (code, said) = add(&simulator, TOKEN, &["--set", "workspace_id=77"]).await;
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(said, @"
    error: there is no workspace_id 77: it can be 0 (personal space), 1873 (team)
    hint: --no-check adds it all the same
    ");
    let (code, said) = add(&simulator, TOKEN, &["--set", "delete=sometimes"]).await;
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(said, @r#"
    error: drime: delete is "trash" or "forever", not "sometimes"
    hint: --no-check adds it all the same
    "#);
    let all_the_same = add(&simulator, "wrong", &["--no-check"]).await;
    assert_eq!(all_the_same, (Some(0), String::new()));
    // A full account is one to add, with a warning.
    simulator.switch(|s| s.quota = 0);
    let (code, said) = add(&simulator, TOKEN, &[]).await;
    assert_eq!(code, Some(0));
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("seems to be full (0 bytes used, 0 allowed)"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_cannot_be_reached_is_said_to_be() {
    let gone = account(Switches::default()).await;
    let (url, started) = (gone.api_url(), options(&gone));
    drop(gone);
    let simulator = account(Switches::default()).await;
    let (_dir, program) = home();
    let said = blocking(move || {
        let url = format!("base_url={url}");
        let start = [
            "config", "add", "mine", "--type", "drime", "--secret", "api_key",
        ];
        program.run_with(&[&start[..], &["--set", &url]].concat(), "key\n")
    })
    .await;
    assert_eq!(said.code, Some(1));
    insta::assert_snapshot!(plain(&said.stderr, &simulator), @"
    error: drime: Drime cannot be reached (ErrorCode::ConnectionRefused): check the network connection and try again
    hint: --no-check adds it all the same
    ");
    let failed = blocking(move || started.try_start()).await.err().unwrap();
    assert_eq!(failed.code, Some(1));
    let complaints = complaints(&failed.stderr);
    insta::assert_snapshot!(complaints.join("\n"), @"
    error: the plugin drime does not start: Drime cannot be reached (ErrorCode::ConnectionRefused): check the network connection and try again
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_that_is_not_there_ends_the_start_with_those_that_are() {
    let simulator = account(Switches::default()).await;
    let mut settings = crate::section(&simulator);
    settings += "workspace_id = 77\n";
    let failed = blocking(move || {
        let options = pys3local_tests::gateway::Options::default();
        options
            .backend("cloud", &settings)
            .try_start()
            .err()
            .unwrap()
    })
    .await;
    assert_eq!(failed.code, Some(1));
    insta::assert_snapshot!(complaints(&failed.stderr).join("\n"), @"
    error: the plugin drime does not start: this account has no workspace 77: set workspace_id to one of 0 (personal space), 1873 (team)
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_account_is_said_at_the_start_and_refuses_uploads_as_s3_does() {
    let cloud = Cloud::new().await;
    cloud.s3.store("bucket", "key", "some bytes").await;
    cloud.simulator.switch(|s| s.quota = 10);
    let put = cloud.s3.put("bucket", "other", "more bytes").send().await;
    put.expect_error(507, "QuotaExceeded");
    let body = pys3local_tests::data::bytes(1, 12 << 20);
    let put = cloud.s3.put("bucket", "large", body).send().await;
    put.expect_error(507, "QuotaExceeded");
    assert_eq!(cloud.s3.fetch("bucket", "key").await, "some bytes");
    assert_eq!(cloud.files().len(), 1);
    let full = options(&cloud.simulator).start();
    full.until_said("seems to be full");
    // It serves what is there all the same, and can be emptied.
    assert_eq!(full.s3().fetch("bucket", "key").await, "some bytes");
    full.s3().delete("bucket", "key").send().await.expect(204);
}
