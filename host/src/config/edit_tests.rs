use super::*;
use crate::config::DirGrant;
use std::fs;

fn section(settings: &[(&str, NewValue)]) -> NewSection {
    NewSection {
        kind: "drime".into(),
        settings: settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect(),
        ..NewSection::default()
    }
}

fn written(dir: &tempfile::TempDir) -> String {
    fs::read_to_string(dir.path().join("backends.toml")).unwrap()
}

#[test]
fn a_section_that_was_written_is_read_again_with_its_secret() {
    let dir = tempfile::tempdir().unwrap();
    let new = NewSection {
        component: Some("/opt/x.wasm".into()),
        hosts: vec!["*.example.org".into()],
        dirs: vec![DirGrant {
            guest: "/".into(),
            host: "/srv/x".into(),
            writable: true,
        }],
        ..section(&[
            (
                "api_key",
                NewValue::Secret(secret::SecretText::new("s3cr\"et")),
            ),
            ("workspace_id", NewValue::Number(1465)),
            ("quiet", NewValue::Flag(true)),
            ("root_folder", NewValue::Text("a \"b\"\nc".into())),
        ])
    };
    write(dir.path(), "my drime", &new, &[]).unwrap();
    let (read, _) = file::load(dir.path(), "my drime").unwrap();
    assert_eq!(read.kind, "drime");
    assert_eq!(read.component.as_deref(), Some(Path::new("/opt/x.wasm")));
    assert_eq!(read.grants.hosts, new.hosts);
    assert_eq!(read.grants.dirs, new.dirs);
    assert_eq!(read.settings["api_key"].text, "s3cr\"et");
    assert_eq!(read.settings["workspace_id"].text, "1465");
    assert_eq!(read.settings["quiet"].text, "true");
    assert_eq!(read.settings["root_folder"].text, "a \"b\"\nc");
    assert!(!written(&dir).contains("s3cr"));
}

const OTHERS: &str = "# my backends\n\n[b] # second letter, first place\ntype = \"local\" # here\n\n\
    # the old one\n[a]\ntype   =   'local'\npath = \"/a\"\n\n# trailing\n";

#[test]
fn other_sections_keep_their_comments_and_order() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("backends.toml"), OTHERS).unwrap();
    write(dir.path(), "new", &section(&[]), &[]).unwrap();
    let text = written(&dir);
    assert!(
        text.starts_with(OTHERS.trim_end_matches("\n# trailing\n")),
        "{text}"
    );
    assert!(text.contains("# trailing"), "{text}");
    assert!(text.contains("[new]\ntype = \"drime\"\n"), "{text}");
}

#[test]
fn a_replaced_section_stays_in_its_place_below_its_comment() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("backends.toml"), OTHERS).unwrap();
    write(
        dir.path(),
        "b",
        &section(&[("x", NewValue::Number(1))]),
        &[],
    )
    .unwrap();
    let text = written(&dir);
    assert!(
        text.starts_with(
            "# my backends\n\n[b] # second letter, first place\ntype = \"drime\"\nx = 1\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("\n# the old one\n[a]\ntype   =   'local'\n"),
        "{text}"
    );
}

#[test]
fn a_replaced_section_keeps_what_the_new_one_does_not_say() {
    const OLD: &str = "[a]\ntype = \"drime\"\nsync = \"never\" # fast\nx = 1\ny = 2\nz = 3\n\
        sha256 = \"00\"\ncomponent = \"/x.wasm\"\n";
    let dir = tempfile::tempdir().unwrap();
    let replaced = |new: &NewSection, asked: &[&str]| {
        fs::write(
            dir.path().join("backends.toml"),
            OLD.replace("00", &"0".repeat(64)),
        )
        .unwrap();
        let done = write(dir.path(), "a", new, asked).unwrap();
        (done.kept.join(" "), done.removed.join(" "))
    };
    let new = section(&[("x", NewValue::Number(7))]);
    let (kept, removed) = replaced(&new, &["y"]);
    assert_eq!((&*kept, &*removed), ("sync z sha256 component", ""));
    let text = written(&dir);
    assert!(
        text.starts_with("[a]\ntype = \"drime\"\nx = 7\nsync = \"never\" # fast\nz = 3\n"),
        "{text}"
    );
    let other_file = NewSection {
        component: Some("/y.wasm".into()),
        ..section(&[])
    };
    let (kept, removed) = replaced(&other_file, &[]);
    assert_eq!((&*kept, &*removed), ("sync x y z", "sha256"));
    let other_type = NewSection {
        kind: "local".into(),
        ..section(&[])
    };
    let (kept, removed) = replaced(&other_type, &[]);
    assert_eq!((&*kept, &*removed), ("sync", "x y z sha256 component"));
}

#[test]
fn a_file_of_its_own_is_kept_in_the_section_that_takes_its_place() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.toml"), "type = \"drime\"\nx = 1\n").unwrap();
    let done = write(dir.path(), "a", &section(&[]), &[]).unwrap();
    assert_eq!(done.kept, ["x"]);
    assert_eq!(written(&dir), "[a]\ntype = \"drime\"\nx = 1\n");
}

#[test]
fn own_keys_are_written_as_they_are_in_a_file_and_paths_from_where_somebody_is() {
    let absolute = |path: &str| Path::new("/here").join(path);
    let own = [
        ("memory", "32 MiB"),
        ("max_calls", "4"),
        ("exclusive", "true"),
        ("hosts", "[\"example.org\"]"),
        (
            "dirs",
            "[{ guest = \"/\", host = \"data\", writable = true }]",
        ),
        ("env", "{ A = \"b\" }"),
        ("metadata_db", "own.db"),
        ("sha256", &"12".repeat(32)),
    ];
    let own = own.map(|(key, text)| (key, NewValue::own(key, text, &absolute)));
    let dir = tempfile::tempdir().unwrap();
    let read = preview(dir.path(), "a", &section(&own), &[]).unwrap();
    assert_eq!(read.grants.memory, Some(32 << 20));
    assert_eq!(read.grants.max_calls.map(usize::from), Some(4));
    assert!(read.exclusive && read.settings.is_empty());
    assert_eq!(read.grants.hosts, ["example.org"]);
    assert_eq!(read.grants.dirs[0].host, Path::new("/here/data"));
    assert_eq!(read.grants.env["A"].expose(), "b");
    assert_eq!(read.metadata_db.as_deref(), Some(Path::new("/here/own.db")));
    assert_eq!(read.sha256, Some([0x12; 32]));
    assert!(!dir.path().join("backends.toml").exists());
    let odd = section(&[("max_calls", NewValue::own("max_calls", "many", &absolute))]);
    let error = write(dir.path(), "a", &odd, &[]).unwrap_err().to_string();
    assert!(
        error.contains("`max_calls`: expected a number above 0"),
        "{error}"
    );
    assert!(!dir.path().join("backends.toml").exists());
}

#[test]
fn a_removed_section_leaves_the_others_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("backends.toml"), OTHERS).unwrap();
    assert_eq!(
        remove(dir.path(), "b").unwrap(),
        [dir.path().join("backends.toml")]
    );
    let text = written(&dir);
    assert!(
        text.contains("# the old one\n[a]\ntype   =   'local'\npath = \"/a\"\n"),
        "{text}"
    );
    assert!(!text.contains("[b]"));
}

#[test]
fn removing_a_backend_removes_the_file_of_its_own_too() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("backends.toml"), "[a]\ntype = \"local\"\n").unwrap();
    fs::write(dir.path().join("a.toml"), "type = \"drime\"\n").unwrap();
    let [changed, deleted] = ["backends.toml", "a.toml"].map(|name| dir.path().join(name));
    let said = removal(dir.path(), "a").unwrap().to_string();
    let expected = format!(
        "This changes {} and deletes {}.",
        changed.display(),
        deleted.display()
    );
    assert_eq!(said, expected);
    assert_eq!(remove(dir.path(), "a").unwrap(), [changed, deleted]);
    assert!(file::names(dir.path()).unwrap().is_empty());
    let again = remove(dir.path(), "a").unwrap_err();
    assert!(
        matches!(again, ConfigError::UnknownBackend { .. }),
        "{again}"
    );
    assert!(remove(dir.path(), "backends").is_err());
    assert!(dir.path().join("backends.toml").exists());
}

#[cfg(unix)]
#[test]
fn the_file_is_for_its_owner_only_and_a_link_to_it_stays_one() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let dir = tempfile::tempdir().unwrap();
    let (config, real) = (dir.path().join("config"), dir.path().join("dotfile"));
    fs::create_dir(&config).unwrap();
    fs::write(&real, "[a]\ntype = \"local\"\n").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o644)).unwrap();
    symlink(&real, config.join("backends.toml")).unwrap();
    write(&config, "b", &section(&[]), &[]).unwrap();
    assert!(config.join("backends.toml").is_symlink());
    assert_eq!(
        fs::metadata(&real).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(file::names(&config).unwrap(), ["a", "b"]);
}

#[test]
fn a_file_that_cannot_be_read_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("backends.toml"), "[a\n").unwrap();
    let error = write(dir.path(), "b", &section(&[]), &[]).unwrap_err();
    assert!(error.to_string().contains("backends.toml:1:3"), "{error}");
    assert_eq!(written(&dir), "[a\n");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = write(&file.path().join("x"), "b", &section(&[]), &[]).unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
    assert!(!error.to_string().contains("os error"), "{error}");
}

#[test]
fn writers_at_once_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let dir = dir.path();
            scope.spawn(move || write(dir, &format!("b{number}"), &section(&[]), &[]).unwrap());
        }
    });
    assert_eq!(file::names(dir.path()).unwrap().len(), 8);
}
