//! Bodies and feed messages of the control API. The first byte says which type the JSON after it is read as; what was read
//! is written the same twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::{
    ApiError, AuditEntry, CallRecord, FeedMessage, FeedRequest, RecordPage, RemarksConflict, Session, SetPresence,
    SetRemarks, SignIn, TransferAccepted, TransferRequest, TransferTargets,
};
use serde::{Serialize, de::DeserializeOwned};

fuzz_target!(|data: &[u8]| {
    let Some((which, json)) = data.split_first() else { return };
    // Those that came later have numbers of their own, so that the corpus keeps its meaning.
    match *which {
        11 => return read::<Session>(json),
        12 => return read::<ApiError>(json),
        14 => return read::<TransferAccepted>(json),
        _ => {}
    }
    match which % 11 {
        0 => read::<FeedMessage>(json),
        1 => read::<FeedRequest>(json),
        2 => read::<TransferRequest>(json),
        3 => read::<SignIn>(json),
        4 => read::<SetRemarks>(json),
        5 => read::<SetPresence>(json),
        6 => read::<RecordPage>(json),
        7 => read::<RemarksConflict>(json),
        8 => read::<TransferTargets>(json),
        9 => read::<AuditEntry>(json),
        _ => read::<CallRecord>(json),
    }
});

fn read<T: DeserializeOwned + Serialize>(json: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(json) else { return };
    let written = serde_json::to_vec(&value).expect("what was read can be written");
    let again: T = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(serde_json::to_vec(&again).expect("it can be written again"), written);
}
