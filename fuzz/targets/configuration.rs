//! The exchange's configuration file: either it is right, or every mistake has a sentence.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(mistakes) = exchange::config::parse(Path::new("/nowhere/exchange.toml"), text) {
        assert!(!mistakes.to_string().is_empty(), "refused without a word");
    }
});
