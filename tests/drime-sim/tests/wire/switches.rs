//! Each switch changes what it says, and the rules that no switch changes.

use crate::client::{Client, File, full};
use drime_sim::{
    BadToken, Clock, DeleteForever, Download, Duplicate, FolderNames, LiteralPut, Options,
    RelativePath, RenameOntoTaken, SameName, Simulator, Switches, UploadAnswer,
};
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn with(change: impl FnOnce(&mut Switches)) -> Client {
    let mut switches = Switches::default();
    change(&mut switches);
    Client::start(Options {
        switches,
        clock: Clock::frozen(),
        ..Options::default()
    })
    .await
}

async fn default() -> Client {
    with(|_| {}).await
}

#[tokio::test]
async fn ids_begin_high_and_rise() {
    let client = default().await;
    let first = client.folder(None, "a").await;
    assert!((700_000_000..700_000_100).contains(&first));
    assert!(client.folder(None, "b").await > first);
}

#[tokio::test]
async fn a_bad_token_is_refused() {
    let client = default().await;
    client.sim.set_tokens(&["other"]);
    assert_eq!(client.get("/me/workspaces").await.status, 401);
    let user = client.get("/cli/loggedUser").await;
    assert_eq!((user.status, user.json()), (200, json!({"user": null})));
    client
        .sim
        .switch(|switches| switches.bad_token = BadToken::Unauthenticated);
    assert_eq!(client.get("/cli/loggedUser").await.status, 401);
    let without = client
        .request(Method::GET, "/me/workspaces")
        .header("accept", "*/*");
    let without = client.send(without.body(full("")).unwrap()).await.unwrap();
    assert_eq!(without.json()["message"], "Unauthenticated.");
}

#[tokio::test]
async fn who_does_not_ask_for_json_gets_pages() {
    let client = default().await;
    let request = client.request(Method::GET, "/no/such/route");
    let reply = client.send(request.body(full("")).unwrap()).await.unwrap();
    // An unknown route is the application itself.
    assert_eq!(reply.status, 200);
    assert!(reply.header("content-type").starts_with("text/html"));
    assert_eq!(client.get("/no/such/route").await.status, 404);
}

#[tokio::test]
async fn required_fields_are_required() {
    let client = default().await;
    for (path, body) in [
        ("/folders", json!({"name": " "})),
        (
            "/s3/multipart/create",
            json!({"filename": "a", "mime": "b", "size": 1}),
        ),
        (
            "/s3/multipart/create",
            json!({"filename": "a", "size": 1, "extension": ""}),
        ),
        ("/s3/entries", json!({"filename": "a", "size": 1})),
        (
            "/s3/entries",
            json!({"filename": "unknown", "size": 1, "clientName": "a"}),
        ),
        ("/file-entries/delete", json!({"entryIds": []})),
    ] {
        let reply = client.post(path, body).await;
        assert_eq!(reply.status, 422, "{path}");
        assert!(reply.json()["errors"].is_object());
    }
    let parent = client
        .post("/folders", json!({"name": "a", "parentId": 0}))
        .await;
    assert_eq!(parent.status, 404, "0 is no id of the root");
}

#[tokio::test]
async fn names_are_trimmed_and_have_at_most_255_bytes() {
    let client = default().await;
    let folder = client.folder(None, "  a b ").await;
    assert_eq!(client.sim.find("a b"), [folder]);
    let fits = "ä".repeat(127);
    client.upload(folder, &fits, b"").await.ok();
    let long = "ä".repeat(128);
    assert_eq!(client.upload(folder, &long, b"").await.status, 422);
    assert_eq!(
        client.post("/folders", json!({"name": long})).await.status,
        422
    );
}

#[tokio::test]
async fn one_unknown_id_refuses_the_whole_batch() {
    let client = default().await;
    let folder = client.folder(None, "a").await;
    let id = client.upload(folder, "f", b"").await.id();
    let batch = json!({"entryIds": [id, 5], "deleteForever": true});
    assert_eq!(client.post("/file-entries/delete", batch).await.status, 422);
    assert_eq!(client.sim.find("a/f"), [id]);
}

#[tokio::test]
async fn an_upload_keeps_replaces_or_trashes_its_namesake() {
    for (same_name, live, trashed) in [
        (SameName::KeepBoth, 2, 0),
        (SameName::Replace, 1, 0),
        (SameName::Trash, 1, 1),
    ] {
        let client = with(|switches| switches.same_name = same_name).await;
        let folder = client.folder(None, "a").await;
        client.upload(folder, "f", b"old").await.ok();
        client.upload(folder, "f", b"new").await.ok();
        assert_eq!(client.sim.find("a/f").len(), live, "{same_name:?}");
        assert_eq!(client.sim.trashed(), trashed, "{same_name:?}");
        let backups = client.names(&format!("folderId={folder}&backup=1")).await;
        assert_eq!(backups.len(), usize::from(same_name == SameName::Replace));
    }
}

#[tokio::test]
async fn a_literal_put_breaks_or_works() {
    let client = with(|switches| switches.literal_put = LiteralPut::Works).await;
    let folder = client.folder(None, "a").await;
    let put = client.api(Method::PUT, &format!("/file-entries/{folder}"));
    let put = put.body(full(json!({"name": "b"}).to_string())).unwrap();
    assert_eq!(client.send(put).await.unwrap().status, 200);
    assert_eq!(client.sim.find("b"), [folder]);
}

#[tokio::test]
async fn renaming_onto_a_taken_name_is_refused_or_allowed() {
    let client = default().await;
    let folder = client.folder(None, "a").await;
    client.upload(folder, "taken", b"").await.ok();
    let id = client.upload(folder, "f", b"").await.id();
    let refused = client.change(id, json!({"name": "taken"})).await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.json()["message"]
            .as_str()
            .unwrap()
            .contains("already exists")
    );
    client
        .sim
        .switch(|switches| switches.rename_onto_taken = RenameOntoTaken::Allowed);
    client.change(id, json!({"name": "taken"})).await.ok();
    assert_eq!(client.sim.find("a/taken").len(), 2);
}

#[tokio::test]
async fn delete_forever_deletes_or_only_trashes_what_is_alive() {
    let client = with(|switches| switches.delete_forever = DeleteForever::Trashes).await;
    let folder = client.folder(None, "a").await;
    let delete = json!({"entryIds": [folder], "deleteForever": true});
    client
        .post("/file-entries/delete", delete.clone())
        .await
        .ok();
    assert_eq!(client.sim.trashed(), 1);
    client
        .post("/file-entries/delete", delete.clone())
        .await
        .ok();
    assert_eq!(client.sim.trashed(), 0);
    assert_eq!(
        client.post("/file-entries/delete", delete).await.status,
        422
    );
}

#[tokio::test]
async fn a_server_may_ignore_ranges() {
    let client = default().await;
    let folder = client.folder(None, "a").await;
    let id = client.upload(folder, "f", b"0123456789").await.id();
    let get = |range: &str| {
        let request = client.api(Method::GET, &format!("/file-entries/{id}"));
        client.send(request.header("range", range).body(full("")).unwrap())
    };
    let ranges = [
        ("bytes=2-4", "234"),
        ("bytes=7-", "789"),
        ("bytes=-2", "89"),
        ("bytes=8-99", "89"),
    ];
    for (range, bytes) in ranges {
        let reply = get(range).await.unwrap();
        assert_eq!(
            (reply.status, &reply.bytes[..]),
            (206, bytes.as_bytes()),
            "{range}"
        );
    }
    assert_eq!(get("bytes=10-").await.unwrap().status, 416);
    client
        .sim
        .switch(|switches| switches.download = Download::IgnoresRange);
    let reply = get("bytes=2-4").await.unwrap();
    assert_eq!((reply.status, &reply.bytes[..]), (200, &b"0123456789"[..]));
}

#[tokio::test]
async fn folder_names_conflict_exactly_or_by_letters() {
    let client = default().await;
    client.folder(None, "A").await;
    client.folder(None, "a").await;
    client
        .sim
        .switch(|switches| switches.folder_names = FolderNames::CaseInsensitive);
    client.folder(None, "B").await;
    assert_eq!(
        client.post("/folders", json!({"name": "b"})).await.status,
        422
    );
}

#[tokio::test]
async fn duplicate_may_always_fail() {
    let client = with(|switches| switches.duplicate = Duplicate::Fails).await;
    let folder = client.folder(None, "a").await;
    let copy = json!({"entryIds": [folder], "destinationId": null});
    assert_eq!(
        client.post("/file-entries/duplicate", copy).await.status,
        500
    );
}

#[tokio::test]
async fn directories_of_relative_paths_go_below_the_parent_or_the_root() {
    let client = default().await;
    let parent = client.folder(None, "p").await.to_string();
    let fields = [("parentId", &*parent), ("relativePath", "x/0/f")];
    client.form(&fields, File::new("f", b"")).await.ok();
    assert_eq!(client.sim.find("p/x/0/f").len(), 1);
    client
        .sim
        .switch(|switches| switches.drop_zero_segments = true);
    client.form(&fields, File::new("f", b"")).await.ok();
    assert_eq!(client.sim.find("p/x/f").len(), 1);
    client
        .sim
        .switch(|switches| switches.relative_path = RelativePath::AtRoot);
    client.form(&fields, File::new("f", b"")).await.ok();
    assert_eq!(client.sim.find("x/f").len(), 1);
    let absolute = [("parentId", &*parent), ("relativePath", "/g")];
    client.form(&absolute, File::new("g", b"")).await.ok();
    assert_eq!(client.sim.find("g").len(), 1);
}

#[tokio::test]
async fn the_rate_is_limited_by_the_minute() {
    let client = with(|switches| switches.rate_limit = 3).await;
    for left in ["2", "1", "0"] {
        let reply = client.get("/me/workspaces").await.ok();
        assert_eq!(reply.header("x-ratelimit-limit"), "3");
        assert_eq!(reply.header("x-ratelimit-remaining"), left);
    }
    client.sim.clock().advance(Duration::from_secs(10));
    let refused = client.get("/me/workspaces").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "50"));
    client.sim.switch(|switches| switches.no_retry_after = true);
    assert_eq!(client.get("/me/workspaces").await.header("retry-after"), "");
    client.sim.clock().advance(Duration::from_secs(50));
    assert_eq!(client.get("/me/workspaces").await.status, 200);
}

#[tokio::test]
async fn upload_answers_may_be_odd() {
    let client = default().await;
    let folder = client.folder(None, "a").await;
    for (answer, field, expected) in [
        (UploadAnswer::EmptyUsers, "users", json!([])),
        (UploadAnswer::WrongSize, "file_size", json!(3)),
        (UploadAnswer::MissingUrl, "url", Value::Null),
        (UploadAnswer::StringId, "id", json!("700000004")),
    ] {
        client
            .sim
            .switch(|switches| switches.upload_answer = answer);
        let reply = client.upload(folder, "f", b"12").await.ok().json();
        assert_eq!(reply["fileEntry"][field], expected, "{answer:?}");
    }
}

#[tokio::test]
async fn presigned_urls_expire() {
    let client = with(|switches| switches.url_expiry = 10).await;
    let create = json!({"filename": "a", "mime": "b/c", "size": 1, "extension": ""});
    let upload = client
        .post("/s3/multipart/create", create)
        .await
        .ok()
        .json();
    let sign = json!({"key": upload["key"], "uploadId": upload["uploadId"], "partNumbers": [1]});
    let urls = client
        .post("/s3/multipart/batch-sign-part-urls", sign)
        .await
        .ok()
        .json();
    let url = urls["urls"][0]["url"].as_str().unwrap();
    client.storage(Method::PUT, url, "b/c", vec![1]).await.ok();
    client.sim.clock().advance(Duration::from_secs(11));
    assert_eq!(
        client
            .storage(Method::PUT, url, "b/c", vec![1])
            .await
            .status,
        403
    );
    let forged = url.replace("partNumber=1", "partNumber=2");
    assert_eq!(
        client
            .storage(Method::PUT, &forged, "b/c", vec![1])
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn storage_wants_a_length_and_no_token() {
    let client = default().await;
    let create = json!({"filename": "a", "mime": "b/c", "size": 1, "extension": ""});
    let upload = client
        .post("/s3/multipart/create", create)
        .await
        .ok()
        .json();
    let sign = json!({"key": upload["key"], "uploadId": upload["uploadId"], "partNumbers": [1]});
    let urls = client
        .post("/s3/multipart/batch-sign-part-urls", sign)
        .await
        .ok()
        .json();
    let url = urls["urls"][0]["url"].as_str().unwrap();
    let request = client
        .request(Method::PUT, url)
        .body(crate::client::chunked("x"));
    assert_eq!(client.send(request.unwrap()).await.unwrap().status, 411);
    let request = client.api(Method::PUT, url).body(full("x")).unwrap();
    assert_eq!(client.send(request).await.unwrap().status, 400);
    assert!(client.sim.log().pop().unwrap().authorization);
}

#[tokio::test]
async fn space_and_form_size_have_limits() {
    let client = with(|switches| (switches.quota, switches.max_form) = (100, 50)).await;
    let folder = client.folder(None, "a").await;
    assert_eq!(client.upload(folder, "f", &[0; 51]).await.status, 413);
    client.upload(folder, "f", &[0; 50]).await.ok();
    client.upload(folder, "g", &[0; 50]).await.ok();
    assert_eq!(client.upload(folder, "h", &[0; 1]).await.status, 422);
    let usage = client.get("/user/space-usage").await.json();
    assert_eq!(
        (&usage["used"], &usage["available"]),
        (&json!(100), &json!(100))
    );
}

#[tokio::test]
async fn latency_is_added_to_each_call() {
    let client = with(|switches| switches.latency = 30).await;
    let begin = Instant::now();
    client.get("/me/workspaces").await.ok();
    client.get("/me/workspaces").await.ok();
    assert!(begin.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn an_account_in_a_directory_is_there_again() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        state: Some(directory.path().to_owned()),
        ..Options::default()
    };
    let client = Client::start(options.clone()).await;
    let folder = client.folder(None, "a").await;
    let large = vec![5; 300_000];
    let id = client.upload(folder, "large", &large).await.id();
    let small = client.upload(folder, "small", b"1").await.id();
    client.change(small, json!({"description": "d"})).await.ok();
    client
        .post("/file-entries/delete", json!({"entryIds": [small]}))
        .await
        .ok();
    let entries = client.sim.entries();
    client.sim.save(None).unwrap();
    drop(client);
    let sim = Simulator::start(options).await.unwrap();
    assert_eq!(sim.entries(), entries);
    assert_eq!(sim.content(id).unwrap(), large);
    assert_eq!(sim.trashed(), 1);
    assert!(sim.seed_folder(None, "b") > small);
}
