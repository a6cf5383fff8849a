//! What whoever sent a request may do.

use crate::model::BucketName;
use http::Method;

/// What a request does to a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It only looks.
    Read,
    /// It may change something.
    Write,
}

impl Action {
    /// S3 changes nothing on GET and HEAD, and only then.
    pub fn of(method: &Method) -> Self {
        if [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) {
            Self::Read
        } else {
            Self::Write
        }
    }
}

/// Names of buckets: `photos`, or `logs-*` for all names that begin so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketPattern {
    start: Box<str>,
    open: bool,
}

impl BucketPattern {
    /// Reads a name, or the beginning of one with a `*` behind it; `None` for what no bucket can
    /// match.
    pub fn parse(raw: &str) -> Option<Self> {
        let (start, open) = match raw.strip_suffix('*') {
            Some(start) => (start, true),
            None => (raw, false),
        };
        let legal = |c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '.');
        let possible = if open {
            start.len() <= 63 && start.chars().all(legal)
        } else {
            start.parse::<BucketName>().is_ok()
        };
        possible.then(|| Self {
            start: start.into(),
            open,
        })
    }

    fn matches(&self, bucket: &BucketName) -> bool {
        if self.open {
            bucket.as_str().starts_with(&*self.start)
        } else {
            bucket.as_str() == &*self.start
        }
    }
}

/// What a key pair is good for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// It can change nothing.
    pub read_only: bool,
    /// The buckets that it is for; `None` for all.
    pub buckets: Option<Vec<BucketPattern>>,
    /// The buckets that anybody may read. They are not in its list of buckets, as in S3.
    pub public: Vec<BucketPattern>,
}

impl Rights {
    /// The bucket is one of those that these rights are for.
    pub fn include(&self, bucket: &BucketName) -> bool {
        let patterns = self.buckets.as_deref();
        patterns.is_none_or(|patterns| any_matches(patterns, bucket))
    }

    /// The action may be done to the bucket.
    pub fn allow(&self, action: Action, bucket: &BucketName) -> bool {
        let read = action == Action::Read;
        (read || !self.read_only) && self.include(bucket)
            || read && any_matches(&self.public, bucket)
    }
}

fn any_matches(patterns: &[BucketPattern], bucket: &BucketName) -> bool {
    patterns.iter().any(|pattern| pattern.matches(bucket))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(read_only: bool, buckets: &[&str]) -> Rights {
        let buckets = buckets.iter().map(|raw| BucketPattern::parse(raw).unwrap());
        Rights {
            read_only,
            buckets: Some(buckets.collect()),
            public: Vec::new(),
        }
    }

    fn bucket(name: &str) -> BucketName {
        name.parse().unwrap()
    }

    #[test]
    fn a_star_stands_for_any_end_and_nothing_else_does() {
        let some = rights(false, &["photos", "logs-*"]);
        for (name, included) in [
            ("photos", true),
            ("photos2", false),
            ("logs-2026", true),
            ("logs", false),
            ("my-logs-1", false),
        ] {
            assert_eq!(some.include(&bucket(name)), included, "{name}");
        }
        assert!(rights(false, &["*"]).include(&bucket("any")));
        assert!(!rights(false, &[]).include(&bucket("any")));
        assert!(Rights::default().include(&bucket("any")));
    }

    #[test]
    fn who_may_only_read_changes_nothing() {
        let reader = rights(true, &["photos"]);
        assert!(reader.allow(Action::of(&Method::GET), &bucket("photos")));
        assert!(reader.allow(Action::of(&Method::HEAD), &bucket("photos")));
        for method in [Method::PUT, Method::POST, Method::DELETE, Method::PATCH] {
            assert!(
                !reader.allow(Action::of(&method), &bucket("photos")),
                "{method}"
            );
        }
        assert!(!reader.allow(Action::Read, &bucket("other")));
    }

    #[test]
    fn a_pattern_that_no_bucket_can_match_is_none() {
        for odd in ["", "ab", "A*", "a*b", "a b*", "*-*", "a..b"] {
            assert_eq!(BucketPattern::parse(odd), None, "{odd}");
        }
    }
}
