#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

fn codec(name: &str, payload_type: u8, clock: u32, channels: u8) -> CodecLine {
    CodecLine { name: name.into(), payload_type, clock, channels, fmtp: None }
}

fn local() -> LocalMedia {
    let mut opus = codec("opus", 96, 48_000, 2);
    opus.fmtp = Some("useinbandfec=1".into());
    LocalMedia {
        rtp: "192.0.2.1:4000".parse().unwrap(),
        codecs: vec![opus, codec("G722", 9, 8000, 1), codec("PCMU", 0, 8000, 1), codec("PCMA", 8, 8000, 1)],
        telephone_event: Some(101),
        direction: Direction::SendRecv,
        ptime: 20,
        session_id: 7,
        version: 1,
        protection: Protection::Off,
    }
}

fn sdp(body: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n{}", body.replace('\n', "\r\n"))
}

fn answered(body: &str) -> (String, Negotiated) {
    answer(&Session::parse(&sdp(body)).unwrap(), &local()).unwrap()
}

#[test]
fn our_offer_is_understood_and_answered() {
    let ours = local();
    let (text, theirs) = answer(&Session::parse(&offer(&ours)).unwrap(), &ours).unwrap();
    let got = accept_answer(&ours, &Session::parse(&text).unwrap()).unwrap();
    assert_eq!(got.codecs.iter().map(|c| c.payload_type).collect::<Vec<_>>(), [96, 9, 0, 8]);
    assert_eq!(got.codecs[0].fmtp.as_deref(), Some("useinbandfec=1"));
    assert_eq!((got.telephone_event, got.ptime, got.direction), (Some(101), 20, Direction::SendRecv));
    assert_eq!((theirs.remote_rtp, theirs.remote_rtcp.port()), (ours.rtp, 4001));
}

#[test]
fn static_types_need_no_rtpmap_and_the_order_of_the_offer_stands() {
    let (text, got) = answered("m=audio 5000 RTP/AVP 8 0 97\na=rtpmap:97 OPUS/48000/2\n");
    let names: Vec<_> = got.codecs.iter().map(|c| (c.name.as_str(), c.payload_type)).collect();
    assert_eq!(names, [("PCMA", 8), ("PCMU", 0), ("OPUS", 97)]);
    assert!(text.contains("m=audio 4000 RTP/AVP 8 0 97\r\n") && text.contains("a=fmtp:97 useinbandfec=1\r\n"));
    assert_eq!(got.telephone_event, None);
}

#[test]
fn only_the_first_usable_audio_is_accepted() {
    let (text, got) = answered(
        "m=video 6000 RTP/AVP 99\na=rtpmap:99 H264/90000\nm=audio 0 RTP/AVP 0\nm=audio 5001 RTP/AVP 0\nm=audio 5002 RTP/AVP 8\n",
    );
    assert_eq!(got.remote_rtp.port(), 5001);
    let lines: Vec<_> = text.lines().filter(|l| l.starts_with("m=")).collect();
    assert_eq!(lines, ["m=video 0 RTP/AVP 99", "m=audio 0 RTP/AVP 0", "m=audio 4000 RTP/AVP 0", "m=audio 0 RTP/AVP 8"]);
}

#[test]
fn hold_in_all_its_spellings() {
    let held = |body: &str| {
        let (text, got) = answered(body);
        (got.held_by_remote(), got.direction, text.contains(&format!("a={}\r\n", got.direction.name())))
    };
    assert_eq!(held("m=audio 5000 RTP/AVP 0\na=sendonly\n"), (true, Direction::RecvOnly, true));
    assert_eq!(held("m=audio 5000 RTP/AVP 0\na=inactive\n"), (true, Direction::Inactive, true));
    assert_eq!(held("m=audio 5000 RTP/AVP 0\na=recvonly\n"), (false, Direction::SendOnly, true));
    assert_eq!(held("m=audio 5000 RTP/AVP 0\nc=IN IP4 0.0.0.0\n"), (true, Direction::RecvOnly, true));
    assert_eq!(held("m=audio 5000 RTP/AVP 0\n"), (false, Direction::SendRecv, true));
    let session_level = sdp("m=audio 5000 RTP/AVP 0\n").replace("t=0 0", "t=0 0\r\na=sendonly");
    assert_eq!(Session::parse(&session_level).unwrap().direction(), Direction::SendOnly);
}

#[test]
fn rtcp_is_found() {
    let rtcp = |body: &str| answered(body).1.remote_rtcp.to_string();
    assert_eq!(rtcp("m=audio 5000 RTP/AVP 0\na=rtcp:7001\n"), "192.0.2.9:7001");
    assert_eq!(rtcp("m=audio 5000 RTP/AVP 0\na=rtcp:7001 IN IP4 192.0.2.8\n"), "192.0.2.8:7001");
    assert_eq!(rtcp("m=audio 65535 RTP/AVP 0\n"), "192.0.2.9:65535");
    let (text, got) = answered("m=audio 5000 RTP/AVP 0\na=rtcp-mux\n");
    assert!(got.rtcp_mux && got.remote_rtcp == got.remote_rtp && text.contains("a=rtcp-mux"));
}

#[test]
fn events_take_the_clock_of_the_audio_if_they_can() {
    let body = "m=audio 5000 RTP/AVP 97 100 101\na=rtpmap:97 opus/48000/2\na=rtpmap:100 telephone-event/8000\na=rtpmap:101 telephone-event/48000\n";
    let (text, got) = answered(body);
    assert_eq!(got.telephone_event, Some(101));
    assert!(text.contains("a=rtpmap:101 telephone-event/48000\r\n"));
}

#[test]
fn what_cannot_be_used_is_said() {
    let error = |text: &str| Session::parse(text).unwrap_err();
    assert!(matches!(error("hello"), SdpError::Syntax(_)));
    assert!(matches!(error(&"v=0\r\n".repeat(10_000)), SdpError::Syntax(_)));
    assert_eq!(error(&sdp("m=video 6000 RTP/AVP 99\n")), SdpError::NoAudio);
    assert_eq!(error(&sdp("m=audio 0 RTP/AVP 0\n")), SdpError::NoAudio);
    assert_eq!(error(&sdp("m=audio 5000 UDP/TLS/RTP/SAVP 0\n")), SdpError::NoAudio);
    assert_eq!(error(&sdp("m=audio 5000 RTP/AVP 0\nc=IN IP4 media.example\n")), SdpError::NoAddress);
    let g729 = Session::parse(&sdp("m=audio 5000 RTP/AVP 18 200 x\na=rtpmap:18\na=rtpmap:zz/8\n")).unwrap();
    assert_eq!(answer(&g729, &local()), Err(SdpError::NoCommonCodec));
}

proptest! {
    #[test]
    fn nothing_panics(text in "\\PC{0,300}") {
        let _ = Session::parse(&text);
    }

    #[test]
    fn lines_of_any_kind_do_not_panic(lines in proptest::collection::vec("(a=(rtpmap|fmtp|rtcp|ptime):|m=audio |m=|c=IN IP4 |a=)[ -~]{0,24}", 0..12)) {
        if let Ok(session) = Session::parse(&sdp(&(lines.join("\n") + "\n")))
            && let Ok((text, _)) = answer(&session, &local())
        {
            let again = Session::parse(&text).unwrap();
            prop_assert!(accept_answer(&local(), &again).is_ok());
        }
    }
}

const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

fn secure(protection: fn(Vec<Crypto>) -> Protection) -> LocalMedia {
    LocalMedia { protection: protection(Crypto::fresh()), ..local() }
}

fn crypto_of(line: &str) -> Option<Crypto> {
    let offer = Session::parse(&sdp(&format!("m=audio 5000 RTP/AVP 0\na=crypto:{line}\n"))).unwrap();
    offer.audio.1.keys.first().cloned()
}

#[test]
fn both_sides_agree_on_keys() {
    for kind in [Protection::Possible as fn(_) -> _, Protection::Required] {
        let (ours, other) = (secure(kind), secure(kind));
        let offered = offer(&ours);
        let proto = if ours.protection.is_required() { "RTP/SAVP " } else { "RTP/AVP " };
        assert!(offered.contains(proto));
        let (text, theirs) = answer(&Session::parse(&offered).unwrap(), &other).unwrap();
        assert!(text.contains(proto) && text.matches("a=crypto:").count() == 1);
        let (mine, theirs) =
            (accept_answer(&ours, &Session::parse(&text).unwrap()).unwrap().srtp.unwrap(), theirs.srtp.unwrap());
        assert_eq!((&mine.send, &mine.receive), (&theirs.receive, &theirs.send));
        assert_eq!((mine.send.suite, mine.send.key.len()), (Suite::AeadAes256Gcm, 44));
        assert_ne!(mine.send.key, mine.receive.key);
    }
}

/// Two packets of ours must never be encrypted alike, and a new far end must count them right.
#[test]
fn another_key_or_one_after_a_time_in_the_clear_is_answered_with_another_of_ours() {
    let (mut ours, mut before) = (secure(Protection::Possible), TheirKey::default());
    let (first, second) = (secure(Protection::Possible), secure(Protection::Possible));
    let mut sends = |theirs: &LocalMedia| {
        let offer = Session::parse(&offer(theirs)).unwrap();
        answer_anew(&offer, &mut ours, &mut before).unwrap().1.srtp.map(|srtp| srtp.send.key)
    };
    let key = sends(&first);
    assert!(key.is_some());
    assert_eq!(sends(&first), key, "the same key goes on");
    let renewed = sends(&second);
    assert!(renewed.is_some() && renewed != key);
    assert_eq!(sends(&local()), None);
    let again = sends(&second);
    assert!(again.is_some() && again != renewed && again != key);
    assert_eq!(sends(&second), again);
}

#[test]
fn whoever_knows_no_keys_is_spoken_to_in_the_clear_unless_that_is_forbidden() {
    let offered = Session::parse(&offer(&secure(Protection::Possible))).unwrap();
    let (text, agreed) = answer(&offered, &local()).unwrap();
    assert!(agreed.srtp.is_none() && !text.contains("crypto"));
    let text = Session::parse(&text).unwrap();
    assert!(accept_answer(&secure(Protection::Possible), &text).unwrap().srtp.is_none());
    assert_eq!(accept_answer(&secure(Protection::Required), &text), Err(SdpError::InTheClear));
    let clear = Session::parse(&sdp("m=audio 5000 RTP/AVP 0\n")).unwrap();
    assert_eq!(answer(&clear, &secure(Protection::Required)), Err(SdpError::InTheClear));
    assert!(answer(&clear, &secure(Protection::Possible)).unwrap().1.srtp.is_none());
    let demanded = Session::parse(&offer(&secure(Protection::Required))).unwrap();
    assert_eq!(answer(&demanded, &local()), Err(SdpError::CannotEncrypt));
    let keyless = Session::parse(&sdp("m=audio 5000 RTP/SAVP 0\n")).unwrap();
    assert_eq!(answer(&keyless, &secure(Protection::Possible)), Err(SdpError::CannotEncrypt));
    assert_eq!(accept_answer(&secure(Protection::Possible), &keyless), Err(SdpError::CannotEncrypt));
}

#[test]
fn an_encrypted_line_is_taken_before_a_plain_one() {
    let body = format!(
        "m=audio 5000 RTP/AVP 0\nm=audio 5002 RTP/SAVP 8\na=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|2^20\n"
    );
    let both = Session::parse(&sdp(&body)).unwrap();
    let (text, agreed) = answer(&both, &secure(Protection::Possible)).unwrap();
    let lines: Vec<_> = text.lines().filter(|l| l.starts_with("m=") || l.starts_with("a=crypto")).collect();
    assert_eq!(lines[..2], ["m=audio 0 RTP/AVP 0", "m=audio 4000 RTP/SAVP 8"]);
    assert!(lines[2].starts_with("a=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:"));
    assert_eq!(agreed.srtp.unwrap().receive, crypto_of(&format!("7 AES_CM_128_HMAC_SHA1_32 inline:{KEY}")).unwrap());
    let (text, agreed) = answer(&both, &local()).unwrap();
    assert!(text.contains("m=audio 4000 RTP/AVP 0\r\na=rtpmap") && agreed.srtp.is_none());
}

#[test]
fn keys_that_cannot_be_used_count_as_not_offered() {
    let suite = "AES_CM_128_HMAC_SHA1_80";
    for good in ["", "|2^20", "|2^48", "|1048576", " WSH=64", " -x=1", "|2^31 wsh=128 -y"] {
        let (key, rest) = good.split_once(' ').map_or((good, ""), |(a, b)| (a, b));
        let read = crypto_of(&format!("1 {suite} inline:{KEY}{key} {rest}"));
        assert_eq!(read.map(|crypto| crypto.key.len()), Some(30), "{good}");
    }
    for bad in [
        String::new(),
        "1".to_owned(),
        format!("1 {suite}"),
        format!("x {suite} inline:{KEY}"),
        format!("-1 {suite} inline:{KEY}"),
        format!("99999999999 {suite} inline:{KEY}"),
        format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"),
        format!("1 {suite} inline:"),
        format!("1 {suite} inline:{}", &KEY[..39]),
        format!("1 {suite} inline:{KEY}AAAA"),
        format!("1 {suite} inline:{}", "A".repeat(4000)),
        format!("1 {suite} inline:{}*", &KEY[..39]),
        format!("1 {suite} prefix:{KEY}"),
        format!("1 {suite} inline:{KEY}|2^20|1:4"),
        format!("1 {suite} inline:{KEY}|1:4"),
        format!("1 {suite} inline:{KEY}|2^99"),
        format!("1 {suite} inline:{KEY}|0"),
        format!("1 {suite} inline:{KEY}|2^20;inline:{KEY}|2^20"),
        format!("1 {suite} inline:{KEY} KDR=1"),
        format!("1 {suite} inline:{KEY} UNENCRYPTED_SRTP"),
        format!("1 {suite} inline:{KEY} UNENCRYPTED_SRTCP"),
        format!("1 {suite} inline:{KEY} UNAUTHENTICATED_SRTP"),
        format!("1 {suite} inline:{KEY} FEC_KEY=inline:{KEY}"),
    ] {
        assert_eq!(crypto_of(&bad), None, "{bad}");
    }
}

#[test]
fn an_answer_cannot_change_the_suite_or_invent_a_tag() {
    let ours = secure(Protection::Possible);
    for line in ["4 AES_CM_128_HMAC_SHA1_80", "3 AES_CM_128_HMAC_SHA1_32", "9 AES_CM_128_HMAC_SHA1_80"] {
        let text = sdp(&format!("m=audio 5000 RTP/SAVP 0\na=crypto:{line} inline:{KEY}\n"));
        let got = accept_answer(&ours, &Session::parse(&text).unwrap());
        assert_eq!(got, Err(SdpError::CannotEncrypt), "{line}");
    }
    assert!(!format!("{ours:?}").contains("key:"));
}
