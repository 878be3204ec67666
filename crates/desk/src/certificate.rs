//! Trust in an exchange's certificate: the one that the person accepted, and no other.
//!
//! An exchange in an office makes its own certificate, which no authority vouches for. So the desk pins: at first
//! contact it shows the fingerprint, and from then on takes that certificate only, whatever its name or date.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use softphone::Fingerprint;

/// What the last refused handshake found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// No certificate was accepted for this exchange yet.
    First { fingerprint: String },
    /// Another certificate than the accepted one.
    Changed { fingerprint: String },
}

/// Takes one certificate, and remembers the one it refused.
#[derive(Debug)]
pub(crate) struct Pin {
    accepted: Option<String>,
    doubt: Mutex<Option<Doubt>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pin {
    pub(crate) fn new(accepted: Option<String>) -> Arc<Self> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        Arc::new(Self { accepted, doubt: Mutex::new(None), algorithms })
    }

    /// Why the last handshake was refused, if it was for the certificate.
    pub(crate) fn doubt(&self) -> Option<Doubt> {
        self.doubt.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A TLS configuration that trusts this pin only.
    pub(crate) fn client(self: &Arc<Self>) -> Result<Arc<ClientConfig>, Error> {
        let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<Self>::clone(self))
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let fingerprint = Fingerprint::of(end_entity).to_string();
        let doubt = match &self.accepted {
            Some(accepted) if *accepted == fingerprint => return Ok(ServerCertVerified::assertion()),
            Some(_) => Doubt::Changed { fingerprint },
            None => Doubt::First { fingerprint },
        };
        *self.doubt.lock().unwrap_or_else(PoisonError::into_inner) = Some(doubt);
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
