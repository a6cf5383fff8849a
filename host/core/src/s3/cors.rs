//! Which web pages may use a bucket: the rules, what they allow, and what browsers are told.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html>

use super::error::{Error, RequestError};
use super::xml::read::{XmlError, walk};
use super::xml::write;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN,
    VARY,
};

const MAX_RULES: usize = 100;
const MAX_ID_CHARS: usize = 255;
const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "POST", "DELETE"];

/// One rule of a bucket.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Rule {
    id: Option<String>,
    origins: Vec<String>,
    methods: Vec<String>,
    headers: Vec<String>,
    exposed: Vec<String>,
    max_age: Option<u32>,
}

/// The rules of a bucket: the first that fits counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cors(Vec<Rule>);

/// Why a page may not do what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorsError {
    /// No `Origin`.
    #[error("Insufficient information. Origin request header needed.")]
    NoOrigin,
    /// `Access-Control-Request-Method` is no method of S3, or missing.
    #[error("Invalid Access-Control-Request-Method: {0}")]
    Method(String),
    /// The request is about no bucket.
    #[error("CORSResponse: Bucket not found")]
    NoBucket,
    /// The bucket has no rules, or is not there, which is nobody's business.
    #[error("CORSResponse: CORS is not enabled for this bucket.")]
    NotEnabled,
    /// No rule fits.
    #[error(
        "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
    )]
    NotAllowed,
}

impl Cors {
    /// Reads `CORSConfiguration`.
    ///
    /// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html>
    pub(super) fn parse(document: &[u8]) -> Result<Self, Error> {
        let mut rules = Vec::new();
        let mut rule = Rule::default();
        walk(document, "CORSConfiguration", |path, text| {
            match path {
                ["CORSRule", "ID"] => rule.id = Some(text),
                ["CORSRule", "AllowedOrigin"] => rule.origins.push(text.trim().to_owned()),
                ["CORSRule", "AllowedMethod"] => rule.methods.push(text.trim().to_owned()),
                ["CORSRule", "AllowedHeader"] => rule.headers.push(text.trim().to_owned()),
                ["CORSRule", "ExposeHeader"] => rule.exposed.push(text.trim().to_owned()),
                ["CORSRule", "MaxAgeSeconds"] => {
                    let seconds = text.trim().parse();
                    let seconds = seconds.map_err(|_| XmlError::Malformed("not a time"))?;
                    rule.max_age = Some(seconds);
                }
                ["CORSRule"] if rules.len() == MAX_RULES => {
                    return Err(XmlError::Malformed("too many rules"));
                }
                ["CORSRule"] => rules.push(std::mem::take(&mut rule)),
                _ => return Err(XmlError::Malformed("an unknown element")),
            }
            Ok(())
        })?;
        if rules.is_empty() {
            return Err(XmlError::Malformed("no rule").into());
        }
        for rule in &rules {
            rule.check()?;
        }
        Ok(Self(rules))
    }

    /// The document that says the same.
    pub(super) fn document(&self) -> Bytes {
        write::document("CORSConfiguration", |configuration| {
            for rule in &self.0 {
                configuration.element("CORSRule", |element| {
                    if let Some(id) = &rule.id {
                        element.text("ID", id);
                    }
                    for (name, values) in [
                        ("AllowedOrigin", &rule.origins),
                        ("AllowedMethod", &rule.methods),
                        ("AllowedHeader", &rule.headers),
                        ("ExposeHeader", &rule.exposed),
                    ] {
                        for value in values {
                            element.text(name, value);
                        }
                    }
                    if let Some(seconds) = rule.max_age {
                        element.text("MaxAgeSeconds", seconds);
                    }
                });
            }
        })
    }

    /// Answers a browser that asks before it sends its request.
    pub(super) fn preflight(&self, asked: &Page<'_>) -> Result<HeaderMap, CorsError> {
        let method = asked.method.unwrap_or("null");
        if !METHODS.contains(&method) {
            return Err(CorsError::Method(method.to_owned()));
        }
        let rule = self.rule(asked, method).ok_or(CorsError::NotAllowed)?;
        let mut headers = rule.answer(asked.origin);
        if !asked.headers.is_empty() {
            set(
                &mut headers,
                &ACCESS_CONTROL_ALLOW_HEADERS,
                &asked.headers.join(", "),
            );
        }
        Ok(headers)
    }

    /// What a page may know of an answer to `method`; nothing if no rule fits. Headers that belong
    /// into a preflight count here, too.
    pub(super) fn answer(&self, asked: &Page<'_>, method: &str) -> Option<HeaderMap> {
        let rule = self.rule(asked, asked.method.unwrap_or(method));
        rule.map(|rule| rule.answer(asked.origin))
    }

    fn rule(&self, asked: &Page<'_>, method: &str) -> Option<&Rule> {
        self.0.iter().find(|rule| {
            rule.origin(asked.origin).is_some()
                && rule.allows_method(method)
                && asked.headers.iter().all(|name| rule.allows_header(name))
        })
    }
}

impl Rule {
    fn check(&self) -> Result<(), Error> {
        if self.origins.is_empty() || self.methods.is_empty() {
            return Err(XmlError::Malformed("a rule without origin or method").into());
        }
        if self
            .id
            .as_ref()
            .is_some_and(|id| id.chars().count() > MAX_ID_CHARS)
        {
            return Err(XmlError::Malformed("the name of a rule is too long").into());
        }
        let invalid = |text: String| Err(RequestError::Invalid(text).into());
        let odd = |name: &&String| !METHODS.contains(&name.as_str());
        if let Some(method) = self.methods.iter().find(odd) {
            return invalid(format!(
                "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            ));
        }
        for (name, patterns) in [
            ("AllowedOrigin", &self.origins),
            ("AllowedHeader", &self.headers),
        ] {
            let many = |pattern: &&String| pattern.matches('*').count() > 1;
            if let Some(pattern) = patterns.iter().find(many) {
                return invalid(format!(
                    "{name} \"{pattern}\" can not have more than one wildcard."
                ));
            }
        }
        if let Some(name) = self.exposed.iter().find(|name| name.contains('*')) {
            return invalid(format!(
                "ExposeHeader \"{name}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
            ));
        }
        // All of them become headers.
        let all = [&self.origins, &self.headers, &self.exposed];
        if all
            .into_iter()
            .flatten()
            .any(|text| HeaderValue::from_str(text).is_err() || text.is_empty())
        {
            return Err(XmlError::Malformed("not the text of a header").into());
        }
        Ok(())
    }

    /// The pattern that an origin fits.
    fn origin(&self, origin: &str) -> Option<&str> {
        let mut patterns = self.origins.iter();
        let found = patterns.find(|pattern| fits(pattern, origin));
        found.map(String::as_str)
    }

    fn allows_method(&self, method: &str) -> bool {
        self.methods.iter().any(|allowed| allowed == method)
    }

    fn allows_header(&self, name: &str) -> bool {
        let mut patterns = self.headers.iter();
        patterns.any(|pattern| fits(&pattern.to_ascii_lowercase(), name))
    }

    fn answer(&self, origin: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.origin(origin) == Some("*") {
            set(&mut headers, &ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        } else {
            set(&mut headers, &ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            set(&mut headers, &ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        set(
            &mut headers,
            &ACCESS_CONTROL_ALLOW_METHODS,
            &self.methods.join(", "),
        );
        if !self.exposed.is_empty() {
            set(
                &mut headers,
                &ACCESS_CONTROL_EXPOSE_HEADERS,
                &self.exposed.join(", "),
            );
        }
        if let Some(seconds) = self.max_age {
            headers.insert(ACCESS_CONTROL_MAX_AGE, seconds.into());
        }
        // Another page may get another answer.
        set(
            &mut headers,
            &VARY,
            "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
        );
        headers
    }
}

/// A pattern with at most one `*`, which stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => {
            let rest = text.strip_prefix(start);
            rest.is_some_and(|rest| rest.ends_with(end))
        }
    }
}

fn set(headers: &mut HeaderMap, name: &http::HeaderName, value: &str) {
    // Rules and requests have been headers already.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The page that a request comes from, and what a browser asks before it sends that.
#[derive(Debug)]
pub(super) struct Page<'r> {
    origin: &'r str,
    method: Option<&'r str>,
    /// In lower case.
    headers: Vec<String>,
}

impl<'r> Page<'r> {
    pub(super) fn parse(headers: &'r HeaderMap) -> Result<Self, CorsError> {
        let text = |name| {
            let value: Option<&HeaderValue> = headers.get(name);
            value.and_then(|value| value.to_str().ok())
        };
        let origin = text(&ORIGIN).ok_or(CorsError::NoOrigin)?;
        let names = text(&ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
        let names = names
            .split(',')
            .map(|name| name.trim().to_ascii_lowercase());
        Ok(Self {
            origin,
            method: text(&ACCESS_CONTROL_REQUEST_METHOD),
            headers: names.filter(|name| !name.is_empty()).collect(),
        })
    }
}

#[cfg(test)]
mod tests;
