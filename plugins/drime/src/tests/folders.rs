//! Folders that people rename, move and delete, and names that do not fit.

use super::*;

/// The row of an entry with this name.
fn edit(fake: &Fake, name: &str, change: impl Fn(&mut Value)) {
    let mut account = fake.0.borrow_mut();
    let found = account.rows.iter_mut().find(|(row, _)| row["name"] == name);
    change(&mut found.unwrap().0);
}

/// The names from the bucket down to the file with these bytes.
fn path(fake: &Fake, bytes: &[u8]) -> String {
    let account = fake.0.borrow();
    let found = account.rows.iter().find(|(_, other)| other == bytes);
    let mut row = found.unwrap().0.clone();
    let mut names = Vec::new();
    while row["name"] != "bucket" {
        names.push(row["name"].as_str().unwrap().to_owned());
        let parent = account
            .rows
            .iter()
            .find(|(other, _)| other["id"] == row["parent_id"]);
        row = parent.unwrap().0.clone();
    }
    names.reverse();
    names.join("/")
}

#[test]
fn a_folder_that_was_renamed_gets_no_new_keys_for_long() {
    let (fake, drime) = started();
    put(&drime, "a/b/k", b"one", None).unwrap();
    for (renamed, bytes) in [("b", b"two".as_slice()), ("a", b"three")] {
        edit(&fake, renamed, |row| row["name"] = json!("elsewhere"));
        fake.1.set(fake.1.get() + 61_000);
        put(&drime, "a/b/l", bytes, None).unwrap();
        assert_eq!(path(&fake, bytes), "a/b/l");
    }
    assert!(matches!(get(&drime, "a/b/k", None), Err(Error::NoSuchKey)));
}

#[test]
fn folders_in_use_are_looked_at_now_and_then_and_not_for_each_object() {
    let (fake, drime) = started();
    put(&drime, "a/b/k", b"", None).unwrap();
    fake.1.set(fake.1.get() + 61_000);
    let before = asked(&fake, "drive/file-entries");
    let mut known = Vec::new();
    for n in 0..50 {
        known.push(put(&drime, &format!("a/b/{n}"), b"", None).unwrap());
    }
    assert_eq!(asked(&fake, "drive/file-entries") - before, 3);
    // So it is when what is known is deleted.
    fake.1.set(fake.1.get() + 61_000);
    for (n, known) in known.iter().enumerate() {
        now(drime.delete("bucket", &format!("a/b/{n}"), Some(known_of(known)))).unwrap();
    }
    assert_eq!(asked(&fake, "drive/file-entries") - before, 6);
    assert_eq!(fake.0.borrow().names(), ["k"]);
}

#[test]
fn objects_in_a_folder_that_was_renamed_outlive_writes_to_their_old_keys() {
    let (fake, drime) = started();
    let old = put(&drime, "a/k", b"old", None).unwrap();
    let other = put(&drime, "a/l", b"other", None).unwrap();
    edit(&fake, "a", |row| row["name"] = json!("elsewhere"));
    fake.1.set(fake.1.get() + 61_000);
    let new = put(&drime, "a/k", b"new", Some(&old)).unwrap();
    // Long after the new folder was made, too, and by one that knows nothing of that.
    fake.1.set(fake.1.get() + 300_000);
    put(&drime, "a/l", b"another", Some(&other)).unwrap();
    put(&open(&fake).unwrap(), "a/l", b"one more", Some(&other)).unwrap();
    assert_eq!(path(&fake, b"old"), "elsewhere/k");
    assert_eq!(path(&fake, b"other"), "elsewhere/l");
    // What is there is replaced all the same.
    put(&drime, "a/k", b"newest", Some(&new)).unwrap();
    let mut names = fake.0.borrow().names();
    names.sort();
    assert_eq!(names, ["k", "k", "l", "l"]);
}

#[test]
fn objects_in_a_folder_that_was_renamed_outlive_the_deletion_of_their_old_keys() {
    for is_made_anew in [false, true] {
        for is_many in [false, true] {
            let (fake, drime) = started();
            let old = put(&drime, "a/k", b"old", None).unwrap();
            edit(&fake, "a", |row| row["name"] = json!("elsewhere"));
            fake.1.set(fake.1.get() + 61_000);
            if is_made_anew {
                put(&drime, "a/l", b"new", None).unwrap();
            }
            if is_many {
                let deletions = [("a/k".to_owned(), Some(known_of(&old)))];
                let answers = now(drime.delete_many("bucket", &deletions)).unwrap();
                assert_eq!(answers, [Ok(())]);
            } else {
                now(drime.delete("bucket", "a/k", Some(known_of(&old)))).unwrap();
            }
            assert_eq!(path(&fake, b"old"), "elsewhere/k");
        }
    }
}

#[test]
fn what_was_moved_into_a_new_folder_is_replaced_and_deleted_there() {
    let (fake, drime) = started();
    let old = put(&drime, "k", b"old", None).unwrap();
    put(&drime, "a/l", b"", None).unwrap();
    let folder = fake
        .0
        .borrow()
        .rows
        .iter()
        .find(|(row, _)| row["name"] == "a")
        .unwrap()
        .0["id"]
        .clone();
    edit(&fake, "k", |row| row["parent_id"] = folder.clone());
    let drime = open(&fake).unwrap();
    let new = put(&drime, "a/k", b"new", Some(&old)).unwrap();
    assert_eq!(fake.0.borrow().names(), ["l", "k"]);
    now(drime.delete("bucket", "a/k", Some(known_of(&new)))).unwrap();
    assert_eq!(fake.0.borrow().names(), ["l"]);
}

#[test]
fn a_root_folder_that_is_gone_is_one_clear_error() {
    let (fake, drime) = started();
    put(&drime, "k", b"", None).unwrap();
    fake.1.set(fake.1.get() + 61_000);
    let gone = || Trick::Status(404, json!({"message": "No query results"}));
    let all = (0..4).map(|_| ("drive/file-entries", gone()));
    fake.0.borrow_mut().tricks.extend(all);
    let stored = put(&drime, "l", b"", None);
    assert!(
        matches!(&stored, Err(Error::Unavailable(why)) if why.contains("back/s3")),
        "{stored:?}"
    );
    // When it is back all is as it was.
    put(&drime, "l", b"", None).unwrap();
}

#[test]
fn long_names_that_differ_in_case_alone_are_two_objects() {
    let (fake, drime) = started();
    fake.0.borrow_mut().ignores_case = true;
    let keys = ["x".repeat(400), "X".repeat(400)];
    let deep = keys.clone().map(|key| format!("dir/{key}/k"));
    let keys: Vec<String> = keys.into_iter().chain(deep).collect();
    for key in &keys {
        put(&drime, key, key.as_bytes(), None).unwrap();
    }
    let other = open(&fake).unwrap();
    for drime in [&drime, &other] {
        for key in &keys {
            assert_eq!(get(drime, key, None).unwrap(), key.as_bytes());
        }
        let query = Query {
            limit: 1000,
            ..Query::default()
        };
        let page = now(drime.walk("bucket", &query)).unwrap();
        let listed: BTreeSet<String> = page.entries.into_iter().map(|item| item.key).collect();
        assert_eq!(listed, keys.iter().cloned().collect());
    }
}
