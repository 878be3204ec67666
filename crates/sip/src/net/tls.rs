//! TLS: whom we believe, and what we show.

use std::{
    fmt,
    net::SocketAddr,
    str::FromStr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::ConnectError;

/// Which certificates to accept of servers that we connect to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// Those that an authority vouches for which this machine trusts, if they are of the name that was asked for.
    #[default]
    System,
    /// This one only, whatever its name or date: an office's own server that no authority vouches for.
    Pinned(Fingerprint),
}

/// SHA-256 of a certificate. Written as `AB:CD:…`, as `openssl x509 -fingerprint -sha256` prints it; read with or
/// without colons.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// A text that is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 32 pairs of hexadecimal digits, as `openssl x509 -fingerprint -sha256` prints them")]
pub struct FingerprintError;

impl Fingerprint {
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let digits: Vec<u8> = text.trim().bytes().filter(|b| *b != b':').collect();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let all_digits = digits.iter().all(u8::is_ascii_hexdigit);
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
        bytes.filter(|_| all_digits).and_then(|b| b.try_into().ok()).map(Self).ok_or(FingerprintError)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if i > 0 { ":" } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Our side of TLS connections outwards. The system's authorities are read when they are first needed.
#[derive(Clone)]
pub(super) struct TlsClient {
    trust: Trust,
    provider: Arc<CryptoProvider>,
    system: Arc<OnceLock<Result<Arc<dyn ServerCertVerifier>, rustls::Error>>>,
}

impl TlsClient {
    pub fn new(trust: Trust) -> Self {
        Self { trust, provider: Arc::new(ring::default_provider()), system: Arc::default() }
    }

    /// # Errors
    /// If the certificate is not to be believed, or the peer speaks no TLS.
    pub async fn connect(
        &self,
        stream: TcpStream,
        name: Option<&str>,
        address: SocketAddr,
    ) -> Result<TlsStream<TcpStream>, ConnectError> {
        let peer = name.map_or_else(|| address.to_string(), str::to_owned);
        let broken = |e: rustls::Error| ConnectError::Handshake { peer: peer.clone(), why: e.to_string() };
        let server_name = match name {
            Some(name) => ServerName::try_from(name.to_owned())
                .map_err(|e| ConnectError::Handshake { peer: peer.clone(), why: e.to_string() })?,
            None => ServerName::IpAddress(address.ip().into()),
        };
        let check = Arc::new(Check {
            trust: self.trust.clone(),
            system: self.system_verifier().map_err(broken)?,
            provider: self.provider.clone(),
            refused: Mutex::new(None),
        });
        let config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(broken)?
            .dangerous()
            .with_custom_certificate_verifier(check.clone())
            .with_no_client_auth();
        let connected = TlsConnector::from(Arc::new(config)).connect(server_name, stream).await;
        connected.map_err(|error| match check.refused() {
            Some(refused) => refused.said_of(peer),
            None => ConnectError::Handshake { peer, why: error.to_string() },
        })
    }

    fn system_verifier(&self) -> Result<Option<Arc<dyn ServerCertVerifier>>, rustls::Error> {
        if self.trust != Trust::System {
            return Ok(None);
        }
        let read = || {
            let verifier = rustls_platform_verifier::Verifier::new(self.provider.clone())?;
            Ok(Arc::new(verifier) as Arc<dyn ServerCertVerifier>)
        };
        self.system.get_or_init(read).clone().map(Some)
    }
}

/// Judges the certificate of one connection, and remembers why it was refused.
#[derive(Debug)]
struct Check {
    trust: Trust,
    system: Option<Arc<dyn ServerCertVerifier>>,
    provider: Arc<CryptoProvider>,
    refused: Mutex<Option<Refused>>,
}

#[derive(Debug, Clone)]
struct Refused {
    fingerprint: Fingerprint,
    why: Doubt,
}

#[derive(Debug, Clone)]
enum Doubt {
    Unknown,
    Other,
    Name(String),
    Bad(String),
}

impl Refused {
    fn said_of(self, peer: String) -> ConnectError {
        let fingerprint = self.fingerprint.to_string();
        match self.why {
            Doubt::Unknown => ConnectError::UnknownCertificate { peer, fingerprint },
            Doubt::Other => ConnectError::OtherCertificate { peer, fingerprint },
            Doubt::Name(why) => ConnectError::OtherName { peer, why, fingerprint },
            Doubt::Bad(why) => ConnectError::BadCertificate { peer, why, fingerprint },
        }
    }
}

impl Check {
    fn refused(&self) -> Option<Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refuse(&self, certificate: &CertificateDer<'_>, why: Doubt) {
        let fingerprint = Fingerprint::of(certificate);
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(Refused { fingerprint, why });
    }
}

impl ServerCertVerifier for Check {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Trust::Pinned(pinned) = &self.trust {
            if *pinned == Fingerprint::of(end_entity) {
                return Ok(ServerCertVerified::assertion());
            }
            self.refuse(end_entity, Doubt::Other);
            return Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        }
        let Some(system) = &self.system else {
            return Err(rustls::Error::General("no authorities are known".into()));
        };
        let verified = system.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verified.inspect_err(|error| {
            let doubt = match error {
                rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::Other(_)) => {
                    Doubt::Unknown
                }
                rustls::Error::InvalidCertificate(
                    why @ (CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }),
                ) => Doubt::Name(why.to_string()),
                error => Doubt::Bad(error.to_string()),
            };
            self.refuse(end_entity, doubt);
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_written() {
        let it = Fingerprint::of(b"certificate");
        let text = it.to_string();
        assert_eq!((text.len(), text.parse()), (95, Ok(it)));
        assert_eq!(text.replace(':', "").to_lowercase().parse(), Ok(it));
        for bad in ["", "AB:CD", &text[3..], &format!("{text}:00"), &text.replace(|c: char| c.is_ascii_digit(), "g")] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(FingerprintError), "{bad}");
        }
    }
}
