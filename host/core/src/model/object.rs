//! States and times of objects.

/// Names one state of one object, in the plugin's own words (see `object-ref` in the WIT).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ObjectState {
    /// What the storage calls the object; empty when the key is all there is.
    pub id: String,
    /// Changes whenever the content does.
    pub version: String,
}

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Whole seconds since 1970, rounded down: the resolution of HTTP dates.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Whole milliseconds within the second: the rest that S3's XML dates show.
    pub fn subsec_millis(self) -> u32 {
        u32::try_from(self.0.rem_euclid(1_000_000_000) / 1_000_000).unwrap_or(0)
    }

    /// So many seconds after 1970.
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// The present, from the system clock.
    pub fn now() -> Self {
        std::time::SystemTime::now().into()
    }
}

impl std::ops::Sub<std::time::Duration> for Timestamp {
    type Output = Self;

    fn sub(self, span: std::time::Duration) -> Self {
        let nanos = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(nanos))
    }
}

impl std::ops::Add<std::time::Duration> for Timestamp {
    type Output = Self;

    fn add(self, span: std::time::Duration) -> Self {
        let nanos = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl From<std::time::SystemTime> for Timestamp {
    fn from(time: std::time::SystemTime) -> Self {
        let nanos = match time.duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX),
        };
        Self(nanos)
    }
}
