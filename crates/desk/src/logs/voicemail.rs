//! Listening to the messages that callers left: from this machine if it has the sound, else from the exchange.

use protocol::CallId;
use softphone::PlayerEvent;

use super::{LogError, LogHappening};
use crate::control::ControlError;
use crate::device::Playing;
use crate::owner::{Happening, Owner};
use crate::session::State;
use crate::{PlayerState, PlayerView};

/// A message that is open.
pub(crate) struct Message {
    call: CallId,
    playing: Option<Box<dyn Playing>>,
    /// Something of it has sounded.
    heard: bool,
}

impl Owner {
    pub(crate) fn play_message(&mut self, call: CallId) {
        let Some(logs) = self.logs() else { return };
        if logs.message.as_ref().is_some_and(|open| open.call == call && open.playing.is_some()) {
            return self.pause_message(false);
        }
        logs.message = Some(Message { call: call.clone(), playing: None, heard: false });
        let speed = self.settings.message_speed;
        self.view.player =
            Some(PlayerView { call: call.clone(), state: PlayerState::Loading, position_ms: 0, duration_ms: 0, speed });
        let wanted = call.clone();
        self.on_log(move |log| log.sound(&wanted), move |sound| LogHappening::SoundHere { call, sound });
    }

    pub(super) fn sound_here(&mut self, call: CallId, sound: Result<Option<Vec<u8>>, LogError>) {
        if let Ok(Some(wav)) = sound {
            return self.start_message(&call, wav);
        }
        let State::In(session) = &self.state else { return };
        let control = session.control.clone();
        self.begin(async move {
            let sound = control.voicemail(&call).await;
            Happening::Logs(LogHappening::SoundFetched { call, sound })
        });
    }

    pub(super) fn sound_fetched(&mut self, call: &CallId, sound: Result<Vec<u8>, ControlError>) {
        match sound {
            Ok(wav) => {
                let (kept, bytes) = (call.clone(), wav.clone());
                self.on_log(move |log| log.keep_sound(&kept, &bytes).map(drop), LogHappening::SoundKept);
                self.start_message(call, wav);
            }
            Err(error) if error.is_unauthorized() => self.expel(),
            Err(error) => self.message_failed(call, error.to_string()),
        }
    }

    fn start_message(&mut self, call: &CallId, wav: Vec<u8>) {
        if !self.opened(call) {
            return;
        }
        let (devices, speaker, call) = (self.config.devices.clone(), self.settings.sound.speaker.clone(), call.clone());
        self.begin(async move {
            let started = tokio::task::spawn_blocking(move || devices.play(wav, speaker)).await;
            let message = started.unwrap_or_else(|_| Err("The message can't be played. Try again.".into()));
            Happening::Logs(LogHappening::Started { call, message })
        });
    }

    pub(super) fn message_started(&mut self, call: &CallId, message: Result<crate::Message, String>) {
        let (playing, mut events) = match message {
            Ok(started) if self.opened(call) => started,
            Ok(_) => return,
            Err(sentence) => return self.message_failed(call, sentence),
        };
        playing.speed(self.settings.message_speed);
        if let Some(player) = &mut self.view.player {
            player.state = PlayerState::Playing;
            player.duration_ms = playing.duration_ms();
        }
        if let Some(open) = self.logs().and_then(|logs| logs.message.as_mut()) {
            open.playing = Some(playing);
        }
        if self.talking() {
            self.pause_message(true);
        }
        let (post, call) = (self.poster(), call.clone());
        self.tasks.spawn(async move {
            while let Some(event) = events.recv().await {
                post(Happening::Logs(LogHappening::Player { call: call.clone(), event }));
            }
        });
    }

    /// The person may have gone on to another.
    fn opened(&mut self, call: &CallId) -> bool {
        self.logs().is_some_and(|logs| logs.message.as_ref().is_some_and(|open| open.call == *call))
    }

    /// Something of it has sounded.
    fn sounded(&mut self) {
        let Some(open) = self.logs().and_then(|logs| logs.message.as_mut()) else { return };
        if !std::mem::replace(&mut open.heard, true) {
            let call = open.call.clone();
            self.heard(call);
        }
    }

    pub(super) fn player_event(&mut self, call: &CallId, event: PlayerEvent) {
        let Some(player) = self.view.player.as_mut().filter(|player| player.call == *call) else { return };
        match event {
            PlayerEvent::Position { ms } => {
                player.position_ms = ms;
                if ms > 0 && player.state == PlayerState::Playing {
                    self.sounded();
                }
            }
            PlayerEvent::Ended => {
                player.state = PlayerState::Paused;
                player.position_ms = player.duration_ms;
            }
            PlayerEvent::Trouble(sentence) => player.state = PlayerState::Failed { sentence },
        }
    }

    pub(crate) fn pause_message(&mut self, paused: bool) {
        let ended = self.view.player.as_ref().is_some_and(|player| player.position_ms >= player.duration_ms);
        self.with_message(|playing, player| {
            if ended && !paused {
                playing.seek(0);
            }
            playing.pause(paused);
            player.state = if paused { PlayerState::Paused } else { PlayerState::Playing };
        });
    }

    pub(crate) fn seek_message(&mut self, ms: u64) {
        self.with_message(|playing, player| {
            player.position_ms = ms.min(player.duration_ms);
            playing.seek(player.position_ms);
        });
    }

    pub(crate) fn speed_message(&mut self, percent: u32) {
        let percent = percent.clamp(50, 200);
        self.settings.message_speed = percent;
        self.save_settings();
        self.with_message(|playing, player| {
            playing.speed(percent);
            player.speed = percent;
        });
    }

    pub(crate) fn close_message(&mut self) {
        self.view.player = None;
        if let Some(logs) = self.logs() {
            logs.message = None;
        }
    }

    /// The person has chosen another speaker.
    pub(crate) fn message_speaker(&mut self) {
        let speaker = self.settings.sound.speaker.clone();
        self.with_message(|playing, _| playing.speaker(speaker));
    }

    /// Nobody hears a message and a caller at once.
    pub(crate) fn hush_message(&mut self) {
        if self.talking() && self.view.player.as_ref().is_some_and(|player| player.state == PlayerState::Playing) {
            self.pause_message(true);
        }
    }

    fn talking(&self) -> bool {
        let talks = |call: &crate::PhoneCall| call.state == crate::PhoneCallState::Talking && !call.held;
        self.view.phone.calls.iter().any(talks)
    }

    fn with_message(&mut self, act: impl FnOnce(&dyn Playing, &mut PlayerView)) {
        let playing = self.logs.message.as_ref().and_then(|open| open.playing.as_deref());
        if let (Some(playing), Some(player)) = (playing, self.view.player.as_mut()) {
            act(playing, player);
        }
    }

    fn message_failed(&mut self, call: &CallId, sentence: String) {
        if let Some(player) = self.view.player.as_mut().filter(|player| player.call == *call) {
            player.state = PlayerState::Failed { sentence };
        }
    }
}
