//! A realistic account: 150 people in 12 departments; callers of whom a few call often and most once or twice, with names
//! in several scripts; 15 % of the calls are transferred, and of these every fifth comes back.

use protocol::{
    AuditAction, AuditEntry, AuditOutcome, CallId, CallOutcome, CallRecord, DepartmentRef, Direction, Heard,
    JourneyEvent, JourneyStep, LegQuality, Party, Reason, Remarks, TargetRef, Timestamp, TransferId, TransferKind,
    UserRef, VoicemailRef,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const FIRST: [&str; 60] = [
    "Priya",
    "Ravi",
    "Anita",
    "Arjun",
    "Deepa",
    "Kiran",
    "Lakshmi",
    "Manoj",
    "Neha",
    "Rahul",
    "Sanjay",
    "Sunita",
    "Vikram",
    "João",
    "Inês",
    "Márcia",
    "Tiago",
    "José",
    "Conceição",
    "Luís",
    "James",
    "Olivia",
    "Harry",
    "Amelia",
    "George",
    "Charlotte",
    "William",
    "Sophie",
    "Jürgen",
    "Käthe",
    "Björn",
    "Günther",
    "François",
    "Zoë",
    "Chloé",
    "Łukasz",
    "Małgorzata",
    "Søren",
    "Åsa",
    "Nuño",
    "Ivana",
    "Željko",
    "प्रिया",
    "राहुल",
    "सुनीता",
    "अर्जुन",
    "أحمد",
    "فاطمة",
    "محمد",
    "ليلى",
    "Анна",
    "Фёдор",
    "Дмитрий",
    "Ольга",
    "Γιώργος",
    "Ελένη",
    "Mina",
    "Kenji",
    "Aisha",
    "Oluwaseun",
];
const LAST: [&str; 60] = [
    "Nair",
    "Sharma",
    "Patel",
    "Kumar",
    "Singh",
    "Iyer",
    "Reddy",
    "Gupta",
    "Mehta",
    "Das",
    "Bose",
    "Chatterjee",
    "Pereira",
    "Gonçalves",
    "Magalhães",
    "Sousa",
    "Araújo",
    "Smith",
    "Jones",
    "Taylor",
    "Brown",
    "O'Brien",
    "MacDonald",
    "Wright",
    "Walker",
    "Müller",
    "Schröder",
    "Weiß",
    "Köhler",
    "Lefèvre",
    "Brontë",
    "Nowak",
    "Wójcik",
    "Kowalczyk",
    "Sørensen",
    "Lindqvist",
    "Åkesson",
    "Muñoz",
    "Horvat",
    "Đurić",
    "नायर",
    "शर्मा",
    "पटेल",
    "वर्मा",
    "المصري",
    "حداد",
    "خليل",
    "Иванова",
    "Петров",
    "Соколов",
    "Παπαδόπουλος",
    "Νικολάου",
    "Shah",
    "Tanaka",
    "Suzuki",
    "Okafor",
    "Adeyemi",
    "Haddad",
    "Khan",
    "Ahmed",
];
const HAN: [&str; 20] = [
    "王小明",
    "李娜",
    "张伟",
    "刘洋",
    "陈静",
    "杨帆",
    "赵敏",
    "黄磊",
    "周杰",
    "吴芳",
    "田中太郎",
    "佐藤花子",
    "鈴木一郎",
    "高橋美咲",
    "タナカ ユミ",
    "김민준",
    "이서연",
    "박지훈",
    "최수빈",
    "정하윤",
];
const CODES: [(&str, u32); 9] =
    [("+91", 10), ("+44", 10), ("+351", 9), ("+1", 10), ("+49", 11), ("+48", 9), ("+86", 11), ("+971", 9), ("+7", 10)];
const WORDS: [&str; 48] = [
    "invoice",
    "refund",
    "delivery",
    "late",
    "broken",
    "router",
    "password",
    "account",
    "urgent",
    "angry",
    "polite",
    "callback",
    "tomorrow",
    "monday",
    "address",
    "contract",
    "cancel",
    "upgrade",
    "price",
    "quote",
    "order",
    "missing",
    "parcel",
    "warranty",
    "repair",
    "technician",
    "visit",
    "payment",
    "card",
    "declined",
    "twice",
    "already",
    "spoke",
    "with",
    "the",
    "about",
    "asks",
    "wants",
    "needs",
    "says",
    "manager",
    "please",
    "new",
    "number",
    "line",
    "noisy",
    "subscription",
    "renewal",
];
const DEPARTMENTS: [&str; 12] = [
    "Support",
    "Billing",
    "Sales",
    "Deliveries",
    "Returns",
    "Technical",
    "Contracts",
    "Appointments",
    "Complaints",
    "Partners",
    "Press",
    "Reception",
];

pub struct Account {
    random: StdRng,
    users: Vec<UserRef>,
    departments: Vec<DepartmentRef>,
    callers: Vec<Party>,
    now: u64,
    calls: u64,
    transfers: u64,
}

impl Account {
    /// One that will have about so many calls.
    pub fn new(rows: u64) -> Self {
        let mut random = StdRng::seed_from_u64(7);
        let users = (0..150).map(|n| {
            let name = format!("{} {}", pick(&mut random, &FIRST), pick(&mut random, &LAST));
            UserRef { id: format!("user{n}").as_str().into(), name }
        });
        let users = users.collect();
        let department =
            |name: &&str| DepartmentRef { id: name.to_lowercase().as_str().into(), name: (*name).to_owned() };
        let departments = DEPARTMENTS.iter().map(department).collect();
        let callers = (0..rows.div_ceil(5).max(10)).map(|_| caller(&mut random)).collect();
        Self { random, users, departments, callers, now: 1_650_000_000_000, calls: 0, transfers: 0 }
    }

    pub fn next(&mut self) -> CallRecord {
        self.calls += 1;
        self.now += self.random.random_range(1_000..150_000);
        let mut call = self.plain();
        if self.random.random_bool(0.15) && call.outcome == CallOutcome::Answered {
            self.transfer(&mut call);
        }
        let ended = JourneyStep { at: call.ended_at, what: JourneyEvent::Ended { because: call.ended_because } };
        call.journey.push(ended);
        if self.random.random_bool(0.05) {
            let disposition = pick(&mut self.random, &["resolved", "call_back", "wrong_number"]);
            let (by, note) = (self.user(), self.note());
            let at = call.ended_at.plus_ms(60_000);
            call.remarks = Some(Remarks { revision: 1, note, disposition: Some((*disposition).into()), by, at });
        }
        call
    }

    fn plain(&mut self) -> CallRecord {
        let direction = match self.random.random_range(0..100) {
            0..70 => Direction::Inbound,
            70..92 => Direction::Outbound,
            _ => Direction::Internal,
        };
        // Of the callers a few call often: the third power of a uniform draw.
        let skewed = self.random.random::<f64>().powi(3);
        let outside = self.callers[(skewed * self.callers.len() as f64) as usize].clone();
        let agent = self.user();
        let department = self.departments[self.random.random_range(0..12)].clone();
        let started_at = Timestamp(self.now);
        let wait = self.random.random_range(2_000..60_000);
        let talk = self.random.random_range(5_000..900_000);
        let answered = self.random.random_bool(0.78);
        let voicemail = !answered && direction == Direction::Inbound && self.random.random_bool(0.35);
        let colleague = self.user();
        let of = |user: &UserRef| Party { name: user.name.clone(), number: user.id.0.clone() };
        let (caller, dialled) = match direction {
            Direction::Inbound => (outside, format!("+44207946{:04}", self.random.random_range(200..210))),
            Direction::Outbound => (of(&agent), outside.number),
            Direction::Internal => (of(&colleague), agent.id.0.clone()),
        };
        let department = (direction == Direction::Inbound).then_some(department);
        let answered_at = answered.then(|| started_at.plus_ms(wait));
        let ended_at = started_at.plus_ms(wait + if answered { talk } else { 0 });
        let mut call = CallRecord {
            id: CallId(format!("q8Zr0vK2mT1x-{}", self.calls)),
            seq: self.calls,
            direction,
            caller,
            dialled,
            department,
            agents: if answered { vec![agent.clone()] } else { vec![] },
            started_at,
            answered_at,
            ended_at,
            outcome: match (answered, voicemail) {
                (true, _) => CallOutcome::Answered,
                (false, true) => CallOutcome::Voicemail,
                (false, false) => CallOutcome::Missed,
            },
            ended_because: if answered { Reason::AgentGone } else { Reason::CallerGone },
            journey: vec![],
            audit: vec![],
            voicemail: None,
            remarks: None,
            quality: vec![],
        };
        self.journey(&mut call, &agent);
        if answered {
            call.quality = vec![self.leg(&call.caller.name, None), self.leg(&agent.name, Some(&agent))];
        }
        if voicemail {
            let mailbox = call.department.as_ref().map(|d| d.id.0.clone()).unwrap_or_default();
            let duration_ms = self.random.random_range(3_000..60_000);
            let heard = self.random.random_bool(0.8).then(|| Heard { by: agent, at: call.ended_at.plus_ms(3_600_000) });
            let left = JourneyEvent::VoicemailLeft { mailbox: mailbox.clone(), duration_ms };
            call.journey.push(JourneyStep { at: call.ended_at, what: left });
            call.voicemail = Some(VoicemailRef { mailbox, duration_ms, heard });
        }
        call
    }

    fn journey(&mut self, call: &mut CallRecord, agent: &UserRef) {
        let at = call.started_at;
        call.journey.push(JourneyStep { at, what: JourneyEvent::Arrived { dialled: call.dialled.clone() } });
        if let Some(department) = call.department.clone() {
            call.journey.push(JourneyStep { at: at.plus_ms(7), what: JourneyEvent::Queued { department } });
        }
        let mut users: Vec<UserRef> = (0..self.random.random_range(0..4)).map(|_| self.user()).collect();
        users.push(agent.clone());
        call.journey.push(JourneyStep { at: at.plus_ms(31), what: JourneyEvent::Rang { users } });
        if let Some(at) = call.answered_at {
            call.journey.push(JourneyStep { at, what: JourneyEvent::Answered { by: agent.clone() } });
            if self.random.random_bool(0.1) {
                let held = at.plus_ms(3_000);
                call.journey.push(JourneyStep { at: held, what: JourneyEvent::Held { by: agent.clone() } });
                let resumed = JourneyEvent::Resumed { by: agent.clone() };
                call.journey.push(JourneyStep { at: held.plus_ms(9_000), what: resumed });
            }
        }
    }

    fn transfer(&mut self, call: &mut CallRecord) {
        self.transfers += 1;
        let transfer = TransferId(format!("q8Zr0vK2mT1x-t{}", self.transfers));
        let (by, target) = (call.agents[0].clone(), self.user());
        let to = TargetRef::User(target.clone());
        let at = call.answered_at.unwrap_or_default().plus_ms(20_000);
        let note = self.random.random_bool(0.7).then(|| self.note());
        let what = JourneyEvent::TransferStarted {
            transfer: transfer.clone(),
            by: by.clone(),
            from: Some(by.clone()),
            to: to.clone(),
            kind: TransferKind::Blind,
            note,
        };
        call.journey.push(JourneyStep { at, what });
        let came_back = self.random.random_bool(0.2);
        let later = at.plus_ms(if came_back { 20_000 } else { 6_000 });
        if came_back {
            let bounced =
                JourneyEvent::TransferBounced { transfer: transfer.clone(), target: to, reason: Reason::NoAnswer };
            call.journey.push(JourneyStep { at: later, what: bounced });
            call.journey.push(JourneyStep { at: later, what: JourneyEvent::Recalled { transfer, user: by.clone() } });
        } else {
            let done = JourneyEvent::TransferDone { transfer, with: target.clone() };
            call.journey.push(JourneyStep { at: later, what: done });
            call.quality.push(self.leg(&target.name, Some(&target)));
            call.agents.push(target.clone());
        }
        let (outcome, rule) = if came_back {
            (AuditOutcome::FellBack, "no answer after 20 s")
        } else {
            (AuditOutcome::Completed, "target answered")
        };
        for (at, outcome, rule) in [(at, AuditOutcome::Accepted, "role agent, own call"), (later, outcome, rule)] {
            call.audit.push(AuditEntry {
                seq: self.transfers * 2,
                at,
                user: by.id.clone(),
                user_name: by.name.clone(),
                action: AuditAction::Transfer,
                call: Some(call.id.clone()),
                target: Some(target.name.clone()),
                outcome,
                rule: rule.into(),
                hash: (0..4).map(|_| format!("{:016x}", self.random.random::<u64>())).collect(),
            });
        }
    }

    fn leg(&mut self, party: &str, user: Option<&UserRef>) -> LegQuality {
        let bad = self.random.random_bool(0.05);
        LegQuality {
            party: party.into(),
            user: user.map(|user| user.id.clone()),
            codec: if user.is_some() { "opus" } else { "PCMU" }.into(),
            score: if bad { self.random.random_range(150..350) } else { self.random.random_range(380..445) },
            lost_permille: if bad { self.random.random_range(5..80) } else { 0 },
            jitter_ms: self.random.random_range(0..30),
            round_trip_ms: self.random.random_bool(0.9).then(|| self.random.random_range(5..120)),
            trouble: None,
            encrypted: None,
        }
    }

    fn user(&mut self) -> UserRef {
        let among = self.users.len();
        self.users[self.random.random_range(0..among)].clone()
    }

    fn note(&mut self) -> String {
        let words: Vec<&str> = (0..self.random.random_range(3..9)).map(|_| *pick(&mut self.random, &WORDS)).collect();
        words.join(" ")
    }
}

fn caller(random: &mut StdRng) -> Party {
    let (code, digits) = *pick(random, &CODES);
    let number = (0..digits).map(|_| char::from(random.random_range(b'0'..=b'9')));
    let number = std::iter::once(code.to_owned()).chain(number.map(String::from)).collect();
    let name = match random.random_range(0..100) {
        0..15 => String::new(),
        15..25 => (*pick(random, &HAN)).to_owned(),
        _ => format!("{} {}", pick(random, &FIRST), pick(random, &LAST)),
    };
    Party { name, number }
}

fn pick<'a, T>(random: &mut StdRng, from: &'a [T]) -> &'a T {
    &from[random.random_range(0..from.len())]
}
