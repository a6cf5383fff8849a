//! What rclone 1.75.2 was recorded to send, in its order and with its spelling.

use crate::client::{Client, File, full};
use drime_sim::{Switches, WORKSPACE};
use http::Method;
use serde_json::{Value, json};

async fn start() -> Client {
    Client::start(Switches::default()).await
}

#[tokio::test]
async fn folders_are_looked_up_and_made_level_by_level() {
    let client = start().await;
    let root = "page=1&perPage=1000&type=folder";
    assert!(client.names(root).await.is_empty());
    let bucket = client
        .post("/folders", json!({"name": "bkt"}))
        .await
        .ok()
        .id();
    assert_eq!(client.names(root).await, ["bkt"]);
    let nested = json!({"name": "a", "parentId": bucket});
    client.post("/folders", nested).await.ok();
    client.upload(bucket, "file", b"").await.ok();
    let list = format!("folderId={bucket}&page=1&perPage=1000");
    assert_eq!(client.names(&list).await, ["file", "a"]);
    assert_eq!(client.names(&format!("{list}&type=folder")).await, ["a"]);
}

#[tokio::test]
async fn a_chunked_form_with_an_empty_workspace_is_taken() {
    let client = start().await;
    let folder = client.folder(None, "bkt").await;
    let parent = folder.to_string();
    let fields = [
        ("parentId", &*parent),
        ("relativePath", "small.txt"),
        ("workspaceId", ""),
    ];
    let file = File {
        chunked: true,
        ..File::new("small.txt", &[1; 1200])
    };
    let id = client.form(&fields, file).await.ok().id();
    assert_eq!(client.sim.content(id).unwrap(), [1; 1200]);
    let record = client.sim.log().pop().unwrap();
    assert_eq!(record.headers["transfer-encoding"], "chunked");
}

#[tokio::test]
async fn parts_are_signed_one_by_one_and_named_with_quotes() {
    let client = start().await;
    let folder = client.folder(None, "bkt").await;
    let create = json!({
        "filename": "big", "mime": "application/octet-stream", "size": 12_582_912, "extension": "",
        "parentId": folder, "relativePath": "big",
    });
    let upload = client
        .post("/s3/multipart/create", create)
        .await
        .ok()
        .json();
    let mut parts = Vec::new();
    for (number, size) in [(1, 5_242_880), (2, 5_242_880), (3, 2_097_152)] {
        let etag = send_part(&client, &upload, number, vec![number; size]).await;
        parts.push(json!({"ETag": etag, "PartNumber": number}));
    }
    assert_eq!(client.sim.count("multipart sign"), 3);
    let ask = json!({"key": upload["key"], "uploadId": upload["uploadId"]});
    let stored = client
        .post("/s3/multipart/get-uploaded-parts", ask.clone())
        .await
        .ok()
        .json();
    assert_eq!(stored["parts"][2]["Size"], 2_097_152);
    assert_eq!(stored["parts"][0]["ETag"], parts[0]["ETag"]);
    let done = json!({"uploadId": upload["uploadId"], "key": upload["key"], "parts": parts});
    client.post("/s3/multipart/complete", done).await.ok();
    let gone = client.post("/s3/multipart/get-uploaded-parts", ask).await;
    assert_eq!(gone.status, 404);
    let entry = json!({
        "clientMime": "application/octet-stream", "clientName": "big",
        "filename": upload["key"].as_str().unwrap().rsplit('/').next(), "size": 12_582_912,
        "clientExtension": "bin", "parentId": folder, "relativePath": "big",
    });
    let id = client.post("/s3/entries", entry).await.ok().id();
    let bytes = client.sim.content(id).unwrap();
    assert_eq!(
        (bytes.len(), bytes[0], bytes[12_582_911]),
        (12_582_912, 1, 3)
    );
    let range = client.api(Method::GET, &format!("/file-entries/{id}"));
    let range = range
        .header("range", "bytes=10485755-10485764")
        .body(full(""));
    let reply = client.send(range.unwrap()).await.unwrap();
    assert_eq!(reply.status, 206);
    assert_eq!(reply.bytes[..], [2, 2, 2, 2, 2, 3, 3, 3, 3, 3]);
    assert_eq!(
        reply.header("content-range"),
        "bytes 10485755-10485764/12582912"
    );
}

/// Signs and sends one part; answers its tag.
async fn send_part(client: &Client, upload: &Value, number: u8, bytes: Vec<u8>) -> String {
    let sign = json!({
        "uploadId": upload["uploadId"], "key": upload["key"], "partNumbers": [number],
    });
    let urls = client
        .post("/s3/multipart/batch-sign-part-urls", sign)
        .await
        .ok()
        .json();
    let url = urls["urls"][0]["url"].as_str().unwrap();
    let kind = "application/octet-stream";
    let put = client.storage(Method::PUT, url, kind, bytes).await.ok();
    let etag = put.header("etag");
    assert!(etag.starts_with('"') && etag.len() == 34);
    etag.to_owned()
}

#[tokio::test]
async fn wrong_parts_are_refused_at_the_end() {
    let client = start().await;
    let folder = client.folder(None, "bkt").await;
    let create = json!({
        "filename": "big", "mime": "x/y", "size": 0, "extension": "", "parentId": folder,
    });
    let mib = 1024 * 1024;
    for (sizes, order, right_tags) in [
        (vec![mib, mib], vec![1, 2], true),
        (vec![5 * mib, 6 * mib, mib], vec![1, 2, 3], true),
        (vec![5 * mib, mib], vec![2, 1], true),
        (vec![5 * mib, mib], vec![1, 2], false),
    ] {
        let upload = client
            .post("/s3/multipart/create", create.clone())
            .await
            .ok()
            .json();
        let mut tags = vec![];
        for (number, size) in (1..).zip(&sizes) {
            tags.push(send_part(&client, &upload, number, vec![0; *size]).await);
        }
        let tag = |n: usize| if right_tags { &tags[n - 1] } else { "\"0\"" };
        let parts: Vec<Value> = order
            .iter()
            .map(|n| json!({"PartNumber": n, "ETag": tag(*n)}))
            .collect();
        let done = json!({"uploadId": upload["uploadId"], "key": upload["key"], "parts": parts});
        let refused = client.post("/s3/multipart/complete", done).await;
        assert_eq!(refused.status, 400, "{sizes:?} {order:?}");
        let abort = json!({"uploadId": upload["uploadId"], "key": upload["key"]});
        client.post("/s3/multipart/abort", abort).await.ok();
    }
    assert_eq!(client.sim.open_uploads(), 0);
}

#[tokio::test]
async fn an_overwrite_uploads_and_then_trashes_with_ids_as_texts() {
    let client = start().await;
    let folder = client.folder(None, "bkt").await;
    let old = client.upload(folder, "a", b"old").await.id();
    let new = client.upload(folder, "a", b"new").await.id();
    assert_eq!(client.sim.find("bkt/a"), [old, new]);
    let delete = json!({"entryIds": [old.to_string()], "deleteForever": false});
    client.post("/file-entries/delete", delete).await.ok();
    assert_eq!(client.sim.find("bkt/a"), [new]);
}

#[tokio::test]
async fn a_move_goes_by_a_temporary_name_and_a_copy_is_renamed() {
    let client = start().await;
    let (a, b) = (
        client.folder(None, "a").await,
        client.folder(None, "b").await,
    );
    let id = client.upload(a, "f.txt", b"12345").await.id();
    client
        .change(id, json!({"name": "moved.txt.x1y2"}))
        .await
        .ok();
    let entry = json!({"entryIds": [id.to_string()], "destinationId": b.to_string()});
    client.post("/file-entries/move", entry).await.ok();
    client.change(id, json!({"name": "moved.txt"})).await.ok();
    assert_eq!(client.sim.find("b/moved.txt"), [id]);
    let copy = json!({"entryIds": [id.to_string()], "destinationId": a.to_string()});
    let copy = client
        .post("/file-entries/duplicate", copy)
        .await
        .ok()
        .json();
    let copy = copy["entries"][0]["id"].as_i64().unwrap();
    client
        .change(copy, json!({"name": "copied.txt"}))
        .await
        .ok();
    assert_eq!(client.sim.find("a/copied.txt"), [copy]);
    assert_eq!(client.sim.content(copy).unwrap(), b"12345");
}

#[tokio::test]
async fn a_hard_delete_trashes_first_and_takes_folders_whole() {
    let client = start().await;
    let a = client.folder(None, "a").await;
    let b = client.folder(Some(a), "b").await;
    client.upload(b, "f.txt", b"12345").await.ok();
    let delete = |forever: bool| json!({"entryIds": [a.to_string()], "deleteForever": forever});
    client
        .post("/file-entries/delete", delete(false))
        .await
        .ok();
    assert!(client.sim.entries().is_empty());
    assert_eq!(client.sim.trashed(), 3);
    client.post("/file-entries/delete", delete(true)).await.ok();
    assert_eq!(client.sim.trashed(), 0);
}

#[tokio::test]
async fn a_workspace_is_apart_and_given_in_every_place() {
    let client = start().await;
    let ws = WORKSPACE;
    let folder = client
        .post(&format!("/folders?workspaceId={ws}"), json!({"name": "w"}))
        .await
        .ok();
    assert_eq!(folder.json()["folder"]["workspace_id"], ws);
    let folder = folder.id();
    assert!(client.names("page=1").await.is_empty());
    assert_eq!(
        client.names(&format!("page=1&workspaceId={ws}")).await,
        ["w"]
    );
    let (parent, text) = (folder.to_string(), ws.to_string());
    let fields = [
        ("parentId", &*parent),
        ("relativePath", "f"),
        ("workspaceId", &*text),
    ];
    let file = client.form(&fields, File::new("f", b"1")).await.ok();
    assert_eq!(file.json()["fileEntry"]["workspace_id"], ws);
    // Forgotten, the file is not in the folder that was named.
    client.form(&fields[..2], File::new("f", b"1")).await.ok();
    let list = format!("workspaceId={ws}&folderId={folder}");
    assert_eq!(client.names(&list).await, ["f"]);
    let create = json!({
        "filename": "big", "mime": "x/y", "size": 1, "extension": "", "parentId": folder,
        "workspaceId": text,
    });
    client.post("/s3/multipart/create", create).await.ok();
    let nobodys = client.get("/drive/file-entries?workspaceId=4").await;
    assert_eq!(nobodys.status, 403);
}
