use std::fmt;

use serde::{Deserialize, Serialize};
use specta::Type;
use utoipa::ToSchema;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Type, ToSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(s: &str) -> Self {
                Self(s.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A user of the account, as in the configuration: `ravi`. Also the user part of their SIP address.
    UserId
);
id!(
    /// A department (a queue), as in the configuration: `support`.
    DepartmentId
);
id!(
    /// One device of one user. Random, given at sign-in.
    DeviceId
);
id!(
    /// One call of the account, from the first ring to the last goodbye, whatever happens between. Unique for ever.
    CallId
);
id!(
    /// One transfer of one call.
    TransferId
);
id!(
    /// What a finished call was marked as, as in the configuration: `call_back`.
    DispositionId
);

/// One leg: one SIP dialog between the exchange and a device or trunk. Unique within one run of the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LegId(pub u64);

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "leg{}", self.0)
    }
}
