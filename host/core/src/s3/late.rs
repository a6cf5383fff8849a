//! Answers to operations that may take longer than clients wait for a status.
//!
//! As S3 does: after a while the answer begins with 200 and white space, which keeps the connection
//! and the client awake; what came of it follows in the document, also if that is an error.

use super::error::Error;
use super::perform::Context;
use super::response::{self, Asked, Reply, ReplyBody};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// So long an answer keeps its own status.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two signs of life.
const PAUSE: Duration = Duration::from_secs(5);

/// How every document of ours begins. White space may follow it, but not come before it.
const DECLARATION: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

type Work = Pin<Box<dyn Future<Output = Result<Bytes, Error>> + Send>>;

enum Step {
    Begin(Work),
    Wait(Work),
    Over,
}

/// Answers with the document that `work` results in.
pub(super) async fn answer(
    context: &Context<'_>,
    work: impl Future<Output = Result<Bytes, Error>> + Send + 'static,
) -> Result<Reply, Error> {
    let mut work: Work = Box::pin(work);
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
        return Ok(response::document(done?));
    }
    let asked = Asked::of(context.parts, context.domains).into_owned();
    let asked = Arc::new((asked, context.id.clone()));
    let body = stream::unfold(Step::Begin(work), move |step| {
        let asked = Arc::clone(&asked);
        async move {
            let mut work = match step {
                Step::Begin(work) => {
                    return Some((Bytes::from_static(DECLARATION), Step::Wait(work)));
                }
                Step::Wait(work) => work,
                Step::Over => return None,
            };
            let document = match tokio::time::timeout(PAUSE, &mut work).await {
                Err(_) => return Some((Bytes::from_static(b" "), Step::Wait(work))),
                Ok(Ok(document)) => document,
                Ok(Err(error)) => {
                    super::log_failure(&error, None);
                    let (asked, id) = &*asked;
                    response::error_document(&error, asked, id)
                }
            };
            let rest = document.strip_prefix(DECLARATION).unwrap_or(&document);
            Some((document.slice_ref(rest), Step::Over))
        }
    });
    let mut reply = response::document(Bytes::new());
    *reply.body_mut() = ReplyBody::Late(body.map(Ok).boxed());
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::address::Domains;
    use crate::s3::response::RequestId;
    use crate::service::memory::MemoryStore;
    use crate::service::memory_cache::MemoryCache;
    use crate::service::ports::RowTrust;
    use crate::service::{BucketMode, Service, ServiceError};

    async fn answered(wait: u64, outcome: Result<Bytes, Error>) -> (Reply, String) {
        let (store, cache) = (MemoryStore::new(RowTrust::Check), MemoryCache::default());
        let service = Service::new(Arc::new(store), Arc::new(cache), BucketMode::Default);
        let id = RequestId {
            id: "1".into(),
            host: "2".into(),
        };
        let request = http::Request::post("/abc/k?uploadId=u").body(()).unwrap();
        let (request, ()) = request.into_parts();
        let context = Context {
            service: &Arc::new(service),
            region: "us-east-1",
            parts: &request,
            domains: &Domains::default(),
            id: &id,
        };
        let work = async move {
            tokio::time::sleep(Duration::from_secs(wait)).await;
            outcome
        };
        let mut reply = answer(&context, work).await.unwrap();
        let body = std::mem::replace(reply.body_mut(), ReplyBody::Empty);
        let text = match body {
            ReplyBody::Full(text) => text.to_vec(),
            ReplyBody::Late(mut stream) => {
                let mut text = Vec::new();
                while let Some(piece) = stream.next().await {
                    text.extend_from_slice(&piece.unwrap());
                }
                text
            }
            other => panic!("{other:?}"),
        };
        (reply, String::from_utf8(text).unwrap())
    }

    fn done() -> Bytes {
        crate::s3::xml::write::document("Done", |_| {})
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_soon_is_answered_as_usual() {
        let (_, text) = answered(4, Ok(done())).await;
        assert_eq!(text.as_bytes(), done());
    }

    #[tokio::test(start_paused = true)]
    async fn long_work_is_answered_early_with_white_space_behind_the_declaration() {
        let (reply, text) = answered(18, Ok(done())).await;
        assert_eq!(reply.status(), 200);
        let (declaration, rest) = text.split_once('\n').unwrap();
        assert!(
            declaration.starts_with("<?xml ") && rest.starts_with("  <Done"),
            "{text}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_that_comes_late_is_in_the_document() {
        let (reply, text) = answered(18, Err(ServiceError::NoSuchUpload.into())).await;
        assert_eq!(reply.status(), 200);
        assert!(text.contains("<Code>NoSuchUpload</Code>"), "{text}");
        assert!(text.contains("<UploadId>u</UploadId>"), "{text}");
    }
}
