//! Each step of a fault script.

use crate::client::{Client, File};
use drime_sim::{Origin, Script, Step, Switches};
use http::Method;
use serde_json::json;

async fn start() -> Client {
    Client::start(Switches::default()).await
}

#[tokio::test]
async fn statuses_come_in_order_and_change_nothing() {
    let client = start().await;
    let steps = [Step::Status(429), Step::Status(503), Step::Status(520)];
    client
        .sim
        .script(Script::api(Method::POST, "/folders", &steps));
    let folder = json!({"name": "a"});
    let throttled = client.post("/folders", folder.clone()).await;
    assert_eq!(
        (throttled.status, throttled.header("retry-after")),
        (429, "1")
    );
    let unavailable = client.post("/folders", folder.clone()).await;
    assert_eq!(
        (unavailable.status, unavailable.header("content-type")),
        (503, "text/html")
    );
    let odd = client.post("/folders", folder.clone()).await;
    assert_eq!((odd.status, &odd.bytes[..]), (520, &b"error code: 520"[..]));
    assert!(client.sim.entries().is_empty());
    client.post("/folders", folder).await.ok();
    assert_eq!(client.sim.count("new folder"), 4);
    assert_eq!(client.sim.calls(), 4);
}

#[tokio::test]
async fn an_answer_is_lost_after_the_change() {
    let client = start().await;
    let folder = client.folder(None, "a").await;
    let steps = [Step::ResetAfter, Step::StatusAfter(502), Step::ResetBefore];
    client
        .sim
        .script(Script::api(Method::POST, "/uploads", &steps));
    let parent = folder.to_string();
    let fields = [("parentId", &*parent), ("relativePath", "f")];
    assert!(
        client
            .try_form(&fields, File::new("f", b"1"))
            .await
            .is_none()
    );
    assert_eq!(client.sim.find("a/f").len(), 1);
    let lost = client
        .try_form(&fields, File::new("f", b"1"))
        .await
        .unwrap();
    assert_eq!(lost.status, 502);
    assert_eq!(client.sim.find("a/f").len(), 2);
    assert!(
        client
            .try_form(&fields, File::new("f", b"1"))
            .await
            .is_none()
    );
    assert_eq!(client.sim.find("a/f").len(), 2);
    let statuses: Vec<u16> = client
        .sim
        .log()
        .iter()
        .map(|record| record.status)
        .collect();
    assert_eq!(statuses, [200, 0, 502, 0]);
}

#[tokio::test]
async fn a_page_for_people_has_status_200() {
    let client = start().await;
    client
        .sim
        .script(Script::api(Method::GET, "/drive", &[Step::Html]));
    let reply = client.get("/drive/file-entries").await;
    assert_eq!(reply.status, 200);
    assert!(reply.header("content-type").starts_with("text/html"));
}

#[tokio::test]
async fn a_part_fails_and_is_taken_the_second_time() {
    let client = start().await;
    client
        .sim
        .script(Script::storage(Method::PUT, &[Step::Status(503)]));
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
    let put = || client.storage(Method::PUT, url, "b/c", vec![1; 100_000]);
    assert_eq!(put().await.status, 503);
    assert_eq!(put().await.status, 200);
    let log = client.sim.log();
    assert_eq!(log.last().unwrap().origin, Origin::Storage);
    assert_eq!(log.iter().filter(|record| record.authorization).count(), 2);
    assert_eq!(
        (client.sim.count("storage put"), client.sim.calls()),
        (2, 2)
    );
}

#[tokio::test]
async fn the_control_server_tells_and_interferes() {
    let client = start().await;
    let control = |method: Method, path: &str, text: &'static str| {
        let url = format!("{}{path}", client.sim.control_url());
        client.send(
            client
                .request(method, &url)
                .body(crate::client::full(text))
                .unwrap(),
        )
    };
    client.get("/me/workspaces").await.ok();
    let counters = control(Method::GET, "/counters", "").await.unwrap().json();
    assert_eq!(counters, json!({"workspaces": 1}));
    let log = control(Method::GET, "/log", "").await.unwrap().json();
    assert_eq!(log[0]["path"], "/me/workspaces");
    control(Method::POST, "/fault", "GET /me=500")
        .await
        .unwrap()
        .ok();
    assert_eq!(client.get("/me/workspaces").await.status, 500);
    assert_eq!(
        control(Method::POST, "/fault", "nonsense")
            .await
            .unwrap()
            .status,
        400
    );
    let before = client.sim.clock().now();
    control(Method::POST, "/advance", "60000")
        .await
        .unwrap()
        .ok();
    assert!(client.sim.clock().now() >= before + 60_000);
    control(Method::POST, "/reset", "").await.unwrap().ok();
    assert_eq!(client.sim.calls(), 0);
}
