use super::*;
use crate::service::index::{End, Folder, Found, Fresh, IndexCache, TailPage};
use crate::service::ports::{Cache, StoreListQuery};

const EVER: Fresh = Fresh {
    since: None,
    now: Timestamp(i64::MAX),
};

fn told(key_: &str, id: u64) -> (ObjectKey, Row) {
    let row = Row {
        state: ObjectState {
            id: id.to_string(),
            version: format!("v{id}"),
        },
        etag: None,
        checksum: None,
        ..row(id)
    };
    (key(key_), row)
}

fn found(entries: &[(&str, u64)], folders: &[&str], end: End) -> Found {
    Found {
        entries: entries.iter().map(|(key, id)| told(key, *id)).collect(),
        folders: folders.iter().map(|name| (*name).to_owned()).collect(),
        end,
    }
}

fn query(prefix: &str, shallow: bool, after: Option<&str>, limit: u16) -> StoreListQuery {
    StoreListQuery {
        prefix: prefix.into(),
        after: after.map(str::to_owned),
        shallow,
        limit,
    }
}

async fn items(cache: &NamespaceCache, query: &StoreListQuery) -> (Vec<String>, bool) {
    let (page, _) = cache.index_page(&Bucket::Root, query, EVER).await.unwrap();
    let keys = page.entries.iter().map(|(key, _)| key.to_string());
    let mut items: Vec<String> = keys.chain(page.prefixes).collect();
    items.sort();
    (items, page.more)
}

#[tokio::test]
async fn what_was_told_and_refused_is_not_expected_again_however_many_pages_ago_that_was() {
    let (directory, cache) = fresh();
    cache.open_index(&Bucket::Root).await.unwrap();
    for (at, id) in [("f/a", 1), ("f/b", 2)] {
        let row = told(at, id).1;
        let settled = cache.settle(&Bucket::Root, &key(at), row, false).await;
        settled.unwrap();
    }
    cache.forget(&Bucket::Root, &[&key("f/a")]).await.unwrap();
    let began = Timestamp::now();
    cache.begin_run(&Bucket::Root, "f/", began).await.unwrap();
    let apply = async |cache: &NamespaceCache, page| {
        let applied = cache.apply_run(&Bucket::Root, "f/", began, page).await;
        applied.unwrap().unwrap().refused
    };
    let first = found(&[("f/a", 1)], &[], End::More("2".into()));
    assert_eq!(apply(&cache, first).await, 1);
    drop(cache);
    let cache = open(directory.path()).unwrap().namespace(&LOCAL).unwrap();
    let end = TailPage {
        cursor: "2".into(),
        before: None,
        told: 2,
    };
    let last = found(&[("f/b", 2), ("f/c", 3)], &[], End::Whole(Some(end)));
    assert_eq!(apply(&cache, last).await, 0);
    let folder = cache.folder(&Bucket::Root, "f/").await.unwrap().unwrap();
    assert_eq!(folder.tail.unwrap().surplus, -1);
}

#[tokio::test]
async fn pages_of_an_index_are_ranges_of_its_rows() {
    let (_directory, cache) = fresh();
    for at in ["a", "b/1", "b/2/x", "b/2/y", "b0", "c/1", "d"] {
        let row = told(at, 7).1;
        cache
            .settle(&Bucket::Root, &key(at), row, false)
            .await
            .unwrap();
    }
    let all = ["a", "b/1", "b/2/x", "b/2/y", "b0", "c/1", "d"];
    let cases: [(StoreListQuery, &[&str], bool); 9] = [
        (query("", false, None, 10), &all, false),
        (query("", false, None, 7), &all, false),
        (query("", false, None, 3), &all[..3], true),
        (query("", false, Some("b/2/x"), 2), &["b/2/y", "b0"], true),
        (
            query("", true, None, 10),
            &["a", "b/", "b0", "c/", "d"],
            false,
        ),
        (query("", true, None, 2), &["a", "b/"], true),
        (query("", true, Some("b/"), 2), &["b0", "c/"], true),
        (query("b/", true, None, 10), &["b/1", "b/2/"], false),
        (query("b", false, Some("b/2/y"), 10), &["b0"], false),
    ];
    for (query, expected, more) in cases {
        let (found, has_more) = items(&cache, &query).await;
        assert_eq!(
            (found.as_slice(), has_more),
            (&expected.map_owned()[..], more),
            "{query:?}"
        );
    }
}

#[tokio::test]
async fn a_page_depends_on_the_folder_of_what_comes_behind_it() {
    let (_directory, cache) = fresh();
    cache.open_index(&Bucket::Root).await.unwrap();
    for at in ["a", "b/1", "c/1"] {
        let row = told(at, 7).1;
        let settled = cache.settle(&Bucket::Root, &key(at), row, false).await;
        settled.unwrap();
    }
    let began = Timestamp::now();
    cache.begin_run(&Bucket::Root, "", began).await.unwrap();
    let whole = found(&[("a", 7)], &["b/", "c/"], End::Whole(None));
    let applied = cache.apply_run(&Bucket::Root, "", began, whole).await;
    assert!(applied.unwrap().is_some());
    let stale = async |shallow, limit| {
        let query = query("", shallow, None, limit);
        let page = cache.index_page(&Bucket::Root, &query, EVER).await.unwrap();
        page.1
    };
    assert_eq!(stale(false, 1).await, ["b/"]);
    assert_eq!(stale(false, 2).await, ["b/", "c/"]);
    assert!(stale(true, 1).await.is_empty());
}

trait MapOwned {
    fn map_owned(&self) -> Vec<String>;
}

impl MapOwned for &[&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[tokio::test]
async fn a_run_survives_a_restart_with_what_was_written_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let began = Timestamp(1_000);
    let bucket = Bucket::Root;
    {
        let cache = open(directory.path()).unwrap().namespace(&LOCAL).unwrap();
        cache.open_index(&bucket).await.unwrap();
        cache.begin_run(&bucket, "", began).await.unwrap();
        let page = found(&[("a", 1), ("b", 2)], &["dir/"], End::More("next".into()));
        let applied = cache.apply_run(&bucket, "", began, page).await.unwrap();
        assert_eq!(applied.map(|applied| applied.new), Some(2));
        cache
            .settle(&bucket, &key("own"), row(9), false)
            .await
            .unwrap();
        cache.forget(&bucket, &[&key("b")]).await.unwrap();
    }
    let cache = open(directory.path()).unwrap().namespace(&LOCAL).unwrap();
    cache.open_index(&bucket).await.unwrap();
    let folder = cache.folder(&bucket, "").await.unwrap().unwrap();
    let run = folder.run.unwrap();
    assert_eq!((run.began, run.cursor.as_deref()), (began, Some("next")));
    assert_eq!(cache.unscanned(&bucket, 9).await.unwrap(), ["", "dir/"]);
    // An older page, told late: it knows nothing of what was written and deleted.
    let tail = TailPage {
        cursor: "last".into(),
        before: None,
        told: 2,
    };
    let page = found(&[("b", 2), ("c", 3)], &[], End::Whole(Some(tail)));
    cache.apply_run(&bucket, "", began, page).await.unwrap();
    let (keys, _) = items(&cache, &query("", false, None, 10)).await;
    assert_eq!(keys, ["a", "c", "own"]);
    let own = cache.object(&bucket, &key("own")).await.unwrap().row;
    assert_eq!(own, Some(row(9)));
    let folder = cache.folder(&bucket, "").await.unwrap().unwrap();
    assert_eq!((folder.confirmed, folder.run), (Some(began), None));
    assert_eq!(folder.tail.map(|tail| tail.surplus), Some(2 - 4 - 1));
    assert_eq!(cache.unscanned(&bucket, 9).await.unwrap(), ["dir/"]);
    assert_eq!(
        cache.unfinished_indexes().await.unwrap(),
        std::slice::from_ref(&bucket)
    );
    cache.drop_index(&bucket).await.unwrap();
    assert!(cache.unfinished_indexes().await.unwrap().is_empty());
    let counts = cache.index_counts(&bucket).await.unwrap();
    assert_eq!((counts.folders, counts.rows), (0, 3));
}

#[tokio::test]
async fn what_was_learned_about_an_object_outlasts_a_scan_of_the_same_object() {
    let (_directory, cache) = fresh();
    let bucket = Bucket::Root;
    cache.open_index(&bucket).await.unwrap();
    let mut known = told("k", 5).1;
    known.etag = row(5).etag;
    cache
        .settle(&bucket, &key("k"), known.clone(), false)
        .await
        .unwrap();
    let whole = |id| found(&[("k", id)], &[], End::Whole(None));
    // Long after it was written.
    let later = Timestamp::now() + std::time::Duration::from_mins(10);
    for (began, id) in [(1, 5), (2, 6)] {
        let began = Timestamp(later.0 + began);
        cache.begin_run(&bucket, "", began).await.unwrap();
        cache
            .apply_run(&bucket, "", began, whole(id))
            .await
            .unwrap();
        let found = cache.object(&bucket, &key("k")).await.unwrap().row;
        let same = found.as_ref() == Some(&known);
        assert_eq!(same, id == 5, "{found:?}");
    }
    // Another run has taken over.
    let stale = cache.apply_run(&bucket, "", Timestamp(1), whole(7)).await;
    assert_eq!(stale.unwrap(), None);
    assert_ne!(
        cache.folder(&bucket, "").await.unwrap(),
        Some(Folder::default())
    );
}

#[tokio::test]
async fn the_youngest_object_without_a_tag_is_one_of_the_folder_itself() {
    let (_directory, cache) = fresh();
    let untagged = [("a", 3), ("b/1", 9), ("b/2/x", 9), ("c", 5), ("d/e", 9)];
    for (at, time) in untagged {
        let row = Row {
            modified: Timestamp(time),
            ..told(at, 7).1
        };
        let at = key(at);
        let settled = cache.settle(&Bucket::Root, &at, row, false);
        settled.await.unwrap();
    }
    let tagged = Row {
        modified: Timestamp(20),
        ..row(7)
    };
    let last = key("z");
    let settled = cache.settle(&Bucket::Root, &last, tagged, false);
    settled.await.unwrap();
    for (folder, time) in [
        ("", Some(5)),
        ("b/", Some(9)),
        ("b/2/", Some(9)),
        ("e/", None),
    ] {
        let found = cache.youngest_untagged(&Bucket::Root, folder).await;
        assert_eq!(found.unwrap(), time.map(Timestamp), "{folder}");
    }
}
