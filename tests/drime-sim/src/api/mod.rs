//! The API server: what happens to every request, and which function answers it.

mod changes;
mod download;
mod form;
mod identity;
mod listing;
mod multipart;
mod register;
mod route;

use crate::Shared;
use crate::call::{Call, parse_query};
use crate::fault::Step;
use crate::http::{Answer, Request, Reset, answer, collect, drain, page, set, step};
use crate::log::{Origin, Record};
use crate::refusal::Refusal;
use crate::switches::{BadToken, LiteralPut};
use http::{HeaderMap, Method, StatusCode, header};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use route::Route;
use serde_json::Value;

/// JSON bodies above this are refused.
const MAX_JSON: usize = 8 * 1024 * 1024;

pub(crate) type Outcome = Result<(StatusCode, Value), Refusal>;

/// Answers one request, and notes it.
pub(crate) async fn handle(shared: &Shared, request: Request) -> Result<Answer, Reset> {
    let _busy = shared.busy();
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let path = path.strip_prefix("/api/v1").unwrap_or(path).to_owned();
    let mut record = Record::new(Origin::Api, &parts.method, &path, &parts.headers);
    record.query = parts.uri.query().unwrap_or("").to_owned();
    let query = parse_query(&record.query);
    let method = method(&parts.method, &parts.headers, &query);
    let segments = path.split('/').skip(1);
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut call = Call {
        method,
        segments: segments.map(decode).collect(),
        query,
        headers: parts.headers,
        body: Value::Null,
    };
    let known = parts.uri.path().starts_with("/api/v1/");
    let route = known.then(|| Route::of(&call)).flatten();
    let kind = route.as_ref().map_or("unknown", Route::kind);

    let step = step(shared, Origin::Api, &record).await;
    let outcome = match step {
        Step::ResetBefore => {
            shared.with(|state| state.log.push(kind, record));
            return Err(Reset);
        }
        Step::Status(status) => {
            drain(body).await;
            Ok(refuse(&call, &scripted(status)))
        }
        Step::Html => {
            drain(body).await;
            Ok(page())
        }
        _ => {
            let (left, outcome) = perform(shared, &mut call, route, body, &mut record).await;
            let mut answer = match outcome {
                Ok(answer) => answer,
                Err(refusal) => refuse(&call, &refusal),
            };
            let limit = shared.with(|state| state.switches.rate_limit);
            set(&mut answer, "x-ratelimit-limit", &limit.to_string());
            set(&mut answer, "x-ratelimit-remaining", &left.to_string());
            match step {
                Step::StatusAfter(status) => Ok(refuse(&call, &scripted(status))),
                Step::ResetAfter => Err(Reset),
                _ => Ok(answer),
            }
        }
    };
    record.status = outcome
        .as_ref()
        .map_or(0, |answer| answer.status().as_u16());
    shared.with(|state| state.log.push(kind, record));
    outcome
}

/// The method, with the two ways to override a POST.
fn method(sent: &Method, headers: &HeaderMap, query: &[(String, String)]) -> Method {
    if sent != Method::POST {
        return sent.clone();
    }
    let header = headers.get("x-http-method-override");
    let header = header.and_then(|value| value.to_str().ok());
    let query = query.iter().find(|(name, _)| name == "_method");
    let wanted = header.or(query.map(|(_, value)| value.as_str()));
    wanted
        .and_then(|name| name.to_uppercase().parse().ok())
        .unwrap_or(Method::POST)
}

fn scripted(status: u16) -> Refusal {
    match StatusCode::from_u16(status) {
        Ok(StatusCode::TOO_MANY_REQUESTS) => Refusal::TooMany(Some(1)),
        Ok(status) => Refusal::Status(status),
        Err(_) => Refusal::Broken("no such status".into()),
    }
}

/// Rate, token and method, then the route's function. Also answers how many requests are left.
async fn perform(
    shared: &Shared,
    call: &mut Call,
    route: Option<Route>,
    body: Incoming,
    record: &mut Record,
) -> (u32, Result<Answer, Refusal>) {
    let Some(left) = shared.with(crate::state::State::spend) else {
        drain(body).await;
        let wait = shared.with(|state| {
            let end = state.window.began + 60_000;
            let wait = end.saturating_sub(state.clock.now()).div_ceil(1000);
            (!state.switches.no_retry_after).then_some(wait)
        });
        return (0, Err(Refusal::TooMany(wait)));
    };
    let Some(route) = route else {
        drain(body).await;
        return (left, Err(Refusal::NoRoute));
    };
    if !authorized(shared, &call.headers) {
        drain(body).await;
        let bad = shared.with(|state| state.switches.bad_token);
        return match (route, bad) {
            (Route::LoggedUser, BadToken::NullUser) => (left, Ok(identity::nobody())),
            _ => (left, Err(Refusal::Unauthenticated)),
        };
    }
    if record.method == "PUT"
        && shared.with(|state| state.switches.literal_put) == LiteralPut::Breaks
    {
        drain(body).await;
        return (left, Err(scripted(520)));
    }
    let outcome = match route {
        Route::Upload => form::upload(shared, call, body, record).await,
        Route::Download(id) => {
            drain(body).await;
            return (left, download::download(shared, call, id));
        }
        route => match read_json(body).await {
            Ok(json) => {
                record.body = json.clone();
                call.body = json;
                answer_json(shared, call, &route)
            }
            Err(refusal) => Err(refusal),
        },
    };
    let answer = outcome.map(|(status, json)| answer(status, "application/json", json.to_string()));
    (left, answer)
}

fn answer_json(shared: &Shared, call: &Call, route: &Route) -> Outcome {
    shared.with(|state| {
        let workspace = call.workspace();
        if workspace != 0 && !state.workspaces.contains_key(&workspace) {
            return Err(Refusal::Forbidden);
        }
        let json = match route {
            Route::LoggedUser => identity::logged_user(),
            Route::Workspaces => identity::workspaces(state),
            Route::NewWorkspace => identity::new_workspace(state, call)?,
            Route::SpaceUsage => identity::space_usage(state),
            Route::List => listing::list(state, call)?,
            Route::FolderCount(id) => listing::count(state, *id)?,
            Route::FolderPath(id) => listing::path(state, *id)?,
            Route::NewFolder => changes::new_folder(state, call)?,
            Route::Delete => changes::delete(state, call)?,
            Route::Restore => changes::restore(state, call)?,
            Route::Change(id) => changes::change(state, call, *id)?,
            Route::Move => changes::relocate(state, call)?,
            Route::Duplicate => changes::duplicate(state, call)?,
            Route::Presign => multipart::presign(shared, state, call)?,
            Route::CreateMultipart => multipart::create(state, call)?,
            Route::SignParts => multipart::sign(shared, state, call)?,
            Route::Complete => multipart::complete(state, call)?,
            Route::Abort => multipart::abort(state, call)?,
            Route::UploadedParts => multipart::uploaded(state, call)?,
            Route::Register => return register::register(state, call),
            Route::Validate => register::validate(state, call),
            Route::AvailableName => register::available_name(state, call)?,
            // These two are answered above.
            Route::Upload | Route::Download(_) => return Err(Refusal::NoRoute),
        };
        Ok((StatusCode::OK, json))
    })
}

async fn read_json(body: Incoming) -> Result<Value, Refusal> {
    let bytes = collect(body, MAX_JSON).await.ok_or(Refusal::TooLarge)?;
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let malformed = |_| Refusal::Bad("The body is not JSON.".into());
    serde_json::from_slice(&bytes).map_err(malformed)
}

fn authorized(shared: &Shared, headers: &HeaderMap) -> bool {
    let sent = headers.get(header::AUTHORIZATION);
    let sent = sent.and_then(|value| value.to_str().ok());
    let token = sent.and_then(|value| value.strip_prefix("Bearer "));
    token.is_some_and(|token| shared.with(|state| state.tokens.iter().any(|known| known == token)))
}

/// The answer for an error: JSON for those who ask for it, else a page.
fn refuse(call: &Call, refusal: &Refusal) -> Answer {
    let accepts = call.headers.get(header::ACCEPT);
    let accepts = accepts.and_then(|value| value.to_str().ok()).unwrap_or("");
    let wants_json = accepts.contains("json") || accepts.contains("*/*");
    let status = refusal.status();
    let mut answer = match refusal.body() {
        Some(json) if wants_json => answer(status, "application/json", json.to_string()),
        Some(_) if *refusal == Refusal::NoRoute => page(),
        Some(_) => answer(
            status,
            "text/html; charset=UTF-8",
            "<html><body></body></html>",
        ),
        // From the proxy in front.
        None if status.as_u16() >= 520 => answer(
            status,
            "text/plain; charset=UTF-8",
            format!("error code: {}", status.as_u16()),
        ),
        None => answer(
            status,
            "text/html",
            format!("<html><title>{status}</title></html>"),
        ),
    };
    if let Refusal::TooMany(Some(seconds)) = refusal {
        set(&mut answer, "retry-after", &seconds.to_string());
    }
    answer
}
