//! History-Info (RFC 7044): who had a call before it came here.

use crate::{NameAddr, message::Message, message::split_list};

/// Entries that are read; a call that was passed on more often is lost in a loop.
const MAX_ENTRIES: usize = 32;

/// Who passed the call on to its present target, as a Diversion (RFC 5806) would say it; `None` if nobody did.
pub(crate) fn passed_on_by(m: &Message) -> Option<NameAddr> {
    let all = m.all("History-Info").flat_map(split_list).take(MAX_ENTRIES);
    let entries: Vec<NameAddr> = all.filter_map(|e| e.parse().ok()).collect();
    let last = entries.last()?;
    // `mp`, `rc` and `np` name the entry whose target was changed into this one (section 10.3); `np` is no change of whom.
    let by = ["mp", "rc"].into_iter().find_map(|name| last.param(name));
    let who = match by {
        Some(index) => entries.iter().find(|e| e.param("index") == Some(index))?,
        // RFC 4244, which most systems still write: the one before.
        None if last.param("np").is_none() => entries.iter().rev().nth(1)?,
        None => return None,
    };
    let cause = cause_of(who, last)?;
    let mut uri = who.uri.clone();
    uri.headers = None;
    uri.params.clear();
    Some(NameAddr::new(who.display.as_deref(), uri).with("reason", reason(cause)))
}

/// From the Reason that its URI has in its headers (section 5.3), or the `cause` of the next target (RFC 4458).
fn cause_of(who: &NameAddr, next: &NameAddr) -> Option<u16> {
    let of_reason = || {
        let reason = who.uri.header("Reason")?;
        crate::message::param_of(&reason, "cause")?.parse().ok()
    };
    let of_target = || next.uri.param("cause")?.parse().ok();
    of_reason().or_else(of_target)
}

/// RFC 7544 section 7.3.1: causes in the words of a Diversion.
fn reason(cause: u16) -> &'static str {
    match cause {
        486 | 600 => "user-busy",
        408 | 487 => "no-answer",
        480 => "deflection",
        302 => "unconditional",
        404 | 410 | 503 => "unavailable",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rsipstack::sip::Method;

    use super::*;

    fn read(entries: &[&str]) -> Option<String> {
        let mut m = Message::request(Method::Invite, "sip:x".into());
        entries.iter().for_each(|e| m.add("History-Info", *e));
        passed_on_by(&m).map(|n| n.to_string())
    }

    #[test]
    fn the_last_one_who_passed_it_on_is_found() {
        // RFC 7044, with the entry that was changed named.
        let busy = "\"Mina\" <sip:mina@x;user=phone?Reason=SIP%3Bcause%3D486%3Btext%3D%22Busy%22>;index=1.1";
        let list = format!("<sip:mina@pbx>;index=1, {busy};np=1, <sip:ravi@x;cause=486>;index=1.2;mp=1.1");
        assert_eq!(read(&[&list]).as_deref(), Some("\"Mina\" <sip:mina@x>;reason=user-busy"));
        // RFC 4244, in headers of their own.
        let old = ["<sip:300@x?Reason=SIP;cause=408>;index=1", "<sip:200@x>;index=1.1"];
        assert_eq!(read(&old).as_deref(), Some("<sip:300@x>;reason=no-answer"));
        // RFC 4458.
        let cause = ["<sip:300@x>;index=1", "<sip:200@x;cause=302>;index=1.1"];
        assert_eq!(read(&cause).as_deref(), Some("<sip:300@x>;reason=unconditional"));
    }

    #[test]
    fn a_way_through_proxies_is_no_diversion() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&["<sip:200@x>;index=1"]), None);
        assert_eq!(read(&["<sip:200@x>;index=1", "<sip:200@10.0.0.1>;index=1.1;np=1"]), None);
        assert_eq!(read(&["<sip:200@x>;index=1", "<sip:200@10.0.0.1>;index=1.1"]), None, "nothing says why");
        assert_eq!(read(&["<sip:200@x>;index=1", "<sip:300@x>;index=1.1;mp=7"]), None);
        assert_eq!(read(&["rubbish", "<<>>;index", "<sip:x@y?Reason=%ff>"]), None);
    }
}
