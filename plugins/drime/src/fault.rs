//! Why calls of the API fail: what the service says no to, what passes, and what nobody knows.

use crate::Error;
use crate::net::{Answer, Broken};
use serde_json::Value;

/// Why a call failed.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The service says no.
    Refused {
        /// The status.
        status: u16,
        /// Its words, in lower case.
        text: String,
        /// Fields that it complains about.
        fields: Vec<String>,
    },
    /// The service asks for patience: nothing was done.
    Throttled(Option<u64>),
    /// We do not even ask for so many milliseconds: too many wait already, or nothing works.
    Busy(u64),
    /// We broke it off ourselves: nothing was done.
    GivenUp,
    /// Nobody knows what was done.
    Broken(String),
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::GivenUp => Self::GivenUp,
            Broken::Lost(why) => Self::Broken(why),
        }
    }
}

impl Fault {
    /// Whether an entry is not there (any more).
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Refused {
                status,
                text,
                fields,
            } => {
                *status == 404
                    || *status == 422
                        && (text.contains("ids is invalid")
                            || fields.iter().any(|name| name.starts_with("entryIds")))
            }
            _ => false,
        }
    }

    /// Whether a name is taken.
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Refused { status: 400 | 409 | 422, text, .. }
            if text.contains("already exists"))
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Busy(delay) => Fault::Throttled(Some(delay)).into(),
            Fault::Throttled(delay) => {
                Self::Throttled(delay.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX)))
            }
            Fault::GivenUp => Self::Aborted,
            Fault::Broken(why) => Self::Unavailable(why),
            Fault::Refused { status, text, .. } => {
                let full = [
                    "exhausted",
                    "not enough space",
                    "storage limit",
                    "quota",
                    "storage is full",
                ];
                match status {
                    507 => Self::Quota,
                    _ if full.iter().any(|words| text.contains(words)) => Self::Quota,
                    401 => Self::Denied(
                        "Drime rejects the API key: make a new one in the account settings at \
                         app.drime.cloud and set it as api_key"
                            .into(),
                    ),
                    402 | 403 => Self::Denied(format!("Drime does not allow this: {text}")),
                    408 | 425 | 500.. => Self::Unavailable(format!("Drime: {status} {text}")),
                    _ => Self::Other(format!("Drime: {status} {text}")),
                }
            }
        }
    }
}

/// A failure that passes.
pub(crate) fn passing<B>(answer: &Answer<B>) -> Option<Fault> {
    match answer.status {
        429 => {
            let asked = answer
                .header("retry-after")
                .and_then(|text| text.trim().parse().ok());
            Some(Fault::Throttled(
                asked.map(|seconds: u64| seconds.saturating_mul(1000)),
            ))
        }
        status @ (408 | 425 | 500 | 502 | 503 | 504 | 509 | 520..=524) => {
            Some(Fault::Broken(format!("Drime answered {status}")))
        }
        _ => None,
    }
}

/// Whether an answer that looks like a success tells of a failure.
pub(crate) fn says_failure(value: &Value) -> bool {
    value
        .get("status")
        .and_then(Value::as_str)
        .is_some_and(|status| status == "error")
}

/// What a refusal says.
pub(crate) fn refusal(status: u16, value: Option<&Value>) -> Fault {
    let mut text = value
        .and_then(|value| value.get("message"))
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_lowercase();
    let mut fields = Vec::new();
    if let Some(errors) = value
        .and_then(|value| value.get("errors"))
        .and_then(Value::as_object)
    {
        for (name, words) in errors {
            fields.push(name.clone());
            let words = words
                .as_str()
                .or_else(|| words.get(0).and_then(Value::as_str));
            if let Some(words) = words {
                text.push_str("; ");
                text.push_str(&words.to_lowercase());
            }
        }
    }
    Fault::Refused {
        status,
        text,
        fields,
    }
}
