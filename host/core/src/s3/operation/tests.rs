//! Requests up to the point where the service would be called.

mod buckets;
mod listings;
mod objects;
mod uploads;

use super::*;
use crate::model::{ETag, Timestamp};
use crate::s3::address::{Address, Domains};
use crate::s3::auth::{Access, Authenticator};
use crate::s3::error::Code;
use crate::s3::route::route;
use crate::s3::tests::md5_of;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

/// Parses a request up to the point where the service would be called.
async fn parse_request(request: http::Request<ByteStream>) -> Result<Operation, Error> {
    let (parts, body) = request.into_parts();
    let domains = Domains::new(["example.com"]);
    let address = Address::parse(&parts, &domains)?;
    let query = Query::parse(parts.uri.query())?;
    let gate = Authenticator::new(Access::Open, "eu-west-1");
    let identity = gate.authenticate(&parts, Timestamp::now())?;
    let route = route(&parts.method, address, &query, &parts.headers)?;
    let request = Request {
        parts: &parts,
        query: &query,
        identity: &identity,
        region: "eu-west-1",
        scheme: "http",
        domains: &domains,
        authenticator: &gate,
        now: Timestamp(0),
    };
    Operation::parse(route, &request, body).await
}

async fn parse(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &'static str,
) -> Result<Operation, Error> {
    let mut request = http::Request::builder().method(method).uri(target);
    request = request.header("host", "localhost:10001");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if body.starts_with('<') {
        request = request.header("content-md5", md5_of(body));
    }
    let body = stream::iter([Ok(Bytes::from_static(body.as_bytes()))]).boxed();
    parse_request(request.body(body).unwrap()).await
}

async fn code(method: &str, target: &str, headers: &[(&str, &str)], body: &'static str) -> Code {
    match parse(method, target, headers, body).await {
        Ok(_) => panic!("{method} {target} was accepted"),
        Err(error) => error.code(),
    }
}
