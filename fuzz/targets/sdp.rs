//! A session description: as an offer that we answer, and as the answer to ours.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::sdp::{self, CodecLine, Crypto, Direction, LocalMedia, Protection, Session};

fuzz_target!(|text: &str| {
    let Ok(theirs) = Session::parse(text) else { return };
    let keys = Crypto::fresh();
    for protection in [Protection::Off, Protection::Possible(keys.clone()), Protection::Required(keys)] {
        let ours = local(protection.clone());
        if let Ok((answer, agreed)) = sdp::answer(&theirs, &ours) {
            assert!(!agreed.codecs.is_empty(), "agreed on nothing");
            assert!(agreed.srtp.is_some() || !matches!(protection, Protection::Required(_)), "in the clear");
            let answer = Session::parse(&answer).expect("our answer can be read");
            assert!(answer.codecs().count() > 0, "our answer has no codec");
        }
        let agreed = sdp::accept_answer(&ours, &theirs);
        let clear = agreed.is_ok_and(|agreed| agreed.srtp.is_none());
        assert!(!(clear && matches!(protection, Protection::Required(_))), "in the clear");
    }
});

fn local(protection: Protection) -> LocalMedia {
    let line = |name: &str, payload_type, clock, channels| CodecLine {
        name: name.into(),
        payload_type,
        clock,
        channels,
        fmtp: None,
    };
    LocalMedia {
        rtp: ([10, 0, 0, 1], 4000).into(),
        codecs: vec![
            line("opus", 111, 48_000, 2),
            line("G722", 9, 8000, 1),
            line("PCMU", 0, 8000, 1),
            line("PCMA", 8, 8000, 1),
        ],
        telephone_event: Some(101),
        protection,
        direction: Direction::SendRecv,
        ptime: 20,
        session_id: 1,
        version: 1,
    }
}
