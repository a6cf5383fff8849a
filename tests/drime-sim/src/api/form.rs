//! `POST /uploads`: a form with one file in it.

use super::register::{OCTETS, check_space, created, target};
use super::{Outcome, route::Route};
use crate::Shared;
use crate::blob::Writer;
use crate::call::Call;
use crate::entry::FileData;
use crate::log::Record;
use crate::refusal::Refusal;
use crate::state::NewFile;
use http::header;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use multer::Multipart;
use serde_json::{Map, Value, json};

struct Received {
    name: String,
    mime: String,
    bytes: Writer,
}

pub(super) async fn upload(
    shared: &Shared,
    call: &mut Call,
    body: Incoming,
    record: &mut Record,
) -> Outcome {
    debug_assert_eq!(Route::of(call), Some(Route::Upload));
    let kind = call.headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|value| value.to_str().ok()).unwrap_or("");
    let Ok(boundary) = multer::parse_boundary(kind) else {
        crate::http::drain(body).await;
        return Err(Refusal::field("file"));
    };
    let mut form = Multipart::new(body.into_data_stream(), boundary);
    let mut fields = Map::new();
    let mut logged = Vec::new();
    let mut file = None;
    let malformed = |error: multer::Error| Refusal::Bad(error.to_string());
    let limit = shared.with(|state| state.switches.max_form);
    while let Some(mut field) = form.next_field().await.map_err(malformed)? {
        let name = field.name().unwrap_or("").to_owned();
        if name != "file" {
            let text = field.text().await.map_err(malformed)?;
            logged.push(json!([name, text]));
            // The server's filters: an empty text is none.
            let value = match text.trim() {
                "" => Value::Null,
                text => json!(text),
            };
            fields.insert(name, value);
            continue;
        }
        let mut received = Received {
            name: field.file_name().unwrap_or("").to_owned(),
            mime: field
                .content_type()
                .map_or(OCTETS.to_owned(), ToString::to_string),
            bytes: Writer::new(shared.with(crate::state::State::blob_path)),
        };
        while let Some(chunk) = field.chunk().await.map_err(malformed)? {
            let broken = |error: std::io::Error| Refusal::Broken(error.to_string());
            received.bytes.write(&chunk).map_err(broken)?;
            if received.bytes.len() > limit {
                return Err(Refusal::TooLarge);
            }
        }
        let (kind, len) = (&received.mime, received.bytes.len());
        logged.push(json!([name, received.name, kind, len]));
        file = Some(received);
    }
    record.body = Value::Array(logged);
    call.body = Value::Object(fields);
    let file = file.ok_or_else(|| Refusal::field("file"))?;
    shared.with(|state| {
        let workspace = call.workspace();
        if workspace != 0 && !state.workspaces.contains_key(&workspace) {
            return Err(Refusal::Forbidden);
        }
        check_space(state, file.bytes.len())?;
        let (place, name) = target(state, call, &file.name)?;
        let size = file.bytes.len();
        let extension = name
            .rsplit_once('.')
            .map(|(_, extension)| extension.to_owned());
        let new = NewFile {
            name,
            size,
            data: FileData {
                file_name: state.uuid(),
                mime: file.mime,
                extension: extension.unwrap_or_default(),
                blob: file.bytes.finish().0,
            },
        };
        Ok(created(state, place, new))
    })
}
