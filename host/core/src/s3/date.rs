//! Dates as HTTP and S3's XML write them.

use crate::model::Timestamp;
use std::fmt;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// `Sun, 06 Nov 1994 08:49:37 GMT`, rounded down to the second.
pub(super) struct HttpDate(pub Timestamp);

/// `1994-11-06T08:49:37.250Z`, rounded down to the millisecond.
pub(super) struct XmlDate(pub Timestamp);

fn utc(time: Timestamp) -> OffsetDateTime {
    // 64 bits of nanoseconds are years 1677 to 2262, all of which `time` can represent.
    OffsetDateTime::from_unix_timestamp(time.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let utc = utc(self.0);
        let (hour, minute, second) = utc.to_hms();
        let weekday = usize::from(utc.weekday().number_days_from_monday());
        let month = usize::from(u8::from(utc.month()) - 1);
        write!(
            f,
            "{}, {:02} {} {:04} {hour:02}:{minute:02}:{second:02} GMT",
            WEEKDAYS.get(weekday).unwrap_or(&""),
            utc.day(),
            MONTHS.get(month).unwrap_or(&""),
            utc.year()
        )
    }
}

impl fmt::Display for XmlDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = utc(self.0).to_hms();
        write!(
            f,
            "{}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
            utc(self.0).date(),
            self.0.subsec_millis()
        )
    }
}

/// Whole seconds since 1970 of an HTTP date in any of the three formats that servers must
/// read; `None` when it is malformed. The weekday is not checked.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc9110#name-date-time-formats>
pub(super) fn parse(raw: &str) -> Option<i64> {
    // The three formats differ only in their separators, the place of the year, and its digits.
    let fields: Vec<&str> = raw
        .split([' ', ',', '-'])
        .filter(|field| !field.is_empty())
        .collect();
    let ([_, day, month, year, clock, "GMT"] | [_, month, day, clock, year]) = *fields.as_slice()
    else {
        return None;
    };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let month = Month::try_from(u8::try_from(month + 1).ok()?).ok()?;
    let date = Date::from_calendar_date(full_year(year)?, month, number(day, 1..=2)?).ok()?;
    let mut clock = clock.split(':').map(|field| number(field, 2..=2));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if clock.next().is_some() {
        return None;
    }
    // A leap second is the last of its minute.
    let time = Time::from_hms(hour, minute, if second == 60 { 59 } else { second }).ok()?;
    let utc = PrimitiveDateTime::new(date, time).assume_utc();
    Some(utc.unix_timestamp())
}

fn number(raw: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u8> {
    let plain = digits.contains(&raw.len()) && raw.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| raw.parse().ok())?
}

/// Two digits mean 1970 to 2069.
fn full_year(raw: &str) -> Option<i32> {
    match raw.len() {
        2 => match i32::from(number(raw, 2..=2)?) {
            short @ 70.. => Some(1900 + short),
            short => Some(2000 + short),
        },
        4 if raw.bytes().all(|b| b.is_ascii_digit()) => raw.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_three_formats_mean_the_same_second() {
        for raw in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(raw), Some(784_111_777), "{raw}");
        }
    }

    #[test]
    fn a_malformed_date_is_none() {
        for raw in [
            "",
            "yesterday",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37:00 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 19940 08:49:37 GMT",
        ] {
            assert_eq!(parse(raw), None, "{raw}");
        }
    }

    #[test]
    fn dates_are_written_as_their_specifications_ask() {
        let time = Timestamp(784_111_777_250_999_999);
        assert_eq!(HttpDate(time).to_string(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(XmlDate(time).to_string(), "1994-11-06T08:49:37.250Z");
    }

    proptest! {
        #[test]
        fn reading_what_was_written_gives_the_same_second(nanos: i64) {
            let time = Timestamp(nanos);
            prop_assert_eq!(parse(&HttpDate(time).to_string()), Some(time.seconds()));
        }

        #[test]
        fn no_text_makes_the_parser_panic(raw: String) {
            let _ = parse(&raw);
        }
    }
}
