//! The credential of a signature: key id and scope.

use std::fmt;

/// `AKID/20130524/us-east-1/s3/aws4_request`, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Credential<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) scope: Scope<'a>,
}

/// What a signing key is good for. `Display` prints `20130524/us-east-1/s3/aws4_request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope<'a> {
    pub(super) day: &'a str,
    pub(super) region: &'a str,
}

/// Which piece of a credential is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CredentialError {
    /// Not five pieces, or an empty key id.
    Shape,
    /// The date is not eight digits.
    Date,
    /// Not signed for `s3`.
    Service,
    /// Does not end in `aws4_request`.
    Terminator,
}

impl<'a> Credential<'a> {
    pub(super) fn parse(raw: &'a str) -> Result<Self, CredentialError> {
        // From the end: a key id may itself contain slashes.
        let mut pieces = raw.rsplitn(5, '/');
        let mut piece = || pieces.next().ok_or(CredentialError::Shape);
        let (terminator, service, region, day) = (piece()?, piece()?, piece()?, piece()?);
        let access_key_id = piece()?;
        if access_key_id.is_empty() {
            return Err(CredentialError::Shape);
        }
        if day.len() != 8 || !day.bytes().all(|b| b.is_ascii_digit()) {
            return Err(CredentialError::Date);
        }
        if service != "s3" {
            return Err(CredentialError::Service);
        }
        if terminator != "aws4_request" {
            return Err(CredentialError::Terminator);
        }
        Ok(Self {
            access_key_id,
            scope: Scope { day, region },
        })
    }
}

impl fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/s3/aws4_request", self.day, self.region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_id_may_contain_slashes() {
        let credential = Credential::parse("a/b/20130524/us-east-1/s3/aws4_request").unwrap();
        assert_eq!(credential.access_key_id, "a/b");
        assert_eq!(
            credential.scope.to_string(),
            "20130524/us-east-1/s3/aws4_request"
        );
    }

    #[test]
    fn a_credential_that_is_wrong_says_where() {
        use CredentialError as E;
        for (raw, error) in [
            ("", E::Shape),
            ("20130524/us-east-1/s3/aws4_request", E::Shape),
            ("/20130524/us-east-1/s3/aws4_request", E::Shape),
            ("a/2013052/us-east-1/s3/aws4_request", E::Date),
            ("a/2013o524/us-east-1/s3/aws4_request", E::Date),
            ("a/20130524/us-east-1/ec2/aws4_request", E::Service),
            ("a/20130524/us-east-1/s3/aws4", E::Terminator),
        ] {
            assert_eq!(Credential::parse(raw), Err(error), "{raw}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(raw in "[a/0-9é]{0,40}") {
            let _ = Credential::parse(&raw);
        }
    }
}
