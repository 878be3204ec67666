use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use media::Codec;
use protocol::UserId;

pub use sip::Transport;

/// What the embedded engine is configured to do.
#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    /// Where SIP is heard; port 0 lets the system choose.
    pub udp: Vec<SocketAddr>,
    pub tcp: Vec<SocketAddr>,
    /// Needs the `certificate`.
    pub tls: Vec<SocketAddr>,
    pub certificate: Option<Arc<rustls::ServerConfig>>,
    /// How much one address, device and user may ask.
    pub limits: sip::Limits,
    /// What to write into SIP and SDP when bound to 0.0.0.0.
    pub advertised: Option<IpAddr>,
    /// RTP takes the even ports, RTCP the odd ones. `0..=0` lets the system choose.
    pub rtp_ports: RangeInclusive<u16>,
    pub rtp_bind: IpAddr,
    /// Digest realm of the devices.
    pub realm: String,
    pub trunk: Option<TrunkConfig>,
    /// WAV files instead of the built-in ones.
    pub hold_music: Option<PathBuf>,
    pub greeting: Option<PathBuf>,
    pub closing: Option<PathBuf>,
    /// Recordings go to `<voicemail_dir>/<call>.wav`.
    pub voicemail_dir: PathBuf,
    /// What is offered, best first.
    pub codecs: Vec<Codec>,
    /// A leg from which nothing at all has come for this long is asked whether it still lives.
    pub quiet: Duration,
    /// What a device may press in a call for us: not passed on while it may come of its keys. Empty: nothing.
    pub feature_code: String,
}

/// The way to and from outside.
#[derive(Clone)]
pub enum TrunkConfig {
    /// A gateway that is known by its address: it may call without a password. A peer with port 0 stands for any port
    /// of that address.
    Static { peers: Vec<SocketAddr>, dial: SocketAddr, number: String },
    /// A provider that we register with. `registrar` is `host` or `host:port`.
    Register { registrar: String, user: String, auth_user: String, password: String, number: String },
}

/// Never shows the password.
impl fmt::Debug for TrunkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static { peers, dial, number } => {
                f.debug_struct("Static").field("peers", peers).field("dial", dial).field("number", number).finish()
            }
            Self::Register { registrar, user, auth_user, password: _, number } => f
                .debug_struct("Register")
                .field("registrar", registrar)
                .field("user", user)
                .field("auth_user", auth_user)
                .field("number", number)
                .finish_non_exhaustive(),
        }
    }
}

/// Where the engine looks up who a device is. `device` is the digest user name, which is the `DeviceId`.
pub trait DeviceSecrets: Send + Sync {
    /// The device's user and SIP password; `None` if there is no such device or it was revoked.
    fn secret(&self, device: &str) -> Option<(UserId, String)>;
}
