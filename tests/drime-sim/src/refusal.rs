//! Why the API does not do what is asked, and the answers for it.

use http::StatusCode;
use serde_json::{Value, json};

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 422: a field, and what is wrong with it.
    Invalid(&'static str, String),
    /// 404: no entry with this id or hash.
    Unknown(String),
    /// 404: no upload with this name.
    UnknownUpload,
    /// 404: no such route.
    NoRoute,
    /// 401.
    Unauthenticated,
    /// 403.
    Forbidden,
    /// 400.
    Bad(String),
    /// 413, from the proxy in front.
    TooLarge,
    /// 429, with the seconds to wait when they are told.
    TooMany(Option<u64>),
    /// Another status, by script or switch.
    Status(StatusCode),
    /// The simulator itself failed.
    Broken(String),
}

impl Refusal {
    pub(crate) fn field(field: &'static str) -> Self {
        Self::Invalid(field, format!("The {field} field is required."))
    }

    pub(crate) fn unknown_ids() -> Self {
        let message = "The selected entry ids is invalid.";
        Self::Invalid("entryIds", message.to_owned())
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(..) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unknown(_) | Self::UnknownUpload | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Status(status) => *status,
            Self::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The JSON body; `None` when the answer comes from the proxy in front and has none.
    pub(crate) fn body(&self) -> Option<Value> {
        Some(match self {
            Self::Invalid(field, message) => {
                json!({"status": "error", "message": message, "errors": {*field: [message]}})
            }
            Self::Unknown(id) => {
                json!({"message": format!("No query results for model [App\\FileEntry] {id}")})
            }
            Self::UnknownUpload => {
                json!({"message": "The upload does not exist.", "status": "error"})
            }
            Self::NoRoute => json!({"message": "The route could not be found."}),
            Self::Unauthenticated => json!({"message": "Unauthenticated."}),
            Self::Forbidden => json!({"message": "This action is unauthorized."}),
            Self::Bad(message) => json!({"message": message, "status": "error"}),
            Self::TooMany(_) => json!({"message": "Too Many Attempts."}),
            Self::Broken(_) => json!({"message": "Server Error"}),
            Self::Status(status) => match status.as_u16() {
                400..=501 => json!({"message": status.canonical_reason().unwrap_or("Error")}),
                _ => return None,
            },
            Self::TooLarge => return None,
        })
    }
}
