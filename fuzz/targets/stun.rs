//! A response to a STUN request of ours.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::stun::{TransactionId, mapped_address};

fuzz_target!(|data: &[u8]| {
    // As whoever has seen our request would answer it.
    let Some(id) = data.get(8..20).and_then(|id| id.try_into().ok()) else { return };
    if let Ok(address) = mapped_address(&TransactionId(id), data) {
        assert!(address.port() != 0 && !address.ip().is_unspecified(), "{address} can't be sent to");
    }
});
