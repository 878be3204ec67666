use std::net::SocketAddr;

/// Why an endpoint could not be started, or an address not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen for {transport} on {address}: {source}")]
    Bind { transport: &'static str, address: SocketAddr, source: std::io::Error },
    #[error("neither a UDP nor a TCP address to listen on was given")]
    NoSocket,
    /// `text` is what was read, shortened; `why` says what is wrong with it.
    #[error("not a SIP address: {why}: {text:?}")]
    Address { text: String, why: &'static str },
}
