//! Past calls at real desks: notes, messages and how the legs sounded, with and without the exchange.

use std::sync::Arc;

use anyhow::Result;
use audio::{FakeDevices, Sound};
use call_log::{RemarksMark, VoicemailMark};
use desk::{
    DetailsView, DeviceMaker, HeadsetEars, HeadsetLamps, LinkState, Message, PlayerState, Softphones, SoundTrial,
    Started, View, Wish,
};
use flows::line::Line;
use flows::office::{Office, SUPPORT, of};
use flows::seat::Seat;
use futures::future::BoxFuture;
use protocol::{CallId, CallState, DispositionId};
use softphone::{PhoneConfig, Player, SoundChoice, SoundDevices};

use crate::scene::{PRIYA, Scene, answering, office, office_with, sounds};

async fn signed_in(office: &Office, data: &std::path::Path, address: &str, user: &str) -> Result<Seat> {
    let seat = Seat::take(data)?;
    seat.sign_in(address, user, office.exchange.password(user)?).await?;
    seat.until("the link", |view| view.link.control == LinkState::Up).await?;
    Ok(seat)
}

fn note_is(call: &CallId, note: &str, mark: RemarksMark) -> impl Fn(&View) -> bool {
    move |view| view.logs.rows.iter().any(|row| row.id == *call && row.note == note && row.remarks == mark)
}

fn write(seat: &Seat, call: &CallId, base: u32, note: &str) {
    let disposition = Some(DispositionId("call_back".into()));
    seat.desk.wish(Wish::WriteRemarks { call: call.clone(), base, note: note.into(), disposition });
}

/// Maya writes while her link is cut, Ravi meanwhile writes something else: neither is lost, and Maya chooses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_notes_on_one_call_meet() -> Result<()> {
    let office = office().await?;
    let (mayas, ravis) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let line = Line::to(office.exchange.api_address()).await?;
    let maya = signed_in(&office, mayas.path(), &format!("http://{}", line.address), "maya").await?;
    let ravi = signed_in(&office, ravis.path(), &office.exchange.api, "ravi").await?;
    ravi.registered().await?;
    let mut priya = office.priya().await?;
    priya.say(&format!("call {}", office.number(SUPPORT))).await?;
    ravi.answers().await?;
    let call = ravi.until("the row", |view| view.live.calls.iter().any(of(PRIYA))).await?.live.calls[0].call.id.clone();
    priya.say("hangup").await?;
    let has_it = |view: &View| view.logs.rows.iter().any(|row| row.id == call);
    maya.until("the call in the log", has_it).await?;
    ravi.until("the call in the log", has_it).await?;

    write(&ravi, &call, 0, "wants a quote");
    maya.until("Ravi's note", note_is(&call, "wants a quote", RemarksMark::Kept)).await?;
    line.cut();
    maya.until("that the link is down", |view| matches!(view.link.control, LinkState::Down { .. })).await?;
    write(&maya, &call, 1, "quote sent");
    maya.until("that it waits", note_is(&call, "quote sent", RemarksMark::Unsent)).await?;
    write(&ravi, &call, 1, "wants two quotes");
    ravi.until("that it is kept", note_is(&call, "wants two quotes", RemarksMark::Kept)).await?;
    line.mend();
    maya.until("the conflict", note_is(&call, "quote sent", RemarksMark::Conflict)).await?;
    maya.desk.wish(Wish::ResolveRemarks { call: call.clone(), resolution: call_log::Resolution::Mine });
    maya.until("that hers is kept", note_is(&call, "quote sent", RemarksMark::Kept)).await?;
    ravi.until("Maya's note", note_is(&call, "quote sent", RemarksMark::Kept)).await?;

    let written = |view: &View| match &view.details {
        Some(DetailsView::Ready { record, .. }) => record.remarks.as_ref().is_some_and(|r| r.revision == 3),
        Some(DetailsView::Loading { .. } | DetailsView::Missing { .. }) | None => false,
    };
    ravi.desk.wish(Wish::OpenDetails { call: call.clone() });
    ravi.until("the third revision", written).await?;
    maya.leave().await;
    ravi.leave().await;
    office.exchange.stop().await
}

/// Both ends of a call were measured, and the record says so, though its legs end after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_says_how_both_legs_sounded() -> Result<()> {
    let office = office().await?;
    let ravi = answering(&office, "ravi").await?;
    let mut scene = Scene::begin(office).await?;
    scene.hears("ravi").await?;
    ravi.hears(sounds(), "priya").await?;
    let mut record = scene.farewell().await?;
    while record.quality.len() < 2 {
        record = scene.record().await?;
    }
    let parties: Vec<_> = record.quality.iter().map(|leg| leg.party.as_str()).collect();
    assert!(parties.contains(&"Priya Nair") && parties.contains(&"Ravi Kumar"), "{parties:?}");
    for leg in &record.quality {
        assert!((350..=450).contains(&leg.score) && !leg.codec.is_empty(), "a clean line: {leg:?}");
    }
    drop(ravi);
    scene.office.exchange.stop().await
}

/// Phones as usual, and a loudspeaker that remembers what it played.
struct Remembering(Sound);

impl DeviceMaker for Remembering {
    fn start(&self, config: PhoneConfig) -> BoxFuture<'static, Result<Started, softphone::Error>> {
        Softphones.start(config)
    }

    fn sound_devices(&self) -> SoundDevices {
        SoundDevices::default()
    }

    fn headset(&self, _: HeadsetEars) -> Option<HeadsetLamps> {
        None
    }

    fn test_sound(&self, choice: SoundChoice) -> Result<SoundTrial, String> {
        Softphones.test_sound(choice)
    }

    fn play(&self, wav: Vec<u8>, speaker: Option<String>) -> Result<Message, String> {
        let (player, events) = Player::start_on(self.0.clone(), speaker, wav).map_err(|error| error.to_string())?;
        Ok((Box::new(player), events))
    }
}

/// The caller speaks to a mailbox. At a desk the message is played, marked as heard, and played again with the exchange
/// gone; both times it is the caller's voice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_played_at_a_desk() -> Result<()> {
    let office = office_with(|policy| drop(policy.insert("fallback".into(), vec!["voicemail"].into()))).await?;
    let data = tempfile::tempdir()?;
    let (sound, speaker) = Sound::fake();
    let maya = Seat::furnished(data.path(), |config| {
        config.keyring = None;
        config.devices = Arc::new(Remembering(sound));
    })?;
    maya.sign_in(&office.exchange.api, "maya", office.exchange.password("maya")?).await?;
    let _ravi = answering(&office, "ravi").await?;
    let mut tom = office.colleague("tom", &["--busy"]).await?;
    tom.say("watch-messages").await?;
    let lamp = tom.event("messages").await?;
    assert_eq!((&lamp["waiting"], &lamp["new"]), (&false.into(), &0.into()));
    let mut scene = Scene::begin(office).await?;
    scene.go("tom").await?;
    scene.row("in voicemail", |row| matches!(row.call.state, CallState::Voicemail { .. })).await?;
    scene.hears("greeting").await?;
    // Past greeting and beep, Priya's sentence is on the line; give her time to say it, by her own recording's clock.
    scene.priya.hears_for(14_000).await?;
    let record = scene.farewell().await?;
    let is = |mark: VoicemailMark| move |view: &View| view.logs.rows.first().is_some_and(|row| row.voicemail == mark);
    maya.until("an unheard message", is(VoicemailMark::Unheard)).await?;
    let lamp = tom.event("messages").await?;
    assert_eq!((&lamp["waiting"], &lamp["new"]), (&true.into(), &1.into()), "his telephone's lamp burns");

    plays(&maya, &speaker, &record.id).await?;
    maya.until("that it is heard", is(VoicemailMark::Heard)).await?;
    let lamp = tom.event("messages").await?;
    assert_eq!((&lamp["waiting"], &lamp["old"]), (&false.into(), &1.into()));
    scene.office.exchange.stop().await?;
    maya.until("that the link is down", |view| matches!(view.link.control, LinkState::Down { .. })).await?;
    plays(&maya, &speaker, &record.id).await?;
    maya.leave().await;
    Ok(())
}

/// Plays the message to its end, and closes it.
async fn plays(seat: &Seat, speaker: &FakeDevices, call: &CallId) -> Result<()> {
    let _before = speaker.take_heard();
    seat.desk.wish(Wish::PlayMessage { call: call.clone() });
    let ended = |view: &View| {
        view.player.as_ref().is_some_and(|player| player.duration_ms > 0 && player.position_ms == player.duration_ms)
    };
    let view = seat.until("the end of the message", ended).await?;
    assert_eq!(view.player.map(|player| player.state), Some(PlayerState::Paused));
    let heard = sounds().recognise(&speaker.take_heard());
    assert_eq!(heard.what.as_deref(), Some("priya"), "{heard:?}");
    seat.desk.wish(Wish::CloseMessage);
    seat.until("the message closed", |view| view.player.is_none()).await.map(drop)
}
