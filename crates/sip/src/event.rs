//! What an endpoint tells its owner.

use std::net::SocketAddr;

use crate::{
    CallHeaders, ConnectError, Instance, MessageSummary, NameAddr, Package, ReasonHeader, Replaces, Transport, Uri,
    WatchedDialog,
};

/// Names one call leg of one endpoint. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegKey(pub u64);

/// Names one registration that this endpoint keeps with a registrar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistrationKey(pub u64);

/// Names one subscription that this endpoint keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionKey(pub u64);

/// Names one subscription that somebody keeps with this endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatcherKey(pub u64);

/// Names one REGISTER request that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegisterKey(pub u64);

/// The way back to a peer: the address packets came from and, for TCP and TLS, the very connection. A request sent over the
/// flow of a REGISTER reaches a device behind a NAT (RFC 5626, RFC 3581).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    pub transport: Transport,
    /// Local socket address the packet arrived at.
    pub local: SocketAddr,
    /// Source address of the packet.
    pub remote: SocketAddr,
    /// Which connection, for TCP and TLS; unique within the endpoint. 0 for UDP.
    pub connection: u64,
}

#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "moved once, from the endpoint to its owner")]
pub enum Event {
    /// Somebody calls. Answer with [`crate::Endpoint::ring`], [`crate::Endpoint::answer`] or
    /// [`crate::Endpoint::refuse`]; 100 Trying has been sent.
    Incoming(Box<Incoming>),
    /// Something became of a leg.
    Leg { leg: LegKey, event: LegEvent },
    /// The machine's network has changed, or it has slept: registrations are looked after; calls want a new offer
    /// where the address of their sound is another one now.
    NetworkChanged,
    /// Something became of a registration that this endpoint keeps.
    Registration { key: RegistrationKey, state: RegistrationState },
    /// Something became of a subscription that this endpoint keeps.
    Subscription { key: SubscriptionKey, event: SubscriptionEvent },
    /// Our registrar says unasked what waits in the mailbox of a `user` who is registered here (RFC 3842).
    Messages { user: String, summary: MessageSummary },
    /// A REGISTER that passed the digest (or came from a trusted source). The owner keeps the bindings and must call
    /// [`crate::Endpoint::accept_register`] or [`crate::Endpoint::refuse_register`].
    Register(Box<Register>),
    /// Somebody wants to be told of a line or a mailbox: [`crate::Endpoint::notify`] says what there is, and lets them;
    /// [`crate::Endpoint::refuse_watcher`] does not. Refreshes are answered inside.
    Watch(Box<Watch>),
    /// A subscription that was let is over.
    Unwatched(WatcherKey),
}

/// A call that arrives.
#[derive(Debug, Clone)]
pub struct Incoming {
    pub leg: LegKey,
    pub from: NameAddr,
    pub to: NameAddr,
    pub request_uri: Uri,
    pub source: Flow,
    pub headers: CallHeaders,
    /// The offer; `None` asks us to offer in the answer.
    pub sdp: Option<String>,
    /// The digest user name if the INVITE was challenged and passed.
    pub authenticated_as: Option<String>,
    /// The call whose place it takes (RFC 3891): it is not rung but answered, and that one hung up. Whoever calls has named
    /// that dialog by tags that only its two ends, and those whom they told, can know.
    pub replaces: Option<LegKey>,
    /// Neither signed in nor somebody whom we have turned to, such as our registrar.
    pub from_stranger: bool,
}

/// A SUBSCRIBE that arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    pub watcher: WatcherKey,
    pub package: Package,
    /// User part of the Request-URI: whose line or mailbox.
    pub user: String,
    /// The digest user name; empty if the source was trusted or nothing is challenged.
    pub authenticated_as: String,
}

/// What is told of a line or a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    Dialogs(Vec<WatchedDialog>),
    Messages(MessageSummary),
}

/// A REGISTER that arrives.
#[derive(Debug, Clone)]
pub struct Register {
    pub request: RegisterKey,
    /// User part of the address of record (To).
    pub user: String,
    /// The digest user name; empty if the source was trusted or nothing is challenged.
    pub auth_user: String,
    /// Empty for a query of the bindings.
    pub contacts: Vec<ContactBinding>,
    /// `Contact: *` with `Expires: 0`: all bindings go.
    pub remove_all: bool,
    /// What the request asks for by default, seconds.
    pub expires: u32,
    pub flow: Flow,
    /// The proxies that requests to the device have to pass, ours first, each a name-addr: [`crate::Invite::routes`].
    pub path: Vec<String>,
}

/// One Contact of a REGISTER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactBinding {
    pub uri: Uri,
    /// Which device's, if it says so: its newer binding takes the place of the older (RFC 5626 section 6).
    pub instance: Option<Instance>,
    /// Seconds; 0 removes the binding.
    pub expires: u32,
}

/// The life of a leg. [`LegEvent::Ended`] always comes, exactly once, and is the last.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "moved once, from the endpoint to its owner")]
pub enum LegEvent {
    /// 100.
    Trying,
    /// 180, or 183 without sound; sent once.
    Ringing,
    /// 18x with SDP.
    EarlyMedia {
        sdp: String,
    },
    /// We called and they answered; the ACK has been sent.
    Answered {
        sdp: String,
    },
    /// They called and our answer was acknowledged. `sdp` is the answer in the ACK if the INVITE had no offer.
    Confirmed {
        sdp: Option<String>,
    },
    /// A re-INVITE or UPDATE with an offer: [`crate::Endpoint::answer_offer`] must follow. Empty: they want ours (RFC 3261 section
    /// 14.1), and their answer to it comes as [`Self::OfferAnswered`].
    Offer {
        sdp: String,
    },
    /// Our re-INVITE was answered.
    OfferAnswered {
        sdp: String,
    },
    /// Our re-INVITE failed; the session goes on as it was.
    OfferFailed {
        status: u16,
    },
    /// The far end asks for a transfer: [`crate::Endpoint::accept_refer`] or [`crate::Endpoint::refuse_refer`] must
    /// follow. `to` is without its headers.
    Refer {
        to: NameAddr,
        referred_by: Option<NameAddr>,
        /// An attended transfer: the dialog that the new call shall take the place of (RFC 3891).
        replaces: Option<Replaced>,
    },
    /// What became of our REFER: 100 (202 received), then the statuses of the NOTIFYs; 200 and above is the last one.
    ReferProgress {
        status: u16,
    },
    /// Somebody else is at the other end now, or it has got a name: they transferred, or their system says who answered.
    Identity {
        who: NameAddr,
    },
    /// DTMF by SIP INFO (`application/dtmf-relay` or `application/dtmf`).
    Dtmf {
        digit: char,
    },
    Ended {
        cause: EndCause,
    },
}

/// The dialog that a REFER wants replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    pub dialog: Replaces,
    /// Whose dialog that is, if it is one of this endpoint and lives: neither hung up nor refused.
    pub leg: Option<LegKey>,
}

/// Why a leg ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndCause {
    /// The final refusal, if the call was never answered (408 for no answer at all).
    pub status: Option<u16>,
    pub reason: Option<ReasonHeader>,
    pub by: EndedBy,
    /// With a status of 300 to 302: where the call should go instead, the first Contact of the refusal.
    pub diverted_to: Option<NameAddr>,
    /// With a status of 401 or 407: the realm under which the password was asked for and not given, since the account's
    /// registrar took it under another.
    pub foreign_realm: Option<String>,
}

impl EndCause {
    /// Ended by `by`, with nothing more to say.
    #[must_use]
    pub fn new(by: EndedBy, status: Option<u16>, reason: Option<ReasonHeader>) -> Self {
        Self { status, reason, by, diverted_to: None, foreign_realm: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndedBy {
    Us,
    Them,
    /// Timeout, transport failure.
    Network,
}

/// State of a registration that this endpoint keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationState {
    /// A REGISTER is on its way, first time or after a failure.
    Registering,
    /// Good for `expires` seconds; refreshed by itself. `secure`: over TLS, and calls through it go the same way.
    Registered { expires: u32, secure: bool },
    /// The registrar refused (wrong password: 401/403) or could not be reached (408/503); tried again in
    /// `retry_in_seconds`. With `None` only if asked by [`crate::Endpoint::refresh`], or when the network changes: the
    /// password is wrong. `why` tells more of a 503 if no connection came about.
    Failed { status: u16, retry_in_seconds: Option<u32>, why: Option<ConnectError> },
    /// Ended by [`crate::Endpoint::unregister`]; the last state.
    Unregistered,
}

/// What is told of a subscription (RFC 6665). It goes on after each of these, but for the last refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionEvent {
    /// Of [`crate::Package::Dialog`]: all that the line does now; empty if nothing.
    Dialogs(Vec<WatchedDialog>),
    /// Of [`crate::Package::MessageSummary`].
    Messages(MessageSummary),
    /// The notifier refused (403, 404, 489: it does not offer this), could not be reached (408, 503) or ended it (480):
    /// nothing is known until it is tried again in `retry_in_seconds`; `None` is the end.
    Failed { status: u16, retry_in_seconds: Option<u32> },
}
