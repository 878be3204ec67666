//! How much sooner frames could be taken and every packet still be there: what a player whose clock may be led saves of delay.

use super::delay::MS;
use crate::FRAME;

/// The least is taken over the last one to two of these: the target goes up and down with each late packet.
const WINDOW: i64 = 2000 * MS;
/// Left standing, so that a clock a little off or a target a little higher asks for no stretching.
const KEPT: i64 = MS;
/// Of what is over, this share is taken away in each frame: steady after some seconds.
const SHARE: i64 = 64;
/// Two that follow each other at the same pace and equally far would gain nothing: the one whose SSRC is greater goes ahead.
/// Per frame, microseconds: 500 and 300 parts per million.
const PACES_US: [i64; 2] = [6, 10];
/// A clock led by a whole frame has been through all there is; who goes ahead also follows the other. In tenths of a sample.
const MOST_LED: [i64; 2] = [10 * FRAME as i64, 20 * FRAME as i64];
/// More is only for what the other's clock is off, or for one that moves too: in each frame a tenth of a sample, 100 parts per
/// million, as much as a bad crystal is off.
const LEAK: i64 = 1;

#[derive(Default)]
pub(super) struct Slack {
    /// Of this window and of the one before, samples, as if all frames had been taken where they are now.
    least: Option<[i64; 2]>,
    window_began: i64,
    noted_at: i64,
    /// How much sooner than by its own clock frames are taken, in tenths of a sample.
    led: i64,
}

impl Slack {
    /// Another source begins.
    pub(super) fn forget(&mut self) {
        self.least = None;
    }

    /// The frame taken `now` needed no packet before so many samples had passed beyond the target.
    pub(super) fn note(&mut self, now: i64, spare: i64) {
        let Some(least) = &mut self.least else {
            (self.least, self.window_began, self.noted_at) = (Some([spare; 2]), now, now);
            return;
        };
        let later = (now - self.noted_at + FRAME as i64 / 2).rem_euclid(FRAME as i64) - FRAME as i64 / 2;
        self.noted_at = now;
        self.led -= 10 * later + LEAK * self.led.signum();
        least.iter_mut().for_each(|least| *least += later);
        if now - self.window_began > WINDOW {
            *least = [spare, least[0]];
            self.window_began = now;
        }
        least[0] = least[0].min(spare);
    }

    /// In samples; 0 while nothing is known.
    pub(super) fn least(&self) -> i64 {
        self.least.map_or(0, |[this, before]| this.min(before))
    }

    /// By how many microseconds the next frame is best taken sooner; negative: later.
    pub(super) fn sooner(&self, ahead: bool) -> i64 {
        if self.least.is_none() {
            return 0;
        }
        let (pace, most) = (PACES_US[usize::from(ahead)], MOST_LED[usize::from(ahead)]);
        let over_us = (self.least() - KEPT) * 1000 / MS;
        let us = (over_us / SHARE).clamp(-pace, pace);
        if us * self.led > 0 && self.led.abs() > most { 0 } else { us }
    }
}
