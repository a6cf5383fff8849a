//! The input of an API call, read as leniently as the server reads it.

use crate::entry::id_of;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// A parsed request.
pub(crate) struct Call {
    /// After overrides.
    pub(crate) method: Method,
    /// Decoded, below `/api/v1`.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    /// `Null` until the body has been read.
    pub(crate) body: Value,
}

impl Call {
    /// A parameter of the body or, if it is not there, of the query.
    fn input(&self, name: &str) -> Option<Value> {
        match self.body.get(name) {
            Some(value) => Some(value.clone()),
            None => self.query(name).map(|text| Value::String(text.to_owned())),
        }
    }

    /// A parameter of the query that is not empty.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().rev().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// Whether a flag of the query is on: `1`, `true` or `True`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.query(name)
            .is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
    }

    /// A text that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        text(&self.input(name)?)
    }

    /// A number, also as a text.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        number(&self.input(name)?)
    }

    /// A flag, also as a number or text.
    pub(crate) fn truth(&self, name: &str) -> bool {
        match self.input(name) {
            Some(Value::Bool(truth)) => truth,
            Some(Value::Number(number)) => number.as_i64() == Some(1),
            Some(Value::String(text)) => text == "1" || text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    /// Ids as numbers or texts; `None` if one of them is neither.
    pub(crate) fn ids(&self, name: &str) -> Option<Vec<i64>> {
        let Some(Value::Array(ids)) = self.input(name) else {
            return Some(Vec::new());
        };
        ids.iter().map(number).collect()
    }

    pub(crate) fn workspace(&self) -> i64 {
        self.number("workspaceId").unwrap_or(0)
    }
}

/// A text without spaces at its ends; an empty one is none.
pub(crate) fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

pub(crate) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Splits and decodes a query string.
pub(crate) fn parse_query(raw: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    let pairs = raw.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
        .collect()
}

/// An id from a path segment or query, as a number or hash; an unreadable one is nobody's.
pub(crate) fn id(text: &str) -> i64 {
    id_of(text).unwrap_or(-1)
}
