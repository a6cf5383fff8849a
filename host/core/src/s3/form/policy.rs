//! The policy of a form: until when it may be posted, and what its fields must be.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>

use super::{Form, PolicyError};
use crate::model::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use std::ops::RangeInclusive;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What whoever signed the policy allows.
#[derive(Debug)]
pub(super) struct Policy {
    /// Seconds since 1970.
    expiration: i64,
    conditions: Vec<(Condition, String)>,
}

#[derive(Debug)]
enum Condition {
    Equals { field: String, value: String },
    StartsWith { field: String, start: String },
    Length(RangeInclusive<u64>),
}

/// Fields that no condition has to mention: the policy cannot contain its own signature.
const FREE: [&str; 4] = ["policy", "signature", "x-amz-signature", "awsaccesskeyid"];
/// Fields that begin so are nobody's business.
const IGNORED: &str = "x-ignore-";

impl Policy {
    /// Reads the base64 of a JSON document.
    pub(super) fn parse(raw: &str) -> Result<Self, PolicyError> {
        let compact: String = raw.split_ascii_whitespace().collect();
        let json = BASE64
            .decode(compact)
            .map_err(|_| invalid("Invalid Base64 Encoding."))?;
        let document: Value =
            serde_json::from_slice(&json).map_err(|_| invalid("Invalid JSON."))?;
        let Value::Object(document) = &document else {
            return Err(invalid("Invalid JSON: not an object."));
        };
        let known = ["expiration", "conditions"];
        if document.keys().any(|name| !known.contains(&name.as_str())) {
            return Err(invalid("Unexpected element in the policy."));
        }
        let expiration = document.get("expiration").and_then(Value::as_str);
        let expiration = expiration.ok_or(invalid("Policy missing expiration."))?;
        let expiration = OffsetDateTime::parse(expiration, &Rfc3339)
            .map_err(|_| invalid("Invalid 'expiration' value."))?;
        let conditions = document.get("conditions").and_then(Value::as_array);
        let conditions = conditions.ok_or(invalid("Policy missing conditions."))?;
        let mut parsed = Vec::new();
        for raw in conditions {
            for condition in condition(raw)? {
                parsed.push((condition, raw.to_string()));
            }
        }
        Ok(Self {
            expiration: expiration.unix_timestamp(),
            conditions: parsed,
        })
    }

    /// Refuses a form that the policy does not allow. The key of `form` is expanded already.
    pub(super) fn check(
        &self,
        form: &Form,
        bucket: &str,
        size: u64,
        now: Timestamp,
    ) -> Result<(), PolicyError> {
        if now.seconds() > self.expiration {
            return Err(PolicyError::Expired);
        }
        // The bucket is in the address, and has to be mentioned as if it were a field.
        let value = |field: &str| match field {
            "bucket" => Some(bucket),
            field => form.get(field),
        };
        for (condition, text) in &self.conditions {
            condition.check(value, size, text)?;
        }
        let mentioned = |name: &str| {
            self.conditions
                .iter()
                .any(|(condition, _)| condition.field() == Some(name))
        };
        let fields = form.names().filter(|name| *name != "bucket");
        for name in fields.chain(["bucket"]) {
            if !FREE.contains(&name) && !name.starts_with(IGNORED) && !mentioned(name) {
                return Err(PolicyError::Extra(name.to_owned()));
            }
        }
        Ok(())
    }
}

impl Condition {
    fn field(&self) -> Option<&str> {
        match self {
            Self::Equals { field, .. } | Self::StartsWith { field, .. } => Some(field),
            Self::Length(_) => None,
        }
    }

    fn check<'f>(
        &self,
        value: impl Fn(&str) -> Option<&'f str>,
        size: u64,
        text: &str,
    ) -> Result<(), PolicyError> {
        let holds = match self {
            Self::Equals {
                field,
                value: right,
            } => value(field) == Some(right),
            // A list of content types: each of them.
            Self::StartsWith { field, start } if field == "content-type" => value(field)
                .is_some_and(|list| list.split(',').all(|one| one.trim().starts_with(start))),
            Self::StartsWith { field, start } => {
                value(field).unwrap_or_default().starts_with(start)
            }
            Self::Length(range) if size < *range.start() => {
                let least = *range.start();
                return Err(PolicyError::TooSmall { size, least });
            }
            Self::Length(range) if size > *range.end() => {
                let most = *range.end();
                return Err(PolicyError::TooLarge { size, most });
            }
            Self::Length(_) => true,
        };
        if holds {
            Ok(())
        } else {
            Err(PolicyError::Condition(text.to_owned()))
        }
    }
}

/// One element of the list of conditions; an object may hold several.
fn condition(raw: &Value) -> Result<Vec<Condition>, PolicyError> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match raw {
        Value::Object(fields) => fields
            .iter()
            .map(|(field, value)| {
                Ok(Condition::Equals {
                    field: field.to_ascii_lowercase(),
                    value: text(value)
                        .ok_or(invalid("Invalid Simple-Condition: value must be a string."))?,
                })
            })
            .collect(),
        Value::Array(items) => {
            let [operator, one, two] = items.as_slice() else {
                return Err(invalid("Invalid Condition: wrong number of arguments."));
            };
            let operator = operator.as_str().unwrap_or_default().to_ascii_lowercase();
            if operator == "content-length-range" {
                let (Some(least), Some(most)) = (number(one), number(two)) else {
                    return Err(invalid(
                        "Invalid Condition: content-length-range needs two numbers.",
                    ));
                };
                return Ok(vec![Condition::Length(least..=most)]);
            }
            let field = one.as_str().and_then(|name| name.strip_prefix('$'));
            let field = field.ok_or(invalid(
                "Invalid Condition: expected a field name after '$'.",
            ))?;
            let field = field.to_ascii_lowercase();
            let value = text(two).ok_or(invalid("Invalid Condition: value must be a string."))?;
            match operator.as_str() {
                "eq" => Ok(vec![Condition::Equals { field, value }]),
                "starts-with" => Ok(vec![Condition::StartsWith {
                    field,
                    start: value,
                }]),
                _ => Err(invalid("Invalid Condition: unknown operator.")),
            }
        }
        _ => Err(invalid("Invalid Condition: neither an object nor a list.")),
    }
}

/// A number, or digits in quotes.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn invalid(why: &'static str) -> PolicyError {
    PolicyError::Invalid(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form(fields: &[(&str, &str)]) -> Form {
        let mut form = Form::default();
        for (name, value) in fields {
            form.add(name, (*value).to_owned()).unwrap();
        }
        form
    }

    fn policy(conditions: &str) -> Result<Policy, PolicyError> {
        let json = format!(
            "{{\"expiration\": \"2007-12-01T12:00:00.000Z\", \"conditions\": [{conditions}]}}"
        );
        Policy::parse(&BASE64.encode(json))
    }

    /// Conditions, fields, and what comes of them.
    type Case = (
        &'static str,
        &'static [(&'static str, &'static str)],
        Result<(), PolicyError>,
    );

    const NOON: i64 = 1_196_510_400;

    fn outcome(conditions: &str, fields: &[(&str, &str)], size: u64) -> Result<(), PolicyError> {
        let conditions =
            format!("{{\"bucket\": \"abc\"}}, [\"starts-with\", \"$key\", \"\"], {conditions}");
        let mut fields = fields.to_vec();
        fields.push(("key", "k"));
        policy(conditions.trim_end_matches(", "))?.check(
            &form(&fields),
            "abc",
            size,
            Timestamp::from_seconds(NOON),
        )
    }

    #[test]
    fn each_kind_of_condition_can_hold_and_fail() {
        let failed = |text: &str| Err(PolicyError::Condition(text.to_owned()));
        let cases: [Case; 11] = [
            ("", &[], Ok(())),
            ("{\"acl\": \"private\"}", &[("acl", "private")], Ok(())),
            (
                "{\"Acl\": \"private\"}",
                &[("ACL", "public")],
                failed("{\"Acl\":\"private\"}"),
            ),
            (
                "[\"eq\", \"$acl\", \"private\"]",
                &[("acl", "private")],
                Ok(()),
            ),
            (
                "[\"eq\", \"$acl\", \"private\"]",
                &[("acl", "Private")],
                failed("[\"eq\",\"$acl\",\"private\"]"),
            ),
            (
                "[\"eq\", \"$acl\", \"private\"]",
                &[],
                failed("[\"eq\",\"$acl\",\"private\"]"),
            ),
            (
                "[\"starts-with\", \"$Content-Type\", \"image/\"]",
                &[("content-type", "image/png, image/gif")],
                Ok(()),
            ),
            (
                "[\"starts-with\", \"$Content-Type\", \"image/\"]",
                &[("content-type", "image/png,text/x")],
                failed("[\"starts-with\",\"$Content-Type\",\"image/\"]"),
            ),
            (
                "[\"starts-with\", \"$x-amz-meta-a\", \"\"]",
                &[("x-amz-meta-a", "any")],
                Ok(()),
            ),
            (
                "{\"success_action_status\": 201}",
                &[("success_action_status", "201")],
                Ok(()),
            ),
            (
                "",
                &[("acl", "private")],
                Err(PolicyError::Extra("acl".into())),
            ),
        ];
        for (conditions, fields, expected) in cases {
            assert_eq!(outcome(conditions, fields, 1), expected, "{conditions}");
        }
        let range = "[\"content-length-range\", 2, \"4\"]";
        assert_eq!(
            outcome(range, &[], 1),
            Err(PolicyError::TooSmall { size: 1, least: 2 })
        );
        assert_eq!(outcome(range, &[], 2), Ok(()));
        assert_eq!(outcome(range, &[], 4), Ok(()));
        assert_eq!(
            outcome(range, &[], 5),
            Err(PolicyError::TooLarge { size: 5, most: 4 })
        );
    }

    #[test]
    fn some_fields_need_no_condition_and_the_bucket_needs_one() {
        let free = [
            ("policy", "p"),
            ("Signature", "s"),
            ("AWSAccessKeyId", "i"),
            ("x-ignore-a", "1"),
            ("x-amz-signature", "s"),
        ];
        assert_eq!(outcome("", &free, 1), Ok(()));
        let without = policy("[\"eq\", \"$key\", \"k\"]").unwrap();
        let refused = without.check(&form(&[("key", "k")]), "abc", 1, Timestamp(0));
        assert_eq!(refused, Err(PolicyError::Extra("bucket".into())));
        // A field of that name does not change where the form is posted to.
        let elsewhere = policy("{\"bucket\": \"xyz\"}").unwrap();
        let refused = elsewhere.check(&form(&[("bucket", "xyz")]), "abc", 1, Timestamp(0));
        assert!(matches!(refused, Err(PolicyError::Condition(_))));
    }

    #[test]
    fn a_policy_is_good_until_its_expiration() {
        let policy = policy("{\"bucket\": \"abc\"}").unwrap();
        let at = |seconds| policy.check(&form(&[]), "abc", 1, Timestamp::from_seconds(seconds));
        assert_eq!(at(NOON), Ok(()));
        assert_eq!(at(NOON + 1), Err(PolicyError::Expired));
    }

    #[test]
    fn a_document_that_is_no_policy_is_refused() {
        for odd in [
            "\"acl\"",
            "[\"eq\", \"$acl\"]",
            "[\"eq\", \"acl\", \"x\"]",
            "[\"like\", \"$acl\", \"x\"]",
            "[\"content-length-range\", -1, 2]",
            "[\"content-length-range\", \"a\", 2]",
            "{\"acl\": null}",
            "[\"eq\", \"$acl\", []]",
        ] {
            assert!(matches!(policy(odd), Err(PolicyError::Invalid(_))), "{odd}");
        }
        for odd in [
            "",
            "[]",
            "{}",
            "{\"conditions\": []}",
            "{\"expiration\": \"2007-12-01T12:00:00Z\"}",
            "{\"expiration\": \"soon\", \"conditions\": []}",
            "{\"expiration\": \"2007-12-01T12:00:00Z\", \"conditions\": [], \"x\": 1}",
        ] {
            let refused = Policy::parse(&BASE64.encode(odd));
            assert!(matches!(refused, Err(PolicyError::Invalid(_))), "{odd}");
        }
        assert!(matches!(Policy::parse("*"), Err(PolicyError::Invalid(_))));
    }

    proptest! {
        #[test]
        fn no_document_makes_the_parser_panic(raw in "[\\[\\]{}\",:$a-z0-9 -]{0,60}") {
            let _ = policy(&raw);
            let _ = Policy::parse(&BASE64.encode(&raw));
            let _ = Policy::parse(&raw);
        }
    }
}
