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
];

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
