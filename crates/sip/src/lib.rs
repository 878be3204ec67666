//! The SIP endpoint: sockets, transactions, registrations, calls and REFER behind one small seam.
//!
//! An [`Endpoint`] is both halves of SIP at once. As a user agent it registers with a registrar, places and takes
//! calls, holds them and transfers them. As the exchange's side it challenges REGISTER and INVITE, trusts its trunk
//! peers by source address, and carries many legs. Everything that arrives is cleaned, bounded and parsed once; what
//! comes out of the seam is typed and safe to show (after escaping).
//!
//! * [`Endpoint::bind`] opens the sockets and gives a handle and the stream of [`Event`]s.
//! * A call is a *leg*: it is named by a [`LegKey`], its life is told by [`LegEvent`]s, and the last of them is always
//!   [`LegEvent::Ended`].
//! * [`Endpoint::subscribe`] keeps a subscription: what a line does, what waits in a mailbox.
//! * Requests within a dialog go out one at a time and outlive a TCP connection; a registration asks its registrar every
//!   15 s whether it is still there and still the same; [`Endpoint::probe`] does so for a call.
//! * [`Limits`] bound what strangers at one address, and each device, may ask; so a flood starves nobody else.
//! * [`Trace`] shows every message, [`Impairment`] makes the network bad: both for tests and for looking.
//! * [`sdp`] is pure: offer and answer (RFC 3264) without sockets.
//!
//! Only this crate names `rsipstack`. Its log records hold whole messages with credentials: see [`LOG_FILTER`].

mod address;
mod auth;
mod config;
mod core;
mod dialog_info;
mod dns;
mod door;
mod endpoint;
mod error;
mod event;
mod guard;
mod headers;
mod history;
mod impair;
mod instance;
mod io;
mod leg;
mod limit;
mod memory;
mod message;
mod message_summary;
mod net;
mod netwatch;
mod notifier;
mod places;
mod registrar;
mod registration;
mod replaces;
pub mod sdp;
mod session_id;
mod subscription;
mod timer;
mod trace;
mod transaction;
mod wire;

pub use address::{Host, NameAddr, Scheme, Transport, Uri};
pub use auth::{Credentials, Secrets};
pub use config::EndpointConfig;
#[cfg(feature = "fuzzing")]
pub use core::fuzzing;
pub use dialog_info::{DialogState, WatchedDialog};
pub use dns::{Answer, Names, NamesError, Naptr, Srv, Zone};
pub use endpoint::Endpoint;
pub use error::{ConnectError, Error};
pub use event::{
    ContactBinding, EndCause, EndedBy, Event, Flow, Incoming, LegEvent, LegKey, Notice, Register, RegisterKey,
    RegistrationKey, RegistrationState, Replaced, SubscriptionEvent, SubscriptionKey, Watch, WatcherKey,
};
pub use guard::{Limits, network};
pub use headers::{CallHeaders, Invite, Package, ReasonHeader, Registration, Subscription};
pub use impair::{Impairment, ImpairmentError};
pub use instance::Instance;
pub use limit::{Buckets, Limit};
pub use message_summary::{MessageCount, MessageSummary};
pub use net::{Fingerprint, Trust};
pub use places::{Place, Places};
pub use replaces::Replaces;
pub use trace::{Trace, Way};

/// Directive that keeps `rsipstack` silent in the logs: its records hold whole messages, credentials too. Append it to
/// any filter: `EnvFilter::new(format!("info,{}", sip::LOG_FILTER))`.
pub const LOG_FILTER: &str = "rsipstack=off";
