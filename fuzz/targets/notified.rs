//! What a watched line (RFC 4235) or a mailbox (RFC 3842) sends; bodies are cut by a zero.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bodies: &str| sip::fuzzing::notified(bodies));
