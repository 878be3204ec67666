//! Where the session's phone registers, and from which address of ours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use protocol::SipAccount;
use softphone::{Account, Fingerprint, PhoneConfig, Secret, Sound, Transport, Trust};

const SIP_PORT: u16 = 5060;
const SIPS_PORT: u16 = 5061;

/// Where the session's SIP account registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registrar {
    host: String,
    port: u16,
    transport: Transport,
}

impl Registrar {
    /// Reads `sip:host:port;transport=tcp`; an empty host is the control API's.
    pub(super) fn of(sip: &SipAccount, control_host: &str) -> Result<Self, String> {
        let bad = || "the exchange named a registrar that can't be read; ask whoever runs it".to_owned();
        let rest = sip.registrar.strip_prefix("sip:").unwrap_or(&sip.registrar);
        let (place, params) = rest.split_once(';').unwrap_or((rest, ""));
        let over = |wanted: &str| params.split(';').any(|param| param.eq_ignore_ascii_case(wanted));
        let transport = match (over("transport=tls"), over("transport=tcp")) {
            (true, _) => Transport::Tls,
            (false, true) => Transport::Tcp,
            (false, false) => Transport::Udp,
        };
        // The last colon outside brackets parts host and port.
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| bad())?),
            Some(_) | None if transport == Transport::Tls => (place, SIPS_PORT),
            Some(_) | None => (place, SIP_PORT),
        };
        let host = if host.is_empty() { control_host } else { host };
        if host.is_empty() || host.contains(['@', '<', '>', ' ']) {
            return Err(bad());
        }
        Ok(Self { host: host.to_owned(), port, transport })
    }

    /// The phone's configuration, with the address by which this machine reaches the registrar. Over TLS it must show the certificate that the person `accepted` of the control API, if they had to.
    pub(super) async fn config(
        self,
        sip: SipAccount,
        display: Option<String>,
        sound: Sound,
        accepted: Option<Fingerprint>,
    ) -> Result<PhoneConfig, String> {
        let Self { host, port, transport } = self;
        let listen = local_address(&host, port).await.map_err(|error| format!("{host} is not reachable ({error})"))?;
        let account = Account {
            registrar: format!("sip:{host}:{port}"),
            outbound_proxy: None,
            insists: true,
            user: sip.user,
            device: Some(sip.device.0),
            auth_user: Some(sip.auth_user),
            password: Secret::new(sip.password),
            display,
        };
        let trust = accepted.map_or(Trust::System, Trust::Pinned);
        Ok(PhoneConfig { transport, trust, account: Some(account), sound, ..PhoneConfig::new(listen) })
    }
}

/// Every address of ours, so that the phone outlives a change of network; of a registrar on this machine, only its own.
/// The kernel knows which of our addresses a packet to it would carry; nothing is sent.
pub(crate) async fn local_address(host: &str, port: u16) -> std::io::Result<SocketAddr> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let mut found = tokio::net::lookup_host((bare, port)).await?;
    let to = found.next().ok_or_else(|| std::io::Error::other("no address"))?;
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = tokio::net::UdpSocket::bind((any, 0)).await?;
    socket.connect(to).await?;
    let local = socket.local_addr()?.ip();
    Ok(SocketAddr::new(if local.is_loopback() { local } else { any }, 0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sip(registrar: &str) -> SipAccount {
        SipAccount {
            device: "d".into(),
            registrar: registrar.into(),
            user: "u".into(),
            auth_user: "a".into(),
            password: "p".into(),
            realm: "r".into(),
        }
    }

    #[test]
    fn a_registrar_is_read_and_an_empty_host_is_the_exchange() {
        let of = |registrar| Registrar::of(&sip(registrar), "desk.example").map(|r| (r.host, r.port, r.transport));
        let is = |host: &str, port, transport| Ok((host.to_owned(), port, transport));
        assert_eq!(of("sip:192.0.2.1:5070"), is("192.0.2.1", 5070, Transport::Udp));
        assert_eq!(of("sip:pbx.example;transport=tcp"), is("pbx.example", 5060, Transport::Tcp));
        assert_eq!(of("sip::5070;transport=tcp"), is("desk.example", 5070, Transport::Tcp));
        assert_eq!(of("sip:pbx.example;transport=tls"), is("pbx.example", 5061, Transport::Tls));
        assert_eq!(of("sip:[2001:db8::1]:5070"), is("[2001:db8::1]", 5070, Transport::Udp));
        assert_eq!(of("sip:[2001:db8::1]"), is("[2001:db8::1]", 5060, Transport::Udp));
        assert!(of("sip:host:port").is_err());
        assert!(of("sip:someone@host").is_err());
    }
}
