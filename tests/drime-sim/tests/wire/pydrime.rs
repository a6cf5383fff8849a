//! What pydrime 0.8.2 was recorded to send, in its order and with its spelling.

use crate::client::{CREATED, Client, File, full};
use drime_sim::{Download, SameName, Simulator, Switches};
use http::Method;
use serde_json::{Value, json};

async fn start() -> Client {
    Client::start(Switches::default()).await
}

#[tokio::test]
async fn identity_and_quota() {
    let client = start().await;
    let user = client.get("/cli/loggedUser").await.ok().json();
    assert!(user["user"]["id"].is_i64());
    let workspaces = client.get("/me/workspaces").await.ok().json();
    assert_eq!(workspaces["workspaces"][0]["id"], drime_sim::WORKSPACE);
    let usage = client
        .get("/user/space-usage?workspaceId=0")
        .await
        .ok()
        .json();
    assert_eq!(usage["status"], "success");
    assert_eq!(usage["used"], 0);
}

#[tokio::test]
async fn a_folder_is_made_once() {
    let client = start().await;
    let folder = json!({"name": "bkt", "workspaceId": 0});
    let made = client.post("/folders", folder.clone()).await.ok();
    assert_eq!(made.json()["folder"]["type"], "folder");
    let again = client.post("/folders", folder).await;
    assert_eq!(again.status, 422);
    let message = again.json()["message"].as_str().unwrap().to_lowercase();
    assert!(message.contains("folder with same name already exists"));
}

#[tokio::test]
async fn a_small_upload_answers_a_whole_entry() {
    let client = start().await;
    let folder = client.folder(None, "bkt").await;
    let parent = folder.to_string();
    let bytes = [7; 1200];
    let fields = [
        ("relativePath", "small.txt"),
        ("workspaceId", "0"),
        ("parentId", &*parent),
    ];
    let reply = client.form(&fields, File::new("small.txt", &bytes)).await;
    assert_eq!(reply.status, CREATED);
    let entry = &reply.json()["fileEntry"];
    assert_eq!(entry["name"], "small.txt");
    assert_eq!(entry["file_size"], 1200);
    assert_eq!(entry["parent_id"], folder);
    assert_eq!(entry["type"], "text");
    assert_eq!(entry["path"], format!("{folder}/{}", reply.id()));
    assert_eq!(entry["users"].as_array().unwrap().len(), 1);
    let empty = client.form(&fields, File::new("small.txt", b"")).await;
    assert_eq!(empty.json()["fileEntry"]["file_size"], 0);
    let record = client.sim.log().pop().unwrap();
    let file = json!(["file", "small.txt", "text/plain", 0]);
    assert_eq!(record.body[3], file);
    assert_eq!(record.body[2], json!(["parentId", parent]));
}

#[tokio::test]
async fn a_nested_path_is_searched_listed_and_made() {
    let client = start().await;
    let bucket = client.folder(None, "bkt").await;
    let search = "/drive/file-entries?perPage=50&workspaceId=0&page=1&query=a";
    assert_eq!(client.get(search).await.ok().json()["data"], json!([]));
    let list = format!("/drive/file-entries?perPage=100&workspaceId=0&page=1&parentIds={bucket}");
    assert_eq!(client.get(&list).await.ok().json()["data"], json!([]));
    let folder = json!({"name": "a", "workspaceId": 0, "parentId": bucket});
    let folder = client.post("/folders", folder).await.ok().id();
    // The client's mistake: it asks for a folder with the target's name.
    let parent = folder.to_string();
    let fields = [
        ("relativePath", "deep.txt/small.txt"),
        ("workspaceId", "0"),
        ("parentId", &*parent),
    ];
    client
        .form(&fields, File::new("small.txt", b"deep"))
        .await
        .ok();
    assert_eq!(client.sim.find("bkt/a/deep.txt/small.txt").len(), 1);
    let found = client.get(search).await.ok().json();
    assert_eq!(
        found["data"].as_array().unwrap().len(),
        2,
        "a, and small.txt"
    );
}

#[tokio::test]
async fn parts_are_signed_sent_completed_and_registered() {
    let client = start().await;
    let folder = client.folder(None, "bkt").await;
    let (size, part) = (11 * 1024 * 1024, 6 * 1024 * 1024);
    let bytes: Vec<u8> = (0..size).map(|n: u32| (n % 251) as u8).collect();
    let upload = create(&client, folder, size).await;
    let sign = json!({"key": upload["key"], "uploadId": upload["uploadId"], "partNumbers": [1, 2]});
    let urls = client
        .post("/s3/multipart/batch-sign-part-urls", sign)
        .await
        .ok()
        .json();
    let urls = urls["urls"].as_array().unwrap().clone();
    let mut parts = Vec::new();
    for (number, bytes) in (1..).zip(bytes.chunks(part)) {
        let url = urls.iter().find(|url| url["partNumber"] == number).unwrap();
        let url = url["url"].as_str().unwrap();
        assert!(url.starts_with(client.sim.storage_url()));
        let kind = "application/octet-stream";
        let put = client
            .storage(Method::PUT, url, kind, bytes.to_vec())
            .await
            .ok();
        // This client sends tags without their quotes.
        let etag = put.header("etag").trim_matches('"').to_owned();
        parts.push(json!({"PartNumber": number, "ETag": etag}));
    }
    let done = json!({"key": upload["key"], "uploadId": upload["uploadId"], "parts": parts});
    client
        .post("/s3/multipart/complete", done.clone())
        .await
        .ok();
    assert_eq!(client.sim.entries().len(), 1, "only the folder is there");
    assert_eq!(client.sim.orphans(), 1);
    let again = client.post("/s3/multipart/complete", done).await;
    assert_eq!(again.status, 404);
    let key = upload["key"].as_str().unwrap();
    let entry = client
        .post("/s3/entries", register(key, folder, size))
        .await
        .ok();
    assert_eq!(entry.json()["fileEntry"]["file_size"], size);
    assert_eq!(client.sim.content(entry.id()).unwrap(), bytes);
    assert_eq!(client.sim.orphans(), 0);
    assert_eq!(client.sim.open_uploads(), 0);
}

async fn create(client: &Client, folder: i64, size: u32) -> Value {
    let create = json!({
        "filename": "big.bin", "mime": "application/octet-stream", "size": size, "extension": "bin",
        "relativePath": "big.bin", "workspaceId": 0, "parentId": folder,
    });
    let upload = client
        .post("/s3/multipart/create", create)
        .await
        .ok()
        .json();
    assert!(upload["uploadId"].as_str().unwrap().len() > 200);
    upload
}

fn register(key: &str, folder: i64, size: u32) -> Value {
    json!({
        "clientMime": "application/octet-stream", "clientName": "big.bin",
        "filename": key.rsplit('/').next(), "size": size, "clientExtension": "bin",
        "relativePath": "big.bin", "workspaceId": 0, "parentId": folder,
    })
}

#[tokio::test]
async fn a_presigned_put_is_registered() {
    let client = start().await;
    let folder = client.folder(None, "bkt").await;
    let presign = json!({
        "filename": "big.bin", "mime": "text/plain", "size": 1200, "extension": "bin",
        "relativePath": "big.bin", "workspaceId": 0, "parentId": folder,
    });
    let signed = client
        .post("/s3/simple/presign?workspaceId=0", presign)
        .await
        .ok()
        .json();
    let url = signed["url"].as_str().unwrap();
    let put = |acl: &str| {
        let request = client
            .request(Method::PUT, url)
            .header("content-type", "text/plain");
        request
            .header("x-amz-acl", acl)
            .body(full(vec![1; 1200]))
            .unwrap()
    };
    assert_eq!(client.send(put("public-read")).await.unwrap().status, 403);
    assert_eq!(client.send(put("private")).await.unwrap().status, 200);
    let key = signed["key"].as_str().unwrap();
    let entry = client
        .post("/s3/entries", register(key, folder, 1200))
        .await
        .ok();
    assert_eq!(client.sim.content(entry.id()).unwrap(), [1; 1200]);
}

#[tokio::test]
async fn downloads_come_directly_or_from_storage() {
    let client = start().await;
    let folder = client.folder(None, "bkt").await;
    let entry = client
        .upload(folder, "small.txt", b"0123456789")
        .await
        .ok()
        .json();
    let hash = entry["fileEntry"]["hash"].as_str().unwrap();
    let path = format!("/file-entries/download/{hash}");
    assert_eq!(client.get(&path).await.ok().bytes, "0123456789");
    client
        .sim
        .switch(|switches| switches.download = Download::Redirect);
    let redirect = client.get(&path).await;
    assert_eq!(redirect.status, 302);
    let url = redirect.header("location");
    let request = client.request(Method::GET, url).body(full("")).unwrap();
    assert_eq!(client.send(request).await.unwrap().ok().bytes, "0123456789");
    let with_token = client.api(Method::GET, url).body(full("")).unwrap();
    assert_eq!(client.send(with_token).await.unwrap().status, 400);
}

#[tokio::test]
async fn an_overwrite_replaces_where_the_account_is_like_that() {
    let client = start().await;
    client
        .sim
        .switch(|switches| switches.same_name = SameName::Replace);
    let folder = client.folder(None, "bkt").await;
    let old = client.upload(folder, "a.txt", b"old").await.id();
    let new = client.upload(folder, "a.txt", b"new").await.id();
    assert_eq!(client.sim.find("bkt/a.txt"), [new]);
    let delete = json!({"entryIds": [old], "deleteForever": false, "workspaceId": 0});
    let gone = client
        .post("/file-entries/delete?workspaceId=0", delete)
        .await;
    assert_eq!(gone.status, 422);
    assert!(gone.json()["errors"]["entryIds"].is_array());
}

#[tokio::test]
async fn helpers_find_duplicates_and_suggest_names() {
    let client = start().await;
    let folder = client.folder(None, "bkt").await;
    client.upload(folder, "a.txt", b"").await.ok();
    let files =
        json!([{"name": "a.txt", "size": 0, "relativePath": ""}, {"name": "b.txt", "size": 0}]);
    let ask = json!({"files": files, "workspaceId": 0, "parentId": folder});
    let answer = client.post("/uploads/validate", ask).await.ok().json();
    assert_eq!(answer["duplicates"], json!(["a.txt"]));
    let ask = json!({"files": files, "workspaceId": 0});
    let answer = client.post("/uploads/validate", ask).await.ok().json();
    assert_eq!(answer["duplicates"], json!([]));
    let ask = json!({"name": "b.txt", "workspaceId": 0});
    let answer = client
        .post("/entry/getAvailableName", ask)
        .await
        .ok()
        .json();
    assert_eq!(answer["available"], "b (1).txt");
}

#[tokio::test]
async fn rename_by_query_works_and_by_literal_put_does_not() {
    let client = start().await;
    let folder = client.folder(None, "bkt").await;
    let id = client.upload(folder, "a.txt", b"").await.id();
    let path = format!("/file-entries/{id}?workspaceId=0&_method=PUT");
    let renamed = client
        .post(&path, json!({"name": "renamed.txt"}))
        .await
        .ok();
    assert_eq!(renamed.json()["fileEntry"]["name"], "renamed.txt");
    assert_eq!(renamed.id(), id);
    let put = client.api(Method::PUT, &format!("/file-entries/{id}?workspaceId=0"));
    let put = put
        .body(full(json!({"description": "x"}).to_string()))
        .unwrap();
    let reply = client.send(put).await.unwrap();
    assert_eq!(reply.status, 520);
    assert_eq!(reply.bytes, "error code: 520");
    let described = client.change(id, json!({"description": " x "})).await.ok();
    assert_eq!(described.json()["fileEntry"]["description"], "x");
}

#[tokio::test]
async fn move_duplicate_delete_and_restore() {
    let client = start().await;
    let (a, b) = (
        client.folder(None, "a").await,
        client.folder(None, "b").await,
    );
    let id = client.upload(a, "f.txt", b"12345").await.id();
    let to_b = json!({"entryIds": [id], "workspaceId": 0, "destinationId": b});
    client
        .post("/file-entries/move?workspaceId=0", to_b.clone())
        .await
        .ok();
    assert_eq!(client.sim.find("b/f.txt"), [id]);
    assert_eq!(size_of(&client.sim, "b"), 5);
    assert_eq!(size_of(&client.sim, "a"), 0);
    let copies = client
        .post("/file-entries/duplicate?workspaceId=0", to_b)
        .await
        .ok()
        .json();
    assert_eq!(copies["entries"][0]["name"], "f - Copy.txt");
    let delete =
        |forever: bool| json!({"entryIds": [id], "deleteForever": forever, "workspaceId": 0});
    client
        .post("/file-entries/delete?workspaceId=0", delete(false))
        .await
        .ok();
    assert_eq!(client.sim.trashed(), 1);
    client
        .post("/file-entries/restore", json!({"entryIds": [id]}))
        .await
        .ok();
    assert_eq!(client.sim.find("b/f.txt"), [id]);
    client.post("/file-entries/delete", delete(true)).await.ok();
    assert_eq!(
        client
            .post("/file-entries/delete", delete(true))
            .await
            .status,
        422
    );
    assert_eq!(
        client
            .sim
            .content(client.sim.find("b/f - Copy.txt")[0])
            .unwrap(),
        b"12345"
    );
}

fn size_of(sim: &Simulator, path: &str) -> u64 {
    let entries = sim.entries();
    entries
        .iter()
        .find(|entry| entry.path == path)
        .unwrap()
        .size
}

#[tokio::test]
async fn a_folder_is_described_by_its_listing() {
    let client = start().await;
    let folder = client.folder(None, "bkt").await;
    let hash = client
        .get(&format!("/drive/file-entries?folderId={folder}"))
        .await
        .ok()
        .json();
    let hash = hash["folder"]["hash"].as_str().unwrap().to_owned();
    let path = format!("/drive/file-entries?perPage=50&workspaceId=0&folderId={hash}");
    assert_eq!(client.get(&path).await.ok().json()["folder"]["id"], folder);
    let path = client
        .get(&format!("/folders/{hash}/path"))
        .await
        .ok()
        .json();
    assert_eq!(path["path"][0]["name"], "bkt");
}
