use serde::{Deserialize, Serialize};
use specta::Type;
use utoipa::ToSchema;

use crate::{DepartmentId, Timestamp, UserId};

/// What a user may do at all. The details are in `switchboard::permission`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Type, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees and moves every call of the account.
    Administrator,
    /// Sees and moves the calls of their own departments.
    Manager,
    /// Sees their own calls; moves them where the account lets agents transfer.
    Agent,
}

/// What a person says of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, Type, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    #[default]
    Available,
    Away,
    DoNotDisturb,
}

/// A user as colleagues see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct User {
    pub id: UserId,
    pub name: String,
    pub extension: String,
    pub role: Role,
    pub departments: Vec<DepartmentId>,
    pub presence: Presence,
    /// When `presence` was last changed.
    pub presence_since: Timestamp,
    /// How many of the user's devices are registered now.
    pub devices: u32,
    pub on_call: bool,
    /// Disabled in the configuration.
    pub disabled: bool,
}

/// A department as colleagues see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct Department {
    pub id: DepartmentId,
    pub name: String,
    pub extension: String,
    /// Members who could take a call now.
    pub free: u32,
    pub members: u32,
    pub queued: u32,
}

/// A user named in a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Type, ToSchema)]
pub struct UserRef {
    pub id: UserId,
    pub name: String,
}

/// A department named in a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Type, ToSchema)]
pub struct DepartmentRef {
    pub id: DepartmentId,
    pub name: String,
}
