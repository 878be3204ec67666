//! Who may do what to whose call, through the API: role × whose call × what × where to, each cell a real request. What
//! the dialog was told and what the trail holds must agree with what happened.

use exchange::store::audit;
use protocol::{AuditEntry, AuditOutcome, LiveRow, Target, TransferAccepted, TransferRight, TransferTargets, UserId};
use serde_json::{Value, json};
use switchboard::{EngineEvent, Order};

use crate::office::{CONFIG, Feed, Office, Person, refusal};

/// Front has only Alex in it and Night only Maya: calls to these are their own. Ravi and Mina answer Support, Tom
/// Sales. Pax, of Support, has no phone, so no call is theirs. Olga of Support and Sam of Sales are given calls.
const PEOPLE: &str = r#"
[[department]]
id = "front"
name = "Front"
extension = "500"
numbers = ["+442079460500"]
[[department]]
id = "night"
name = "Night"
extension = "600"
numbers = ["+442079460600"]
[[user]]
id = "mina"
name = "Mina Shah"
role = "agent"
extension = "104"
departments = ["support"]
password_hash = "HASH"
[[user]]
id = "pax"
name = "Pax Winter"
role = "agent"
extension = "108"
departments = ["support"]
password_hash = "HASH"
[[user]]
id = "olga"
name = "Olga Brandt"
role = "manager"
extension = "110"
departments = ["support"]
password_hash = "HASH"
[[user]]
id = "sam"
name = "Sam Whitfield"
role = "manager"
extension = "102"
departments = ["sales"]
password_hash = "HASH"
"#;

pub fn config(open: bool) -> String {
    let alex = "role = \"administrator\"\nextension = \"100\"";
    let text = CONFIG
        .replace(alex, &format!("{alex}\ndepartments = [\"front\", \"support\"]"))
        .replace("departments = [\"support\"] # maya", "departments = [\"support\", \"night\"]")
        .replace("transfer_ring_seconds", "outside = \"OUT\"\ntransfer_ring_seconds");
    let text = if open {
        text.replace("OUT", "everyone")
    } else {
        text.replace("OUT", "nobody")
            .replace("agents_may_transfer = true", "agents_may_transfer = false")
            .replace("transfer_across_departments = true", "transfer_across_departments = false")
    };
    text + PEOPLE
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Own,
    Department,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Transfer,
    Consult,
    Voicemail,
    Divert,
    TakeBack,
    Complete,
    Swap,
}

use What::{Complete, Consult, Divert, Swap, TakeBack, Transfer, Voicemail};
use Whose::{Department, Other, Own};

type Row = (&'static str, Whose, bool, [(What, &'static str); 7]);

/// Per role and whose call: what may be done, each letter a target (own department, other department, outside number),
/// see [`answer`]. What is not aimed has one letter.
#[rustfmt::skip]
const TABLE: [Row; 9] = [
    // role, whose, may be seen
    ("administrator", Own,        true,  [(Transfer, "YYO"), (Consult, "YYO"), (Voicemail, "YYI"), (Divert, "YYO"), (TakeBack, "Y"), (Complete, "Y"), (Swap, "Y")]),
    ("administrator", Department, true,  [(Transfer, "YYO"), (Consult, "CCC"), (Voicemail, "YYI"), (Divert, "YYO"), (TakeBack, "Y"), (Complete, "C"), (Swap, "C")]),
    ("administrator", Other,      true,  [(Transfer, "YYO"), (Consult, "CCC"), (Voicemail, "YYI"), (Divert, "YYO"), (TakeBack, "Y"), (Complete, "C"), (Swap, "C")]),
    ("manager",       Own,        true,  [(Transfer, "YXO"), (Consult, "YXO"), (Voicemail, "YXI"), (Divert, "YXO"), (TakeBack, "Y"), (Complete, "Y"), (Swap, "Y")]),
    ("manager",       Department, true,  [(Transfer, "YXO"), (Consult, "CCC"), (Voicemail, "YXI"), (Divert, "YXO"), (TakeBack, "Y"), (Complete, "C"), (Swap, "C")]),
    ("manager",       Other,      false, [(Transfer, "DDD"), (Consult, "DDD"), (Voicemail, "DDD"), (Divert, "DDD"), (TakeBack, "D"), (Complete, "D"), (Swap, "D")]),
    ("agent",         Own,        true,  [(Transfer, "ABP"), (Consult, "ABP"), (Voicemail, "ABI"), (Divert, "ABP"), (TakeBack, "A"), (Complete, "Y"), (Swap, "Y")]),
    ("agent",         Department, false, [(Transfer, "NNN"), (Consult, "NNN"), (Voicemail, "NNN"), (Divert, "NNN"), (TakeBack, "N"), (Complete, "N"), (Swap, "N")]),
    ("agent",         Other,      false, [(Transfer, "NNN"), (Consult, "NNN"), (Voicemail, "NNN"), (Divert, "NNN"), (TakeBack, "N"), (Complete, "N"), (Swap, "N")]),
];

/// The code that a letter stands for if the account lets agents transfer, across departments and to the outside
/// (`open`), and if it does none of these; `None`: it is done.
fn answer(letter: char, open: bool) -> Option<&'static str> {
    match (letter, open) {
        ('Y', _) | ('X' | 'A' | 'B' | 'O' | 'P', true) => None,
        ('X', false) => Some("ineligible.other_department"),
        ('A' | 'B' | 'P', false) => Some("denied.agents_may_not_transfer"),
        ('O', false) | ('I', _) => Some("denied.outside_not_allowed"),
        ('C', _) => Some("denied.not_on_call"),
        ('D', _) => Some("denied.other_department"),
        ('N', _) => Some("denied.not_your_call"),
        (letter, _) => panic!("{letter} is no answer"),
    }
}

pub struct Actors {
    pub alex: Person,
    pub maya: Person,
    pub mina: Person,
    pub pax: Person,
    /// They answer calls that are somebody else's.
    pub ravi: Person,
    pub tom: Person,
}

impl Actors {
    async fn of(office: &Office) -> Self {
        Self {
            alex: office.person("alex").await,
            maya: office.person("maya").await,
            mina: office.person("mina").await,
            pax: office.person("pax").await,
            ravi: office.person("ravi").await,
            tom: office.person("tom").await,
        }
    }

    /// Who acts, the number that is called, and who answers.
    fn cast(&self, role: &str, whose: Whose) -> (&Person, &'static str, &Person) {
        const SUPPORT: &str = "+442079460200";
        const SALES: &str = "+442079460300";
        match (role, whose) {
            ("administrator", Own) => (&self.alex, "+442079460500", &self.alex),
            ("administrator", Department) => (&self.alex, SUPPORT, &self.ravi),
            ("administrator", Other) => (&self.alex, SALES, &self.tom),
            ("manager", Own) => (&self.maya, "+442079460600", &self.maya),
            ("manager", Department) => (&self.maya, SUPPORT, &self.ravi),
            ("manager", Other) => (&self.maya, SALES, &self.tom),
            ("agent", Own) => (&self.mina, SUPPORT, &self.mina),
            ("agent", Department) => (&self.pax, SUPPORT, &self.ravi),
            (_, Other) => (&self.pax, SALES, &self.tom),
            (role, _) => panic!("{role} is no role"),
        }
    }
}

pub fn targets() -> [Value; 3] {
    [
        json!({ "kind": "user", "id": "olga" }),
        json!({ "kind": "user", "id": "sam" }),
        json!({ "kind": "outside", "id": "+44 20 7946 0999" }),
    ]
}

fn kind(what: What) -> &'static str {
    match what {
        Transfer | Divert => "blind",
        Consult | Complete | Swap => "consult",
        Voicemail => "voicemail",
        TakeBack => "blind",
    }
}

/// A call that is ringing or answered, seen by an administrator.
pub struct Live {
    pub caller: protocol::LegId,
    pub row: LiveRow,
}

pub struct Stage {
    pub office: Office,
    /// An administrator's.
    pub feed: Feed,
    pub actors: Actors,
    /// The newest entry of the trail that was looked at.
    pub audited: u64,
}

impl Stage {
    pub async fn open(open: bool) -> Self {
        let office = Office::open_in(std::sync::Arc::new(tempfile::tempdir().unwrap()), &config(open)).await.unwrap();
        let actors = Actors::of(&office).await;
        let mut feed = actors.alex.feed().await;
        feed.snapshot().await;
        for user in ["alex", "maya", "ravi", "mina", "tom", "olga", "sam"] {
            office.register(user);
        }
        Self { office, feed, actors, audited: 0 }
    }

    pub async fn call(&mut self, number: &str, answered_by: Option<&UserId>, ringing: &UserId) -> Live {
        let caller = self.office.call(number);
        let row = self.feed.row(|row| row.call.state_is_ringing()).await;
        let (id, device) = (row.call.id.clone(), format!("device-of-{}", answered_by.unwrap_or(ringing)));
        let leg = self
            .office
            .order(|order| match order {
                Order::Ring { leg, device: rung, card } if rung.as_str() == device && card.call == id => Some(*leg),
                _ => None,
            })
            .await;
        let Some(user) = answered_by else { return Live { caller, row } };
        self.office.engine.send(EngineEvent::Answered { leg }).unwrap();
        let row = self.feed.row(|row| row.call.id == id && row.call.is_with(user)).await;
        Live { caller, row }
    }

    /// The caller hangs up, and everybody is free again.
    pub async fn end(&mut self, live: &Live) {
        let leg = live.caller;
        self.office.engine.send(EngineEvent::Ended { leg, reason: protocol::Reason::CallerGone }).unwrap();
        // What an engine says of a mailbox at the end; of any other call it means nothing.
        self.office.engine.send(EngineEvent::Recorded { leg, duration_ms: 0, file: String::new() }).unwrap();
        self.feed.record(&live.row.call.id).await;
    }

    /// What was written to the trail since this was asked last.
    pub async fn trail(&mut self) -> Vec<AuditEntry> {
        trail(&self.office, &mut self.audited).await
    }
}

pub async fn trail(office: &Office, audited: &mut u64) -> Vec<AuditEntry> {
    office.exchange.store.flush().await.unwrap();
    let connection = audit::open(&office.data()).unwrap();
    let mut query = connection.prepare("SELECT body FROM audit WHERE seq > ?1 ORDER BY seq").unwrap();
    let bodies = query.query_map([*audited], |row| row.get::<_, String>(0)).unwrap();
    let entries: Vec<AuditEntry> = bodies.map(|b| serde_json::from_str(&b.unwrap()).unwrap()).collect();
    *audited = entries.last().map_or(*audited, |e| e.seq);
    entries
}

trait Looks {
    fn state_is_ringing(&self) -> bool;
    fn is_with(&self, user: &UserId) -> bool;
}

impl Looks for protocol::LiveCall {
    fn state_is_ringing(&self) -> bool {
        matches!(self.state, protocol::CallState::Ringing { .. })
    }

    fn is_with(&self, user: &UserId) -> bool {
        matches!(&self.state, protocol::CallState::Talking { with } if with.id == *user)
    }
}

pub fn user(person: &Person) -> UserId {
    person.session.user.id.clone()
}

pub async fn go(person: &Person, row: &LiveRow, what: What, target: &Value) -> reqwest::Response {
    let body = json!({ "revision": row.call.revision, "target": target, "kind": kind(what), "note": "secret note" });
    person.send("POST", &format!("/v1/calls/{}/transfer", row.call.id), Some(body)).await
}

/// The code of a refusal; `None` if it was done.
async fn code_of(answer: reqwest::Response) -> Option<String> {
    if answer.status().is_success() {
        return None;
    }
    let (status, error) = refusal(answer).await;
    let forbidden = matches!(
        error.code.as_str(),
        "denied.other_department"
            | "denied.not_your_call"
            | "denied.agents_may_not_transfer"
            | "denied.not_on_call"
            | "denied.outside_not_allowed"
    );
    assert_eq!(status, if forbidden { 403 } else { 409 }, "{error:?}");
    assert!(error.message.ends_with('.') && error.message.len() > 20, "no sentence: {error:?}");
    Some(error.code)
}

fn told(right: &TransferRight) -> Option<String> {
    match right {
        TransferRight::Allowed => None,
        TransferRight::Refused { denied, sentence } => {
            assert_eq!(*sentence, denied.sentence());
            Some(format!("denied.{}", serde_json::to_value(denied).unwrap()["code"].as_str().unwrap()))
        }
    }
}

/// Denials that say what the user lacks; a target that can't take the call is told of at the target.
fn lacks(code: Option<&'static str>) -> Option<String> {
    code.filter(|c| c.starts_with("denied.")).map(str::to_owned)
}

async fn walk(open: bool) {
    let mut stage = Stage::open(open).await;
    let mut cells = 0;
    for (role, whose, seen, row) in &TABLE {
        for (what, letters) in row {
            for (column, letter) in letters.chars().enumerate() {
                // Nobody may begin the consultation that is to be completed.
                let agents_begin =
                    matches!(what, Complete | Swap) && !matches!((*role, whose), ("administrator" | "manager", Own));
                if agents_begin && !open {
                    continue;
                }
                let at = format!("{role}, {whose:?}, {what:?}, column {column}, open {open}");
                cell(&mut stage, role, *whose, *seen, *what, column, answer(letter, open), &at).await;
                cells += 1;
            }
        }
    }
    assert_eq!(cells, if open { 9 * 15 } else { 9 * 15 - 7 * 2 });
    stage.trail().await;
    let whole = audit::verify(&audit::open(&stage.office.data()).unwrap(), None).unwrap();
    assert!(whole.entries >= cells && whole.records >= cells, "{whole:?}");
    stage.office.exchange.stop().await;
}

#[allow(clippy::too_many_arguments, reason = "one cell of the table")]
async fn cell(
    stage: &mut Stage,
    role: &str,
    whose: Whose,
    seen: bool,
    what: What,
    column: usize,
    wanted: Option<&'static str>,
    at: &str,
) {
    // Shown if something panics or never comes.
    println!("{at}");
    let (actor, number, answers) = stage.actors.cast(role, whose);
    let (actor, answers) = (actor.clone(), answers.clone());
    let answered = (what != Divert).then(|| user(&answers));
    let live = stage.call(number, answered.as_ref(), &user(&answers)).await;
    let target = &targets()[column];
    let path = format!("/v1/calls/{}/transfer-targets", live.row.call.id);
    let rows: Vec<LiveRow> = actor.get("/v1/live").await;
    let shown = rows.iter().find(|r| r.call.id == live.row.call.id);
    assert_eq!(shown.is_some(), seen, "{at}: /v1/live");
    let answer = actor.send("GET", &path, None).await;
    assert_eq!(answer.status(), if seen { 200 } else { 404 }, "{at}: transfer-targets");
    if seen {
        let targets: TransferTargets = answer.json().await.unwrap();
        // What the dialog shows is what then happens.
        let right = match (what, column) {
            (Transfer | Divert, 0 | 1) => Some(&targets.right),
            (Transfer | Divert, _) => Some(&targets.outside),
            (Consult, 0 | 1) => Some(&targets.consult),
            (Consult | Voicemail | TakeBack | Complete | Swap, _) => None,
        };
        right.inspect(|right| assert_eq!(told(right), lacks(wanted), "{at}: what the dialog says"));
        assert_eq!(shown.unwrap().transfer_right, targets.right, "{at}");
        let row = if column == 2 {
            actor.get::<TransferTargets>(&format!("{path}?number=%2B442079460999")).await.targets.remove(0)
        } else {
            let id = target["id"].as_str().unwrap();
            targets.targets.into_iter().find(|row| matches!(&row.target, Target::User(u) if u.as_str() == id)).unwrap()
        };
        if let Transfer | Divert | Consult | Voicemail = what {
            let way = row.ways.iter().find(|way| json!(way.kind) == kind(what)).unwrap();
            assert_eq!(way.refused.is_some(), wanted.is_some(), "{at}: what the row says: {way:?}");
        }
    }
    stage.trail().await;
    let answer = match what {
        Transfer | Consult | Voicemail | Divert => go(&actor, &live.row, what, target).await,
        TakeBack | Complete | Swap => {
            // An administrator gives the call away; who consults has to be in the call.
            let begins = if what == TakeBack { stage.actors.alex.clone() } else { answers.clone() };
            let begun = go(&begins, &live.row, what, target).await;
            assert_eq!(begun.status(), 202, "{at}: {}", begun.text().await.unwrap());
            let TransferAccepted { transfer } = begun.json().await.unwrap();
            if what == Swap {
                let leg = stage.office.rings("olga").await;
                stage.office.engine.send(EngineEvent::Answered { leg }).unwrap();
                let consulting = |row: &LiveRow| {
                    row.call.id == live.row.call.id
                        && row
                            .call
                            .transfer
                            .as_ref()
                            .is_some_and(|t| matches!(t.stage, protocol::TransferStage::Consulting { .. }))
                };
                stage.feed.row(consulting).await;
            }
            if seen {
                let rows: Vec<LiveRow> = actor.get("/v1/live").await;
                let row = rows.into_iter().find(|r| r.call.id == live.row.call.id).expect("the call has gone");
                let right = if what == TakeBack { row.undo_right } else { row.complete_right };
                assert_eq!(told(&right.expect("no right is told")), lacks(wanted), "{at}: what the row says");
            }
            let step = match what {
                TakeBack => "cancel",
                Complete => "complete",
                Transfer | Consult | Voicemail | Divert | Swap => "swap",
            };
            actor.send("POST", &format!("/v1/transfers/{transfer}/{step}"), None).await
        }
    };
    let code = code_of(answer).await;
    assert_eq!(code.as_deref(), wanted, "{at}");
    let refused = |e: &&AuditEntry| e.user == user(&actor) && e.outcome == AuditOutcome::Refused;
    let trail = stage.trail().await;
    let rules: Vec<_> = trail.iter().filter(refused).map(|e| (e.call.clone(), e.rule.clone())).collect();
    match wanted {
        None => assert_eq!(rules, [], "{at}"),
        Some(code) => {
            let rule = code.replacen('.', ": ", 1);
            assert_eq!(rules, [(Some(live.row.call.id.clone()), rule)], "{at}");
        }
    }
    stage.end(&live).await;
}

#[tokio::test]
async fn every_cell_of_the_table_of_an_open_account() {
    walk(true).await;
}

#[tokio::test]
async fn every_cell_of_the_table_of_a_closed_account() {
    walk(false).await;
}

#[tokio::test]
async fn a_users_own_right_to_the_outside_goes_before_the_accounts() {
    let text = config(false).replace("name = \"Maya Lindqvist\"", "name = \"Maya Lindqvist\"\ntransfer_outside = true");
    let dir = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let mut office = Office::open_in(dir, &text).await.unwrap();
    let (maya, alex) = (office.person("maya").await, office.person("alex").await);
    let mut feed = alex.feed().await;
    feed.snapshot().await;
    let (_, row) = office.talking_with_ravi(&mut feed).await;
    let outside = &targets()[2];
    assert_eq!(code_of(go(&alex, &row, Transfer, outside).await).await.as_deref(), Some("denied.outside_not_allowed"));
    assert_eq!(go(&maya, &row, Transfer, outside).await.status(), 202);
    let number = office.order(|order| match order {
        Order::Dial { number, .. } => Some(number.clone()),
        _ => None,
    });
    assert_eq!(number.await, "+442079460999");
    office.exchange.stop().await;
}
