//! A third server, for tests in other processes: what was asked, and how to interfere.

use crate::entry::Life;
use crate::http::{Answer, Request, answer, collect};
use crate::{Shared, Switches};
use clap::Parser as _;
use http::{Method, StatusCode};
use serde_json::json;
use std::time::Duration;

/// `--create-lag 500`, say.
#[derive(clap::Parser)]
#[command(no_binary_name = true)]
struct Flags {
    #[command(flatten)]
    switches: Switches,
}

const MAX: usize = 64 * 1024;

pub(crate) async fn handle(shared: &Shared, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let text = collect(body, MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let text = text.trim();
    let json = shared.with(|state| {
        match (&parts.method, parts.uri.path()) {
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
        (&Method::POST, "/calm") => {
            state.faults.clear();
            Ok(json!({}))
        }
        (&Method::POST, "/switch") => match Flags::try_parse_from(text.split_whitespace()) {
            Ok(flags) => {
                state.switches = flags.switches;
                Ok(json!({}))
            }
            Err(error) => Err(error.to_string()),
        },
        (&Method::GET, "/entries") => {
            let live = state.entries.values().filter(|entry| entry.life == Life::Live);
            let rows = live.map(|entry| {
                let listed = crate::seed::listed(state, entry);
                json!({"id": listed.id, "path": listed.path, "folder": listed.folder,
                    "size": listed.size, "description": listed.description})
            });
            Ok(rows.collect())
        }
        (&Method::GET, "/uploads") => Ok(json!(state.uploads.len())),
        (&Method::POST, "/advance") => match text.parse() {
            Ok(ms) => {
                state.clock.advance(Duration::from_millis(ms));
                Ok(json!({}))
            }
            Err(_) => Err(format!("no number of milliseconds: {text}")),
        },
        _ => Err(
            "GET /counters, /log, /entries, /uploads; POST /reset, /fault, /calm, /switch, /advance"
                .to_owned(),
        ),
    }
    });
    match json {
        Ok(json) => answer(StatusCode::OK, "application/json", json.to_string()),
        Err(error) => answer(StatusCode::BAD_REQUEST, "text/plain", format!("{error}\n")),
    }
}
