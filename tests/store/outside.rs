//! A plugin that tries what it may not do with files: it gets no further than its directory.

use crate::hostile::{Hostile, PATIENCE};
use crate::rig::{directory, grant};
use pys3local::backend::{DirGrant, Grants};
use pys3local_core::service::ports::StoreError;

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_outside_the_granted_directory_can_be_reached() {
    let hostile = Hostile::start().await;
    let (data, secret) = (
        hostile.dir.path().join("data"),
        hostile.dir.path().join("secret"),
    );
    std::fs::write(&secret, "secret").unwrap();
    std::fs::write(data.join("inside"), "x").unwrap();
    std::fs::create_dir(data.join("dir")).unwrap();
    std::os::unix::fs::symlink(&secret, data.join("absolute")).unwrap();
    std::os::unix::fs::symlink("../secret", data.join("relative")).unwrap();
    std::os::unix::fs::symlink("..", data.join("up")).unwrap();
    for inside in ["inside", "dir/../inside", "./inside"] {
        hostile.stat("reach", inside).await.unwrap();
    }
    let absolute = secret.to_str().unwrap();
    let outside = [
        "../secret",
        "dir/../../secret",
        absolute,
        "/etc/passwd",
        "absolute",
        "relative",
        "up/secret",
    ];
    for path in outside {
        let answer = hostile.stat("reach", path).await;
        assert!(
            matches!(answer, Err(StoreError::Denied(_))),
            "{path}: {answer:?}"
        );
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_outside_the_granted_directory_can_be_changed_or_brought_in() {
    let hostile = Hostile::start().await;
    let outside = hostile.dir.path();
    let data = outside.join("data");
    std::fs::write(outside.join("secret"), "secret").unwrap();
    std::fs::create_dir(outside.join("other")).unwrap();
    std::fs::write(data.join("inside"), "x").unwrap();
    std::os::unix::fs::symlink("..", data.join("up")).unwrap();
    std::os::unix::fs::symlink("../secret", data.join("soft")).unwrap();
    let secret = outside.join("secret").display().to_string();
    for deed in [
        "link ../secret hard",
        "link up/secret hard",
        "link inside ../hard",
        "link inside up/hard",
        "rename ../secret stolen",
        "rename up/secret stolen",
        "rename inside ../moved",
        "rename inside up/moved",
        "unlink ../secret",
        "unlink up/secret",
        "mkdir ../made",
        "mkdir up/made",
        "rmdir ../other",
        "rmdir up/other",
        "create ../made",
        "create up/made",
        "create soft",
        &format!("link {secret} hard"),
        &format!("rename {secret} stolen"),
        &format!("unlink {secret}"),
        &format!("symlink {secret} absolute"),
    ] {
        let answer = hostile.stat("escape", deed).await;
        assert!(
            matches!(answer, Err(StoreError::Denied(_))),
            "{deed}: {answer:?}"
        );
    }
    // A link that it makes itself leads out no more than one that it found.
    let _ = hostile.stat("escape", "symlink ../secret own").await;
    let answer = hostile.stat("reach", "own").await;
    assert!(matches!(answer, Err(StoreError::Denied(_))), "{answer:?}");
    // What it may do works, so what failed above did not fail for another reason.
    hostile.stat("escape", "link inside twice").await.unwrap();
    hostile.stat("escape", "rename twice moved").await.unwrap();
    hostile.stat("escape", "mkdir made").await.unwrap();
    hostile.stat("escape", "create made/new").await.unwrap();
    hostile.stat("escape", "unlink moved").await.unwrap();

    assert_eq!(std::fs::read(outside.join("secret")).unwrap(), b"secret");
    let mut names: Vec<_> = std::fs::read_dir(outside)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "spool")
        .collect();
    names.sort();
    assert_eq!(names, ["data", "other", "secret"]);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_granted_for_reading_cannot_be_changed() {
    let dir = directory();
    let data = dir.path().join("data");
    std::fs::write(data.join("file"), "x").unwrap();
    std::fs::create_dir(data.join("empty")).unwrap();
    let hostile = Hostile::start_in(
        dir,
        "hostile",
        Grants {
            call_timeout: PATIENCE,
            dirs: vec![DirGrant {
                writable: false,
                ..grant(&data)
            }],
            ..Grants::default()
        },
    );
    let hostile = hostile.await;
    hostile.stat("reach", "file").await.unwrap();
    for deed in [
        "create file",
        "create new",
        "unlink file",
        "rename file moved",
        "link file twice",
        "symlink file soft",
        "mkdir made",
        "rmdir empty",
    ] {
        let answer = hostile.stat("escape", deed).await;
        assert!(
            matches!(answer, Err(StoreError::Denied(_))),
            "{deed}: {answer:?}"
        );
    }
    let names = std::fs::read_dir(&data).unwrap().count();
    assert_eq!(
        (names, std::fs::read(data.join("file")).unwrap()),
        (2, b"x".into())
    );
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_in_a_granted_directory_holds_nobody_up() {
    let hostile = Hostile::start().await;
    let data = hostile.dir.path().join("data");
    let made = std::process::Command::new("mkfifo")
        .arg(data.join("pipe"))
        .status();
    assert!(made.unwrap().success());
    std::os::unix::fs::symlink("pipe", data.join("link")).unwrap();
    std::fs::write(data.join("file"), "x").unwrap();
    for version in ["0.2", "0.3"] {
        for how in ["read", "write", "create", "other"] {
            for path in ["pipe", "link"] {
                let what = format!("{version} {how} {path}");
                let answer = hostile.stat("pipe", &what).await;
                let answered = matches!(answer, Ok(_) | Err(StoreError::Denied(_)));
                assert!(answered, "{what}: {answer:?}");
                // Nobody reads it, so that it cannot be opened.
                assert!(how == "read" || answer.is_err(), "{what}: {answer:?}");
            }
        }
        for how in ["read", "write", "create"] {
            let what = format!("{version} {how} file");
            hostile.stat("pipe", &what).await.unwrap();
        }
    }
    hostile.recovers().await;
}
