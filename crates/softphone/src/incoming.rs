use protocol::{CallId, Party, Reason};

use crate::CallKey;

/// One incoming call, parsed once from its INVITE; nobody reads a header after that.
///
/// Every string came from outside: bounded and free of control characters, and still never to be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingCall {
    pub key: CallKey,
    pub kind: RingKind,
    pub caller: Party,
    /// Who pressed Go.
    pub transferred_by: Option<Party>,
    pub department: Option<String>,
    /// The transferor's note to the colleague.
    pub note: Option<String>,
    /// The account's call: the row in the live list.
    pub call_id: Option<CallId>,
    /// Of a recall: from whom it comes back, and why.
    pub back: Option<Recalled>,
}

/// Which ring tone, and which words on the ring card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingKind {
    Outside,
    Internal,
    Transfer,
    Recall,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recalled {
    pub from: Party,
    pub because: Option<Reason>,
}
