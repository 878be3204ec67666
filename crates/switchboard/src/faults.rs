//! Known mistakes, to be planted by tests and simulations: a check that has never found one proves nothing.

use crate::Switchboard;

/// A mistake that this switchboard can be made to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(any(test, feature = "faults")), allow(dead_code))]
pub enum Fault {
    /// Nothing ends the ring of a recall.
    DropRecallTimer,
    /// The caller is not put on hold when a transfer begins.
    ForgetHold,
    /// The caller is connected with a device that only rings.
    BridgeBeforeAnswer,
    /// The caller is hung up on where the last step of the fallback is due.
    LoseLastFallbackStep,
    /// A refused attempt is not written down.
    SkipAuditOfRefusal,
    /// The target of a consultation that is taken back stays on the line.
    LeaveConsultLeg,
    /// A ring that came to nothing is followed by nothing.
    ForgetAfterRing,
    /// The caller's leg is not ended with the call.
    LeaveCallerLeg,
    /// Whoever answers a transfer and hangs up at once ends the call.
    BelieveHastyGoodbye,
}

impl Switchboard {
    /// Makes this switchboard make a mistake from now on.
    #[cfg(any(test, feature = "faults"))]
    pub fn plant(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }

    #[cfg(any(test, feature = "faults"))]
    pub(crate) fn planted(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    #[cfg(not(any(test, feature = "faults")))]
    #[allow(clippy::unused_self)]
    pub(crate) const fn planted(&self, _: Fault) -> bool {
        false
    }
}
