//! Conditional requests, decided.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html> and
//! <https://www.rfc-editor.org/rfc/rfc9110#name-precedence-of-preconditions>

use super::{ETagCondition, ReadConditions, ServiceError, WriteConditions};
use crate::model::{ETag, Timestamp};

impl ETagCondition {
    fn holds(&self, etag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => tags.contains(etag),
        }
    }
}

impl WriteConditions {
    /// Nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }
}

/// Whether an object may be read. A tag outranks the date of the same sense: `If-Match` that
/// holds makes `If-Unmodified-Since` moot, and `If-None-Match` makes `If-Modified-Since` moot.
pub(super) fn check_read(
    conditions: &ReadConditions,
    etag: &ETag,
    modified: Timestamp,
    size: u64,
) -> Result<(), ServiceError> {
    match (&conditions.if_match, conditions.if_unmodified_since) {
        (Some(tags), _) if !tags.holds(etag) => {
            return Err(ServiceError::PreconditionFailed("If-Match"));
        }
        (None, Some(date)) if modified.seconds() > date => {
            return Err(ServiceError::PreconditionFailed("If-Unmodified-Since"));
        }
        _ => {}
    }
    let unchanged = match (&conditions.if_none_match, conditions.if_modified_since) {
        (Some(tags), _) => tags.holds(etag),
        (None, Some(date)) => modified.seconds() <= date,
        (None, None) => false,
    };
    if unchanged {
        let etag = etag.clone();
        return Err(ServiceError::NotModified {
            etag,
            modified,
            size,
        });
    }
    Ok(())
}

/// Whether an object may be the source of a copy: every refusal is a 412.
pub(super) fn check_source(
    conditions: &ReadConditions,
    etag: &ETag,
    modified: Timestamp,
) -> Result<(), ServiceError> {
    check_read(conditions, etag, modified, 0).map_err(|error| {
        ServiceError::PreconditionFailed(match error {
            ServiceError::PreconditionFailed("If-Match") => "x-amz-copy-source-If-Match",
            ServiceError::NotModified { .. } if conditions.if_none_match.is_some() => {
                "x-amz-copy-source-If-None-Match"
            }
            ServiceError::NotModified { .. } => "x-amz-copy-source-If-Modified-Since",
            _ => "x-amz-copy-source-If-Unmodified-Since",
        })
    })
}

/// Whether a key may be written; `present` is the tag of the object that it names now.
pub(super) fn check_write(
    conditions: &WriteConditions,
    present: Option<&ETag>,
) -> Result<(), ServiceError> {
    match (&conditions.if_match, present) {
        // As S3: a condition on an object that is not there is a 404, not a 412.
        (Some(_), None) => return Err(ServiceError::NoSuchKey),
        (Some(tags), Some(etag)) if !tags.holds(etag) => {
            return Err(ServiceError::PreconditionFailed("If-Match"));
        }
        _ => {}
    }
    match (&conditions.if_none_match, present) {
        (Some(tags), Some(etag)) if tags.holds(etag) => {
            Err(ServiceError::PreconditionFailed("If-None-Match"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ETag = ETag::Md5([1; 16]);
    const OTHER: ETag = ETag::Md5([2; 16]);
    const MODIFIED: Timestamp = Timestamp(100_700_000_000);

    #[derive(Debug, PartialEq)]
    enum Answer {
        Serve,
        NotModified,
        Failed(&'static str),
        Missing,
    }

    fn answer(outcome: Result<(), ServiceError>) -> Answer {
        match outcome {
            Ok(()) => Answer::Serve,
            Err(ServiceError::NotModified { .. }) => Answer::NotModified,
            Err(ServiceError::PreconditionFailed(name)) => Answer::Failed(name),
            Err(ServiceError::NoSuchKey) => Answer::Missing,
            Err(other) => panic!("{other}"),
        }
    }

    fn tags(etag: ETag) -> ETagCondition {
        ETagCondition::OneOf(vec![etag])
    }

    fn read(
        if_match: Option<ETag>,
        if_unmodified_since: Option<i64>,
        if_none_match: Option<ETag>,
        if_modified_since: Option<i64>,
    ) -> ReadConditions {
        ReadConditions {
            if_match: if_match.map(tags),
            if_none_match: if_none_match.map(tags),
            if_modified_since,
            if_unmodified_since,
        }
    }

    #[test]
    fn reads_follow_the_precedence_of_the_rfc() {
        use Answer::{Failed, NotModified, Serve};
        let (before, same, after) = (Some(99), Some(100), Some(101));
        let cases = [
            (read(None, None, None, None), Serve),
            (read(Some(HERE), None, None, None), Serve),
            (read(Some(OTHER), after, None, None), Failed("If-Match")),
            (read(Some(HERE), before, None, None), Serve),
            (
                read(None, before, None, None),
                Failed("If-Unmodified-Since"),
            ),
            (read(None, same, None, None), Serve),
            (read(None, None, Some(HERE), before), NotModified),
            (read(None, None, Some(OTHER), after), Serve),
            (read(None, None, None, same), NotModified),
            (read(None, None, None, before), Serve),
            (
                read(Some(OTHER), None, Some(HERE), None),
                Failed("If-Match"),
            ),
            (read(Some(HERE), None, Some(HERE), None), NotModified),
        ];
        for (conditions, expected) in cases {
            let outcome = check_read(&conditions, &HERE, MODIFIED, 0);
            assert_eq!(answer(outcome), expected, "{conditions:?}");
        }
    }

    #[test]
    fn a_source_that_was_not_modified_fails_the_copy() {
        let failed = |conditions| answer(check_source(&conditions, &HERE, MODIFIED));
        assert_eq!(
            failed(read(None, None, Some(HERE), None)),
            Answer::Failed("x-amz-copy-source-If-None-Match")
        );
        assert_eq!(
            failed(read(None, None, None, Some(200))),
            Answer::Failed("x-amz-copy-source-If-Modified-Since")
        );
        assert_eq!(
            failed(read(Some(OTHER), None, None, None)),
            Answer::Failed("x-amz-copy-source-If-Match")
        );
        assert_eq!(
            failed(read(None, Some(1), None, None)),
            Answer::Failed("x-amz-copy-source-If-Unmodified-Since")
        );
    }

    #[test]
    fn writes_may_demand_presence_absence_or_a_tag() {
        let write = |if_match, if_none_match, present: Option<&ETag>| {
            let conditions = WriteConditions {
                if_match,
                if_none_match,
            };
            answer(check_write(&conditions, present))
        };
        let any = || Some(ETagCondition::Any);
        assert_eq!(write(None, None, None), Answer::Serve);
        assert_eq!(write(None, any(), None), Answer::Serve);
        assert_eq!(
            write(None, any(), Some(&HERE)),
            Answer::Failed("If-None-Match")
        );
        assert_eq!(write(Some(tags(HERE)), None, Some(&HERE)), Answer::Serve);
        assert_eq!(
            write(Some(tags(OTHER)), None, Some(&HERE)),
            Answer::Failed("If-Match")
        );
        assert_eq!(write(Some(tags(HERE)), None, None), Answer::Missing);
        assert_eq!(write(any(), None, Some(&HERE)), Answer::Serve);
    }
}
