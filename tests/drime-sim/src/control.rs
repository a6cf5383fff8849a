//! A third server, for tests in other processes: what was asked, and how to interfere.

use crate::Shared;
use crate::http::{Answer, Request, answer, collect};
use http::{Method, StatusCode};
use serde_json::json;
use std::time::Duration;

const MAX: usize = 64 * 1024;

pub(crate) async fn handle(shared: &Shared, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let text = collect(body, MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let text = text.trim();
    let json = shared.with(|state| match (&parts.method, parts.uri.path()) {
        (&Method::GET, "/counters") => Ok(json!(state.log.counters)),
        (&Method::GET, "/log") => Ok(json!(state.log.records)),
        (&Method::POST, "/reset") => {
            state.log = crate::log::Log::default();
            Ok(json!({}))
        }
        (&Method::POST, "/fault") => match text.parse() {
            Ok(script) => {
                state.faults.push(script);
                Ok(json!({}))
            }
            Err(error) => Err(error),
        },
        (&Method::POST, "/advance") => match text.parse() {
            Ok(ms) => {
                state.clock.advance(Duration::from_millis(ms));
                Ok(json!({}))
            }
            Err(_) => Err(format!("no number of milliseconds: {text}")),
        },
        _ => Err("GET /counters, GET /log, POST /reset, POST /fault, POST /advance".to_owned()),
    });
    match json {
        Ok(json) => answer(StatusCode::OK, "application/json", json.to_string()),
        Err(error) => answer(StatusCode::BAD_REQUEST, "text/plain", format!("{error}\n")),
    }
}
