use super::*;
use std::path::Path;

#[expect(clippy::unnecessary_wraps, reason = "the fields are optional")]
fn flag<T>(name: &str, value: T) -> Option<Given<T>> {
    let origin = Origin::Flag(name.to_owned());
    Some(Given { value, origin })
}

#[expect(clippy::unnecessary_wraps, reason = "the fields are optional")]
fn env<T>(name: &str, value: T) -> Option<Given<T>> {
    let origin = Origin::Env(name.to_owned());
    Some(Given { value, origin })
}

fn places(config: &Path) -> Places {
    Places {
        config: config.to_owned(),
        cache: Some("/home/u/.cache/pys3local".into()),
        temp: "/tmp".into(),
        current: "/work/here".into(),
    }
}

fn nowhere() -> Places {
    places(Path::new("/nonexistent/config"))
}

/// A config directory with this `backends.toml`.
fn configured(text: &str) -> (tempfile::TempDir, Places) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("backends.toml"), text).unwrap();
    let places = places(dir.path());
    (dir, places)
}

fn setting<'a>(serve: &'a Serve, key: &str) -> &'a str {
    &serve.backend.settings[key].text
}

#[test]
fn without_flags_everything_is_the_ancestors_default() {
    let found = serve(RawServe::default(), &nowhere()).unwrap();
    assert_eq!(found.listen.to_string(), ":10001");
    let Access::Keys { pairs, .. } = &found.access else {
        panic!("authentication must be on")
    };
    let [pair] = &pairs[..] else {
        panic!("{pairs:?}")
    };
    assert_eq!((pair.id.as_str(), pair.secret.expose()), ("test", "test"));
    assert!(found.default_key);
    assert_eq!(found.region, "us-east-1");
    assert_eq!(found.mode, BucketMode::Default);
    assert_eq!(found.sync, SyncPolicy::Always);
    assert_eq!(found.backend.kind, "local");
    assert_eq!(setting(&found, "path"), "/tmp/s3store");
    assert_eq!(setting(&found, "layout"), "objects");
    assert_eq!(
        found.metadata_db,
        Path::new("/nonexistent/config/metadata.db")
    );
    assert_eq!(found.plugin_dir, Path::new("/nonexistent/config/plugins"));
    assert!(found.create_data_dir && !found.verify_reads);
}

#[test]
fn a_path_is_shown_without_what_it_does_not_need() {
    for text in ["./data", "data/", ".//./data/.", "/work/./here/data"] {
        let raw = RawServe {
            path: flag("--path", text.into()),
            metadata_db: flag("--metadata-db", "./m.db".into()),
            ..RawServe::default()
        };
        let found = serve(raw, &nowhere()).unwrap();
        let shown = found.data_dir.unwrap().display().to_string();
        assert_eq!(shown, "/work/here/data", "{text}");
        assert_eq!(found.metadata_db.display().to_string(), "/work/here/m.db");
    }
    // Where this leads depends on links.
    let raw = RawServe {
        path: flag("--path", "../data".into()),
        ..RawServe::default()
    };
    let found = serve(raw, &nowhere()).unwrap();
    assert_eq!(setting(&found, "path"), "/work/here/../data");
}

#[test]
fn relative_paths_on_the_command_line_start_here() {
    let raw = RawServe {
        path: flag("--path", "data".into()),
        metadata_db: flag("--metadata-db", "m.db".into()),
        plugin_dir: flag("--plugin-dir", "/opt/plugins".into()),
        ..RawServe::default()
    };
    let found = serve(raw, &nowhere()).unwrap();
    assert_eq!(setting(&found, "path"), "/work/here/data");
    assert_eq!(
        found.data_dir.as_deref(),
        Some(Path::new("/work/here/data"))
    );
    assert_eq!(found.metadata_db, Path::new("/work/here/m.db"));
    assert_eq!(found.spool, Path::new("/work/here/spool"));
    assert_eq!(found.plugin_dir, Path::new("/opt/plugins"));
}

#[test]
fn errors_name_the_flag_or_the_variable() {
    let cases = vec![
        (
            RawServe {
                listen: flag("--listen", "9000".into()),
                ..RawServe::default()
            },
            "--listen: \"9000\" is not of the form [HOST]:PORT",
        ),
        (
            RawServe {
                listen: env("PYS3LOCAL_LISTEN", ":x".into()),
                ..RawServe::default()
            },
            "PYS3LOCAL_LISTEN: the port \"x\" is not a number from 0 to 65535",
        ),
        (
            RawServe {
                sync: env("PYS3LOCAL_SYNC", "maybe".into()),
                ..RawServe::default()
            },
            "PYS3LOCAL_SYNC: expected `always` or `never`",
        ),
        (
            RawServe {
                layout: flag("--layout", "flat".into()),
                ..RawServe::default()
            },
            "--layout: expected `objects` or `plain`",
        ),
        (
            RawServe {
                region: flag("--region", String::new()),
                ..RawServe::default()
            },
            "--region: must not be empty",
        ),
        (
            RawServe {
                access_key_id: flag("--access-key-id", "a/b".into()),
                ..RawServe::default()
            },
            "--access-key-id: must be visible ASCII without `/` and `,`",
        ),
        (
            RawServe {
                secret_access_key: flag("--secret-access-key", SecretText::new("")),
                ..RawServe::default()
            },
            "--secret-access-key: must not be empty",
        ),
        (
            RawServe {
                max_connections: flag("--max-connections", "0".into()),
                ..RawServe::default()
            },
            "--max-connections: \"0\" is not a positive number",
        ),
        (
            RawServe {
                upload_expiry: env("PYS3LOCAL_UPLOAD_EXPIRY", "0 d".into()),
                ..RawServe::default()
            },
            "PYS3LOCAL_UPLOAD_EXPIRY: \"0 d\" is not a time",
        ),
        (
            RawServe {
                domains: vec![flag("--domain", "a..b".to_owned()).unwrap()],
                ..RawServe::default()
            },
            "--domain: \"a..b\" is not a domain",
        ),
        (
            RawServe {
                backend: flag("--backend", "a/b".into()),
                ..RawServe::default()
            },
            "--backend: \"a/b\" is not the name of a plugin (letters, digits, `-`, `_`)",
        ),
        (
            RawServe {
                root_folder: flag("--root-folder", "x".into()),
                ..RawServe::default()
            },
            "--root-folder: the backend `local` has no such setting",
        ),
    ];
    for (raw, expected) in cases {
        let error = serve(raw, &nowhere()).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(error.is_usage(), "{expected}");
    }
}

#[test]
fn an_unknown_backend_config_is_no_usage_error() {
    let raw = RawServe {
        backend_config: flag("--backend-config", "x".into()),
        ..RawServe::default()
    };
    assert!(!serve(raw, &nowhere()).unwrap_err().is_usage());
}

#[test]
fn a_flag_wins_over_the_config_file_and_that_over_the_default() {
    let text = "[a]\ntype = \"local\"\npath = \"/srv/s3\"\nlayout = \"plain\"\nsync = \"never\"\n";
    let (_dir, places) = configured(text);
    let named = RawServe {
        backend_config: flag("--backend-config", "a".into()),
        ..RawServe::default()
    };
    let found = serve(named.clone(), &places).unwrap();
    assert_eq!(
        (setting(&found, "path"), setting(&found, "layout")),
        ("/srv/s3", "plain")
    );
    assert_eq!(found.sync, SyncPolicy::Never);
    assert!(
        !found.create_data_dir,
        "a disk that is not mounted must not be papered over"
    );

    let raw = RawServe {
        path: flag("--path", "/srv/other".into()),
        layout: flag("--layout", "objects".into()),
        sync: flag("--sync", "always".into()),
        ..named
    };
    let found = serve(raw, &places).unwrap();
    assert_eq!(
        (setting(&found, "path"), setting(&found, "layout")),
        ("/srv/other", "objects")
    );
    assert_eq!(found.sync, SyncPolicy::Always);
}

#[test]
fn times_and_sizes_on_the_command_line_need_a_unit() {
    let (_dir, places) = configured("");
    let time = RawServe {
        upload_expiry: flag("--upload-expiry", "30".into()),
        ..RawServe::default()
    };
    let size = RawServe {
        spool_limit: flag("--spool-limit", "20".into()),
        ..RawServe::default()
    };
    for (raw, why) in [
        (time, "--upload-expiry: \"30\" is not a time"),
        (size, "--spool-limit: \"20\" is not a size"),
    ] {
        assert_eq!(serve(raw, &places).unwrap_err().to_string(), why);
    }
}

#[test]
fn a_local_config_without_path_falls_back_to_no_other_directory() {
    for (path, why) in [
        ("", "it is missing in the backend config \"a\""),
        ("path = \"\"\n", "it is empty"),
    ] {
        let (dir, places) = configured(&format!("[a]\ntype = \"local\"\n{path}"));
        let raw = RawServe {
            backend_config: flag("--backend-config", "a".into()),
            ..RawServe::default()
        };
        let expected = format!("`path` in {}/backends.toml: {why}", dir.path().display());
        assert_eq!(serve(raw, &places).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_type_that_contradicts_the_config_is_refused() {
    let (_dir, places) = configured("[a]\ntype = \"drime\"\n");
    let raw = RawServe {
        backend: flag("--backend", "local".into()),
        backend_config: flag("--backend-config", "a".into()),
        ..RawServe::default()
    };
    let error = serve(raw, &places).unwrap_err().to_string();
    assert_eq!(
        error,
        "--backend: the backend config \"a\" has type \"drime\", not \"local\""
    );
}

#[test]
fn flags_for_other_backends_become_settings_that_remember_their_flag() {
    let (_dir, places) = configured("[a]\ntype = \"drime\"\nroot_folder = \"old\"\n");
    let raw = RawServe {
        backend_config: flag("--backend-config", "a".into()),
        root_folder: flag("--root-folder", "backups".into()),
        ..RawServe::default()
    };
    let found = serve(raw, &places).unwrap();
    let folder = &found.backend.settings["root_folder"];
    assert_eq!(folder.text, "backups");
    assert_eq!(folder.flag, Some(Origin::Flag("--root-folder".into())));
    assert_eq!(found.data_dir, None);
    assert!(found.verify_reads);
    assert!(!found.backend.settings.contains_key("layout"));
}

#[test]
fn no_auth_opens_the_gateway_to_everybody() {
    let raw = RawServe {
        no_auth: true,
        ..RawServe::default()
    };
    assert_eq!(serve(raw, &nowhere()).unwrap().access, Access::Open);
}

#[test]
fn domains_are_compared_in_lower_case_and_without_final_dot() {
    let raw = RawServe {
        domains: vec![flag("--domain", "S3.Example.org.".to_owned()).unwrap()],
        ..RawServe::default()
    };
    assert_eq!(serve(raw, &nowhere()).unwrap().domains, ["s3.example.org"]);
}

fn drime(backend_config: Option<Given<String>>) -> RawServe {
    RawServe {
        backend: backend_config.is_none().then(|| Given {
            value: "drime".to_owned(),
            origin: Origin::Default,
        }),
        backend_config,
        drime_api_key: env("DRIME_API_KEY", SecretText::new("from-env")),
        drime_workspace_id: env("DRIME_WORKSPACE_ID", "7".to_owned()),
        ..RawServe::default()
    }
}

#[test]
fn drime_without_a_config_takes_its_account_from_the_environment() {
    let found = serve(drime(None), &nowhere()).unwrap();
    assert_eq!(setting(&found, "api_key"), "from-env");
    assert_eq!(setting(&found, "workspace_id"), "7");
    assert!(!format!("{found:?}").contains("from-env"));
}

#[test]
fn the_environment_of_drime_changes_no_config_and_no_other_backend() {
    let (_dir, places) = configured("[a]\ntype = \"drime\"\napi_key = \"own\"\n");
    let found = serve(drime(flag("--backend-config", "a".to_owned())), &places).unwrap();
    assert_eq!(setting(&found, "api_key"), "own");
    assert!(!found.backend.settings.contains_key("workspace_id"));
    let local = RawServe {
        backend: None,
        ..drime(None)
    };
    let found = serve(local, &nowhere()).unwrap();
    assert!(!found.backend.settings.contains_key("api_key"));
}

#[test]
fn keys_of_the_file_stand_beside_that_of_the_flags_and_replace_the_default_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.toml");
    let text = "public = [\"site\"]\n[[key]]\naccess_key_id = \"a\"\nsecret_access_key = \"b\"\n";
    std::fs::write(&path, text).unwrap();
    let raw = |id: Option<&str>| RawServe {
        access_file: flag("--access-file", path.clone()),
        access_key_id: id.and_then(|id| flag("--access-key-id", id.to_owned())),
        ..RawServe::default()
    };
    let ids = |raw| {
        let found = serve(raw, &nowhere()).unwrap();
        let Access::Keys { pairs, public } = found.access else {
            panic!("authentication must be on")
        };
        assert_eq!(public.len(), 1);
        let ids: Vec<_> = pairs.into_iter().map(|pair| pair.id).collect();
        (ids.join(" "), found.default_key)
    };
    assert_eq!(ids(raw(None)), ("a".to_owned(), false));
    assert_eq!(ids(raw(Some("c"))), ("c a".to_owned(), true));
    let twice = serve(raw(Some("a")), &nowhere()).unwrap_err();
    assert_eq!(
        twice.to_string(),
        "--access-key-id: the access key \"a\" is in the file of keys, too"
    );
    // The secret of the file is not for the start-up text.
    assert_eq!(serve(raw(None), &nowhere()).unwrap().access_key.1, None);
    let missing = RawServe {
        access_file: flag("--access-file", dir.path().join("other")),
        ..RawServe::default()
    };
    let missing = serve(missing, &nowhere()).unwrap_err();
    assert_eq!(missing.to_string(), "--access-file: there is no such file");
}

#[test]
fn a_certificate_and_its_key_come_together_or_not_at_all() {
    let raw = |certificate: Option<&str>, key: Option<&str>| RawServe {
        tls_cert: certificate.and_then(|path| flag("--tls-cert", path.into())),
        tls_key: key.and_then(|path| flag("--tls-key", path.into())),
        ..RawServe::default()
    };
    let error = |raw| serve(raw, &nowhere()).unwrap_err().to_string();
    assert_eq!(serve(raw(None, None), &nowhere()).unwrap().tls, None);
    let both = serve(raw(Some("/a"), Some("/b")), &nowhere()).unwrap().tls;
    assert_eq!(both.unwrap().key, Path::new("/b"));
    assert_eq!(error(raw(Some("/a"), None)), "--tls-cert: needs --tls-key");
    assert_eq!(error(raw(None, Some("/b"))), "--tls-key: needs --tls-cert");
}

#[test]
fn nothing_secret_is_in_the_debug_output_of_what_was_resolved() {
    let (dir, places) = configured(
        "[mine]\ntype = \"mine\"\napi_key = \"hush-1\"\ntoken = \"hush-2\"\nenv = { TOKEN = \"hush-3\" }\n",
    );
    let keys = "[[key]]\naccess_key_id = \"a\"\nsecret_access_key = \"hush-4\"\n";
    std::fs::write(dir.path().join("access.toml"), keys).unwrap();
    let raw = RawServe {
        backend_config: flag("--backend-config", "mine".to_owned()),
        access_key_id: flag("--access-key-id", "b".to_owned()),
        secret_access_key: flag("--secret-access-key", SecretText::new("hush-5")),
        drime_api_key: env("DRIME_API_KEY", SecretText::new("hush-6")),
        ..RawServe::default()
    };
    let shown = format!("{raw:?}");
    assert!(!shown.contains("hush"), "{shown}");
    let found = serve(raw, &places).unwrap();
    assert_eq!(setting(&found, "token"), "hush-2");
    let shown = format!("{found:?} {:#?}", found.backend);
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn clients_are_told_a_key_that_may_write_where_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places {
        config: dir.path().into(),
        ..nowhere()
    };
    let key = |id: &str, more: &str| {
        format!("[[key]]\naccess_key_id = \"{id}\"\nsecret_access_key = \"s\"\n{more}")
    };
    let reader = key("reader", "read_only = true\n");
    let some = key("some", "buckets = [\"logs-*\"]\n");
    let told = |keys: &[&str]| {
        std::fs::write(dir.path().join("access.toml"), keys.concat()).unwrap();
        let raw = RawServe::default();
        serve(raw, &places).unwrap().access_key.0
    };
    assert_eq!(told(&[&reader, &some, &key("all", "")]), "all");
    assert_eq!(told(&[&reader, &some]), "some");
    assert_eq!(told(&[&reader]), "reader");
    assert_eq!(told(&[&key("one", ""), &key("two", "")]), "one");
}
