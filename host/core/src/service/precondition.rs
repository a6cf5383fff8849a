//! Conditional requests, decided.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html> and
//! <https://www.rfc-editor.org/rfc/rfc9110#name-precedence-of-preconditions>

use super::{
    ETagCondition, ObjectHead, RangeCondition, ReadConditions, ServiceError, WriteConditions,
};
use crate::model::{ETag, Section};

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
    head: &ObjectHead,
) -> Result<(), ServiceError> {
    let (etag, modified) = (&head.etag, head.modified.seconds());
    match (&conditions.if_match, conditions.if_unmodified_since) {
        (Some(tags), _) if !tags.holds(etag) => {
            return Err(ServiceError::PreconditionFailed("If-Match"));
        }
        (None, Some(date)) if modified > date => {
            return Err(ServiceError::PreconditionFailed("If-Unmodified-Since"));
        }
        _ => {}
    }
    let unchanged = match (&conditions.if_none_match, conditions.if_modified_since) {
        (Some(tags), _) => tags.holds(etag),
        (None, Some(date)) => modified <= date,
        (None, None) => false,
    };
    if unchanged {
        return Err(ServiceError::NotModified(Box::new(head.clone())));
    }
    Ok(())
}

/// What is to be read of an object: all of it, if the range that was asked for is one of another.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc9110#name-if-range>
pub(super) fn section_of(
    section: Option<Section>,
    condition: Option<&RangeCondition>,
    head: &ObjectHead,
) -> Option<Section> {
    let wanted = match condition {
        None => true,
        Some(RangeCondition::Tag(etag)) => *etag == head.etag,
        Some(RangeCondition::Modified(time)) => *time == head.modified.seconds(),
        Some(RangeCondition::Never) => false,
    };
    section.filter(|section| wanted || matches!(section, Section::Part(_)))
}

/// Whether an object may be the source of a copy: every refusal is a 412.
pub(super) fn check_source(
    conditions: &ReadConditions,
    head: &ObjectHead,
) -> Result<(), ServiceError> {
    check_read(conditions, head).map_err(|error| {
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
    use crate::model::{Metadata, RangeSpec, Timestamp};

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

    fn head() -> ObjectHead {
        ObjectHead {
            size: 10,
            etag: HERE,
            modified: MODIFIED,
            metadata: Metadata::default(),
            parts: None,
            checksum: None,
        }
    }

    #[test]
    fn a_range_counts_only_for_the_object_that_it_is_of() {
        let range = Some(Section::Range(RangeSpec::From(3)));
        let section = |condition| section_of(range, Some(&condition), &head());
        assert_eq!(section(RangeCondition::Tag(HERE)), range);
        assert_eq!(section(RangeCondition::Modified(100)), range);
        assert_eq!(section(RangeCondition::Tag(OTHER)), None);
        assert_eq!(section(RangeCondition::Modified(99)), None);
        assert_eq!(section(RangeCondition::Modified(101)), None);
        assert_eq!(section(RangeCondition::Never), None);
        assert_eq!(section_of(range, None, &head()), range);
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
            let outcome = check_read(&conditions, &head());
            assert_eq!(answer(outcome), expected, "{conditions:?}");
        }
    }

    #[test]
    fn a_source_that_was_not_modified_fails_the_copy() {
        let failed = |conditions| answer(check_source(&conditions, &head()));
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
