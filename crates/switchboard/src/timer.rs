//! Timers: an ordered set, so that the next one is always at hand, and each says why it runs.



/// Why a timer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerReason {
    /// Ringing has gone on for as long as the policy allows.
    RingEnds,
    /// The caller has waited in the queue for as long as the department allows.
    QueueEnds,
    /// A queued caller may be offered again to agents whose cool-down is over.
    QueueRetry,
    /// The engine owes us a word that the caller hears the announcement to its end.
    ClosingOverdue,
    /// The engine owes us a word about a recording.
    RecordingOverdue,
}
