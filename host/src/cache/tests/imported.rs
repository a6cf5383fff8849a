use super::*;
use crate::service::ports::{Cache, Lesson};
use rusqlite::Connection;
use std::fs;
use std::path::PathBuf;

/// Written by the Python program, see `fixtures/make.py`.
const OLD: &[u8] = include_bytes!("fixtures/python-0.2.1.db");

const DRIME: NamespaceBinding<'_> = NamespaceBinding {
    component: "drime",
    name: "drime:7/1465/0",
    label: Some(1465),
};

fn with_old_database() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("metadata.db"), OLD).unwrap();
    directory
}

fn imported() -> (tempfile::TempDir, SqliteCache) {
    let directory = with_old_database();
    let cache = open(directory.path()).unwrap();
    (directory, cache)
}

fn backups(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_backup = |path: &PathBuf| path.to_str().unwrap().contains("metadata.db.python-");
    entries.filter(is_backup).collect()
}

/// All rows of a query as text.
fn rows(db: &Connection, sql: &str) -> Vec<Vec<String>> {
    let mut statement = db.prepare(sql).unwrap();
    let columns = statement.column_count();
    let text = |row: &rusqlite::Row<'_>| {
        (0..columns)
            .map(|n| {
                row.get::<_, rusqlite::types::Value>(n)
                    .map(|value| format!("{value:?}"))
            })
            .collect()
    };
    let rows = statement.query_map([], text).unwrap();
    rows.map(Result::unwrap).collect()
}

fn columns(db: &Connection, table: &str) -> Vec<Vec<String>> {
    rows(
        db,
        &format!("SELECT name FROM pragma_table_info('{table}')"),
    )
}

#[test]
fn the_views_have_the_columns_and_the_rows_of_the_old_tables() {
    let (directory, cache) = imported();
    let old = Connection::open(&backups(directory.path())[0]).unwrap();
    let new = Connection::open(directory.path().join("metadata.db")).unwrap();
    for table in ["drime_files", "local_objects"] {
        assert_eq!(columns(&new, table), columns(&old, table));
    }
    // One tag is no MD5, and an overwritten entry has kept only the time at which it was made.
    let drime = "SELECT file_entry_id, workspace_id, md5_hash, file_size, bucket_name, object_key,
                        created_at FROM drime_files WHERE md5_hash NOT LIKE '________-%' ORDER BY 1";
    let entries = rows(&new, drime);
    assert_eq!(entries.len(), 42);
    assert_eq!(entries, rows(&old, drime));
    let local = "SELECT bucket_name, object_key, size, etag, content_type, storage_class
                 FROM local_objects WHERE etag <> 'not-an-md5' ORDER BY 1, 2";
    assert_eq!(rows(&new, local), rows(&old, local));
    let local = "SELECT object_key, last_modified, metadata FROM local_objects ORDER BY 1";
    let text = |text: &str| format!("Text({text:?})");
    let expected = [
        [
            "cat.jpg",
            "2025-12-16T16:40:00+00:00",
            r#"{"owner":"me","note":"ü \"q\""}"#,
        ],
        ["deep/er/data.bin", "2025-12-16T16:46:57.111257+00:00", "{}"],
        ["hello.txt", "2025-12-16T16:38:11.801768+00:00", "{}"],
    ];
    assert_eq!(
        rows(&new, local),
        expected.map(|row| row.map(text).to_vec())
    );
    let ids = rows(
        &new,
        "SELECT count(DISTINCT id), count(*) FROM local_objects",
    );
    assert_eq!(ids, [["Integer(3)", "Integer(3)"]]);
    drop(cache);
}

#[test]
fn the_views_show_what_is_put_today_in_the_old_format() {
    let (directory, cache) = fresh();
    let mut settled = row(3);
    settled.metadata = everything();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        cache
            .settle(&bucket("photos"), &key("k"), settled, false)
            .await
            .unwrap();
    });
    let db = Connection::open(directory.path().join("metadata.db")).unwrap();
    let found = rows(&db, "SELECT * FROM local_objects");
    insta::assert_snapshot!(found[0].join("\n"), @r#"
    Integer(1)
    Text("photos")
    Text("k")
    Integer(3)
    Text("03030303030303030303030303030303")
    Text("2023-11-14T22:13:20.123456+00:00")
    Text("text/plain; charset=utf-8")
    Text("{\"zeta\":\"ü \\\"quoted\\\"\",\"alpha\":\"\"}")
    Text("STANDARD")
    "#);
    assert!(rows(&db, "SELECT * FROM drime_files").is_empty());
}

#[test]
fn nobody_can_write_through_the_views() {
    let (directory, _cache) = imported();
    let db = Connection::open(directory.path().join("metadata.db")).unwrap();
    for sql in [
        "DELETE FROM drime_files",
        "UPDATE local_objects SET size = 0",
    ] {
        assert!(db.execute(sql, []).is_err(), "{sql}");
    }
}

#[test]
fn the_old_database_is_kept_and_opened_once_however_many_open_it() {
    let directory = with_old_database();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| open(directory.path()).unwrap());
        }
    });
    let backups = backups(directory.path());
    assert_eq!(backups.len(), 1, "{backups:?}");
    let old = Connection::open(&backups[0]).unwrap();
    let kinds = "SELECT type, name FROM sqlite_schema WHERE type = 'table' ORDER BY 2";
    let kinds = rows(&old, kinds);
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    assert_eq!(
        rows(&old, "SELECT count(*) FROM drime_files"),
        [["Integer(43)"]]
    );
    assert_eq!(
        rows(&old, "SELECT count(*) FROM local_objects"),
        [["Integer(4)"]]
    );
}

#[tokio::test]
async fn a_store_finds_imported_rows_and_takes_over_those_that_fit() {
    let (directory, database) = imported();
    let local = database.namespace(&LOCAL).unwrap();
    let at = key("cat.jpg");
    let photos = bucket("photos");
    let found = local.object(&photos, &at).await.unwrap().row.unwrap();
    assert_eq!(found.state, ObjectState::default());
    assert_eq!(found.metadata.content_type.as_deref(), Some("image/jpeg"));
    let user = [("owner", "me"), ("note", "ü \"q\"")];
    assert_eq!(
        found.metadata.user,
        user.map(|(k, v)| (k.to_owned(), v.to_owned()))
    );
    assert_eq!(
        local.objects(&photos, &[&at]).await.unwrap()[0].row,
        Some(found.clone())
    );

    let row = Row {
        state: row(3).state,
        ..found.clone()
    };
    let lesson = Lesson {
        key: at.clone(),
        expected: Some(found),
        row: row.clone(),
        portable: false,
    };
    assert!(local.learn(&photos, vec![lesson.clone()]).await.unwrap());
    assert_eq!(local.object(&photos, &at).await.unwrap().row, Some(row));
    // It is no longer there for another store, and it cannot be learned twice.
    let other = NamespaceBinding {
        name: "local:/srv/other",
        ..LOCAL
    };
    let other = database.namespace(&other).unwrap();
    assert_eq!(other.object(&photos, &at).await.unwrap().row, None);
    assert!(!other.learn(&photos, vec![lesson]).await.unwrap());
    // In all there is still one entry.
    let db = Connection::open(directory.path().join("metadata.db")).unwrap();
    let entries = "SELECT count(*) FROM local_objects WHERE object_key = 'cat.jpg'";
    assert_eq!(rows(&db, entries), [["Integer(1)"]]);
}

#[tokio::test]
async fn a_row_without_a_tag_keeps_its_metadata() {
    let (_directory, database) = imported();
    let local = database.namespace(&LOCAL).unwrap();
    let found = local
        .object(&bucket("photos"), &key("no-tag"))
        .await
        .unwrap()
        .row
        .unwrap();
    assert_eq!(found.etag, None);
    assert_eq!(found.metadata.user, [("kept".to_owned(), "yes".to_owned())]);
}

#[tokio::test]
async fn imported_rows_belong_to_stores_of_their_type_and_workspace() {
    let (_directory, database) = imported();
    let at = key("config");
    let backup = bucket("backup");
    let drime = database.namespace(&DRIME).unwrap();
    assert_eq!(drime.object(&backup, &at).await.unwrap().row, None);
    let found = drime
        .object(&Bucket::Root, &key("data/07"))
        .await
        .unwrap()
        .row
        .unwrap();
    assert_eq!(found.state.id, "1007");
    let personal = NamespaceBinding {
        name: "drime:7/0/0",
        label: None,
        ..DRIME
    };
    let personal = database.namespace(&personal).unwrap();
    assert!(personal.object(&backup, &at).await.unwrap().row.is_some());
    let local = database.namespace(&LOCAL).unwrap();
    assert_eq!(local.object(&backup, &at).await.unwrap().row, None);
}

#[tokio::test]
async fn a_lesson_about_a_row_that_has_changed_or_has_an_intent_is_not_learned() {
    let (_directory, cache) = fresh();
    let at = key("a");
    let lesson = |expected: Option<Row>| Lesson {
        key: at.clone(),
        expected,
        row: row(9),
        portable: false,
    };
    let learn = async |lesson| cache.learn(&Bucket::Root, vec![lesson]).await.unwrap();
    cache
        .settle(&Bucket::Root, &at, row(1), false)
        .await
        .unwrap();
    assert!(!learn(lesson(None)).await);
    assert!(!learn(lesson(Some(row(2)))).await);
    cache
        .announce(&Bucket::Root, &at, intent(&row(5)))
        .await
        .unwrap();
    assert!(!learn(lesson(Some(row(1)))).await);
    cache.withdraw(&Bucket::Root, &at).await.unwrap();
    assert!(learn(lesson(Some(row(1)))).await);
    assert_eq!(
        cache.object(&Bucket::Root, &at).await.unwrap().row,
        Some(row(9))
    );
}

#[tokio::test]
async fn a_store_with_other_bytes_leaves_an_imported_row_to_others() {
    let (_directory, database) = imported();
    let at = key("hello.txt");
    let local = database.namespace(&LOCAL).unwrap();
    let found = local.object(&Bucket::Root, &at).await.unwrap().row;
    let lesson = Lesson {
        key: at.clone(),
        expected: found.clone(),
        row: row(5),
        portable: false,
    };
    assert!(local.learn(&Bucket::Root, vec![lesson]).await.unwrap());
    let other = NamespaceBinding {
        name: "local:/srv/other",
        ..LOCAL
    };
    let other = database.namespace(&other).unwrap();
    assert_eq!(other.object(&Bucket::Root, &at).await.unwrap().row, found);
}
