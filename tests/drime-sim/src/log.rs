//! What was asked: every request, and how many of each kind.

use http::{HeaderMap, Method, header};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

/// The two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// What applications talk to.
    Api,
    /// What presigned URLs lead to.
    Storage,
}

/// One request and the status of its answer.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// Asked of which server.
    pub origin: Origin,
    /// As it was sent, before any override.
    pub method: String,
    /// Without `/api/v1`.
    pub path: String,
    /// As it was sent.
    pub query: String,
    /// Headers that tell something; never the token.
    pub headers: BTreeMap<String, String>,
    /// Whether the request carried a token.
    pub authorization: bool,
    /// A JSON body; for a form, a list of its fields in order, each `[name, value]` and the file
    /// `[name, file name, type, size]`.
    pub body: Value,
    /// 0 when the connection was closed instead.
    pub status: u16,
}

impl Record {
    pub(crate) fn new(origin: Origin, method: &Method, path: &str, headers: &HeaderMap) -> Self {
        let told = [
            header::ACCEPT.as_str(),
            header::CONTENT_TYPE.as_str(),
            header::CONTENT_LENGTH.as_str(),
            header::TRANSFER_ENCODING.as_str(),
            header::RANGE.as_str(),
            header::USER_AGENT.as_str(),
            "x-amz-acl",
            "x-http-method-override",
        ];
        let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let headers_told = told
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), value(name)?.to_owned())));
        Self {
            origin,
            method: method.to_string(),
            path: path.to_owned(),
            query: String::new(),
            headers: headers_told.collect(),
            authorization: headers.contains_key(header::AUTHORIZATION),
            body: Value::Null,
            status: 0,
        }
    }

    /// `METHOD PATH?QUERY STATUS`.
    pub fn line(&self) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        let (method, path, query) = (&self.method, &self.path, &self.query);
        format!("{method} {path}{mark}{query} {}", self.status)
    }
}

/// The last requests, and counters of all.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) records: VecDeque<Record>,
    pub(crate) counters: BTreeMap<&'static str, u64>,
}

impl Log {
    const REMEMBERED: usize = 100_000;

    pub(crate) fn push(&mut self, kind: &'static str, record: Record) {
        *self.counters.entry(kind).or_default() += 1;
        if self.records.len() == Self::REMEMBERED {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }
}
