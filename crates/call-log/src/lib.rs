//! The desktop's own copy of the call records, readable with the network gone.
//!
//! Two files per user and exchange. One is a copy: the exchange has the originals, so a damaged file is put aside and
//! filled again, and a change of the exchange's store, or of what the reader may see, empties it. The other, `….mine`, has
//! what only this machine has: remarks that are not sent yet or half typed, and saved views. Calls block; keep the log on a
//! thread of its own.

mod atoms;
mod calls;
mod codec;
mod details;
mod error;
mod export;
mod filter;
mod fold;
mod index;
mod log;
mod marks;
mod meta;
mod mine;
mod notes;
mod number;
mod open;
mod parties;
mod people;
mod records;
mod retain;
mod row;
mod sounds;
mod summary;
mod terms;
mod upgrade;

pub use error::Error;
pub use export::{Export, Exported, Format};
pub use filter::{Count, Counts, Filter, QUALITY_STEPS, Range, Stretch, TALK_STEPS_MS, VoicemailFilter};
pub use log::{CallLog, Emptied, Followed, Opened, Page, Place, Resolution};
pub use marks::{Field, Mark};
pub use meta::Cursor;
pub use mine::columns::Column;
pub use mine::drafts::Draft;
pub use mine::{SavedView, Unsent};
pub use retain::{Retained, Retention};
pub use row::{RemarksMark, Row, VoicemailMark};
pub use sounds::MAX_SOUND_BYTES;
pub use summary::{HourSummary, LogSummary};

/// FNV-1a, 64 bits: spreads ids and notices damage; no defence against anybody.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}
