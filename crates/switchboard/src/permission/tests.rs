//! The rights table, walked cell by cell against a real office: what is asked for is asked for really, and what comes
//! of it is compared with the rules as a person would say them.

#![allow(clippy::unwrap_used)]

use protocol::{AuditOutcome, CallId, Denied, Ineligible, Presence, Role, Strategy, Target, TransferId, TransferKind};

use crate::{
    Account, DepartmentConfig, OutsideRule, Refusal, UserConfig,
    rules::{Kind, Towards, Whose},
    testkit::{Office, account, to_department, to_user},
};

const ROLES: [Role; 3] = [Role::Administrator, Role::Manager, Role::Agent];
const WHOSE: [Whose; 3] = [Whose::Own, Whose::Department, Whose::Other];
const KINDS: [Kind; 7] =
    [Kind::See, Kind::Transfer, Kind::Consult, Kind::Voicemail, Kind::Divert, Kind::TakeBack, Kind::Complete];
const OUTSIDE: [OutsideRule; 4] =
    [OutsideRule::Nobody, OutsideRule::Administrators, OutsideRule::Managers, OutsideRule::Everyone];

#[derive(Debug, Clone, Copy)]
struct Switches {
    agents: bool,
    across: bool,
    outside: OutsideRule,
    own: Option<bool>,
}

/// One cell under one setting of the account's switches.
#[derive(Debug, Clone, Copy)]
struct Cell {
    role: Role,
    whose: Whose,
    kind: Kind,
    towards: Towards,
    switches: Switches,
}

fn denied(denied: Denied) -> Result<(), Refusal> {
    Err(Refusal::Denied(denied))
}

/// The rules in plain words.
fn expected(cell: Cell) -> Result<(), Refusal> {
    let Cell { role, whose, kind, towards, switches } = cell;
    match (role, whose) {
        (Role::Agent, Whose::Department | Whose::Other) => return denied(Denied::NotYourCall),
        (Role::Manager, Whose::Other) => return denied(Denied::OtherDepartment),
        (Role::Administrator, _) | (Role::Manager, Whose::Own | Whose::Department) | (Role::Agent, Whose::Own) => {}
    }
    match kind {
        Kind::See => return Ok(()),
        Kind::Complete if whose == Whose::Own => return Ok(()),
        Kind::Consult | Kind::Complete if whose != Whose::Own => return denied(Denied::NotOnCall),
        Kind::Voicemail if towards == Towards::Outside => return denied(Denied::OutsideNotAllowed),
        Kind::Transfer | Kind::Consult | Kind::Voicemail | Kind::Divert | Kind::TakeBack | Kind::Complete => {}
    }
    if role == Role::Agent && !switches.agents {
        return denied(Denied::AgentsMayNotTransfer);
    }
    if kind == Kind::TakeBack {
        return Ok(());
    }
    let role_may = match switches.outside {
        OutsideRule::Nobody => false,
        OutsideRule::Administrators => role == Role::Administrator,
        OutsideRule::Managers => matches!(role, Role::Administrator | Role::Manager),
        OutsideRule::Everyone => true,
    };
    match towards {
        Towards::OwnDepartment => Ok(()),
        Towards::Outside if switches.own.unwrap_or(role_may) => Ok(()),
        Towards::Outside => denied(Denied::OutsideNotAllowed),
        Towards::OtherDepartment if switches.across || role == Role::Administrator => Ok(()),
        Towards::OtherDepartment => Err(Refusal::Ineligible(Ineligible::OtherDepartment)),
    }
}

/// `me` is the only one in Solo, and in Home with others; strangers are in Away.
fn office(role: Role) -> Office {
    let user = |id: &str, extension: &str, role, departments: &[&str]| UserConfig {
        id: id.into(),
        name: id.into(),
        extension: extension.into(),
        role,
        departments: departments.iter().map(|d| (*d).into()).collect(),
        disabled: false,
        may_transfer_outside: None,
        fallback: None,
    };
    let department = |id: &str, extension: &str, number: &str| DepartmentConfig {
        id: id.into(),
        name: id.into(),
        extension: extension.into(),
        numbers: vec![number.into()],
        ring_seconds: 15,
        queue_seconds: 60,
        strategy: Strategy::AllAtOnce,
        fallback: None,
    };
    let mut policy = account().policy;
    (policy.outside, policy.feature_code) = (OutsideRule::Everyone, None);
    let account = Account {
        name: "Cells".into(),
        users: vec![
            user("me", "1", role, &["solo", "home"]),
            user("peer", "2", Role::Agent, &["home"]),
            user("mate", "3", Role::Agent, &["home"]),
            user("far", "4", Role::Agent, &["away"]),
            user("farther", "5", Role::Agent, &["away"]),
            user("boss", "6", Role::Administrator, &[]),
        ],
        departments: vec![
            department("solo", "71", "+4401"),
            department("home", "72", "+4402"),
            department("away", "73", "+4403"),
        ],
        policy,
        has_trunk: true,
        dispositions: Vec::new(),
    };
    Office::of(account, &["me", "peer", "mate", "far", "farther"])
}

impl Cell {
    fn targets(self) -> Vec<Target> {
        match self.towards {
            Towards::OwnDepartment => vec![to_user("mate"), to_department("home")],
            Towards::OtherDepartment => vec![to_user("farther"), to_department("away")],
            Towards::Outside => vec![Target::Outside("+44 1632 960123".into())],
        }
    }

    fn set_switches(self, office: &mut Office) {
        let directory = &mut office.board.directory;
        directory.policy.agents_may_transfer = self.switches.agents;
        directory.policy.transfer_across_departments = self.switches.across;
        directory.policy.outside = self.switches.outside;
        directory.users.get_mut(&"me".into()).unwrap().config.may_transfer_outside = self.switches.own;
    }

    /// A call that stands to `me` as the cell says; answered unless it is to be diverted.
    fn call(self, office: &mut Office) -> CallId {
        let (number, agent) = match self.whose {
            Whose::Own => ("+4401", "me-desk"),
            Whose::Department => ("+4402", "peer-desk"),
            Whose::Other => ("+4403", "far-desk"),
        };
        if self.whose != Whose::Own {
            // Else a call of the department would ring them: then it is their own.
            office.presence("me", Presence::DoNotDisturb);
        }
        office.outside_call(number);
        if self.kind != Kind::Divert {
            let leg = office.rung(agent);
            office.answer(leg);
        }
        office.only_call().id
    }

    /// Does it, or tries to.
    fn act(self, office: &mut Office, call: &CallId, target: &Target) -> Result<(), Refusal> {
        let revision = office.only_call().revision;
        let kind = match self.kind {
            Kind::See => {
                let seen = office.board.may_see(&"me".into(), &office.only_call());
                assert_eq!(seen, office.targets("me", call).is_some());
                // There is no answer to compare: what is not seen is an error where it should have been seen.
                return if seen { Ok(()) } else { expected(self).and(denied(Denied::Ended)) };
            }
            Kind::Transfer | Kind::Divert => TransferKind::Blind,
            Kind::Consult => TransferKind::Consult,
            Kind::Voicemail => TransferKind::Voicemail,
            Kind::TakeBack => {
                let transfer = self.begun(office, call, TransferKind::Blind);
                return office.cancel("me", &transfer);
            }
            Kind::Complete => {
                let transfer = self.begun(office, call, TransferKind::Consult);
                return office.complete("me", &transfer);
            }
        };
        self.set_switches(office);
        office.ask("me", call, revision, target.clone(), kind).map(drop)
    }

    /// A transfer by the boss, or a consultation by who talks, under the switches of the cell only once it goes on.
    fn begun(self, office: &mut Office, call: &CallId, kind: TransferKind) -> TransferId {
        let by = match (kind, self.whose) {
            (TransferKind::Blind | TransferKind::Voicemail, _) => "boss",
            (TransferKind::Consult, Whose::Own) => "me",
            (TransferKind::Consult, Whose::Department) => "peer",
            (TransferKind::Consult, Whose::Other) => "far",
        };
        let revision = office.only_call().revision;
        let begun = office.ask(by, call, revision, to_user("mate"), kind).unwrap();
        self.set_switches(office);
        begun
    }

    fn check(self) {
        for target in self.targets() {
            let mut office = office(self.role);
            let call = self.call(&mut office);
            let seen = office.board.may_see(&"me".into(), &office.only_call());
            let foretold = self.foretold(&mut office, &call);
            let entries = office.trail.len();
            let answer = self.act(&mut office, &call, &target);
            assert_eq!(answer, expected(self), "{self:?} to {target:?}");
            if let Some(foretold) = foretold {
                let right = answer.clone().or_else(|refusal| match refusal {
                    // Of the target, not of the right.
                    Refusal::Ineligible(_) => Ok(()),
                    refusal @ (Refusal::Denied(_) | Refusal::UnknownCall | Refusal::UnknownTransfer) => Err(refusal),
                });
                assert_eq!(foretold.map_err(Refusal::Denied), right, "said before {self:?}");
            }
            if self.kind != Kind::See {
                let last = office.trail[entries..].iter().rfind(|e| e.user.as_str() == "me").unwrap();
                assert_eq!(last.outcome == AuditOutcome::Refused, answer.is_err(), "{self:?}: {last:?}");
                assert_eq!(last.call.as_ref(), Some(&call));
            }
            if !seen {
                let said = format!("{answer:?}");
                assert!(!said.contains("Priya") && !said.contains("+91"), "{self:?} gives away {said}");
                assert_eq!(office.targets("me", &call), None);
            }
            office.drain().unwrap();
        }
    }

    /// What the rights say, where they say anything about this cell.
    fn foretold(self, office: &mut Office, call: &CallId) -> Option<Result<(), Denied>> {
        if self.kind == Kind::TakeBack || self.kind == Kind::Complete {
            return None;
        }
        let before = office.board.directory.policy.clone();
        self.set_switches(office);
        let rights = office.board.rights(&"me".into(), call);
        office.board.directory.policy = before;
        assert_eq!(rights.transfer, office.board_may_transfer(self, call));
        assert_eq!((&rights.undo, &rights.complete), (&None, &None));
        match (self.kind, self.towards) {
            (Kind::Transfer | Kind::Divert, Towards::Outside) => Some(rights.outside),
            (Kind::Transfer | Kind::Divert, _) => Some(rights.transfer),
            (Kind::Consult, Towards::OwnDepartment | Towards::OtherDepartment) => Some(rights.consult),
            (Kind::Consult | Kind::See | Kind::Voicemail | Kind::TakeBack | Kind::Complete, _) => None,
        }
    }
}

impl Office {
    fn board_may_transfer(&mut self, cell: Cell, call: &CallId) -> Result<(), Denied> {
        let before = self.board.directory.policy.clone();
        cell.set_switches(self);
        let may = self.board.may_transfer(&"me".into(), call);
        self.board.directory.policy = before;
        may
    }
}

#[test]
fn every_cell_of_the_rights_table_is_true() {
    for role in ROLES {
        for whose in WHOSE {
            for kind in KINDS {
                for towards in [Towards::OwnDepartment, Towards::OtherDepartment, Towards::Outside] {
                    let switches = all_switches().into_iter().filter(|s| matters(kind, towards, *s));
                    switches.for_each(|switches| Cell { role, whose, kind, towards, switches }.check());
                }
            }
        }
    }
}

fn all_switches() -> Vec<Switches> {
    let mut all = Vec::new();
    for agents in [false, true] {
        for across in [false, true] {
            for outside in OUTSIDE {
                all.extend([None, Some(false), Some(true)].map(|own| Switches { agents, across, outside, own }));
            }
        }
    }
    all
}

/// Leaves out settings that only repeat others.
fn matters(kind: Kind, towards: Towards, switches: Switches) -> bool {
    let plain = switches.outside == OutsideRule::Nobody && switches.own.is_none();
    match (kind, towards) {
        (Kind::See | Kind::TakeBack | Kind::Complete, Towards::OwnDepartment) => plain,
        (Kind::See | Kind::TakeBack | Kind::Complete, Towards::OtherDepartment | Towards::Outside) => false,
        (Kind::Transfer | Kind::Consult | Kind::Voicemail | Kind::Divert, Towards::Outside) => switches.across,
        (Kind::Transfer | Kind::Consult | Kind::Voicemail | Kind::Divert, _) => plain,
    }
}

#[test]
fn undo_and_complete_are_foretold_while_there_is_something_to_undo_or_complete() {
    let mut office = office(Role::Manager);
    office.outside_call("+4402");
    let leg = office.rung("peer-desk");
    office.answer(leg);
    let call = office.only_call().id;
    let transfer = office.consult("peer", &call, to_user("mate")).unwrap();
    let rights = |office: &Office, who: &str| office.board.rights(&who.into(), &call);
    assert_eq!(rights(&office, "peer").complete, Some(Ok(())));
    assert_eq!(rights(&office, "peer").undo, Some(Ok(())));
    assert_eq!(rights(&office, "me").complete, Some(Err(Denied::NotOnCall)));
    assert_eq!(rights(&office, "me").undo, Some(Ok(())), "a manager may put an end to it");
    assert_eq!(rights(&office, "far").undo, Some(Err(Denied::NotYourCall)));
    office.complete("peer", &transfer).unwrap();
    assert_eq!(rights(&office, "peer").complete, None);
    office.wait(20);
    assert_eq!(rights(&office, "peer").undo, Some(Err(Denied::ComingBack)));
    office.drain().unwrap();
}

#[test]
fn where_there_is_no_trunk_nobody_may_dial_out() {
    let mut office = office(Role::Administrator);
    office.board.directory.has_trunk = false;
    office.outside_call("+4401");
    let leg = office.rung("me-desk");
    office.answer(leg);
    let call = office.only_call().id;
    assert_eq!(office.board.rights(&"me".into(), &call).outside, Err(Denied::OutsideNotAllowed));
    let refused = |office: &mut Office, number: &str| office.transfer("me", &call, Target::Outside(number.into()));
    assert_eq!(refused(&mut office, "+441632960123"), Err(Refusal::Ineligible(Ineligible::NoTrunk)));
    assert_eq!(refused(&mut office, "call me"), Err(Refusal::Ineligible(Ineligible::NotANumber)));
    let rules: Vec<_> = office.trail.iter().rev().take(2).map(|e| e.rule.clone()).collect();
    assert_eq!(rules, ["ineligible: not_a_number", "ineligible: no_trunk"]);
    office.drain().unwrap();
}

#[test]
fn the_table_has_each_row_once() {
    for role in ROLES {
        for whose in WHOSE {
            for kind in KINDS {
                assert_eq!(crate::rules::rows(role, whose, kind), 1, "{role:?} {whose:?} {kind:?}");
            }
        }
    }
}
