use crate::{Credentials, Flow, NameAddr, Uri};

/// Headers the flows use, parsed once. From outside they come bounded (at most 1 KiB each), without control characters,
/// and as valid UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallHeaders {
    /// P-Asserted-Identity (RFC 3325).
    pub asserted_identity: Option<NameAddr>,
    /// Referred-By (RFC 3892).
    pub referred_by: Option<NameAddr>,
    /// The topmost Diversion (RFC 5806). The parameter `reason` is in [`NameAddr::params`].
    pub diversion: Option<NameAddr>,
    /// Alert-Info without its angle brackets, e.g. `urn:alert:source:internal` (RFC 7462).
    pub alert_info: Option<String>,
    /// User-to-User (RFC 7433), decoded text; sent as `<hex>;encoding=hex`.
    pub user_to_user: Option<String>,
    /// Session-ID (RFC 7989).
    pub session_id: Option<String>,
    pub subject: Option<String>,
    /// Other headers, `X-…`: name and value.
    pub call_info: Vec<(String, String)>,
}

/// A Reason header (RFC 3326): `SIP;cause=200;text="Call completed elsewhere"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReasonHeader {
    /// `SIP` or `Q.850`.
    pub protocol: String,
    pub cause: u16,
    pub text: String,
}

impl ReasonHeader {
    /// The call was answered elsewhere: no missed call.
    #[must_use]
    pub fn answered_elsewhere() -> Self {
        Self { protocol: "SIP".into(), cause: 200, text: "Call completed elsewhere".into() }
    }

    /// Whether this says that the call was answered elsewhere (RFC 3326, section 3.1; also Q.850 cause 26).
    #[must_use]
    pub fn is_answered_elsewhere(&self) -> bool {
        (self.protocol.eq_ignore_ascii_case("SIP") && self.cause == 200)
            || (self.protocol.eq_ignore_ascii_case("Q.850") && self.cause == 26)
    }
}

/// A call to place.
#[derive(Debug, Clone)]
pub struct Invite {
    /// The request target.
    pub to: Uri,
    /// Whom to present.
    pub from: NameAddr,
    pub to_display: Option<String>,
    /// The offer.
    pub sdp: String,
    /// Send over this flow (of a registration, or to an outbound proxy) instead of to the host of `to`.
    pub via_flow: Option<Flow>,
    /// For a 401 or 407.
    pub credentials: Option<Credentials>,
    pub headers: CallHeaders,
}

/// A registration to keep.
#[derive(Debug, Clone)]
pub struct Registration {
    /// `sip:host:port`, with `;transport=tcp` if not UDP.
    pub registrar: Uri,
    /// Address of record; goes into From and To.
    pub aor: NameAddr,
    pub credentials: Option<Credentials>,
    /// Wanted lifetime, seconds.
    pub expires: u32,
}
