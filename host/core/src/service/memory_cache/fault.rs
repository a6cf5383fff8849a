//! Faults that a test can ask for.

/// What goes wrong with a later call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheFault {
    /// The process dies before the announcement is committed.
    HangBeforeAnnounce,
    /// Or after it.
    HangAfterAnnounce,
    /// Before the final row is committed.
    HangBeforeSettle,
    /// Or after it.
    HangAfterSettle,
    /// The final row cannot be committed.
    FailSettle,
    /// Nor an upload.
    FailBegin,
    /// A setting of a bucket cannot be committed.
    FailSetting,
}
