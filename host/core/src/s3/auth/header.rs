//! A signature in the `Authorization` header.

use super::AuthError;
use super::scope::{Credential, CredentialError};

/// `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`
#[derive(Debug)]
pub(super) struct AuthorizationHeader<'a> {
    pub(super) credential: Credential<'a>,
    pub(super) signed_headers: &'a str,
    pub(super) signature: &'a str,
}

impl<'a> AuthorizationHeader<'a> {
    pub(super) fn parse(raw: &'a str) -> Result<Self, AuthError> {
        let raw = raw.trim();
        let (scheme, fields) = raw.split_once(' ').unwrap_or((raw, ""));
        if scheme != "AWS4-HMAC-SHA256" {
            return Err(AuthError::UnsupportedScheme);
        }
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in fields.split(',') {
            let Some((name, value)) = field.trim().split_once('=') else {
                return Err(malformed("a field has no value."));
            };
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(malformed("a field is there twice."));
            }
        }
        let credential = credential.ok_or(malformed("it has no Credential."))?;
        Ok(Self {
            credential: Credential::parse(credential).map_err(|error| malformed(text(error)))?,
            signed_headers: signed_headers.ok_or(malformed("it has no SignedHeaders."))?,
            signature: signature.ok_or(malformed("it has no Signature."))?,
        })
    }
}

pub(super) fn malformed(detail: &'static str) -> AuthError {
    AuthError::AuthorizationHeaderMalformed(detail)
}

fn text(error: CredentialError) -> &'static str {
    match error {
        CredentialError::Shape => {
            "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"."
        }
        CredentialError::Date => {
            "incorrect date format. This date in the credential must be in the format \"yyyyMMdd\"."
        }
        CredentialError::Service => "incorrect service. This endpoint belongs to \"s3\".",
        CredentialError::Terminator => "incorrect terminal. This endpoint uses \"aws4_request\".",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CREDENTIAL: &str = "Credential=a/20130524/us-east-1/s3/aws4_request";

    #[test]
    fn fields_come_in_any_order_with_or_without_spaces() {
        let raw = format!("AWS4-HMAC-SHA256 Signature=ab,SignedHeaders=host ,  {CREDENTIAL}");
        let header = AuthorizationHeader::parse(&raw).unwrap();
        assert_eq!(header.credential.access_key_id, "a");
        assert_eq!(header.signed_headers, "host");
        assert_eq!(header.signature, "ab");
    }

    #[test]
    fn an_incomplete_header_is_malformed() {
        for fields in [
            "",
            "Credential",
            CREDENTIAL,
            "SignedHeaders=host, Signature=ab",
            "Credential=a, SignedHeaders=host, Signature=ab",
            &format!("{CREDENTIAL}, {CREDENTIAL}, SignedHeaders=host, Signature=ab"),
        ] {
            let raw = format!("AWS4-HMAC-SHA256 {fields}");
            let error = AuthorizationHeader::parse(&raw);
            assert!(
                matches!(error, Err(AuthError::AuthorizationHeaderMalformed(_))),
                "{fields}: {error:?}"
            );
        }
    }

    #[test]
    fn another_scheme_is_not_supported() {
        for raw in ["AWS a:b", "Bearer x", "AWS4-ECDSA-P256-SHA256 a=b", "", "x"] {
            let error = AuthorizationHeader::parse(raw).unwrap_err();
            assert_eq!(error, AuthError::UnsupportedScheme, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(raw in "(AWS4-HMAC-SHA256 )?[ -~é]{0,60}") {
            let _ = AuthorizationHeader::parse(&raw);
        }
    }
}
