//! Events as JSON, one object a line. `t_ms` is Unix time in milliseconds.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use softphone::{
    CallEvent, CallKey, Ended, HeldBy, IncomingCall, PhoneEvent, QualityReport, RegistrationState, RingKind,
    WatchedState, Way,
};

pub(crate) fn ready(listen: SocketAddr) -> Value {
    stamped(json!({ "event": "ready", "listen": listen.to_string() }))
}

pub(crate) fn error(sentence: &str) -> Value {
    stamped(json!({ "event": "error", "message": sentence }))
}

/// `None` for what is only for eyes: level meters.
pub(crate) fn event(event: &PhoneEvent) -> Option<Value> {
    Some(stamped(match event {
        PhoneEvent::Registration(state) => registration(state),
        PhoneEvent::Incoming(call) => incoming(call),
        PhoneEvent::Call { call, event } => call_event(*call, event)?,
        PhoneEvent::Watched { number, state } => watched(number, state),
        PhoneEvent::Messages { waiting, new, old } => {
            json!({ "event": "messages", "waiting": waiting, "new": new, "old": old })
        }
        PhoneEvent::SoundTrouble(Some(sentence)) => json!({ "event": "error", "message": sentence }),
        PhoneEvent::SoundTrouble(None) => json!({ "event": "sound_devices_work" }),
    }))
}

fn stamped(mut event: Value) -> Value {
    event["t_ms"] = json!(now_ms());
    event
}

fn now_ms() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

pub(super) fn message(way: Way, text: &str) -> Value {
    let dir = match way {
        Way::Out => "out",
        Way::In => "in",
    };
    json!({ "dir": dir, "at_ms": now_ms(), "text": text })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn registration(state: &RegistrationState) -> Value {
    match state {
        RegistrationState::Registering => json!({ "event": "registering" }),
        RegistrationState::Registered => json!({ "event": "registered" }),
        RegistrationState::Down { why, retry_in, fingerprint } => json!({
            "event": "registration_failed",
            "message": why,
            "retry_in_ms": retry_in.map(millis),
            "fingerprint": fingerprint,
        }),
        RegistrationState::Off => json!({ "event": "unregistered" }),
    }
}

fn watched(number: &str, state: &WatchedState) -> Value {
    let (state, why) = match state {
        WatchedState::Idle => ("idle", None),
        WatchedState::Ringing => ("ringing", None),
        WatchedState::Talking => ("talking", None),
        WatchedState::Unknown { why } => ("unknown", Some(why)),
    };
    json!({ "event": "watched", "number": number, "state": state, "why": why })
}

fn incoming(call: &IncomingCall) -> Value {
    json!({
        "event": "incoming",
        "call": call.key.0,
        "kind": match call.kind {
            RingKind::Outside => "outside",
            RingKind::Internal => "internal",
            RingKind::Transfer => "transfer",
            RingKind::Recall => "recall",
            RingKind::Consult => "consult",
        },
        "caller": call.caller,
        "transferred_by": call.transferred_by,
        "department": call.department,
        "note": call.note,
        "call_id": call.call_id,
        "back_from": call.back.as_ref().map(|back| &back.from),
        "back_because": call.back.as_ref().and_then(|back| back.because),
        "back_seconds": call.back.as_ref().and_then(|back| back.after).map(|after| after.as_secs()),
        "forwarded_from": call.forwarded.as_ref().map(|forwarded| &forwarded.from),
        "forwarded_because": call.forwarded.as_ref().and_then(|forwarded| forwarded.because),
        "answers_itself": call.answers_itself,
        "security": call.security,
    })
}

fn call_event(call: CallKey, event: &CallEvent) -> Option<Value> {
    let call = call.0;
    Some(match event {
        CallEvent::Calling { to } => json!({ "event": "calling", "call": call, "to": to }),
        CallEvent::Ringing => json!({ "event": "ringing", "call": call }),
        CallEvent::Answered { codec } => json!({ "event": "answered", "call": call, "codec": codec }),
        CallEvent::CodecChanged { codec } => json!({ "event": "codec_changed", "call": call, "codec": codec }),
        CallEvent::Held { by } => json!({ "event": "held", "call": call, "by": who(*by) }),
        CallEvent::Resumed { by } => json!({ "event": "resumed", "call": call, "by": who(*by) }),
        CallEvent::Muted { muted } => json!({ "event": "muted", "call": call, "muted": muted }),
        CallEvent::TransferProgress { status } => {
            json!({ "event": "transfer_progress", "call": call, "status": status })
        }
        CallEvent::TransferFailed { status } => json!({ "event": "transfer_failed", "call": call, "status": status }),
        CallEvent::Following { call: new_call, to, referred_by } => json!({
            "event": "following", "call": call, "new_call": new_call.0, "to": to, "referred_by": referred_by,
        }),
        CallEvent::Replaced { by, with, referred_by } => json!({
            "event": "replaced", "call": call, "new_call": by.0, "with": with, "referred_by": referred_by,
        }),
        CallEvent::Identity { party } => json!({ "event": "identity", "call": call, "party": party }),
        CallEvent::Security(security) => json!({ "event": "security", "call": call, "security": security }),
        CallEvent::Dtmf { digit } => json!({ "event": "dtmf", "call": call, "digit": digit }),
        CallEvent::Recording { path } => {
            json!({ "event": "recording", "call": call, "path": path.display().to_string() })
        }
        CallEvent::FirstAudio => json!({ "event": "first_audio", "call": call }),
        CallEvent::Quality(report) => quality(call, report),
        CallEvent::Level { .. } => return None,
        CallEvent::Trouble { sentence } => json!({ "event": "error", "call": call, "message": sentence }),
        CallEvent::Ended(ended) => self::ended(call, ended),
    })
}

fn who(by: HeldBy) -> &'static str {
    match by {
        HeldBy::Us => "us",
        HeldBy::Them => "them",
    }
}

fn quality(call: u32, report: &QualityReport) -> Value {
    json!({
        "event": "quality",
        "call": call,
        "received": report.received,
        "lost": report.lost,
        "jitter_ms": report.jitter_ms,
        "round_trip_ms": report.round_trip_ms,
        "delay_ms": report.delay_ms,
        "mos": report.mos,
        "words": report.words("the other side"),
        "missed_permille": report.missed_permille,
        "encrypted": report.encrypted,
    })
}

fn ended(call: u32, ended: &Ended) -> Value {
    json!({
        "event": "ended",
        "call": call,
        "cause": ended.cause,
        "status": ended.status,
        "answered": ended.talked.is_some(),
        "answered_elsewhere": ended.answered_elsewhere,
        "duration_ms": ended.talked.map_or(0, millis),
    })
}
