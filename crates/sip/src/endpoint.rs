use std::net::SocketAddr;

use tokio::sync::mpsc;

use crate::{
    EndpointConfig, Error, Event, Invite, LegKey, ReasonHeader, RegisterKey, Registration, RegistrationKey, Transport,
};

/// A cheap handle on one endpoint; one task owns its sockets and all its state. Every method but [`Self::bind`] and
/// [`Self::shut_down`] only posts an order and returns at once: an order for a leg that is gone, or that its state does
/// not allow, is ignored.
#[derive(Clone)]
pub struct Endpoint {
    orders: mpsc::UnboundedSender<()>,
}

impl Endpoint {
    /// Opens the sockets and starts the task.
    ///
    /// # Errors
    /// If an address cannot be listened on, or none was given.
    pub async fn bind(config: EndpointConfig) -> Result<(Self, mpsc::UnboundedReceiver<Event>), Error> {
        Err(Error::NoSocket)
    }

    /// The first address listened on.
    #[must_use]
    pub fn local_addr(&self, transport: Transport) -> Option<SocketAddr> {
        None
    }

    /// Starts an outgoing call; what becomes of it arrives as [`Event::Leg`] with this key.
    pub fn invite(&self, invite: Invite) -> LegKey {
        LegKey(0)
    }

    /// Says that we ring (180).
    pub fn ring(&self, leg: LegKey) {}

    /// Answers a call (200); [`crate::LegEvent::Confirmed`] follows on the ACK.
    pub fn answer(&self, leg: LegKey, sdp: String) {}

    /// Refuses a call with a status of 300..=699.
    pub fn refuse(&self, leg: LegKey, status: u16, reason: Option<ReasonHeader>) {}

    /// Ends a leg in whatever state: BYE, CANCEL, or refusal with 603.
    pub fn hang_up(&self, leg: LegKey, reason: Option<ReasonHeader>) {}

    /// Offers anew (re-INVITE): hold, resume, other media. Followed by [`crate::LegEvent::OfferAnswered`] or
    /// [`crate::LegEvent::OfferFailed`]; glare (491) is retried inside.
    pub fn offer(&self, leg: LegKey, sdp: String) {}

    /// Answers a [`crate::LegEvent::Offer`]: with SDP, or with a refusing status such as 488.
    pub fn answer_offer(&self, leg: LegKey, sdp: Result<String, u16>) {}

    /// Asks the far end to call `to` (RFC 3515); [`crate::LegEvent::ReferProgress`] follows.
    pub fn refer(&self, leg: LegKey, to: String, referred_by: Option<String>) {}

    /// Answers a [`crate::LegEvent::Refer`] with 202 or 603.
    pub fn accept_refer(&self, leg: LegKey, accept: bool) {}

    /// Reports how the accepted REFER goes; a status of 200 or above is the last one.
    pub fn notify_refer(&self, leg: LegKey, status: u16) {}

    /// Sends one DTMF digit as SIP INFO.
    pub fn info_dtmf(&self, leg: LegKey, digit: char) {}

    /// Registers and stays registered until [`Self::unregister`].
    pub fn register(&self, registration: Registration) -> RegistrationKey {
        RegistrationKey(0)
    }

    /// Ends a registration.
    pub fn unregister(&self, registration: RegistrationKey) {}

    /// Accepts a REGISTER; `bindings` are all Contacts of the user now with their remaining seconds.
    pub fn accept_register(&self, request: RegisterKey, bindings: Vec<crate::ContactBinding>) {}

    /// Refuses a REGISTER: 403, 404, 423 (with `min_expires` seconds) …
    pub fn refuse_register(&self, request: RegisterKey, status: u16, min_expires: Option<u32>) {}

    /// Ends what lives (BYE, CANCEL, unregister) and closes the sockets; waits for the peers at most 2 s.
    pub async fn shut_down(self) {}
}
