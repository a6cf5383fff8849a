//! Pages, orders, filters, and what makes them hard to trust.

use crate::client::Client;
use base64::Engine;
use drime_sim::{Clock, Options, Paging, Switches, UnknownFolder};
use serde_json::json;
use std::time::Duration;

async fn start() -> Client {
    let options = Options {
        clock: Clock::frozen(),
        ..Options::default()
    };
    Client::start(options).await
}

/// A folder of files `000`, `001` and so on, each a second younger than the last.
async fn filled(client: &Client, files: usize) -> i64 {
    let folder = client.folder(None, "many").await;
    for n in 0..files {
        client.sim.clock().advance(Duration::from_secs(1));
        client
            .sim
            .seed_file(Some(folder), &format!("{n:03}"), b"x")
            .unwrap();
    }
    folder
}

#[tokio::test]
async fn pages_are_capped_and_tell_only_of_the_next() {
    let client = start().await;
    client.sim.switch(|switches| switches.page_cap = 20);
    let folder = filled(&client, 45).await;
    let mut seen = Vec::new();
    for (page, rows, last, total) in [(1, 20, 2, 40), (2, 20, 3, 45), (3, 5, 3, 45)] {
        let path = format!("/drive/file-entries?folderId={folder}&perPage=1000&page={page}");
        let json = client.get(&path).await.ok().json();
        assert_eq!(json["data"].as_array().unwrap().len(), rows);
        assert_eq!(
            (&json["last_page"], &json["total"]),
            (&json!(last), &json!(total))
        );
        assert_eq!(
            (&json["per_page"], &json["current_page"]),
            (&json!(20), &json!(page))
        );
        assert_eq!(json["from"], (page - 1) * 20 + 1);
        let names = json["data"].as_array().unwrap().iter();
        seen.extend(names.map(|row| row["name"].as_str().unwrap().to_owned()));
    }
    let newest_first: Vec<String> = (0..45).rev().map(|n| format!("{n:03}")).collect();
    assert_eq!(seen, newest_first);
    client
        .sim
        .switch(|switches| switches.paging = Paging::TrueTotals);
    let json = client
        .get(&format!(
            "/drive/file-entries?parentIds={folder}&perPage=1000"
        ))
        .await;
    assert_eq!(json.json()["last_page"], 3);
    let beyond = client
        .get(&format!("/drive/file-entries?folderId={folder}&page=9"))
        .await
        .json();
    assert_eq!(
        (&beyond["data"], &beyond["from"]),
        (&json!([]), &json!(null))
    );
    let default = client
        .get(&format!("/drive/file-entries?folderId={folder}"))
        .await
        .json();
    assert_eq!(default["per_page"], 20);
}

#[tokio::test]
async fn behind_the_ceiling_the_last_page_comes_again() {
    let client = start().await;
    client
        .sim
        .switch(|switches| (switches.page_cap, switches.page_ceiling) = (10, Some(2)));
    let folder = filled(&client, 35).await;
    let list = format!("/drive/file-entries?folderId={folder}&orderBy=created_at&orderDir=asc");
    let page = client.get(&format!("{list}&page=3")).await.ok().json();
    assert_eq!(page["current_page"], 2);
    assert_eq!(page["last_page"], 3);
    let row = &page["data"][9];
    assert_eq!(row["name"], "019");
    // From the last row on there are new pages.
    let filter = json!([{"key": "created_at", "operator": ">=", "value": row["created_at"]}]);
    let filter = base64::engine::general_purpose::STANDARD.encode(filter.to_string());
    let filter = percent_encoding::utf8_percent_encode(&filter, percent_encoding::NON_ALPHANUMERIC);
    let page = client
        .get(&format!("{list}&page=2&filters={filter}"))
        .await
        .ok()
        .json();
    assert_eq!(page["data"][5]["name"], "034");
    assert_eq!(page["last_page"], 2);
}

#[tokio::test]
async fn rows_come_in_the_order_that_was_asked_for() {
    let client = start().await;
    let folder = client.folder(None, "f").await;
    for (name, size) in [("b", 1), ("c", 3), ("a", 2)] {
        client.sim.clock().advance(Duration::from_secs(1));
        client.upload(folder, name, &vec![0; size]).await.ok();
    }
    let list = |order: &str| format!("folderId={folder}&{order}");
    assert_eq!(
        client.names(&list("orderBy=name&orderDir=asc")).await,
        ["a", "b", "c"]
    );
    assert_eq!(
        client.names(&list("orderBy=file_size&orderDir=desc")).await,
        ["c", "a", "b"]
    );
    assert_eq!(
        client.names(&list("orderBy=created_at&orderDir=asc")).await,
        ["b", "c", "a"]
    );
    let c = client.sim.find("f/c")[0];
    client.sim.clock().advance(Duration::from_secs(1));
    client
        .change(c, json!({"description": "touched"}))
        .await
        .ok();
    assert_eq!(client.names(&list("")).await, ["c", "a", "b"]);
    let count = client
        .get(&format!("/folders/{folder}/count"))
        .await
        .ok()
        .json();
    assert_eq!(count["count"], 3);
}

#[tokio::test]
async fn an_unknown_folder_is_not_found_or_the_root() {
    let client = start().await;
    client.folder(None, "f").await;
    let list = "/drive/file-entries?folderId=5";
    let reply = client.get(list).await;
    assert_eq!(reply.status, 404);
    let message = "No query results for model [App\\FileEntry] 5";
    assert_eq!(reply.json()["message"], message);
    client
        .sim
        .switch(|switches| switches.unknown_folder = UnknownFolder::Root);
    assert_eq!(client.names("folderId=5").await, ["f"]);
}

#[tokio::test]
async fn an_unscoped_listing_is_of_the_root_or_of_everything() {
    let client = start().await;
    let folder = client.folder(None, "f").await;
    client.upload(folder, "deep", b"").await.ok();
    assert_eq!(client.names("page=1").await, ["f"]);
    assert_eq!(client.names("page=1&parentIds=0").await, ["f"]);
    client
        .sim
        .switch(|switches| switches.unscoped_lists_all = true);
    assert_eq!(
        client.names("page=1&orderBy=name&orderDir=asc").await,
        ["deep", "f"]
    );
    assert_eq!(client.names("page=1&parentIds=0").await, ["f"]);
}

#[tokio::test]
async fn trashed_rows_are_listed_where_they_are_asked_for_or_switched_on() {
    let client = start().await;
    let folder = client.folder(None, "f").await;
    let id = client.upload(folder, "a", b"").await.id();
    client
        .post("/file-entries/delete", json!({"entryIds": [id]}))
        .await
        .ok();
    let list = format!("folderId={folder}");
    assert!(client.names(&list).await.is_empty());
    assert_eq!(client.names("deletedOnly=true").await, ["a"]);
    client.sim.switch(|switches| switches.list_trashed = true);
    let page = client
        .get(&format!("/drive/file-entries?{list}"))
        .await
        .json();
    assert!(page["data"][0]["deleted_at"].is_string());
    assert_eq!(page["data"][0]["is_deleted"], 1);
}

#[tokio::test]
async fn listings_lag_behind_creation_deletion_and_renaming() {
    let switches = Switches {
        create_lag: 1000,
        delete_lag: 1000,
        rename_lag: 1000,
        ..Switches::default()
    };
    let client = Client::start(Options {
        switches,
        clock: Clock::frozen(),
        ..Options::default()
    })
    .await;
    let wait = || client.sim.clock().advance(Duration::from_secs(1));
    let folder = client.folder(None, "f").await;
    let list = format!("/drive/file-entries?folderId={folder}");
    assert_eq!(client.get(&list).await.status, 404);
    wait();
    assert_eq!(client.get(&list).await.status, 200);

    let id = client.upload(folder, "a", b"").await.id();
    let list = format!("folderId={folder}");
    assert!(client.names(&list).await.is_empty());
    wait();
    assert_eq!(client.names(&list).await, ["a"]);

    client.change(id, json!({"name": "b"})).await.ok();
    assert_eq!(client.names(&list).await, ["a"]);
    wait();
    assert_eq!(client.names(&list).await, ["b"]);

    client.change(folder, json!({"name": "g"})).await.ok();
    assert!(client.names(&list).await.is_empty());
    wait();
    assert_eq!(client.names(&list).await, ["b"]);

    let delete = json!({"entryIds": [id], "deleteForever": true});
    client
        .post("/file-entries/delete", delete.clone())
        .await
        .ok();
    assert_eq!(client.names(&list).await, ["b"]);
    assert_eq!(
        client.post("/file-entries/delete", delete).await.status,
        422
    );
    wait();
    assert!(client.names(&list).await.is_empty());
}
