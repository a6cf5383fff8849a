//! A client that sends exactly what a test says.

use bytes::Bytes;
use drime_sim::{Options, Simulator, TOKEN};
use futures_util::stream;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy::{Client as Hyper, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::convert::Infallible;

pub(crate) type Body = BoxBody<Bytes, Infallible>;

pub(crate) struct Client {
    pub(crate) sim: Simulator,
    http: Hyper<HttpConnector, Body>,
}

/// An answer, read to its end.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.bytes);
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("{}: {text}", self.status))
    }

    /// The id of the entry of an upload's or folder's answer.
    pub(crate) fn id(&self) -> i64 {
        let json = self.json();
        let entry = json.get("fileEntry").or(json.get("folder")).unwrap();
        entry["id"].as_i64().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn ok(self) -> Self {
        assert!(
            (200..300).contains(&self.status),
            "{}: {:?}",
            self.status,
            self.bytes
        );
        self
    }
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

/// A body without a length.
pub(crate) fn chunked(bytes: impl Into<Bytes>) -> Body {
    let frames = stream::iter([Ok(Frame::data(bytes.into()))]);
    BodyExt::boxed(StreamBody::new(frames))
}

impl Client {
    pub(crate) async fn start(options: impl Into<Options>) -> Self {
        Self {
            sim: Simulator::start(options).await.unwrap(),
            http: Hyper::builder(TokioExecutor::new()).build(HttpConnector::new()),
        }
    }

    /// Any request; `None` if the connection was closed instead of an answer.
    pub(crate) async fn send(&self, request: Request<Body>) -> Option<Reply> {
        let (parts, body) = self.http.request(request).await.ok()?.into_parts();
        Some(Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            bytes: body.collect().await.ok()?.to_bytes(),
        })
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.sim.api_url())
        };
        Request::builder().method(method).uri(url)
    }

    pub(crate) fn api(&self, method: Method, path: &str) -> http::request::Builder {
        self.request(method, path)
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("accept", "application/json")
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        let request = self.api(Method::GET, path).body(full(""));
        self.send(request.unwrap()).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, json: Value) -> Reply {
        self.try_post(path, json).await.unwrap()
    }

    pub(crate) async fn try_post(&self, path: &str, json: Value) -> Option<Reply> {
        let request = self.api(Method::POST, path);
        let request = request.header("content-type", "application/json");
        self.send(request.body(full(json.to_string())).unwrap())
            .await
    }

    /// The rename and description call, with the header that makes a POST a PUT.
    pub(crate) async fn change(&self, id: i64, json: Value) -> Reply {
        let request = self.api(Method::POST, &format!("/file-entries/{id}"));
        let request = request.header("x-http-method-override", "PUT");
        let request = request.header("content-type", "application/json");
        self.send(request.body(full(json.to_string())).unwrap())
            .await
            .unwrap()
    }

    pub(crate) async fn folder(&self, parent: Option<i64>, name: &str) -> i64 {
        let json = json!({"name": name, "parentId": parent});
        self.post("/folders", json).await.ok().id()
    }

    /// A form upload: text fields in order, then the file.
    pub(crate) async fn form(&self, fields: &[(&str, &str)], file: File<'_>) -> Reply {
        self.try_form(fields, file).await.unwrap()
    }

    pub(crate) async fn try_form(&self, fields: &[(&str, &str)], file: File<'_>) -> Option<Reply> {
        let mut form = Vec::new();
        for (name, value) in fields {
            let head =
                format!("--limit\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
            form.extend_from_slice(format!("{head}{value}\r\n").as_bytes());
        }
        let head = format!(
            "--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
            file.name, file.mime
        );
        form.extend_from_slice(head.as_bytes());
        form.extend_from_slice(file.bytes);
        form.extend_from_slice(b"\r\n--limit--\r\n");
        let request = self.api(Method::POST, "/uploads");
        let request = request.header("content-type", "multipart/form-data; boundary=limit");
        let body = if file.chunked {
            chunked(form)
        } else {
            full(form)
        };
        self.send(request.body(body).unwrap()).await
    }

    /// A small file in a folder, as most clients upload it.
    pub(crate) async fn upload(&self, parent: i64, name: &str, bytes: &[u8]) -> Reply {
        let parent = parent.to_string();
        let fields = [
            ("parentId", &*parent),
            ("relativePath", name),
            ("workspaceId", ""),
        ];
        self.form(&fields, File::new(name, bytes)).await
    }

    /// A request to the storage server.
    pub(crate) async fn storage(
        &self,
        method: Method,
        url: &str,
        kind: &str,
        bytes: Vec<u8>,
    ) -> Reply {
        let request = self.request(method, url).header("content-type", kind);
        self.send(request.body(full(bytes)).unwrap()).await.unwrap()
    }

    /// Names of the rows of a listing page.
    pub(crate) async fn names(&self, query: &str) -> Vec<String> {
        let page = self
            .get(&format!("/drive/file-entries?{query}"))
            .await
            .ok()
            .json();
        let rows = page["data"].as_array().unwrap();
        rows.iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

pub(crate) struct File<'a> {
    pub(crate) name: &'a str,
    pub(crate) mime: &'a str,
    pub(crate) bytes: &'a [u8],
    pub(crate) chunked: bool,
}

impl<'a> File<'a> {
    pub(crate) fn new(name: &'a str, bytes: &'a [u8]) -> Self {
        Self {
            name,
            mime: "text/plain",
            bytes,
            chunked: false,
        }
    }
}

pub(crate) const CREATED: u16 = StatusCode::CREATED.as_u16();
