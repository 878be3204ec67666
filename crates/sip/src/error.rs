use std::net::SocketAddr;

/// Why an endpoint could not be started, or an address not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen for {transport} on {address}: {source}")]
    Bind { transport: &'static str, address: SocketAddr, source: std::io::Error },
    #[error("an address to listen on for TLS was given, but no certificate; give both")]
    NoCertificate,
    /// `text` is what was read, shortened; `why` says what is wrong with it.
    #[error("not a SIP address: {why}: {text:?}")]
    Address { text: String, why: &'static str },
}

/// Why a server could not be reached, as a sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    #[error("{peer} cannot be connected to: {why}; check address and port, and whether the server runs")]
    Connect { peer: String, why: String },
    /// SHA-256 of the certificate as `AB:CD:…`.
    #[error(
        "nobody whom this machine trusts vouches for the certificate of {peer}; allow it if whoever runs that server \
         confirms its fingerprint"
    )]
    UnknownCertificate { peer: String, fingerprint: String },
    #[error(
        "{peer} shows another certificate than the one that was allowed; ask whoever runs that server before you allow \
         the new one"
    )]
    OtherCertificate { peer: String, fingerprint: String },
    #[error("the certificate of {peer} is not good: {why}; ask whoever runs that server to renew it")]
    BadCertificate { peer: String, why: String, fingerprint: String },
    #[error(
        "the certificate of {peer} is for another name: {why}; use the name that it is for, or ask whoever runs that server"
    )]
    OtherName { peer: String, why: String, fingerprint: String },
    #[error("{peer} does not speak TLS as we do: {why}; check the port, usually 5061")]
    Handshake { peer: String, why: String },
}

impl ConnectError {
    /// Of a certificate that a person could allow.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&str> {
        match self {
            Self::UnknownCertificate { fingerprint, .. }
            | Self::OtherCertificate { fingerprint, .. }
            | Self::OtherName { fingerprint, .. }
            | Self::BadCertificate { fingerprint, .. } => Some(fingerprint),
            Self::Connect { .. } | Self::Handshake { .. } => None,
        }
    }
}
