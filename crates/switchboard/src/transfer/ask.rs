//! Somebody asks for a transfer, and is answered: the one door for the app, the API, REFER, 302 and feature codes.

use protocol::{AuditAction, AuditOutcome, CallId, Denied, Target, TransferId, TransferKind, UserId};

use crate::{
    Fact, Fault, Refusal, Switchboard,
    arrive::bounded,
    audit::Attempt,
    call::{Call, State},
};

/// A transfer that may begin.
pub(crate) struct Asked {
    pub id: TransferId,
    pub by: UserId,
    pub target: Target,
    pub kind: TransferKind,
    pub note: Option<String>,
    pub way: Way,
}

/// How it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// In the app, through the API, by feature code, or by 302.
    Command,
    Refer,
}

/// A wish, not yet judged.
#[derive(Debug, Clone)]
pub(crate) struct Wish<'a> {
    pub by: &'a UserId,
    pub target: &'a Target,
    pub kind: TransferKind,
    /// What the one who wishes has seen; devices have seen nothing.
    pub revision: Option<u32>,
}

impl Switchboard {
    pub(crate) fn transfer(&mut self, id: &CallId, wish: &Wish<'_>, note: Option<String>) {
        let target = Self::normal(wish.target);
        let wish = Wish { target: &target, ..wish.clone() };
        let Some(key) = self.by_id.get(id).copied() else {
            self.refuse(None, &wish, &Refusal::UnknownCall, Some(id));
            let answer = Err(Refusal::UnknownCall);
            return self.fact(Fact::TransferAnswer { call: id.clone(), answer });
        };
        self.with_call(key, |board, call| match board.may_begin(call, &wish) {
            Err(refusal) => {
                board.refuse(Some(call), &wish, &refusal, None);
                board.fact(Fact::TransferAnswer { call: call.id.clone(), answer: Err(refusal) });
            }
            Ok(rule) => {
                let asked = board.accept(call, &wish, note, rule);
                board.fact(Fact::TransferAnswer { call: call.id.clone(), answer: Ok(asked.id.clone()) });
                board.begin(call, asked);
            }
        });
    }

    /// Whether the transfer may begin, and the rule that says so.
    pub(crate) fn may_begin(&self, call: &Call, wish: &Wish<'_>) -> Result<String, Refusal> {
        let rule = self.may_send(wish.by, Some(call), wish.kind, wish.target).map_err(Refusal::Denied)?;
        if let Some(stale) = wish.revision.and_then(|seen| call.stale(seen)) {
            return Err(Refusal::Denied(stale));
        }
        self.eligible(wish.by, call, wish.kind, wish.target).map_err(Refusal::Ineligible)?;
        Ok(rule)
    }

    /// Numbers the transfer and writes that it was accepted.
    pub(crate) fn accept(&mut self, call: &mut Call, wish: &Wish<'_>, note: Option<String>, rule: String) -> Asked {
        let id = self.number_transfer(call);
        let target = Some(self.target_ref(wish.target).name().to_owned());
        let (action, outcome) = (action(wish.kind), AuditOutcome::Accepted);
        self.audit_call(call, Attempt { user: wish.by, action, target, outcome, rule });
        Asked {
            id,
            by: wish.by.clone(),
            target: wish.target.clone(),
            kind: wish.kind,
            note: note.map(|n| bounded(&n)).filter(|n| !n.is_empty()),
            way: Way::Command,
        }
    }

    pub(crate) fn begin(&mut self, call: &mut Call, asked: Asked) {
        match asked.kind {
            TransferKind::Blind | TransferKind::Voicemail => self.begin_blind(call, asked),
            TransferKind::Consult => self.begin_consult(call, asked),
        }
    }

    /// Writes down a wish that was not granted. `unknown` is the id of a call that does not exist.
    pub(crate) fn refuse(
        &mut self,
        call: Option<&mut Call>,
        wish: &Wish<'_>,
        refusal: &Refusal,
        unknown: Option<&CallId>,
    ) {
        if self.planted(Fault::SkipAuditOfRefusal) {
            return;
        }
        let target = Some(self.target_ref(wish.target).name().to_owned());
        let (action, outcome) = (action(wish.kind), AuditOutcome::Refused);
        let attempt = Attempt { user: wish.by, action, target, outcome, rule: rule_of(refusal) };
        match call {
            Some(call) => self.audit_call(call, attempt),
            None => drop(self.audit(unknown.cloned(), attempt)),
        }
    }
}

/// Only who talks in a call can ask somebody first.
pub(crate) fn may_consult(call: &Call, by: &UserId) -> Result<(), Denied> {
    let State::Talking { with, .. } = &call.state else { return Err(Denied::NotAnsweredYet) };
    let on_it = call.caller.user.as_ref() == Some(by) || with.agent().is_some_and(|a| a.user.id == *by);
    if on_it { Ok(()) } else { Err(Denied::NotOnCall) }
}

/// Under what a transfer is written down, at its beginning and its end.
pub(crate) fn action(kind: TransferKind) -> AuditAction {
    match kind {
        TransferKind::Blind | TransferKind::Voicemail => AuditAction::Transfer,
        TransferKind::Consult => AuditAction::Consult,
    }
}

/// The rule of the audit entry of a refusal.
pub(crate) fn rule_of(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Denied(denied) => format!("denied: {}", code(denied)),
        Refusal::Ineligible(why) => format!("ineligible: {}", code(why)),
        Refusal::UnknownCall => "no such call".to_owned(),
        Refusal::UnknownTransfer => "no such transfer".to_owned(),
    }
}

/// The `code` that the reason has in the API.
fn code(reason: &impl std::fmt::Debug) -> String {
    let debug = format!("{reason:?}");
    let name: String = debug.chars().take_while(char::is_ascii_alphanumeric).collect();
    let mut code = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !code.is_empty() {
            code.push('_');
        }
        code.push(c.to_ascii_lowercase());
    }
    code
}
