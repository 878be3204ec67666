//! A call arrives: from outside to a department, or from a user's device to anyone.

use std::collections::BTreeMap;

use protocol::{
    CallId, DepartmentId, DeviceId, Direction, JourneyEvent, LegId, Party, Reason, Target, UserId, UserRef,
};

use crate::{
    Order, Origin, Switchboard,
    call::{AgentLeg, Call, CallKey, Caller, Goal, Mailbox, Moved, State},
    directory::dialable,
};

/// How long an outside number rings before we give up. Networks give up at two to three minutes themselves.
const DIAL_MS: u64 = 120_000;
/// How long a colleague called directly rings before voicemail, seconds.
const DIRECT_RING_SECONDS: u32 = 30;
/// The longest name, number or note that is kept.
const TEXT_CHARS: usize = 500;

impl Switchboard {
    pub(crate) fn arrived(&mut self, leg: LegId, origin: Origin, caller: &Party, dialled: &str) {
        if self.legs.contains_key(&leg) {
            return;
        }
        // Even numbers are ours: the engine would confuse two legs.
        if leg.0.is_multiple_of(2) {
            return self.order(Order::HangUp { leg, reason: Reason::Failed });
        }
        if self.stopped {
            return self.order(Order::HangUp { leg, reason: Reason::Shutdown });
        }
        let dialled = bounded(dialled);
        match origin {
            Origin::Trunk => self.outside_arrived(leg, caller, dialled),
            Origin::Device { user, device } => self.device_arrived(leg, &user, &device, dialled),
        }
    }

    fn outside_arrived(&mut self, leg: LegId, caller: &Party, dialled: String) {
        let party = Party { name: bounded(&caller.name), number: bounded(&caller.number) };
        let department = self.directory.number(&dialled).cloned();
        let caller = Caller { leg, party, user: None, up: false, holds: false };
        let mut call = self.new_call(Direction::Inbound, caller, dialled);
        self.know_outside_leg(leg, call.key);
        match department {
            Some(department) => self.ring_department(&mut call, &department),
            None => self.announce_closing(&mut call, Reason::Unreachable),
        }
        self.put_back(call);
    }

    fn device_arrived(&mut self, leg: LegId, user: &UserId, device: &DeviceId, dialled: String) {
        let Some(state) = self.directory.users.get(user).filter(|u| !u.config.disabled) else {
            return self.order(Order::HangUp { leg, reason: Reason::Declined });
        };
        let party = Party { name: state.config.name.clone(), number: state.config.extension.clone() };
        let inside = self.directory.inside(&dialled);
        if let (None, Some(number)) = (&inside, dialable(&dialled)) {
            return self.dial(leg, (user, device), party, number);
        }
        let caller = Caller { leg, party, user: Some(user.clone()), up: false, holds: false };
        let mut call = self.new_call(Direction::Internal, caller, dialled);
        self.know_leg(leg, call.key, user, device);
        self.leg_is_busy(leg, call.key, user);
        match inside {
            Some(Target::User(target)) if target == *user => self.end(&mut call, Reason::Busy),
            Some(Target::User(target)) => self.ring_user(&mut call, &target),
            Some(Target::Department(department)) => self.ring_department(&mut call, &department),
            None | Some(Target::Outside(_)) => self.end(&mut call, Reason::Unreachable),
        }
        self.put_back(call);
    }

    /// To the outside: the outside party is the transferee, the user the agent.
    fn dial(&mut self, leg: LegId, (user, device): (&UserId, &DeviceId), from: Party, number: String) {
        let outside = self.new_leg();
        let party = Party { name: String::new(), number: number.clone() };
        let caller = Caller { leg: outside, party, user: None, up: false, holds: false };
        let mut call = self.new_call(Direction::Outbound, caller, number.clone());
        let agent = self.directory.user_ref(user);
        self.know_leg(leg, call.key, user, device);
        self.leg_is_busy(leg, call.key, user);
        self.know_outside_leg(outside, call.key);
        self.order(Order::Dial { leg: outside, number, from });
        call.agent = Some(agent.clone());
        call.enter(
            self.now,
            State::Dialling { agent: AgentLeg { leg, user: agent }, until: self.now.plus_ms(DIAL_MS) },
        );
        self.put_back(call);
    }

    fn ring_department(&mut self, call: &mut Call, department: &DepartmentId) {
        call.department = Some(self.directory.department_ref(department));
        let seconds = self.directory.departments.get(department).map_or(0, |d| d.config.ring_seconds);
        let mut users = self.directory.free_members(department, Some(call.key));
        users.retain(|u| call.caller.user.as_ref() != Some(u));
        let users: Vec<UserRef> = users.iter().map(|u| self.directory.user_ref(u)).collect();
        if users.is_empty() {
            return self.enter_line(call, department, None);
        }
        self.first_ring(call, users, seconds, Goal::Department(department.clone()));
    }

    fn ring_user(&mut self, call: &mut Call, user: &UserId) {
        let target = self.directory.user_ref(user);
        if let Err(why) = self.reachable(user, call) {
            let mailbox = Mailbox { id: target.id.to_string(), name: target.name };
            return self.leave_voicemail(call, mailbox, because(&why), None);
        }
        self.first_ring(call, vec![target.clone()], DIRECT_RING_SECONDS, Goal::User(target));
    }

    fn first_ring(&mut self, call: &mut Call, users: Vec<UserRef>, seconds: u32, goal: Goal) {
        let ring = self.start_ring(call, users, seconds, None);
        self.order(Order::IndicateRinging { leg: call.caller.leg });
        call.enter(self.now, State::Ringing { ring, goal });
    }

    fn new_call(&mut self, direction: Direction, caller: Caller, dialled: String) -> Call {
        self.counters.call += 1;
        let key = CallKey(self.counters.call);
        let id = CallId(format!("{}-{}", self.instance, key.0));
        self.by_id.insert(id.clone(), key);
        let mut call = Call {
            key,
            id,
            direction,
            caller,
            dialled: dialled.clone(),
            // Replaced before the step ends.
            state: State::Over { because: Reason::Failed },
            state_since: self.now,
            agent: None,
            department: None,
            started_at: self.now,
            answered_at: None,
            bounced: BTreeMap::new(),
            bounces: Vec::new(),
            agents: Vec::new(),
            journey: Vec::new(),
            audit: Vec::new(),
            rests: None,
            voicemail: None,
            timer: None,
            shown: None,
            moved: Moved::default(),
            news: None,
        };
        self.step(&mut call, JourneyEvent::Arrived { dialled });
        call
    }
}

/// Text from outside: bounded, one line, no control characters.
pub(crate) fn bounded(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_CHARS).collect::<String>().trim().to_owned()
}

fn because(why: &protocol::Ineligible) -> Reason {
    use protocol::Ineligible;
    match why {
        Ineligible::OnCall | Ineligible::DoNotDisturb { .. } | Ineligible::InThisCall => Reason::Busy,
        Ineligible::Away { .. } => Reason::NoAnswer,
        Ineligible::OtherDepartment
        | Ineligible::Disabled
        | Ineligible::NoDevice
        | Ineligible::NobodyThere
        | Ineligible::NotANumber
        | Ineligible::NoTrunk
        | Ineligible::Unknown => Reason::Unreachable,
    }
}
