//! Every mistake is told with its line and with what to do.

use std::path::Path;

use exchange::config::{Mistakes, parse};

use crate::office::{CONFIG, hash};

fn base() -> String {
    CONFIG.replace("HASH", hash())
}

fn mistakes(text: &str) -> Mistakes {
    parse(Path::new("x.toml"), text).expect_err("no mistake was found")
}

#[test]
fn a_right_file_is_read_whole() {
    let config = parse(Path::new("x.toml"), &base()).unwrap();
    assert_eq!(config.account.users.len(), 5);
    assert_eq!(config.account.policy.fallback.steps.len(), 3);
    assert_eq!(config.passwords.len(), 5);
    assert!(!format!("{config:?}").contains("argon2id"), "Debug shows a hash");
}

#[test]
fn limits_are_those_of_the_file_or_the_usual_ones() {
    let limits = |text: &str| parse(Path::new("x.toml"), text).unwrap().limits;
    assert_eq!(limits(&base()), sip::Limits::default());
    let own = limits(&format!("{}\n[limits]\nmessages_per_second = 7\ncalls = 3\n", base()));
    assert_eq!((own.calls, own.messages.spare), (3, 4000));
    assert_eq!((own.messages.refill * 7).as_secs_f64().round(), 1.0);
    let words = exchange::config::limits_in_words(&own);
    assert!(words.contains("4000 messages at once and 7 a second") && words.contains("3 calls at once"), "{words}");
}

#[test]
fn dispositions_are_those_of_the_file_or_the_usual_ones() {
    let names = |text: &str| {
        let config = parse(Path::new("x.toml"), text).unwrap();
        config.account.dispositions.into_iter().map(|d| format!("{}={}", d.id, d.name)).collect::<Vec<_>>()
    };
    let usual = ["resolved=Resolved", "call_back=Call back", "wrong_number=Wrong number", "spam=Spam"];
    assert_eq!(names(&base()), usual);
    let own = "[[disposition]]\nid = \"sold\"\nname = \"Sold\"\n[[disposition]]\nid = \"lost\"\nname = \"Not sold\"\n";
    assert_eq!(names(&format!("{}{own}", base())), ["sold=Sold", "lost=Not sold"]);
    assert_eq!(names(&format!("disposition = []\n{}", base())), [""; 0], "none is a choice, too");
}

/// What to change, what the line of the mistake holds then, and a piece of what is said about it.
const CASES: &[(&str, &str, &str, &str)] = &[
    // Syntax.
    ("[rtp]", "[rtp", "[rtp", "correct how it is written"),
    ("name = \"Office\"", "name = \"Office", "name = \"Office", "correct how it is written"),
    ("[data]", "[api]", "[api]", "correct how it is written"),
    // Keys and kinds.
    (
        "bind = \"127.0.0.1:0\" #",
        "binds = \"127.0.0.1:0\" #",
        "binds =",
        "[api] has no key `binds`; correct it or take it out; known here: bind, certificate, key",
    ),
    ("bind = \"127.0.0.1:0\" #", "#", "[api]", "[api] has no `bind`; add a line"),
    ("[data]", "[datum]", "[datum]", "the file has no key `datum`"),
    (
        "agents_may_transfer = true",
        "agents_may_transfer = \"yes\"",
        "\"yes\"",
        "must be true or false, not \"yes\"; write for example agents_may_transfer = true",
    ),
    ("transfer_ring_seconds = 20", "transfer_ring_seconds = -1", "-1", "a whole number that is not negative"),
    ("transfer_ring_seconds = 20", "transfer_ring_seconds = 1", "= 1", "use 5 to 300 seconds"),
    ("[account]\nname = \"Office\"", "account = 3", "account = 3", "[account] must be a table, not 3"),
    // Addresses.
    ("udp = [\"127.0.0.1:0\"]", "udp = [\"localhost\"]", "localhost", "an IP address with a port"),
    ("udp = [\"127.0.0.1:0\"]", "udp = []", "[sip]", "[sip] listens nowhere"),
    ("udp = [\"127.0.0.1:0\"]", "udp = [\"127.0.0.1:5070\", \"127.0.0.1:5070\"]", "5070", "listed twice"),
    (
        "udp = [\"127.0.0.1:0\"]",
        "udp = [\"0.0.0.0:5060\"]",
        "0.0.0.0",
        "`advertised` does not say how devices reach it",
    ),
    (
        "bind = \"127.0.0.1:0\" #",
        "bind = \"0.0.0.0:8642\" #",
        "8642",
        "there is no certificate; make one with `patchcord-exchange init",
    ),
    (
        "bind = \"127.0.0.1:0\" #",
        "bind = \"127.0.0.1:0\"\ncertificate = \"c.pem\" #",
        "c.pem",
        "has no `key` beside it",
    ),
    (
        "bind = \"127.0.0.1:0\" #",
        "bind = \"127.0.0.1:0\"\ncertificate = \"c.pem\"\nkey = \"k.pem\" #",
        "certificate =",
        "No such file",
    ),
    // Dispositions.
    ("[account]", "disposition = 3\n[account]", "= 3", "start each one with a line [[disposition]]"),
    ("[data]", "[[disposition]]\nname = \"Sold\"\n[data]", "[[disposition]]", "has no `id`; add a line: id ="),
    (
        "[data]",
        "[[disposition]]\nid = \"sold\"\n[data]",
        "[[disposition]]",
        "[[disposition]] sold has no `name`; add a line",
    ),
    ("[data]", "[[disposition]]\nid = \"So ld\"\nname = \"x\"\n[data]", "So ld", "use 1 to 32 small letters"),
    ("[data]", "[[disposition]]\nid = \"x\"\nname = \" \"\n[data]", "name = \" \"", "use 1 to 64 characters"),
    (
        "[data]",
        "[[disposition]]\nid = \"x\"\nname = \"x\"\nnote = 1\n[data]",
        "note",
        "[[disposition]] x has no key `note`",
    ),
    (
        "[data]",
        "[[disposition]]\nid = \"x\"\nname = \"X\"\n[[disposition]]\nid = \"x\"\nname = \"Y\" # second\n[data]",
        "id = \"x\"",
        "the id \"x\" is already taken by [[disposition]] x; give [[disposition]] x another id",
    ),
    (
        "[data]",
        "[[disposition]]\nid = \"x\"\nname = \"X\"\n[[disposition]]\nid = \"y\"\nname = \"X\"\n[data]",
        "name = \"X\"",
        "the name \"X\" is already taken by [[disposition]] x; give [[disposition]] y another name",
    ),
    // SIP over TLS.
    ("[rtp]", "tls = \"127.0.0.1:5061\"\n[rtp]", "tls =", "`tls` in [sip] must be a list"),
    ("[rtp]", "tls = [\"office.test:5061\"]\n[rtp]", "office.test", "an IP address with a port"),
    ("[rtp]", "tls = [\"0.0.0.0:5061\"]\n[rtp]", "0.0.0.0", "`advertised` does not say how devices reach it"),
    ("[rtp]", "tls = [\"127.0.0.1:5061\", \"127.0.0.1:5061\"]\n[rtp]", "tls =", "listed twice"),
    (
        "[rtp]",
        "tls = [\"127.0.0.1:5061\"]\n[rtp]",
        "[sip]",
        "there is no certificate; name a `certificate` and its `key`",
    ),
    (
        "[rtp]",
        "tcp = [\"127.0.0.1:5061\"]\ntls = [\"127.0.0.1:5061\"]\n[rtp]",
        "[sip]",
        "with `tcp` and with `tls`; give `tls` a port of its own",
    ),
    (
        "127.0.0.1:0\"]",
        "[::1]:0\"]",
        "ports",
        "no call would have sound; add to [rtp] an address of the same kind: bind = \"::1\"",
    ),
    // Limits.
    (
        "[data]",
        "[limits]\nconnections = 1\n[data]",
        "= 1",
        "`connections` is 1; use 2 to 100000, or take the line out for 1500",
    ),
    ("[data]", "[limits]\nmessages_per_second = 0\n[data]", "= 0", "use 1 to 100000, or take the line out for 100"),
    ("[data]", "[limits]\nmessages_at_once = \"many\"\n[data]", "many", "a whole number that is not negative"),
    (
        "[data]",
        "[limits]\nburst = 1\n[data]",
        "burst",
        "[limits] has no key `burst`; correct it or take it out; known here: calls",
    ),
    // Ports.
    ("ports = [0, 0]", "ports = [30000, 20000]", "30000", "put the smaller number first"),
    ("ports = [0, 0]", "ports = [20000, 20010]", "20010", "a range of only 11; allow at least 200"),
    ("ports = [0, 0]", "ports = [20000]", "20000", "has 1 numbers, not 2"),
    ("ports = [0, 0]", "ports = [80, 2000]", "80", "reserved for the system"),
    ("ports = [0, 0]", "ports = [20000, 70000]", "70000", "a whole number from 0 to 65535"),
    // Trunk.
    ("kind = \"static\"", "kind = \"magic\"", "magic", "use \"static\" or \"register\""),
    ("peers = [\"127.0.0.9\"]", "peers = []", "peers", "nobody outside could call"),
    ("peers = [\"127.0.0.9\"]", "peers = [\"0.0.0.0\"]", "0.0.0.0", "every address there is"),
    ("dial = \"127.0.0.9:5070\"", "dial = \"127.0.0.9:0\"", "dial", "usually 5060"),
    ("kind = \"static\"", "kind = \"register\"", "[trunk]", "[trunk] has no `registrar`"),
    // Files.
    ("# hold_music", "hold_music = \"missing.wav\" #", "missing.wav", "take the line out to use the built-in sound"),
    ("dir = \"data\"", "dir = \"no/such/place\"", "no/such/place", "a folder that does not exist"),
    // People.
    ("id = \"support\"", "id = \"sup port\"", "sup port", "small letters, digits"),
    ("id = \"sales\"", "id = \"support\"", "support", "is already taken by [[department]] support"),
    (
        "numbers = [\"+442079460300\"]",
        "numbers = [\"+442079460200\"]",
        "60200",
        "the number \"+442079460200\" is already taken",
    ),
    ("numbers = [\"+442079460300\"]", "numbers = [\"call me\"]", "call me", "digits, with + in front"),
    (
        "extension = \"105\"",
        "extension = \"200\"",
        "200",
        "the extension \"200\" is already taken by [[department]] support",
    ),
    ("extension = \"105\"", "extension = \"1\"", "\"1\"", "use 2 to 6 digits"),
    ("role = \"manager\"", "role = \"boss\"", "boss", "use \"administrator\", \"manager\" or \"agent\""),
    ("departments = [\"support\"] # maya", "departments = [] # maya", "role = \"manager\"", "would see no call"),
    ("departments = [\"support\"] # ravi", "departments = [\"suport\"] # ravi", "suport", "use one of: support, sales"),
    (
        "password_hash = \"HASH\" # ravi",
        "",
        "[[user]] # ravi",
        "[[user]] ravi has no `password_hash`; make one with `patchcord-exchange user password --user ravi`",
    ),
    ("password_hash = \"HASH\" # ravi", "password_hash = \"letmein\" # ravi", "letmein", "is no password hash"),
    (
        "password_hash = \"HASH\" # ravi",
        "password_hash = \"$argon2id$v=19$m=4096,t=3,p=1$c2FsdHNhbHRzYWx0$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU\" # ravi",
        "m=4096",
        "is too weak",
    ),
    (
        "password_hash = \"HASH\" # ravi",
        "password_hash = \"$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU\" # ravi",
        "argon2i$",
        "was not made with argon2id",
    ),
    ("name = \"Ravi Kumar\"", "name = \"  \"", "name = \"  \"", "use 1 to 64 characters"),
    // Policy.
    ("\"next agent 30 s\"", "\"next agent\"", "next agent", "use \"recall transferor 20 s\""),
    (
        "\"voicemail\"]",
        "\"voicemail\", \"next agent 30 s\"]",
        "fallback",
        "would never be reached; make voicemail the last step",
    ),
    (
        "\"recall transferor 20 s\"",
        "\"announcement\"",
        "fallback",
        "the step \"next agent 30 s\" comes after announcement, so it would never be reached",
    ),
    ("\"next agent 30 s\"", "\"next agent 2 s\"", "next agent 2 s", "use 5 to 300 seconds, as a whole number"),
    ("\"next agent 30 s\"", "\"queue 4000 s\"", "queue 4000 s", "use 5 to 3600 seconds"),
    ("\"next agent 30 s\"", "\"next agent 30 s by round table\"", "by round table", "after \"by\" use \"all at once\""),
    (
        "\"next agent 30 s\"",
        "\"queue of nowhere 30 s\"",
        "queue of nowhere",
        "there is no department \"nowhere\"; use one of: support, sales",
    ),
    (
        "agents_may_transfer = true",
        "outside = \"friends\"",
        "friends",
        "use \"nobody\", \"administrators\", \"managers\" or \"everyone\"",
    ),
    (
        "agents_may_transfer = true",
        "unavailable = true",
        "unavailable",
        "`unavailable` in [policy] must be text in quotes",
    ),
    ("agents_may_transfer = true", "release = \"later\"", "later", "use \"at once\" or \"when answered\""),
    ("agents_may_transfer = true", "feature_code = \"#1\"", "#1", "use 1 to 4 of the keys 0–9 and *"),
    ("agents_may_transfer = true", "feature_code = \"*2345\"", "*2345", "use 1 to 4 of the keys"),
    (
        "agents_may_transfer = true",
        "feature_code = \"20\"",
        "feature_code",
        "`feature_code` \"20\" overlaps with \"200\" of [[department]] support; begin the code with *",
    ),
    (
        "agents_may_transfer = true",
        "feature_code = \"1050\"",
        "feature_code",
        "`feature_code` \"1050\" overlaps with \"105\" of [[user]] tom",
    ),
    (
        "agents_may_transfer = true",
        "fallback_on = { bussy = [] }",
        "bussy",
        "`fallback_on` of [policy] has no key `bussy`; correct it or take it out; known here: away, busy, declined",
    ),
    ("agents_may_transfer = true", "fallback_on = [\"voicemail\"]", "fallback_on", "must be a table, not a list"),
    (
        "agents_may_transfer = true",
        "fallback_on = { busy = [\"voicemail\", \"announcement\"] }",
        "busy =",
        "the step \"announcement\" comes after voicemail",
    ),
    (
        "agents_may_transfer = true",
        "fallback_on = { away = [\"queue of moon 60 s\"] }",
        "moon",
        "there is no department \"moon\"",
    ),
    // The same in departments and users.
    (
        "id = \"sales\"",
        "id = \"sales\"\nstrategy = \"random\"",
        "random",
        "\"longest idle\", \"round robin\" or \"fixed order\"",
    ),
    ("id = \"sales\"", "id = \"sales\"\nfallback = [\"hope\"]", "hope", "`fallback` has \"hope\" in it; use \"recall"),
    (
        "id = \"sales\"",
        "id = \"sales\"\nfallback_on = { busy = [\"queue 60 s\"] }",
        "fallback_on",
        "[[department]] sales has `fallback_on`, but no `fallback` for all other reasons; add a line: fallback",
    ),
    ("id = \"ravi\"", "id = \"ravi\"\nfallback = [\"queue of mars 9 s\"]", "mars", "there is no department \"mars\""),
    (
        "id = \"ravi\"",
        "id = \"ravi\"\nfallback = 7",
        "fallback = 7",
        "`fallback` in [[user]] ravi must be a list, not 7",
    ),
    (
        "id = \"ravi\"",
        "id = \"ravi\"\ntransfer_outside = \"no\"",
        "transfer_outside",
        "must be true or false, not \"no\"",
    ),
];

const EVERYTHING: &str = r#"
outside = "managers"
unavailable = "follow"
release = "when answered"
feature_code = "*7"
fallback_on = { busy = ["queue of sales 60 s"], declined = [], no_device = ["voicemail of department"], do_not_disturb = ["voicemail"], away = ["announcement"], no_answer = ["recall former agent 15 s", "next agent 20 s by round robin"] }
"#;

#[test]
fn every_policy_key_reaches_the_account_that_the_switchboard_is_given() {
    use protocol::Strategy::{AllAtOnce, FixedOrder, LongestIdle, RoundRobin};
    use switchboard::{FallbackStep as Step, MailboxOf, Miss, OutsideRule, RecallWhom, Release, Unavailable};
    let text = base()
        .replace("transfer_ring_seconds = 20\n", &format!("transfer_ring_seconds = 25\n{EVERYTHING}"))
        .replace("agents_may_transfer = true", "agents_may_transfer = false")
        .replace(
            "id = \"sales\"",
            "id = \"sales\"\nstrategy = \"fixed order\"\nfallback = [\"next agent 10 s by longest idle\"]",
        )
        .replace(
            "id = \"ravi\"",
            "id = \"ravi\"\ntransfer_outside = true\nfallback = []\nfallback_on.busy = [\"queue 40 s\"]",
        );
    let config = parse(Path::new("x.toml"), &text).unwrap_or_else(|m| panic!("{m}"));
    let account = config.account;
    let policy = &account.policy;
    assert!(account.has_trunk && !policy.agents_may_transfer);
    assert_eq!(
        (policy.outside, policy.unavailable, policy.release, policy.transfer_ring_seconds),
        (OutsideRule::Managers, Unavailable::Follow, Release::WhenAnswered, 25)
    );
    assert_eq!(policy.feature_code.as_deref(), Some("*7"));
    let queue = |department: Option<&str>, seconds| Step::Queue { department: department.map(Into::into), seconds };
    let next = |strategy, seconds| Step::NextAgent { strategy, seconds };
    let voicemail = |of| Step::Voicemail { of };
    assert_eq!(
        policy.fallback.steps,
        [Step::Recall { whom: RecallWhom::Transferor, seconds: 20 }, next(AllAtOnce, 30), voicemail(MailboxOf::Target)]
    );
    let on: Vec<_> = policy.fallback.on.iter().map(|(miss, steps)| (*miss, steps.clone())).collect();
    let wanted = [
        (Miss::NoAnswer, vec![Step::Recall { whom: RecallWhom::FormerAgent, seconds: 15 }, next(RoundRobin, 20)]),
        (Miss::Busy, vec![queue(Some("sales"), 60)]),
        (Miss::Declined, vec![]),
        (Miss::NoDevice, vec![voicemail(MailboxOf::Department)]),
        (Miss::DoNotDisturb, vec![voicemail(MailboxOf::Target)]),
        (Miss::Away, vec![Step::Announcement]),
    ];
    assert_eq!(on, wanted);
    let sales = account.departments.iter().find(|d| d.id.as_str() == "sales").unwrap();
    assert_eq!(
        (sales.strategy, sales.fallback.as_ref().unwrap().steps.clone()),
        (FixedOrder, vec![next(LongestIdle, 10)])
    );
    let ravi = account.users.iter().find(|u| u.id.as_str() == "ravi").unwrap();
    assert_eq!(ravi.may_transfer_outside, Some(true));
    let own = ravi.fallback.as_ref().unwrap();
    assert_eq!((own.steps.len(), own.on[&Miss::Busy].clone()), (0, vec![queue(None, 40)]));
    let others = account.users.iter().filter(|u| u.id.as_str() != "ravi");
    assert!(others.into_iter().all(|u| u.fallback.is_none() && u.may_transfer_outside.is_none()));
}

#[test]
fn what_the_file_leaves_out_is_as_it_always_was() {
    use switchboard::{OutsideRule, Release, Unavailable};
    let text = base();
    let start = text.find("agents_may_transfer").unwrap();
    let end = text.find("[[department]]").unwrap();
    let bare = parse(Path::new("x.toml"), &format!("{}{}", &text[..start], &text[end..])).unwrap();
    let full = parse(Path::new("x.toml"), &text).unwrap();
    assert_eq!(bare.account, full.account);
    let policy = bare.account.policy;
    assert_eq!(
        (policy.outside, policy.unavailable, policy.release, policy.feature_code.as_deref()),
        (OutsideRule::Nobody, Unavailable::Refuse, Release::AtOnce, Some("*2"))
    );
    let none = base().replace("agents_may_transfer = true", "feature_code = \"\"");
    assert_eq!(parse(Path::new("x.toml"), &none).unwrap().account.policy.feature_code, None);
}

#[test]
fn the_policies_in_force_are_told_in_a_few_lines() {
    let text = base()
        .replace(
            "agents_may_transfer = true",
            "outside = \"managers\"\nfallback_on = { do_not_disturb = [\"voicemail\"] }",
        )
        .replace("id = \"sales\"", "id = \"sales\"\nstrategy = \"round robin\"\nfallback = [\"queue 60 s\"]")
        .replace("id = \"ravi\"", "id = \"ravi\"\ntransfer_outside = true\nfallback = []");
    let config = parse(Path::new("x.toml"), &text).unwrap_or_else(|m| panic!("{m}"));
    assert_eq!(
        exchange::config::summary(&config.account),
        "Transfers\n  \
         Administrators move every call, managers those of their departments, agents move their own calls; to any \
         department; managers and administrators to outside numbers, also Ravi Kumar.\n  \
         A target rings 20 s; who had the call is free at once.\n  \
         A target that can't take a call is refused, with the reason; from any phone: *2 and an extension.\n\
         If a target does not take the call\n  \
         everybody: recall transferor 20 s, then next agent 30 s, then voicemail\n  \
         everybody, do not disturb: voicemail\n  \
         Sales: queue 60 s, then announcement\n  \
         Ravi Kumar: announcement\n\
         Departments\n  \
         Support: rings 20 s, all at once; waits up to 120 s\n  \
         Sales: rings 20 s, round robin; waits up to 120 s\n\
         Finished calls can be marked: Resolved, Call back, Wrong number, Spam"
    );
}

#[test]
fn every_mistake_has_its_line_and_its_remedy() {
    for (from, to, line_holds, says) in CASES {
        assert!(CONFIG.contains(from), "{from}");
        let text = CONFIG.replacen(from, to, 1).replace("HASH", hash());
        let found = mistakes(&text);
        let told = found.to_string();
        let mistake = found.list.iter().find(|m| format!("{}; {}", m.what, m.remedy).contains(says));
        let mistake = mistake.unwrap_or_else(|| panic!("{to:?}: {says:?} is not among:\n{told}"));
        let line = text.lines().nth(mistake.line - 1).unwrap_or_default();
        assert!(line.contains(line_holds), "{to:?}: told at line {}: {line:?}\n{told}", mistake.line);
        assert!(told.starts_with("x.toml:"), "{told}");
        assert!(!told.contains("$v=") && !told.contains("letmein"), "a secret is told: {told}");
    }
}

#[test]
fn a_sip_port_in_the_rtp_range_is_a_mistake() {
    let text = base().replace("udp = [\"127.0.0.1:0\"]", "udp = [\"127.0.0.1:20002\"]");
    let found = mistakes(&text.replace("ports = [0, 0]", "ports = [20000, 29999]"));
    assert!(found.to_string().contains("holds the SIP address 127.0.0.1:20002; move the range"), "{found}");
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = base()
        .replace("ports = [0, 0]", "ports = [9, 1]")
        .replace("role = \"manager\"", "role = \"boss\"")
        .replace("name = \"Office\"", "name = \"\"")
        .replace("numbers = [\"+442079460300\"]", "numbers = 7");
    let found = mistakes(&text);
    let lines: Vec<_> = found.list.iter().map(|m| m.line).collect();
    assert_eq!(lines.len(), 4, "{found}");
    assert!(lines.is_sorted(), "{found}");
}

#[test]
fn a_column_points_at_the_value() {
    let text = base().replace("transfer_ring_seconds = 20", "  transfer_ring_seconds = 2");
    let found = mistakes(&text);
    assert_eq!(found.list[0].column, "  transfer_ring_seconds = ".len() + 1);
}

#[test]
fn hostile_files_only_give_mistakes() {
    for text in
        ["", "\0", "[[user]]\n", "user = [1, 2, {}]", "a.b.c = 1\na.b = 2", "[[[[", "= = =", "\u{feff}[api]\nbind=1"]
    {
        assert!(!mistakes(text).list.is_empty(), "{text:?}");
    }
    let deep = format!("x = {}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(!mistakes(&deep).list.is_empty());
    let long = format!("[account]\nname = \"{}\"\n", "x".repeat(100_000));
    assert!(mistakes(&long).list.iter().all(|m| m.what.len() < 400));
}
