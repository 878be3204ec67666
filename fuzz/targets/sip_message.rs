//! One SIP message: the first two bytes say where a stream is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let [high, low, message @ ..] = data {
        sip::fuzzing::message(message, usize::from(u16::from_be_bytes([*high, *low])));
    }
});
