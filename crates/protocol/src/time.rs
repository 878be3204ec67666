use serde::{Deserialize, Serialize};
use specta::Type;
use utoipa::ToSchema;

/// A moment, milliseconds since the Unix epoch. Inside one process it never runs backwards: the owner of the clock
/// reads the wall once at start and counts monotonic time from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, Type, ToSchema)]
#[serde(transparent)]
pub struct Timestamp(#[specta(type = f64)] pub u64);

impl Timestamp {
    /// This moment, `ms` milliseconds later.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment; 0 if `earlier` is later.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
