//! The storage server: presigned requests for bytes. It refuses every token.

use crate::Shared;
use crate::blob::Writer;
use crate::call::parse_query;
use crate::fault::Step;
use crate::http::{Answer, Request, Reset, answer, drain, page, range, send, set, step};
use crate::log::{Origin, Record};
use crate::state::{Part, State};
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use md5::{Digest, Md5};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;

/// What a presigned URL allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    method: &'static str,
    file_name: String,
    /// Upload and number.
    part: Option<(String, u32)>,
    /// The content type that must be sent.
    mime: Option<String>,
    expires: u64,
}

impl Signed {
    pub(crate) fn put(file_name: &str, mime: &str, expires: u64) -> Self {
        Self {
            mime: Some(mime.to_owned()),
            ..Self::new("PUT", file_name, expires)
        }
    }

    pub(crate) fn part(file_name: &str, upload: &str, number: u32, expires: u64) -> Self {
        Self {
            part: Some((upload.to_owned(), number)),
            ..Self::new("PUT", file_name, expires)
        }
    }

    pub(crate) fn get(file_name: &str, expires: u64) -> Self {
        Self::new("GET", file_name, expires)
    }

    fn new(method: &'static str, file_name: &str, expires: u64) -> Self {
        Self {
            method,
            file_name: file_name.to_owned(),
            part: None,
            mime: None,
            expires,
        }
    }

    fn signature(&self, secret: &str) -> String {
        hex::encode(Md5::digest(format!("{secret}{self:?}")))
    }

    pub(crate) fn url(&self, shared: &Shared) -> String {
        let mut url = format!(
            "{}/uploads/{}/{}?X-Amz-Expires={}",
            shared.storage_url, self.file_name, self.file_name, self.expires
        );
        if let Some((upload, number)) = &self.part {
            url = format!("{url}&partNumber={number}&uploadId={upload}");
        }
        if let Some(mime) = &self.mime {
            let mime = utf8_percent_encode(mime, NON_ALPHANUMERIC);
            url = format!("{url}&X-Type={mime}");
        }
        url + &format!("&X-Amz-Signature={}", self.signature(&shared.secret))
    }

    /// What a request claims to be allowed, if its signature is right.
    fn check(shared: &Shared, method: &Method, path: &str, query: &str) -> Option<Self> {
        let query = parse_query(query);
        let get = |name: &str| {
            let found = query.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.clone())
        };
        let file_name = path.rsplit('/').next()?;
        if path != format!("/uploads/{file_name}/{file_name}") {
            return None;
        }
        let part = match (get("uploadId"), get("partNumber")) {
            (Some(upload), Some(number)) => Some((upload, number.parse().ok()?)),
            _ => None,
        };
        let claimed = Self {
            method: if *method == Method::PUT { "PUT" } else { "GET" },
            file_name: file_name.to_owned(),
            part,
            mime: get("X-Type"),
            expires: get("X-Amz-Expires")?.parse().ok()?,
        };
        (claimed.signature(&shared.secret) == get("X-Amz-Signature")?).then_some(claimed)
    }
}

/// Answers one request, and notes it.
pub(crate) async fn handle(shared: &Shared, request: Request) -> Result<Answer, Reset> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let mut record = Record::new(Origin::Storage, &parts.method, &path, &parts.headers);
    record.query = parts.uri.query().unwrap_or("").to_owned();
    let kind = if parts.method == Method::PUT {
        "storage put"
    } else {
        "storage get"
    };
    let step = step(shared, Origin::Storage, &record).await;
    let outcome = match step {
        Step::ResetBefore => Err(Reset),
        Step::Status(status) => {
            drain(body).await;
            Ok(scripted(status))
        }
        Step::Html => {
            drain(body).await;
            Ok(page())
        }
        _ => {
            let query = record.query.clone();
            let done = perform(shared, &parts.method, &path, &query, &parts.headers, body).await;
            let done = done.unwrap_or_else(|(status, code)| error(status, code));
            match step {
                Step::StatusAfter(status) => Ok(scripted(status)),
                Step::ResetAfter => Err(Reset),
                _ => Ok(done),
            }
        }
    };
    record.status = outcome
        .as_ref()
        .map_or(0, |answer| answer.status().as_u16());
    shared.with(|state| state.log.push(kind, record));
    outcome
}

fn scripted(status: u16) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    error(status, "InternalError")
}

fn error(status: StatusCode, code: &str) -> Answer {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    );
    answer(status, "application/xml", xml)
}

/// Status and code of an error.
type Denial = (StatusCode, &'static str);

async fn perform(
    shared: &Shared,
    method: &Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Answer, Denial> {
    let refusal = refusal(shared, method, path, query, headers);
    let signed = match refusal {
        Ok(signed) => signed,
        Err(refusal) => {
            drain(body).await;
            return Err(refusal);
        }
    };
    if *method == Method::PUT {
        return put(shared, signed, body).await;
    }
    let blob = shared.with(|state| state.objects.get(&signed.file_name).map(Arc::clone));
    let blob = blob.ok_or((StatusCode::NOT_FOUND, "NoSuchKey"))?;
    let ranged = range(headers.get(header::RANGE), blob.len());
    Ok(send(&blob, "application/octet-stream", ranged))
}

/// Everything that is checked before the body.
fn refusal(
    shared: &Shared,
    method: &Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
) -> Result<Signed, Denial> {
    if headers.contains_key(header::AUTHORIZATION) {
        return Err((StatusCode::BAD_REQUEST, "InvalidArgument"));
    }
    let signed = Signed::check(shared, method, path, query);
    let signed = signed.ok_or((StatusCode::FORBIDDEN, "SignatureDoesNotMatch"))?;
    if signed.expires < shared.with(|state| state.clock.now()) {
        return Err((StatusCode::FORBIDDEN, "AccessDenied"));
    }
    if *method != Method::PUT {
        return Ok(signed);
    }
    if !headers.contains_key(header::CONTENT_LENGTH) {
        return Err((StatusCode::LENGTH_REQUIRED, "MissingContentLength"));
    }
    if let Some(mime) = &signed.mime {
        let is = |name: &str, value: &str| headers.get(name).is_some_and(|sent| sent == value);
        if !is("content-type", mime) || !is("x-amz-acl", "private") {
            return Err((StatusCode::FORBIDDEN, "SignatureDoesNotMatch"));
        }
    }
    Ok(signed)
}

async fn put(shared: &Shared, signed: Signed, mut body: Incoming) -> Result<Answer, Denial> {
    let broken = |_| (StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
    let mut writer = Writer::new(shared.with(State::blob_path));
    while let Some(frame) = body.frame().await {
        let cut_off = |_| (StatusCode::BAD_REQUEST, "IncompleteBody");
        if let Ok(bytes) = frame.map_err(cut_off)?.into_data() {
            writer.write(&bytes).map_err(broken)?;
        }
    }
    let (blob, md5) = writer.finish();
    let etag = hex::encode(md5);
    let mut answer = answer(StatusCode::OK, "", "");
    set(&mut answer, "etag", &format!("\"{etag}\""));
    shared.with(|state| match signed.part {
        None => {
            state.objects.insert(signed.file_name, blob);
            Ok(answer)
        }
        Some((upload, number)) => {
            let upload = state.uploads.get_mut(&upload);
            let upload = upload.ok_or((StatusCode::NOT_FOUND, "NoSuchUpload"))?;
            upload.parts.insert(number, Part { blob, etag });
            Ok(answer)
        }
    })
}
