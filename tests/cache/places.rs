use super::{home, old_home};
use pys3local_tests::command::Program;
use pys3local_tests::gateway::Options;
use std::fs;

#[test]
fn a_database_of_a_later_program_is_refused_by_every_command() {
    let (dir, program) = old_home();
    program.ok(&["cache", "stats"]);
    let path = program.config().join("metadata.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 1000).unwrap();
    db.close().unwrap();
    let before = fs::read(&path).unwrap();
    let data = dir.path().to_str().unwrap();
    for command in [
        &["cache", "stats"][..],
        &["cache", "cleanup", "--all", "--yes"],
        &["cache", "vacuum"],
        &["cache", "migrate", "--path", data],
        &["cache", "migrate", "--path", data, "--dry-run"],
        &["cache", "verify", "--path", data],
        &["serve", "--listen", "127.0.0.1:0", "--path", data],
    ] {
        let refusal = program.fails(1, command);
        assert!(refusal.contains("newer version of pys3local"), "{refusal}");
        assert!(
            refusal.contains("~/.config/pys3local/metadata.db"),
            "{refusal}"
        );
        assert!(refusal.contains("\nhint: use that version"), "{refusal}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_corrupt_database_is_replaced_and_the_server_starts() {
    let mut gateway = Options::default().start();
    gateway.kill9();
    let directory = gateway.home().join(".config/pys3local");
    for side in ["-wal", "-shm"] {
        let _ = fs::remove_file(directory.join(format!("metadata.db{side}")));
    }
    fs::write(directory.join("metadata.db"), vec![0x5a; 100_000]).unwrap();
    gateway.restart();
    gateway.until_said("was corrupt");
    let names = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let aside = names.filter(|name| name.to_str().unwrap().starts_with("metadata.db.corrupt-"));
    assert_eq!(aside.count(), 1);
}

#[test]
fn the_database_may_lie_elsewhere() {
    let (dir, program) = old_home();
    fs::create_dir_all(dir.path().join("else where")).unwrap();
    let elsewhere = dir.path().join("else where/other#1.db");
    fs::rename(program.config().join("metadata.db"), &elsewhere).unwrap();
    let elsewhere = elsewhere.to_str().unwrap();
    assert_eq!(program.ok(&["cache", "stats"]), "Cache is empty\n");
    for args in [
        ["cache", "stats", "--metadata-db", elsewhere],
        ["cache", "--metadata-db", elsewhere, "stats"],
    ] {
        assert!(program.ok(&args).contains("Total files: 45"));
    }
    fs::write(
        program.config().join("backends.toml"),
        "[mine]\ntype = \"local\"\npath = \"data\"\nmetadata_db = \"../../else where/other#1.db\"\n",
    )
    .unwrap();
    // Named in the section, it is found; that a store is there is another question.
    let stats = program.fails(1, &["cache", "stats", "--backend-config", "mine"]);
    assert!(stats.contains("data"), "{stats}");
    let (_dir, program) = home();
    let config = elsewhere.strip_suffix("/other#1.db").unwrap();
    let stats = program.ok(&["cache", "stats", "--config-dir", config]);
    assert_eq!(stats, "Cache is empty\n");
}

#[test]
fn the_store_and_the_database_of_a_servers_variables_are_those_of_the_commands() {
    let (dir, program) = home();
    for (store, objects) in [("mine", 1), ("other", 2), ("third", 3)] {
        fs::create_dir(dir.path().join(store)).unwrap();
        for n in 0..objects {
            fs::write(dir.path().join(store).join(n.to_string()), "12345").unwrap();
        }
    }
    let path = |name: &str| dir.path().join(name).display().to_string();
    fs::create_dir_all(program.config()).unwrap();
    let section = format!(
        "[mine]\ntype = \"local\"\npath = {:?}\nmetadata_db = \"own.db\"\n\
         [other]\ntype = \"local\"\npath = {:?}\n",
        path("mine"),
        path("other")
    );
    fs::write(program.config().join("backends.toml"), section).unwrap();
    let run = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = program.command(args);
        command.envs(variables.iter().copied());
        let done = command.output().unwrap();
        assert!(done.status.success(), "{args:?}: {done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    let mine = ("PYS3LOCAL_BACKEND_CONFIG", "mine");
    let (third, other_path) = (path("third"), path("other"));
    let migrate = ["cache", "migrate"];
    let by_path = ("PYS3LOCAL_PATH", &*third);
    let total = |text: &str, count: u32| {
        assert!(text.contains(&format!("Total files: {count}\n")), "{text}");
    };
    total(&run(&[mine], &migrate), 1);
    assert_eq!(run(&[], &["cache", "stats"]), "Cache is empty\n");
    total(&run(&[mine], &["cache", "stats"]), 1);
    total(&run(&[by_path], &migrate), 3);
    total(&run(&[], &["cache", "stats"]), 3);
    // An option names the store, whichever the variables name.
    for variables in [&[mine][..], &[by_path], &[mine, by_path]] {
        let other = [&migrate[..], &["--backend-config", "other"]].concat();
        total(&run(variables, &other), 2);
        let by_path = [&migrate[..], &["--path", &other_path]].concat();
        total(&run(variables, &by_path), 2);
    }
    // Of both variables the path is where the backend's objects are, as for a server.
    total(&run(&[mine, by_path], &migrate), 3);
    let both = ["--path", "x", "--backend-config", "mine"];
    let refusal = program.fails(2, &[&migrate[..], &both].concat());
    assert!(refusal.contains("cannot be used together"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_share_a_database_while_every_command_runs_beside_them() {
    let first = Options::default().start();
    let shared = first.home().join(".config/pys3local/metadata.db");
    let second = Options::default().arg("--metadata-db").arg(&shared).start();
    let puts = [&first, &second].map(|gateway| {
        let s3 = gateway.s3();
        tokio::spawn(async move {
            s3.create_bucket("bucket").await;
            for n in 0..150 {
                s3.store("bucket", &format!("{n}"), "12345").await;
            }
        })
    });
    let program = Program::in_home(first.home());
    let copy = first.home().join("copy.db");
    let data = first.data();
    tokio::task::spawn_blocking(move || {
        let (copy, data) = (copy.to_str().unwrap(), data.to_str().unwrap());
        let store = ["--path", data, "--allow-bucket-creation"];
        for _ in 0..3 {
            program.ok(&["cache", "vacuum"]);
            program.ok(&["cache", "cleanup", "--bucket", "bucket"]);
            program.ok(&["cache", "backup", "--force", copy]);
            program.ok(&["cache", "stats"]);
            program.ok(&[&["cache", "migrate", "--dry-run"], &store[..]].concat());
            program.ok(&[&["cache", "migrate"], &store[..]].concat());
            program.ok(&[&["cache", "verify"], &store[..]].concat());
            program.fails(1, &["cache", "restore", copy]);
        }
    })
    .await
    .unwrap();
    for put in puts {
        put.await.unwrap();
    }
    for gateway in [&first, &second] {
        assert!(!gateway.stderr().contains("locked"), "{}", gateway.stderr());
        assert_eq!(gateway.s3().keys("bucket").await.len(), 150);
    }
}
