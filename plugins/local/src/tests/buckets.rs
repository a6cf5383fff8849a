use super::*;
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn a_bucket_is_a_directory_with_objects_in_it() {
    let store = Store::buckets(Layout::Objects);
    fs::create_dir(store.path("stranger")).unwrap();
    let names: Vec<String> = now(store.local.list_buckets())
        .unwrap()
        .into_iter()
        .map(|bucket| bucket.name)
        .collect();
    assert_eq!(names, ["bucket"]);
    assert_eq!(
        now(store.local.stat_bucket("stranger")),
        Err(Error::NoSuchBucket)
    );
    assert_eq!(store.tree(), ["bucket/", "bucket/objects/", "stranger/"]);
}

#[test]
fn in_the_plain_layout_every_directory_with_a_legal_name_is_a_bucket() {
    let store = Store::buckets(Layout::Plain);
    for name in ["other", "Not-Legal", "no", ".pys3local"] {
        fs::create_dir(store.path(name)).unwrap();
    }
    fs::write(store.path("file"), b"").unwrap();
    let mut names: Vec<String> = now(store.local.list_buckets())
        .unwrap()
        .into_iter()
        .map(|bucket| bucket.name)
        .collect();
    names.sort();
    assert_eq!(names, ["bucket", "other"]);
    assert_eq!(
        now(store.local.stat_bucket("file")),
        Err(Error::NoSuchBucket)
    );
}

#[test]
fn directories_that_are_no_buckets_are_named_but_not_without_end() {
    let store = Store::buckets(Layout::Plain);
    let told = |store: &Store| now(store.local.no_buckets()).unwrap();
    for name in [".pys3local", "lost+found", "legal"] {
        fs::create_dir(store.path(name)).unwrap();
    }
    fs::write(store.path("A File"), b"").unwrap();
    symlink("A File", store.path("to-a-file")).unwrap();
    symlink("nowhere", store.path("to-nothing")).unwrap();
    assert_eq!(told(&store), None);
    fs::create_dir(store.path("Pictures")).unwrap();
    symlink("legal", store.path("link")).unwrap();
    let text = told(&store).unwrap();
    assert!(text.ends_with(r#": "Pictures", "link""#), "{text}");
    for name in 0..20 {
        fs::create_dir(store.path(&format!("No {name:02}\n"))).unwrap();
    }
    let text = told(&store).unwrap();
    let end = r#": "No 00\n", "No 01\n", "No 02\n", "No 03\n", "No 04\n" and 17 more"#;
    assert!(text.ends_with(end), "{text}");

    let store = Store::buckets(Layout::Objects);
    fs::create_dir(store.path("Pictures")).unwrap();
    assert_eq!(told(&store), None);
}

#[test]
fn a_bucket_is_made_once() {
    for layout in [Layout::Objects, Layout::Plain] {
        let store = Store::buckets(layout);
        assert_eq!(
            now(store.local.create_bucket("bucket")),
            Err(Error::AlreadyExists)
        );
        assert!(matches!(
            now(store.local.create_bucket("../up")),
            Err(Error::InvalidName(_))
        ));
    }
}

#[test]
fn no_bucket_is_made_where_something_else_is_in_the_way() {
    for layout in [Layout::Objects, Layout::Plain] {
        let store = Store::buckets(layout);
        let refused = |name| {
            let made = now(store.local.create_bucket(name));
            assert!(matches!(made, Err(Error::InvalidName(_))), "{made:?}");
            let stat = now(store.local.stat_bucket(name));
            assert_eq!(stat, Err(Error::NoSuchBucket));
        };
        fs::write(store.path("file"), b"").unwrap();
        symlink("nowhere", store.path("leads-nowhere")).unwrap();
        refused("file");
        refused("leads-nowhere");
        if layout == Layout::Objects {
            fs::create_dir(store.path("inside")).unwrap();
            fs::write(store.path("inside/objects"), b"").unwrap();
            refused("inside");
            fs::remove_file(store.path("inside/objects")).unwrap();
            now(store.local.create_bucket("inside")).unwrap();
        }
    }
}

#[test]
fn a_bucket_with_an_object_stays() {
    for layout in [Layout::Objects, Layout::Plain] {
        let store = Store::buckets(layout);
        store.put("a/b", b"content");
        assert_eq!(
            now(store.local.delete_bucket("bucket")),
            Err(Error::NotEmpty)
        );
        assert_eq!(store.get("a/b").unwrap(), b"content");
        store.delete("a/b");
        assert_eq!(now(store.local.delete_bucket("bucket")), Ok(()));
        assert_eq!(
            now(store.local.delete_bucket("bucket")),
            Err(Error::NoSuchBucket)
        );
        assert_eq!(store.tree(), [""; 0]);
    }
}

#[test]
fn empty_directories_do_not_keep_a_bucket_but_any_file_does() {
    let store = Store::buckets(Layout::Objects);
    fs::create_dir_all(store.path("bucket/objects/left/over")).unwrap();
    fs::write(store.path("bucket/notes.txt"), b"").unwrap();
    assert_eq!(
        now(store.local.delete_bucket("bucket")),
        Err(Error::NotEmpty)
    );
    assert!(store.path("bucket/objects/left/over").exists());
    fs::rename(
        store.path("bucket/notes.txt"),
        store.path("bucket/objects/x%%d"),
    )
    .unwrap();
    assert_eq!(
        now(store.local.delete_bucket("bucket")),
        Err(Error::NotEmpty)
    );
    fs::remove_file(store.path("bucket/objects/x%%d")).unwrap();
    assert_eq!(now(store.local.delete_bucket("bucket")), Ok(()));
    assert_eq!(store.tree(), [""; 0]);
}

#[test]
fn the_only_bucket_of_default_bucket_mode_is_the_root() {
    let store = Store::single();
    assert_eq!(now(store.local.stat_bucket("")).unwrap().name, "");
    assert_eq!(now(store.local.delete_bucket("")), Err(Error::NotEmpty));
    assert_eq!(
        now(store.local.stat_bucket("bucket")),
        Err(Error::NoSuchBucket)
    );
}
