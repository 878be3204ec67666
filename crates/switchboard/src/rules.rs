//! The rights table: role × whose call × what is done × where it goes to. Data only, each row once.

use protocol::{Denied, Role};

/// How a call relates to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// They talk in it, are rung by it, or transferred it.
    Own,
    /// It is in a department of theirs.
    Department,
    Other,
}

/// What is done to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    See,
    Transfer,
    Consult,
    Voicemail,
    /// Transfer while it still rings or waits.
    Divert,
    /// Undo a transfer, cancel a consultation.
    TakeBack,
    /// Complete or swap a consultation.
    Complete,
}

/// Where a call is to go. Matters for what moves a call; the other kinds have the same cell in each column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Towards {
    OwnDepartment,
    OtherDepartment,
    Outside,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    Yes,
    /// If the account has all of these switched on.
    If(&'static [Switch]),
    OtherDepartment,
    NotYourCall,
    NotOnCall,
    NotOutside,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    AgentsMayTransfer,
    AcrossDepartments,
    /// [`crate::Policy::outside`] for the role, or the user's own right.
    Outside,
}

/// What keeps a user from doing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lack {
    Denied(Denied),
    /// The target is in another department, and the account keeps transfers inside one; with the rule that would
    /// have allowed it otherwise.
    Across(String),
}

const YES: Cell = Cell::Yes;
const AGENTS: Cell = Cell::If(&[Switch::AgentsMayTransfer]);
const ACROSS: Cell = Cell::If(&[Switch::AcrossDepartments]);
const OUT: Cell = Cell::If(&[Switch::Outside]);
const AGENTS_ACROSS: Cell = Cell::If(&[Switch::AgentsMayTransfer, Switch::AcrossDepartments]);
const AGENTS_OUT: Cell = Cell::If(&[Switch::AgentsMayTransfer, Switch::Outside]);
const OTHERS: Cell = Cell::OtherDepartment;
const YOURS: Cell = Cell::NotYourCall;
const ON_CALL: Cell = Cell::NotOnCall;
const INSIDE: Cell = Cell::NotOutside;

type Row = (Role, Whose, Kind, [Cell; 3]);

/// Columns: to one's own department, to another one, to the outside.
#[rustfmt::skip]
const ROWS: [Row; 63] = {
    use Kind::{Complete, Consult, Divert, See, TakeBack, Transfer, Voicemail};
    use Role::{Administrator, Agent, Manager};
    use Whose::{Department, Other, Own};
    [
        (Administrator, Own,        See,       [YES, YES, YES]),
        (Administrator, Own,        Transfer,  [YES, YES, OUT]),
        (Administrator, Own,        Consult,   [YES, YES, OUT]),
        (Administrator, Own,        Voicemail, [YES, YES, INSIDE]),
        (Administrator, Own,        Divert,    [YES, YES, OUT]),
        (Administrator, Own,        TakeBack,  [YES, YES, YES]),
        (Administrator, Own,        Complete,  [YES, YES, YES]),
        (Administrator, Department, See,       [YES, YES, YES]),
        (Administrator, Department, Transfer,  [YES, YES, OUT]),
        (Administrator, Department, Consult,   [ON_CALL, ON_CALL, ON_CALL]),
        (Administrator, Department, Voicemail, [YES, YES, INSIDE]),
        (Administrator, Department, Divert,    [YES, YES, OUT]),
        (Administrator, Department, TakeBack,  [YES, YES, YES]),
        (Administrator, Department, Complete,  [ON_CALL, ON_CALL, ON_CALL]),
        (Administrator, Other,      See,       [YES, YES, YES]),
        (Administrator, Other,      Transfer,  [YES, YES, OUT]),
        (Administrator, Other,      Consult,   [ON_CALL, ON_CALL, ON_CALL]),
        (Administrator, Other,      Voicemail, [YES, YES, INSIDE]),
        (Administrator, Other,      Divert,    [YES, YES, OUT]),
        (Administrator, Other,      TakeBack,  [YES, YES, YES]),
        (Administrator, Other,      Complete,  [ON_CALL, ON_CALL, ON_CALL]),
        (Manager,       Own,        See,       [YES, YES, YES]),
        (Manager,       Own,        Transfer,  [YES, ACROSS, OUT]),
        (Manager,       Own,        Consult,   [YES, ACROSS, OUT]),
        (Manager,       Own,        Voicemail, [YES, ACROSS, INSIDE]),
        (Manager,       Own,        Divert,    [YES, ACROSS, OUT]),
        (Manager,       Own,        TakeBack,  [YES, YES, YES]),
        (Manager,       Own,        Complete,  [YES, YES, YES]),
        (Manager,       Department, See,       [YES, YES, YES]),
        (Manager,       Department, Transfer,  [YES, ACROSS, OUT]),
        (Manager,       Department, Consult,   [ON_CALL, ON_CALL, ON_CALL]),
        (Manager,       Department, Voicemail, [YES, ACROSS, INSIDE]),
        (Manager,       Department, Divert,    [YES, ACROSS, OUT]),
        (Manager,       Department, TakeBack,  [YES, YES, YES]),
        (Manager,       Department, Complete,  [ON_CALL, ON_CALL, ON_CALL]),
        (Manager,       Other,      See,       [OTHERS, OTHERS, OTHERS]),
        (Manager,       Other,      Transfer,  [OTHERS, OTHERS, OTHERS]),
        (Manager,       Other,      Consult,   [OTHERS, OTHERS, OTHERS]),
        (Manager,       Other,      Voicemail, [OTHERS, OTHERS, OTHERS]),
        (Manager,       Other,      Divert,    [OTHERS, OTHERS, OTHERS]),
        (Manager,       Other,      TakeBack,  [OTHERS, OTHERS, OTHERS]),
        (Manager,       Other,      Complete,  [OTHERS, OTHERS, OTHERS]),
        (Agent,         Own,        See,       [YES, YES, YES]),
        (Agent,         Own,        Transfer,  [AGENTS, AGENTS_ACROSS, AGENTS_OUT]),
        (Agent,         Own,        Consult,   [AGENTS, AGENTS_ACROSS, AGENTS_OUT]),
        (Agent,         Own,        Voicemail, [AGENTS, AGENTS_ACROSS, INSIDE]),
        (Agent,         Own,        Divert,    [AGENTS, AGENTS_ACROSS, AGENTS_OUT]),
        // Who pressed Go themself may always take it back.
        (Agent,         Own,        TakeBack,  [AGENTS, AGENTS, AGENTS]),
        (Agent,         Own,        Complete,  [YES, YES, YES]),
        (Agent,         Department, See,       [YOURS, YOURS, YOURS]),
        (Agent,         Department, Transfer,  [YOURS, YOURS, YOURS]),
        (Agent,         Department, Consult,   [YOURS, YOURS, YOURS]),
        (Agent,         Department, Voicemail, [YOURS, YOURS, YOURS]),
        (Agent,         Department, Divert,    [YOURS, YOURS, YOURS]),
        (Agent,         Department, TakeBack,  [YOURS, YOURS, YOURS]),
        (Agent,         Department, Complete,  [YOURS, YOURS, YOURS]),
        (Agent,         Other,      See,       [YOURS, YOURS, YOURS]),
        (Agent,         Other,      Transfer,  [YOURS, YOURS, YOURS]),
        (Agent,         Other,      Consult,   [YOURS, YOURS, YOURS]),
        (Agent,         Other,      Voicemail, [YOURS, YOURS, YOURS]),
        (Agent,         Other,      Divert,    [YOURS, YOURS, YOURS]),
        (Agent,         Other,      TakeBack,  [YOURS, YOURS, YOURS]),
        (Agent,         Other,      Complete,  [YOURS, YOURS, YOURS]),
    ]
};

pub(crate) fn cell(role: Role, whose: Whose, kind: Kind, towards: Towards) -> Cell {
    let row = ROWS.iter().find(|(r, w, k, _)| (*r, *w, *k) == (role, whose, kind));
    // A missing row would be a bug; it must not open a door.
    row.map_or(YOURS, |(_, _, _, columns)| match towards {
        Towards::OwnDepartment => columns[0],
        Towards::OtherDepartment => columns[1],
        Towards::Outside => columns[2],
    })
}

#[cfg(test)]
pub(crate) fn rows(role: Role, whose: Whose, kind: Kind) -> usize {
    ROWS.iter().filter(|(r, w, k, _)| (*r, *w, *k) == (role, whose, kind)).count()
}
