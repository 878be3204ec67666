//! A whole endpoint under several datagrams. Between two stands a line `~~~~ N`: N milliseconds pass.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;

const CUT: &[u8] = b"\n~~~~ ";

fuzz_target!(|data: &[u8]| {
    // What an endpoint would look up or connect to is spawned and never runs.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
    let _inside = runtime.enter();
    let mut attacked = sip::fuzzing::Attacked::new();
    let mut rest = data;
    while let Some(at) = rest.windows(CUT.len()).position(|w| w == CUT) {
        let (datagram, after) = (&rest[..at], &rest[at + CUT.len()..]);
        let end = after.iter().position(|b| *b == b'\n').unwrap_or(after.len());
        let pause = std::str::from_utf8(&after[..end]).ok().and_then(|n| n.trim().parse().ok()).unwrap_or(0_u32);
        attacked.datagram(datagram, Duration::from_millis(u64::from(pause % 600_000)));
        rest = after.get(end + 1..).unwrap_or_default();
    }
    attacked.datagram(rest, Duration::ZERO);
    attacked.end();
});
