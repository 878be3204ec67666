//! A TCP connection that can be cut.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Stands between two ends; a cut drops what is open and refuses what comes.
pub struct Line {
    pub address: SocketAddr,
    open: Arc<watch::Sender<bool>>,
}

impl Line {
    /// A line to `far`, `HOST:PORT`.
    pub async fn to(far: String) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let open = Arc::new(watch::Sender::new(true));
        let state = open.subscribe();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, far.clone(), state.clone()));
            }
        });
        Ok(Self { address, open })
    }

    pub fn cut(&self) {
        self.open.send_replace(false);
    }

    pub fn mend(&self) {
        self.open.send_replace(true);
    }
}

async fn carry(mut near: TcpStream, far: String, mut open: watch::Receiver<bool>) {
    if !*open.borrow() {
        return;
    }
    if let Ok(mut there) = TcpStream::connect(far).await {
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut there) => {}
            _ = open.wait_for(|open| !open) => {}
        }
    }
}
