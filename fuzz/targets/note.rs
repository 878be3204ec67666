//! The note of a transferor in User-to-User (RFC 7433), as any peer may write it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    let mut message = b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nFrom: <sip:d@e>;tag=1\r\n\
        To: <sip:a@b>\r\nCall-ID: f\r\nCSeq: 1 INVITE\r\nUser-to-User: "
        .to_vec();
    message.extend_from_slice(value);
    message.extend_from_slice(b"\r\n\r\n");
    sip::fuzzing::message(&message, value.len());
});
