//! A call arrives: from outside to a department, or from a user's device to anyone.

use std::collections::BTreeMap;

use protocol::{DepartmentId, DeviceId, Direction, JourneyEvent, LegId, Party, Reason, Target, TargetRef, UserId};

use crate::{
    Order, Origin, Switchboard,
    call::{AgentLeg, Call, CallKey, Caller, Moved, State},
    directory::dialable,
    draft::Drafted,
};

/// How long an outside number rings before we give up. Networks give up at two to three minutes themselves.
const DIAL_MS: u64 = 120_000;
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
        self.know_outside_leg(leg, call.key, &call.caller.party);
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
            Some(Target::User(target)) => {
                let target = self.directory.user_ref(&target);
                self.arrive_at(&mut call, TargetRef::User(target));
            }
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
        self.know_outside_leg(outside, call.key, &call.caller.party);
        self.order(Order::Dial { leg: outside, number, from });
        call.agent = Some(agent.clone());
        call.enter(
            self.now,
            State::Dialling { agent: AgentLeg { leg, user: agent }, until: self.now.plus_ms(DIAL_MS) },
        );
        self.put_back(call);
    }

    fn ring_department(&mut self, call: &mut Call, department: &DepartmentId) {
        let department = self.directory.department_ref(department);
        call.department = Some(department.clone());
        self.arrive_at(call, TargetRef::Department(department));
    }

    fn new_call(&mut self, direction: Direction, caller: Caller, dialled: String) -> Call {
        self.counters.call += 1;
        let key = CallKey(self.counters.call);
        let id = self.call_id(key);
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
            course: None,
            rests: None,
            repairs: 0,
            voicemail: None,
            quality: Vec::new(),
            timer: None,
            shown: None,
            drafted: Drafted::default(),
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
