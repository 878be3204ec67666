//! The torture messages of RFC 4475, byte for byte as its appendix has them, thrown at a live endpoint over UDP.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{collections::BTreeSet, path::Path};

use Outcome::{Answered, Dropped, Registers, Rings};
use common::Peer;
use sip::{Event, Transport};
use tokio::net::UdpSocket;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// An INVITE that is taken: it rings.
    Rings,
    /// A REGISTER that is taken: the owner is asked.
    Registers,
    Answered(u16),
    /// Nothing is said.
    Dropped,
}

/// What becomes of each, and why; in the order of the RFC. Where it leaves a choice, `why` says which one was made.
#[rustfmt::skip]
const OUTCOMES: [(&str, Outcome, &str); 49] = [
    // 3.1.1 valid
    ("wsinv", Answered(481), "well-formed, but it has a tag in To and there is no such dialog"),
    ("intmeth", Answered(405), "an unknown method; 405 with Allow, where the RFC would have 501"),
    ("esc01", Rings, ""),
    ("escnull", Answered(400), "well-formed, but a null in a user's name is refused on purpose: nobody here has one"),
    ("esc02", Answered(405), "RE%47IST%45R is not REGISTER"),
    ("lwsdisp", Answered(200), ""),
    ("longreq", Rings, ""),
    ("dblreq", Registers, "what follows the body is ignored"),
    ("semiuri", Answered(200), ""),
    ("transports", Answered(200), ""),
    ("mpart01", Answered(405), "framed rightly; MESSAGE is not taken"),
    ("unreason", Dropped, "an answer to nothing that we asked"),
    ("noreason", Dropped, "an answer to nothing that we asked"),
    // 3.1.2 invalid
    ("badinv01", Answered(400), "stray separators in Via"),
    ("clerr", Answered(400), "a body shorter than it says"),
    ("ncl", Answered(400), "a negative length"),
    ("scalar02", Answered(400), "a CSeq that is no number of 32 bits"),
    ("scalarlg", Dropped, "the same in an answer"),
    ("quotbal", Answered(400), "an open quote in To"),
    ("ltgtruri", Answered(400), "brackets around the Request-URI"),
    ("lwsruri", Answered(400), "a space in the Request-URI"),
    ("lwsstart", Rings, "more spaces in the start line are forgiven"),
    ("trws", Answered(200), "spaces at the end of the start line are forgiven"),
    ("escruri", Answered(400), "headers in the Request-URI"),
    ("baddate", Rings, "Date is not looked at"),
    ("regbadct", Answered(400), "headers in a Contact without brackets"),
    ("badaspec", Answered(200), "spaces within the brackets of To are forgiven"),
    ("baddn", Answered(400), "a comma in a name without quotes"),
    ("badvers", Answered(505), ""),
    ("mismatch01", Answered(400), "CSeq has another method"),
    ("mismatch02", Answered(405), "an unknown method, before it is seen that CSeq has another"),
    ("bigcode", Dropped, "no status of SIP"),
    // 3.2 transactions
    ("badbranch", Answered(200), "a branch that is only the cookie names no transaction: matched as RFC 2543 did"),
    // 3.3 applications
    ("insuf", Answered(400), "From, To and Call-ID are missing"),
    ("unkscm", Answered(416), ""),
    ("novelsc", Answered(416), ""),
    ("unksm2", Answered(400), "an address of record that is none of SIP"),
    ("bext01", Answered(420), ""),
    ("invut", Answered(415), "a body of unknown type"),
    ("regaut01", Registers, "this endpoint challenges nobody"),
    ("multi01", Answered(400), "From, To, Call-ID and CSeq twice"),
    ("mcl01", Answered(400), "two lengths"),
    ("bcast", Dropped, "an answer to nothing that we asked"),
    ("zeromf", Answered(200), "it need not go any further"),
    ("cparam01", Registers, ""),
    ("cparam02", Registers, ""),
    ("regescrt", Registers, ""),
    ("sdp01", Answered(406), "it takes no description"),
    // 3.4 backward compatibility
    ("inv2543", Answered(400), "neither tag nor Contact: such a call could never be ended"),
];

const SENTINEL: &str = "OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKsentinel\r\n\
                        From: <sip:x@y>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: sentinel\r\nCSeq: 1 OPTIONS\r\n\r\n";

/// What a fresh endpoint says, up to the answer to a question that follows.
async fn thrown(bytes: &[u8]) -> (Peer, Vec<String>) {
    let peer = Peer::open(Transport::Udp).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(bytes, peer.addr()).await.unwrap();
    socket.send_to(SENTINEL.as_bytes(), peer.addr()).await.unwrap();
    let mut said = Vec::new();
    loop {
        let mut buffer = vec![0; 65_536];
        let wait = tokio::time::timeout(std::time::Duration::from_secs(20), socket.recv(&mut buffer));
        let n = wait.await.expect("the sentinel's answer in time").unwrap();
        let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
        if text.contains("Call-ID: sentinel") {
            return (peer, said);
        }
        said.push(text);
    }
}

async fn outcome(bytes: &[u8]) -> (Outcome, String) {
    let (mut peer, said) = thrown(bytes).await;
    let last = said.last().cloned().unwrap_or_default();
    let found = match peer.events.try_recv() {
        Ok(Event::Incoming(_)) if last.starts_with("SIP/2.0 100 ") => Rings,
        Ok(Event::Register(_)) if said.is_empty() => Registers,
        Ok(other) => panic!("{other:?} after {said:?}"),
        Err(_) if said.is_empty() => Dropped,
        Err(_) => Answered(last.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status")),
    };
    (found, last)
}

#[tokio::test]
async fn every_message_has_the_outcome_of_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture");
    let files: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".dat").map(str::to_owned))
        .collect();
    assert_eq!(files, OUTCOMES.iter().map(|(name, _, _)| (*name).to_owned()).collect(), "one row for each file");
    let mut wrong = Vec::new();
    for (name, wanted, why) in OUTCOMES {
        let bytes = std::fs::read(folder.join(format!("{name}.dat"))).unwrap();
        let (found, said) = outcome(&bytes).await;
        if found != wanted {
            wrong.push(format!("{name}: {found:?}, not {wanted:?} ({why})"));
        }
        let due = match found {
            Answered(405) => Some("Allow: INVITE, "),
            Answered(415 | 406) => Some("Accept: application/sdp\r\n"),
            Answered(420) => Some("Unsupported: nothingSupportsThis, nothingSupportsThisEither\r\n"),
            Answered(_) | Rings | Registers | Dropped => None,
        };
        if due.is_some_and(|due| !said.contains(due)) {
            wrong.push(format!("{name}: the answer lacks {due:?}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
