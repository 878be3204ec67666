//! What happens in a world, as data: a list of acts can be replayed, and shortened until only the fault is left.

use protocol::{Presence, Reason, TransferKind};

use crate::rng::Rng;

/// A choice among what there is when the act is played: the `n`-th, counted round and round.
pub type Pick = u16;

/// Something that happens, and how long after the act before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    pub after_ms: u32,
    pub deed: Deed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Somebody outside calls a department (or a number that nobody has).
    OutsideCall {
        dialled: Pick,
    },
    /// A user dials from a device.
    DeviceCall {
        user: Pick,
        device: u8,
        to: Pick,
    },
    /// A ringing far end says again that it rings.
    Rings(Pick),
    Answer(Pick),
    /// Answers and hangs up before the switchboard has heard of either.
    AnswerAndGo(Pick),
    Refuse(Pick, Reason),
    /// 302.
    Divert(Pick, Pick),
    /// Anyone hangs up, whatever they are doing.
    HangUp(Pick),
    CallerHangsUp(Pick),
    Break(Pick, Reason),
    Hold(Pick, bool),
    Refer {
        leg: Pick,
        to: Pick,
    },
    /// REFER with Replaces; `gone`: the dialog it names has ended.
    Attended {
        leg: Pick,
        other: Pick,
        gone: bool,
    },
    /// Keys pressed in a call: the feature code and an extension, or nonsense.
    Keys {
        leg: Pick,
        to: Pick,
        flaw: Pick,
        hash: bool,
    },
    Register {
        user: Pick,
        device: u8,
    },
    Vanish {
        user: Pick,
        device: u8,
    },
    SetPresence(Pick, Presence),
    Press(Press),
    /// Two people press at the same moment, both seeing the same.
    Together(Press, Press),
    /// Until the next timer.
    NextTimer,
    // Faults.
    Lose(Pick),
    Delay(Pick, u32),
    Duplicate(Pick, u32),
    /// Two events that are on their way change places.
    Reorder(Pick, Pick),
    /// The engine cannot carry out the order after `skip` others.
    FailOrder {
        skip: u8,
        fatal: bool,
    },
    /// The clock stands still for the switchboard.
    LateTick(u32),
    EarlyTick,
    /// An event of a leg that is long gone, or never was.
    Stray {
        leg: Pick,
        what: u8,
    },
    /// The exchange dies and starts again from what was kept.
    Kill,
    /// The exchange is stopped and started.
    Restart,
}

/// Somebody presses a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Press {
    pub user: Pick,
    pub call: Pick,
    /// How many changes ago they looked.
    pub behind: u8,
    pub button: Button,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Button {
    Go { to: Pick, kind: TransferKind, note: bool },
    Undo,
    Complete,
    Swap,
}

/// The fewest and the most acts of a world.
const ACTS: (u32, u32) = (120, 700);

/// The life of the world with this seed: some are calm, some are storms.
#[must_use]
pub fn life(rng: &mut Rng) -> Vec<Act> {
    let trouble = rng.one(&[0, 1, 1, 3]);
    let mut open = vec![
        Act { after_ms: 0, deed: Deed::Register { user: 0, device: 0 } },
        Act { after_ms: 0, deed: Deed::Register { user: 1, device: 0 } },
    ];
    let count = ACTS.0 + rng.below(ACTS.1 - ACTS.0);
    open.extend((0..count).map(|n| {
        // The office opens before the telephone rings.
        let deed = if n < 6 { register(rng, u16::try_from(n + 2).unwrap_or(0)) } else { deed(rng, trouble) };
        Act { after_ms: pause(rng), deed }
    }));
    open
}

fn register(rng: &mut Rng, user: Pick) -> Deed {
    Deed::Register { user, device: u8::from(rng.chance(10)) }
}

fn pause(rng: &mut Rng) -> u32 {
    match rng.weighed(&[25, 35, 30, 9, 1]) {
        0 => 0,
        1 => rng.below(100),
        2 => rng.below(3_000),
        3 => rng.below(30_000),
        _ => rng.below(300_000),
    }
}

fn pick(rng: &mut Rng) -> Pick {
    rng.next() as Pick
}

fn deed(rng: &mut Rng, trouble: u32) -> Deed {
    const KINDS: usize = 8;
    let weights: [u32; KINDS] = [10, 28, 6, 36, 12, 4, 6, 5 * trouble];
    match rng.weighed(&weights) {
        0 => call(rng),
        1 => ringing(rng),
        2 => leave(rng),
        3 => press(rng),
        4 => phone(rng),
        5 => office(rng),
        6 => Deed::NextTimer,
        _ => fault(rng),
    }
}

fn call(rng: &mut Rng) -> Deed {
    match rng.chance(60) {
        true => Deed::OutsideCall { dialled: pick(rng) },
        false => Deed::DeviceCall { user: pick(rng), device: rng.below(2) as u8, to: pick(rng) },
    }
}

fn ringing(rng: &mut Rng) -> Deed {
    let leg = pick(rng);
    match rng.weighed(&[70, 3, 18, 4, 4]) {
        0 => Deed::Answer(leg),
        1 => Deed::AnswerAndGo(leg),
        2 => Deed::Refuse(
            leg,
            rng.one(&[Reason::Busy, Reason::Declined, Reason::Unreachable, Reason::NoAnswer, Reason::Failed]),
        ),
        3 => Deed::Divert(leg, pick(rng)),
        _ => Deed::Rings(leg),
    }
}

fn leave(rng: &mut Rng) -> Deed {
    let leg = pick(rng);
    match rng.weighed(&[45, 40, 15]) {
        0 => Deed::HangUp(leg),
        1 => Deed::CallerHangsUp(leg),
        _ => Deed::Break(leg, rng.one(&[Reason::Failed, Reason::Unreachable])),
    }
}

fn press(rng: &mut Rng) -> Deed {
    if rng.chance(8) { Deed::Together(button(rng), button(rng)) } else { Deed::Press(button(rng)) }
}

fn button(rng: &mut Rng) -> Press {
    let button = match rng.weighed(&[66, 14, 12, 8]) {
        0 => {
            let kind = [TransferKind::Blind, TransferKind::Consult, TransferKind::Voicemail];
            let kind = kind[rng.weighed(&[60, 33, 7])];
            Button::Go { to: pick(rng), kind, note: rng.chance(20) }
        }
        1 => Button::Undo,
        2 => Button::Complete,
        _ => Button::Swap,
    };
    let behind = if rng.chance(12) { 1 + rng.below(3) as u8 } else { 0 };
    Press { user: pick(rng), call: pick(rng), behind, button }
}

/// What can be done with a telephone in a call.
fn phone(rng: &mut Rng) -> Deed {
    let leg = pick(rng);
    match rng.weighed(&[18, 12, 60, 10]) {
        0 => Deed::Hold(leg, rng.chance(50)),
        1 => Deed::Refer { leg, to: pick(rng) },
        2 => Deed::Attended { leg, other: pick(rng), gone: rng.chance(10) },
        _ => Deed::Keys { leg, to: pick(rng), flaw: pick(rng), hash: rng.chance(40) },
    }
}

fn office(rng: &mut Rng) -> Deed {
    let user = pick(rng);
    match rng.weighed(&[45, 15, 40]) {
        0 => Deed::Register { user, device: u8::from(rng.chance(25)) },
        1 => Deed::Vanish { user, device: u8::from(rng.chance(25)) },
        _ => Deed::SetPresence(
            user,
            rng.one(&[Presence::Available, Presence::Available, Presence::Away, Presence::DoNotDisturb]),
        ),
    }
}

fn fault(rng: &mut Rng) -> Deed {
    let event = pick(rng);
    match rng.weighed(&[22, 18, 14, 10, 18, 6, 4, 6, 1, 1]) {
        0 => Deed::Lose(event),
        1 => Deed::Delay(event, 1 + rng.below(40_000)),
        2 => Deed::Duplicate(event, rng.below(20_000)),
        3 => Deed::Reorder(event, pick(rng)),
        4 => Deed::FailOrder { skip: rng.below(4) as u8, fatal: rng.chance(50) },
        5 => Deed::LateTick(1 + rng.below(60_000)),
        6 => Deed::EarlyTick,
        7 => Deed::Stray { leg: event, what: rng.below(8) as u8 },
        8 => Deed::Kill,
        _ => Deed::Restart,
    }
}
