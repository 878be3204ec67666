use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use tokio::sync::{mpsc, oneshot};

use crate::config::{PhoneConfig, SoundChoice};
use crate::event::{CallKey, PhoneEvent};
use crate::phone::Error;

/// What a person, or a program, asks of the phone.
#[derive(Debug)]
pub(crate) enum Command {
    Call { call: CallKey, to: String },
    Answer { call: CallKey },
    Refuse { call: CallKey, status: u16 },
    HangUp { call: CallKey },
    Hold { call: CallKey, held: bool },
    Mute { call: CallKey, muted: bool },
    Dtmf { call: CallKey, digits: String },
    Transfer { call: CallKey, to: String },
    ChooseSound(SoundChoice),
    RingLevel(f32),
    Stop(oneshot::Sender<()>),
}

pub(crate) struct Owner;

impl Owner {
    pub(crate) async fn start(
        config: PhoneConfig,
        _calls: Arc<AtomicU32>,
        mut inbox: mpsc::UnboundedReceiver<Command>,
        events: mpsc::UnboundedSender<PhoneEvent>,
    ) -> Result<SocketAddr, Error> {
        tokio::spawn(async move {
            let _events = events;
            while inbox.recv().await.is_some() {}
        });
        Ok(config.listen)
    }
}
