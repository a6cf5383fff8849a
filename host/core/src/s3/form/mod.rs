//! Objects that browsers post as HTML forms.
//!
//! Fields come first and are kept; the file comes last and streams. [`read`] stops where the file
//! begins, so that a form is refused before its file was read.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTForms.html>

mod multipart;
mod policy;

use super::auth::SignedPolicy;
use crate::model::{ByteStream, Timestamp};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use multipart::{Decoder, Event};
use policy::Policy;
use std::io;

/// A file is looked at up to here before anything is done with the form. Within it what follows
/// the file is found, so that its size is known; a larger file must be the last field, as AWS
/// asks for, and its size follows from the length of the form.
const LOOKAHEAD: usize = 256 * 1024;
/// Bytes behind the file that are read and thrown away.
const MAX_REST: usize = 64 * 1024;

/// What is wrong with a form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Not `multipart/form-data`.
    #[error("not multipart/form-data")]
    NotMultipart,
    /// Not well-formed.
    #[error("the form is not well-formed")]
    Malformed,
    /// It has no field `file`.
    #[error("the form has no file")]
    NoFile,
    /// The fields before the file have too many bytes.
    #[error("the fields before the file are too large")]
    FieldsTooLarge,
    /// A field is missing; carries its name.
    #[error("the field {0} is missing")]
    Missing(&'static str),
    /// The policy does not allow the form.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// Why a policy does not allow a form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It is no policy.
    #[error("Invalid Policy: {0}")]
    Invalid(&'static str),
    /// Its time is over.
    #[error("Invalid according to Policy: Policy expired.")]
    Expired,
    /// A condition does not hold; carries it.
    #[error("Invalid according to Policy: Policy Condition failed: {0}")]
    Condition(String),
    /// No condition mentions this field.
    #[error("Invalid according to Policy: Extra input fields: {0}")]
    Extra(String),
    /// The file has fewer bytes than a condition asks for.
    #[error("Your proposed upload is smaller than the minimum allowed size")]
    TooSmall {
        /// Bytes of the file.
        size: u64,
        /// The least that is allowed.
        least: u64,
    },
    /// The file has more bytes than a condition allows.
    #[error("Your proposed upload exceeds the maximum allowed size")]
    TooLarge {
        /// Bytes of the file.
        size: u64,
        /// The most that is allowed.
        most: u64,
    },
}

/// The fields of a form, by names in lower case, in order.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    fn add(&mut self, name: &str, value: String) -> Result<(), FormError> {
        let name = name.to_ascii_lowercase();
        // What a policy says about one would not be true of the other.
        if self.get(&name).is_some() {
            return Err(FormError::Malformed);
        }
        self.0.push((name, value));
        Ok(())
    }

    /// The value of a field.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.0.iter();
        let found = fields.find(|(have, _)| have == name);
        found.map(|(_, value)| value.as_str())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Names and values.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Puts the name of the file where fields ask for it. Policies are about the result.
    fn expand(&mut self, file_name: &str) {
        for (_, value) in &mut self.0 {
            if value.contains("${filename}") {
                *value = value.replace("${filename}", file_name);
            }
        }
    }

    /// The policy, and who claims to have signed it.
    pub(super) fn signed_policy(&self) -> Result<SignedPolicy<'_>, FormError> {
        let Some(policy) = self.get("policy") else {
            return Ok(SignedPolicy::Unsigned);
        };
        let field = |name: &'static str| self.get(name).ok_or(FormError::Missing(name));
        if self.get("awsaccesskeyid").is_some() {
            return Ok(SignedPolicy::Version2 {
                access_key_id: field("awsaccesskeyid")?,
                signature: field("signature")?,
                policy,
            });
        }
        if field("x-amz-algorithm")? != "AWS4-HMAC-SHA256" {
            return Err(FormError::Missing("x-amz-algorithm"));
        }
        Ok(SignedPolicy::Version4 {
            credential: field("x-amz-credential")?,
            date: field("x-amz-date")?,
            signature: field("x-amz-signature")?,
            policy,
        })
    }

    /// Refuses the form unless its policy, if it has one, allows it.
    pub(super) fn check_policy(
        &self,
        bucket: &str,
        size: u64,
        now: Timestamp,
    ) -> Result<(), PolicyError> {
        match self.get("policy") {
            Some(policy) => Policy::parse(policy)?.check(self, bucket, size, now),
            None => Ok(()),
        }
    }
}

/// The file of a form.
pub(super) struct File {
    /// Its bytes.
    pub(super) size: u64,
    /// They. An error takes the place of the end.
    pub(super) body: ByteStream,
}

/// Why a form could not be read.
pub(super) enum ReadError {
    Form(FormError),
    Io(io::Error),
    /// The form has no length, and its file is too large to find out.
    NoLength,
}

impl From<FormError> for ReadError {
    fn from(error: FormError) -> Self {
        Self::Form(error)
    }
}

/// Reads the fields, and the file as far as it takes to know its size. `length` is that of the
/// whole form.
pub(super) async fn read(
    content_type: &str,
    length: Option<u64>,
    mut body: ByteStream,
) -> Result<(Form, File), ReadError> {
    let mut decoder = Decoder::new(content_type)?;
    let mut form = Form::default();
    loop {
        match next(&mut decoder, &mut body).await? {
            Event::Field(name, value) => form.add(&name, value)?,
            Event::File(name) => {
                form.expand(&name);
                break;
            }
            Event::Data(_) | Event::FileEnd => return Err(FormError::Malformed.into()),
        }
    }
    let start = decoder.position();
    let mut seen: Vec<Bytes> = Vec::new();
    let mut size = 0;
    while size <= LOOKAHEAD {
        match next(&mut decoder, &mut body).await? {
            Event::Data(bytes) => {
                size += bytes.len();
                seen.push(bytes);
            }
            Event::FileEnd => {
                drain(&mut body).await.map_err(ReadError::Io)?;
                let body = stream::iter(seen.into_iter().map(Ok)).boxed();
                let size = size as u64;
                return Ok((form, File { size, body }));
            }
            Event::Field(..) | Event::File(_) => return Err(FormError::Malformed.into()),
        }
    }
    let length = length.ok_or(ReadError::NoLength)?;
    let size = length.checked_sub(start + decoder.closing());
    let size = size.ok_or(FormError::Malformed)?;
    let rest = stream::try_unfold(Some((decoder, body)), async |open| {
        let Some((mut decoder, mut body)) = open else {
            return Ok(None);
        };
        match next(&mut decoder, &mut body).await {
            Ok(Event::Data(bytes)) => Ok(Some((bytes, Some((decoder, body))))),
            Ok(_) => {
                drain(&mut body).await?;
                Ok(None)
            }
            Err(ReadError::Io(error)) => Err(error),
            Err(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    });
    let body = stream::iter(seen.into_iter().map(Ok)).chain(rest).boxed();
    Ok((form, File { size, body }))
}

async fn next(decoder: &mut Decoder, body: &mut ByteStream) -> Result<Event, ReadError> {
    loop {
        if let Some(event) = decoder.next()? {
            return Ok(event);
        }
        match body.next().await {
            Some(Ok(bytes)) => decoder.push(&bytes),
            Some(Err(error)) => return Err(ReadError::Io(error)),
            None => return Err(FormError::Malformed.into()),
        }
    }
}

/// Throws away what follows the file, so that the connection can be used again.
async fn drain(body: &mut ByteStream) -> io::Result<()> {
    let mut rest = 0;
    while rest <= MAX_REST
        && let Some(bytes) = body.next().await
    {
        rest += bytes?.len();
    }
    Ok(())
}
