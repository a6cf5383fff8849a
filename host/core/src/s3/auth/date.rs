//! When a request was signed.

use super::{AuthError, X_AMZ_DATE};
use crate::model::Timestamp;
use http::HeaderMap;
use http::header::DATE;
use std::fmt;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

/// `20130524T000000Z`.
const ISO_BASIC: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");
/// `Fri, 24 May 2013 00:00:00 GMT`; the zone may have its newer name, as rclone writes it for
/// version 2.
const RFC_1123: &[BorrowedFormatItem<'_>] = format_description!(
    version = 2,
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] [first [GMT] [UTC]]"
);

/// The same with a numeric zone, as old clients write it: `Fri, 24 May 2013 00:00:00 +0000`.
const RFC_2822: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] [offset_hour sign:mandatory][offset_minute]"
);

/// Clocks may differ by this many seconds, either way.
const ALLOWED_SKEW: i64 = 15 * 60;

/// The time of a signature, to the second. `Display` prints the form that is signed,
/// `20130524T000000Z`, whatever form was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SignedAt(OffsetDateTime);

impl SignedAt {
    /// Reads either form of date.
    pub(super) fn parse(raw: &str) -> Option<Self> {
        let raw = raw.trim();
        PrimitiveDateTime::parse(raw, ISO_BASIC)
            .or_else(|_| PrimitiveDateTime::parse(raw, RFC_1123))
            .map(PrimitiveDateTime::assume_utc)
            .or_else(|_| OffsetDateTime::parse(raw, RFC_2822))
            .ok()
            .map(|date| Self(date.to_offset(UtcOffset::UTC)))
    }

    /// `x-amz-date`, or else `Date`.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, AuthError> {
        let raw = headers
            .get(X_AMZ_DATE)
            .or_else(|| headers.get(DATE))
            .ok_or(AuthError::MissingDate)?;
        raw.to_str()
            .ok()
            .and_then(Self::parse)
            .ok_or(AuthError::InvalidDate)
    }

    /// `20130524`, as in the credential scope.
    pub(super) fn day(self) -> String {
        let date = self.0.date();
        format!(
            "{:04}{:02}{:02}",
            date.year(),
            u8::from(date.month()),
            date.day()
        )
    }

    /// Refuses a request from a clock that does not agree with ours.
    pub(super) fn check_fresh(self, now: Timestamp) -> Result<(), AuthError> {
        if self.age(now).abs() <= ALLOWED_SKEW {
            return Ok(());
        }
        let signed = self.after(0);
        Err(AuthError::RequestTimeTooSkewed { signed, now })
    }

    /// So many seconds behind the signature.
    pub(super) fn after(self, seconds: i64) -> Timestamp {
        Timestamp::from_seconds(self.0.unix_timestamp().saturating_add(seconds))
    }

    /// Signed further ahead than clocks may differ.
    pub(super) fn is_ahead(self, now: Timestamp) -> bool {
        self.age(now) < -ALLOWED_SKEW
    }

    /// Seconds since the signature.
    pub(super) fn age(self, now: Timestamp) -> i64 {
        now.seconds() - self.0.unix_timestamp()
    }
}

impl fmt::Display for SignedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = self.0.time().as_hms();
        write!(f, "{}T{hour:02}{minute:02}{second:02}Z", self.day())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_date_mean_the_same() {
        let iso = SignedAt::parse("20130524T000000Z").unwrap();
        assert_eq!(SignedAt::parse("Fri, 24 May 2013 00:00:00 GMT"), Some(iso));
        for zone in ["UTC", "+0000", "-0000"] {
            let raw = format!("Fri, 24 May 2013 00:00:00 {zone}");
            assert_eq!(SignedAt::parse(&raw), Some(iso), "{zone}");
        }
        let elsewhere = SignedAt::parse("Fri, 24 May 2013 02:00:00 +0200");
        assert_eq!(elsewhere, Some(iso));
        assert_eq!(iso.to_string(), "20130524T000000Z");
        assert_eq!(iso.day(), "20130524");
        assert_eq!(iso.age(Timestamp(1_369_353_601_000_000_000)), 1);
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for odd in [
            "",
            "20130524",
            "20130524T000000",
            "20131324T000000Z",
            "20130524T250000Z",
            "20130524T000000Zx",
            "+0130524T000000Z",
            "2013-05-24T00:00:00Z",
            "yesterday",
            "Fri, 24 May 2013 00:00:00",
            "Fri, 24 May 2013 00:00:00 CET",
        ] {
            assert_eq!(SignedAt::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn clocks_may_differ_by_a_quarter_of_an_hour_and_no_more() {
        let signed = SignedAt::parse("20130524T000000Z").unwrap();
        let after = |seconds: i64| Timestamp((1_369_353_600 + seconds) * 1_000_000_000);
        let is_fresh = |seconds| signed.check_fresh(after(seconds)).is_ok();
        assert!(is_fresh(900) && is_fresh(-900));
        assert!(!is_fresh(901) && !is_fresh(-901));
        assert!(!signed.is_ahead(after(-900)) && signed.is_ahead(after(-901)));
    }
}
