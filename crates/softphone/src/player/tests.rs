#![allow(clippy::unwrap_used)]

use std::time::Duration;

use audio::FakeDevices;
use media::{FRAME, FRAME_TIME, RATE, level_dbfs, tones, wav};
use proptest::prelude::*;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::*;

const SPEAKER: &str = "fake:speaker";

fn recorded(ms: u32, rate: u32) -> Vec<u8> {
    wav::write(&tones::sine(440.0, ms, -6.0), rate)
}

fn message(ms: u32, rate: u32) -> Message {
    Message::read(&recorded(ms, rate)).unwrap()
}

/// Everything of so many ticks.
fn ticks(message: &mut Message, count: usize) -> (Vec<i16>, Vec<PlayerEvent>) {
    let (frames, events): (Vec<_>, Vec<_>) = (0..count).map(|_| message.tick()).unzip();
    (frames.into_iter().flatten().flatten().collect(), events.into_iter().flatten().collect())
}

/// The mean frequency, by counting rising zero crossings in the middle of the sound.
fn hertz(pcm: &[i16]) -> f64 {
    let middle = &pcm[pcm.len() / 10..pcm.len() * 9 / 10];
    let rises = middle.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
    rises as f64 * f64::from(RATE) / middle.len() as f64
}

#[test]
fn a_message_of_any_rate_is_heard_at_any_speed_at_its_own_pitch() {
    for rate in [8000, 11_025, 16_000, 44_100, 48_000] {
        for percent in [50, 75, 100, 125, 150, 200] {
            let mut message = message(6000, rate);
            assert!(message.duration_ms().abs_diff(6000) <= 1, "{rate} Hz: {}", message.duration_ms());
            message.speed(percent);
            let (heard, events) = ticks(&mut message, 700);
            let what = format!("{rate} Hz, {percent} %");
            let due = 6.0 * 100.0 / f64::from(percent);
            let seconds = heard.len() as f64 / f64::from(RATE);
            assert!((seconds / due - 1.0).abs() < 0.02, "{what}: {seconds} s, not {due}");
            assert!((hertz(&heard) / 440.0 - 1.0).abs() < 0.01, "{what}: {} Hz", hertz(&heard));
            assert!((level_dbfs(&heard) + 9.0).abs() < 0.5, "{what}: {} dBFS", level_dbfs(&heard));
            assert_eq!(events.last(), Some(&PlayerEvent::Ended), "{what}");
            assert_eq!(message.position_ms(), message.duration_ms(), "{what}");
        }
    }
}

#[test]
fn the_position_is_the_messages_ten_times_a_second_whatever_the_speed() {
    let mut message = message(10_000, 16_000);
    message.speed(200);
    let (_, events) = ticks(&mut message, 100);
    let told: Vec<u64> = events
        .into_iter()
        .map(|event| match event {
            PlayerEvent::Position { ms } => ms,
            other @ (PlayerEvent::Ended | PlayerEvent::Trouble(_)) => panic!("{other:?}"),
        })
        .collect();
    let due: Vec<u64> = (1..=20).map(|i| i * 200).collect();
    assert!(told.len() == 20 && told.iter().zip(&due).all(|(told, due)| told.abs_diff(*due) <= 20), "{told:?}");
}

#[test]
fn a_pause_fades_and_the_message_goes_on_where_it_was() {
    let mut message = message(2000, 16_000);
    ticks(&mut message, 25);
    message.pause(true);
    let at = message.position_ms();
    let (fading, events) = ticks(&mut message, 50);
    assert!((FRAME..=2 * FRAME).contains(&fading.len()) && events.is_empty(), "{} {events:?}", fading.len());
    assert_eq!(fading[fading.len() - 100..], [0; 100]);
    assert_eq!(message.position_ms(), at);
    message.pause(false);
    let (rest, events) = ticks(&mut message, 100);
    assert!(rest.len().abs_diff(75 * FRAME) <= FRAME, "{} frames", rest.len() / FRAME);
    assert_eq!(events.last(), Some(&PlayerEvent::Ended));
}

#[test]
fn who_seeks_to_the_end_is_there_also_in_the_middle_of_a_millisecond() {
    let mut message = message(49, 44_100);
    ticks(&mut message, 3);
    message.seek(message.duration_ms());
    assert_eq!((message.plays(), message.position_ms()), (false, 49));
}

#[test]
fn what_is_no_sound_is_refused_with_a_sentence() {
    let whole = recorded(100, 8000);
    for bytes in [&b""[..], b"<html>not found</html>", &whole[..43], &whole[..whole.len() - 1], &wav::write(&[], 8000)]
    {
        let error = Player::start_on(Sound::fake().0, None, bytes.to_vec()).map(drop).unwrap_err().to_string();
        assert!(error.starts_with("This message can't be played: ") && error.contains("Load it again"), "{error}");
    }
}

#[derive(Debug, Clone)]
enum Act {
    Pause(bool),
    Seek(u64),
    Speed(u32),
    Ticks(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        any::<bool>().prop_map(Act::Pause),
        prop_oneof![0..700_u64, any::<u64>()].prop_map(Act::Seek),
        prop_oneof![40..220_u32, any::<u32>()].prop_map(Act::Speed),
        (0..40_usize).prop_map(Act::Ticks),
    ];
    proptest::collection::vec(act, 0..30)
}

proptest! {
    #[test]
    fn whatever_is_pressed_the_end_comes_once_a_run_and_nothing_runs_past_it(
        acts in acts(), rate in prop_oneof![Just(8000), Just(16_000), Just(44_100)], ms in 1..500_u32,
    ) {
        let mut message = message(ms, rate);
        let (duration, mut paused, mut ended) = (message.duration_ms(), false, false);
        for act in acts.into_iter().chain([Act::Pause(false), Act::Ticks(60)]) {
            match act {
                Act::Pause(now) => {
                    message.pause(now);
                    paused = now;
                }
                Act::Seek(ms) => {
                    message.seek(ms);
                    prop_assert!(message.position_ms().abs_diff(ms.min(duration)) <= 1);
                    ended &= ms >= duration;
                }
                Act::Speed(percent) => message.speed(percent),
                Act::Ticks(count) => for _ in 0..count {
                    let before = message.position_ms();
                    let (frame, event) = message.tick();
                    let after = message.position_ms();
                    prop_assert!(before <= after && after <= duration);
                    // Never faster than at 200 %, in pieces of 10 ms.
                    let most = if paused || ended { 0 } else { 61 };
                    prop_assert!(after - before <= most);
                    match event {
                        Some(PlayerEvent::Position { ms }) => prop_assert!(ms == after && !paused && !ended),
                        Some(PlayerEvent::Ended) => {
                            prop_assert!(!paused && !ended && after == duration);
                            ended = true;
                        }
                        None => prop_assert!(frame.is_some() || paused || ended),
                        Some(PlayerEvent::Trouble(sentence)) => prop_assert!(false, "{sentence}"),
                    }
                }
            }
        }
        prop_assert!(ended);
    }

    #[test]
    fn hostile_bytes_are_a_sentence_or_a_sound_that_ends(
        rate in prop_oneof![Just(8000), Just(16_000), Just(48_000)],
        at in 0..44_usize,
        bytes in proptest::collection::vec(any::<u8>(), 0..8),
        cut in 0..1500_usize,
    ) {
        let mut wav = recorded(30, rate);
        for (slot, byte) in wav[at..].iter_mut().zip(bytes) {
            *slot = byte;
        }
        wav.truncate(wav.len() - cut.min(wav.len()) * usize::from(cut > 500));
        match Message::read(&wav) {
            Ok(mut message) => {
                let most = message.duration_ms() / 20 + 3;
                prop_assert!(message.duration_ms() < 1000);
                let (_, events) = ticks(&mut message, most as usize);
                prop_assert_eq!(events.last(), Some(&PlayerEvent::Ended));
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}

/// A player on made-up devices, in the time of the test.
struct Stage {
    devices: FakeDevices,
    player: Player,
    events: mpsc::UnboundedReceiver<PlayerEvent>,
    playback: JoinHandle<()>,
}

impl Stage {
    fn start(ms: u32, speaker: Option<&str>) -> Self {
        let (sound, devices) = Sound::fake();
        let (player, events, playback) = prepare(sound, speaker.map(str::to_owned), message(ms, 16_000));
        Self { devices, player, events, playback: tokio::spawn(playback.run()) }
    }

    async fn event(&mut self) -> PlayerEvent {
        self.events.recv().await.unwrap()
    }

    /// The next event that is no position, and the latest position before it.
    async fn news(&mut self) -> (u64, PlayerEvent) {
        let mut at = 0;
        loop {
            match self.event().await {
                PlayerEvent::Position { ms } => at = ms,
                news @ (PlayerEvent::Ended | PlayerEvent::Trouble(_)) => return (at, news),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_plays_to_its_end_in_its_time_and_again_after_a_seek_back() {
    let mut stage = Stage::start(60_000, None);
    for from in [0, 30_000] {
        let began = Instant::now();
        if from > 0 {
            stage.player.seek(from);
            assert_eq!(stage.event().await, PlayerEvent::Position { ms: from });
        }
        let (at, news) = stage.news().await;
        assert!(news == PlayerEvent::Ended && at >= 59_900, "{at} {news:?}");
        let due = Duration::from_millis(60_000 - from);
        assert!(began.elapsed().abs_diff(due) <= 2 * FRAME_TIME, "{:?} instead of {due:?}", began.elapsed());
        let heard = stage.devices.take_heard();
        assert!(heard.len().abs_diff(due.as_millis() as usize * 48) <= 2 * FRAME, "{}", heard.len());
        assert!((hertz(&heard) - 440.0).abs() < 1.0 && level_dbfs(&heard) > -10.0);
        sleep(Duration::from_secs(60)).await;
        assert!(stage.events.is_empty() && stage.devices.take_heard().len() <= FRAME);
    }
}

#[tokio::test(start_paused = true)]
async fn pause_and_seek_are_told_at_once_and_a_pause_is_silent() {
    let mut stage = Stage::start(60_000, None);
    sleep(Duration::from_millis(50)).await;
    let before = Instant::now();
    stage.player.pause(true);
    assert_eq!(stage.event().await, PlayerEvent::Position { ms: 60 });
    assert_eq!(before.elapsed(), Duration::ZERO);
    sleep(Duration::from_millis(100)).await;
    assert!(stage.devices.take_heard().len() <= 5 * FRAME);
    stage.player.seek(59_000);
    assert_eq!(stage.event().await, PlayerEvent::Position { ms: 59_000 });
    sleep(Duration::from_secs(10)).await;
    assert!(stage.devices.take_heard().is_empty() && stage.events.is_empty());
    stage.player.pause(false);
    assert_eq!(stage.event().await, PlayerEvent::Position { ms: 59_000 });
    assert_eq!(stage.news().await.1, PlayerEvent::Ended);
    assert!(stage.devices.take_heard().len().abs_diff(RATE as usize) <= 2 * FRAME);
}

#[tokio::test(start_paused = true)]
async fn after_a_long_pause_the_speaker_is_let_go_of() {
    let mut stage = Stage::start(10_000, None);
    stage.player.pause(true);
    sleep(Duration::from_secs(10)).await;
    stage.devices.unplug(true);
    stage.player.pause(false);
    // Had it been kept, it would have been disconnected.
    let (_, news) = stage.news().await;
    assert!(matches!(&news, PlayerEvent::Trouble(sentence) if sentence.starts_with("There is no speaker")), "{news:?}");
}

#[tokio::test(start_paused = true)]
async fn an_unplugged_speaker_is_said_once_and_the_message_waits_where_it_was() {
    let mut stage = Stage::start(10_000, Some(SPEAKER));
    sleep(Duration::from_millis(1005)).await;
    stage.devices.unplug(true);
    assert_eq!(stage.news().await.1, PlayerEvent::Trouble("The speaker was disconnected.".to_owned()));
    let PlayerEvent::Position { ms: at } = stage.event().await else { panic!() };
    assert!((1000..=1040).contains(&at), "{at}");
    sleep(Duration::from_secs(10)).await;
    stage.player.pause(false);
    let (_, news) = stage.news().await;
    assert!(matches!(&news, PlayerEvent::Trouble(sentence) if sentence.contains("is not connected")), "{news:?}");
    stage.devices.unplug(false);
    let _before = stage.devices.take_heard();
    stage.player.pause(false);
    assert_eq!(stage.news().await.1, PlayerEvent::Ended);
    let rest = (10_000 - at) as usize * 48;
    assert!(stage.devices.take_heard().len().abs_diff(rest) <= 2 * FRAME);
}

#[tokio::test(start_paused = true)]
async fn another_speaker_can_be_chosen_while_it_plays() {
    let mut stage = Stage::start(10_000, None);
    sleep(Duration::from_secs(1)).await;
    stage.player.speaker(Some(SPEAKER.to_owned()));
    sleep(Duration::from_secs(1)).await;
    assert!(stage.devices.take_heard().len().abs_diff(2 * RATE as usize) <= 2 * FRAME);
    stage.player.speaker(Some("headset".to_owned()));
    let (at, news) = stage.news().await;
    assert!(matches!(&news, PlayerEvent::Trouble(sentence) if sentence.contains("\"headset\"")), "{news:?}");
    assert!((1900..=2000).contains(&at), "{at}");
    stage.player.speaker(None);
    stage.player.pause(false);
    assert_eq!(stage.news().await.1, PlayerEvent::Ended);
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_last_handle_or_when_it_is_stopped() {
    let Stage { player, mut events, playback, .. } = Stage::start(60_000, None);
    let other = player.clone();
    drop(player);
    sleep(Duration::from_secs(1)).await;
    assert!(!playback.is_finished());
    drop(other);
    playback.await.unwrap();
    while events.recv().await.is_some() {}

    let stage = Stage::start(60_000, None);
    stage.player.stop();
    stage.playback.await.unwrap();
    stage.player.pause(true);
}

/// The only test with a thread: the shortest message, and whatever the clock says.
#[tokio::test]
async fn the_real_player_plays_and_its_thread_ends() {
    let (sound, devices) = Sound::fake();
    let (player, mut events) = Player::start_on(sound, None, recorded(40, 8000)).unwrap();
    assert_eq!(player.duration_ms(), 40);
    while events.recv().await.unwrap() != PlayerEvent::Ended {}
    assert!(devices.take_heard().len() >= 2 * FRAME);
    drop(player);
    assert_eq!(events.recv().await, None);
}
