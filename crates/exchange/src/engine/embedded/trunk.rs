//! The way to and from outside: who is trusted without a password, and where to dial.

use std::net::{IpAddr, SocketAddr};

use protocol::Party;
use sip::{CallHeaders, Credentials, Host, Invite, NameAddr, Registration, Transport, Uri};

use super::{EngineError, TrunkConfig, card};

/// Wanted lifetime of our registration with a provider, seconds.
const REGISTRATION_SECONDS: u32 = 300;
const SIP_PORT: u16 = 5060;

/// The configured trunk with its names resolved.
#[derive(Debug, Clone)]
pub struct Trunk {
    config: TrunkConfig,
    /// Requests from here are the trunk's. Port 0: any port.
    peers: Vec<SocketAddr>,
    /// The registrar as it is written in addresses.
    provider: Option<(Host, Option<u16>)>,
}

impl Trunk {
    /// Looks the provider's registrar up.
    ///
    /// # Errors
    /// If it has no address.
    pub async fn resolve(config: TrunkConfig) -> Result<Self, EngineError> {
        let (peers, provider) = match &config {
            TrunkConfig::Static { peers, dial, .. } => {
                let mut peers = peers.clone();
                peers.push(*dial);
                (peers, None)
            }
            TrunkConfig::Register { registrar, .. } => {
                let unknown = |detail: String| EngineError::Registrar { registrar: registrar.clone(), detail };
                let uri: Uri = format!("sip:{registrar}").parse().map_err(|e: sip::Error| unknown(e.to_string()))?;
                let port = uri.port.unwrap_or(SIP_PORT);
                let peers = match &uri.host {
                    Host::Ip(ip) => vec![SocketAddr::new(*ip, port)],
                    Host::Name(name) => tokio::net::lookup_host((name.as_str(), port))
                        .await
                        .map_err(|e| unknown(e.to_string()))?
                        .collect(),
                };
                if peers.is_empty() {
                    return Err(unknown("the name has no address".into()));
                }
                (peers, Some((uri.host, uri.port)))
            }
        };
        Ok(Self { config, peers, provider })
    }

    pub fn trusts(&self, source: SocketAddr) -> bool {
        self.peers.iter().any(|p| p.ip() == source.ip() && (p.port() == 0 || p.port() == source.port()))
    }

    /// What was dialled: a provider calls the user that we registered, which stands for the trunk's number.
    pub fn dialled<'a>(&'a self, request_user: &'a str) -> &'a str {
        match &self.config {
            TrunkConfig::Register { user, number, .. } if request_user == user => number,
            TrunkConfig::Register { .. } | TrunkConfig::Static { .. } => request_user,
        }
    }

    /// Where calls to outside go.
    pub fn gateway(&self) -> Option<SocketAddr> {
        match &self.config {
            TrunkConfig::Static { dial, .. } => Some(*dial),
            TrunkConfig::Register { .. } => self.peers.first().copied(),
        }
    }

    /// The registration to keep, if this trunk registers.
    pub fn registration(&self) -> Option<Registration> {
        match &self.config {
            TrunkConfig::Static { .. } => None,
            TrunkConfig::Register { user, auth_user, password, .. } => {
                let (host, port) = self.provider.clone()?;
                Some(Registration {
                    registrar: Uri { user: None, ..Uri::sip("", host.clone(), port) },
                    aor: NameAddr::new(None, Uri::sip(user, host, port)),
                    credentials: Some(Credentials { user: auth_user.clone(), password: password.clone() }),
                    expires: REGISTRATION_SECONDS,
                    outbound_proxy: None,
                    instance: None,
                    insists: true,
                })
            }
        }
    }

    /// The INVITE to an outside number. `here`: how this exchange is addressed from there.
    pub fn invite(&self, number: &str, from: &Party, here: SocketAddr, sdp: String) -> Invite {
        let (own, to, sender, credentials) = match &self.config {
            TrunkConfig::Static { dial, number: own, .. } => {
                (own, Uri::at(number, *dial, Transport::Udp), card::address(&from.name, own, here), None)
            }
            TrunkConfig::Register { user, auth_user, password, number: own, .. } => {
                let (host, port) = self.provider.clone().unwrap_or((Host::Ip(IpAddr::from([127, 0, 0, 1])), None));
                let sender = NameAddr::new(Some(&from.name), Uri::sip(user, host.clone(), port));
                let credentials = Credentials { user: auth_user.clone(), password: password.clone() };
                (own, Uri::sip(number, host, port), sender, Some(credentials))
            }
        };
        Invite {
            to,
            from: sender,
            to_display: None,
            sdp,
            via_flow: None,
            routes: Vec::new(),
            through: None,
            credentials,
            headers: CallHeaders {
                asserted_identity: Some(card::address(&from.name, own, here)),
                ..CallHeaders::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_static_trunk_trusts_its_peers_only() {
        let address = |a: &str| a.parse::<SocketAddr>().unwrap();
        let config = TrunkConfig::Static {
            peers: vec![address("192.0.2.1:0"), address("192.0.2.2:5070")],
            dial: address("192.0.2.3:5060"),
            number: "+44".into(),
        };
        let trunk = Trunk::resolve(config).await.unwrap();
        for (source, trusted) in [
            ("192.0.2.1:40000", true),
            ("192.0.2.2:5070", true),
            ("192.0.2.2:5060", false),
            ("192.0.2.3:5060", true),
            ("192.0.2.4:5060", false),
        ] {
            assert_eq!(trunk.trusts(address(source)), trusted, "{source}");
        }
    }

    #[tokio::test]
    async fn a_registering_trunk_never_shows_its_password() {
        let config = TrunkConfig::Register {
            registrar: "192.0.2.8:5070".into(),
            user: "office".into(),
            auth_user: "office-1".into(),
            password: "hunter2".into(),
            number: "+44".into(),
        };
        let trunk = Trunk::resolve(config).await.unwrap();
        assert!(!format!("{trunk:?}").contains("hunter2"));
        assert_eq!(trunk.registration().unwrap().registrar.to_string(), "sip:192.0.2.8:5070");
        let invite = trunk.invite("+4930123", &Party::default(), "192.0.2.9:5060".parse().unwrap(), String::new());
        assert_eq!(invite.to.to_string(), "sip:+4930123@192.0.2.8:5070");
        assert_eq!(invite.credentials.unwrap().user, "office-1");
    }
}
