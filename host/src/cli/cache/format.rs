//! Numbers, sizes and times as the Python program prints them.

use crate::model::Timestamp;
use time::OffsetDateTime;
use time::macros::format_description;

/// With thousands separators: `1,234,567`.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// With one decimal, base 1024: `30.1 MB`.
pub(super) fn size(bytes: u64) -> String {
    // Tenths are all that is shown.
    #[expect(clippy::cast_precision_loss, reason = "of no size that is shown")]
    let mut size = bytes as f64;
    for unit in ["B", "KB", "MB", "GB"] {
        if size < 1024.0 {
            return format!("{size:.1} {unit}");
        }
        size /= 1024.0;
    }
    format!("{size:.1} TB")
}

/// ISO 8601 with microseconds, if there are any, and offset.
pub(super) fn time(time: Timestamp) -> String {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(time.0.into())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let seconds = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    let text = moment.format(seconds).unwrap_or_default();
    match moment.microsecond() {
        0 => format!("{text}+00:00"),
        micros => format!("{text}.{micros:06}+00:00"),
    }
}

/// `1 object`, `2 objects`.
pub(in crate::cli) fn objects(count: u64) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} object{s}", number(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_separator_for_every_three_digits() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (12_345, "12,345"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn sizes_have_one_decimal_and_the_largest_unit_that_fits() {
        for (value, text) in [
            (0, "0.0 B"),
            (1023, "1023.0 B"),
            (1024, "1.0 KB"),
            (40 * 1024, "40.0 KB"),
            (31_562_138, "30.1 MB"),
            (5 << 30, "5.0 GB"),
            (2048 << 40, "2048.0 TB"),
        ] {
            assert_eq!(size(value), text);
        }
    }

    #[test]
    fn times_have_microseconds_only_if_there_are_any() {
        let at = |nanos| time(Timestamp(nanos));
        assert_eq!(
            at(1_765_903_091_801_768_999),
            "2025-12-16T16:38:11.801768+00:00"
        );
        assert_eq!(at(1_765_903_200_000_000_000), "2025-12-16T16:40:00+00:00");
        assert_eq!(at(-1), "1969-12-31T23:59:59.999999+00:00");
    }
}
