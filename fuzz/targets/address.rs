//! A `sip:` or `tel:` address as it comes from a header or a link.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| sip::fuzzing::address(text));
