//! From what a person types, or a link says, to an address. Text from a web page or a mail says whom to call and nothing
//! else: no headers, no way to send the call, no digits to press afterwards.

use sip::{Host, Scheme, Uri};

/// Digits of a number at most; longer ones are no colleague's but cost somebody money.
const LONGEST_EXTENSION: usize = 6;
/// What a URI's parameters may say; the others choose methods and ways (RFC 3261 section 19.1.1).
const HARMLESS: [&str; 3] = ["transport", "user", "phone-context"];

/// Whom a person means: a SIP URI, `user@host`, or with a registrar a `tel:` URI, a bare number or a user.
pub(crate) fn target(typed: &str, registrar: Option<&Uri>) -> Result<Uri, String> {
    let typed = typed.trim();
    let not_callable = || format!("\"{}\" cannot be called.", crate::incoming::cleaned(typed, 80));
    let (scheme, rest) = typed.split_once(':').unwrap_or(("", typed));
    let uri = match (scheme.to_ascii_lowercase().as_str(), registrar) {
        ("sip", _) => format!("sip:{rest}").parse().ok(),
        ("sips", _) => format!("sips:{rest}").parse().ok(),
        ("tel", Some(registrar)) => {
            let number = format!("tel:{rest}").parse::<Uri>().ok().and_then(|uri| number(uri.user()));
            number.map(|number| at(number, registrar))
        }
        // `mailto:x@y` is no user `mailto`.
        ("", _) if typed.contains('@') => format!("sip:{typed}").parse().ok(),
        ("", Some(registrar)) => number(typed).or_else(|| user(typed)).map(|user| at(user, registrar)),
        _ => None,
    };
    uri.map(only_whom).ok_or_else(not_callable)
}

/// Whether a call there, asked for by somebody else than the person at this phone, could cost the account's money: a number of
/// the world. At whatever host: it may be another name of our registrar, and an outbound proxy takes calls to all of them.
pub(crate) fn may_cost_money(to: &Uri) -> bool {
    let digits = number(to.user()).map_or(0, |number| number.chars().filter(char::is_ascii_digit).count());
    digits > LONGEST_EXTENSION
}

fn only_whom(mut uri: Uri) -> Uri {
    uri.headers = None;
    uri.params.retain(|(name, _)| HARMLESS.contains(&name.as_str()));
    uri
}

fn at(user: String, registrar: &Uri) -> Uri {
    Uri { user: Some(user), ..registrar.clone() }
}

/// A number without what people write between its digits.
fn number(typed: &str) -> Option<String> {
    let bare: String = typed.chars().filter(|c| !" .-()/".contains(*c)).collect();
    let is_number = !bare.is_empty() && bare.chars().all(|c| c.is_ascii_digit() || "+*#".contains(c));
    is_number.then_some(bare)
}

fn user(typed: &str) -> Option<String> {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !":;?<>\"\\/%".contains(c);
    (!typed.is_empty() && typed.chars().all(plain)).then(|| typed.to_owned())
}

/// Whether there is anybody at that address at all.
pub(crate) fn is_somewhere(to: &Uri) -> bool {
    to.scheme != Scheme::Tel && !matches!(&to.host, Host::Name(name) if name.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn registrar() -> Uri {
        "sip:pbx.example:5070".parse().unwrap()
    }

    fn called(typed: &str) -> String {
        target(typed, Some(&registrar())).unwrap().to_string()
    }

    #[test]
    fn numbers_users_and_addresses_are_understood() {
        for (typed, uri) in [
            (" +44 (20) 7946-0200 ", "sip:+442079460200@pbx.example:5070"),
            ("*21#", "sip:*21%23@pbx.example:5070"),
            ("ravi", "sip:ravi@pbx.example:5070"),
            ("tel:+44-20-7946-0200", "sip:+442079460200@pbx.example:5070"),
            ("TEL:200", "sip:200@pbx.example:5070"),
            ("ravi@desk.example", "sip:ravi@desk.example"),
            ("sips:ravi@desk.example", "sips:ravi@desk.example"),
            ("SIP:ravi@[2001:db8::1]:5080;transport=tcp", "sip:ravi@[2001:db8::1]:5080;transport=tcp"),
        ] {
            assert_eq!(called(typed), uri, "{typed}");
        }
    }

    /// What a link in a mail or a web page may try.
    #[test]
    fn a_link_says_whom_and_nothing_else() {
        for (link, uri) in [
            ("sip:ravi@x?Replaces=1%3Bto-tag%3Da%3Bfrom-tag%3Db&X-Evil=1", "sip:ravi@x"),
            ("sip:ravi@x;method=REFER;maddr=192.0.2.9;lr;ttl=1?Route=%3Csip:evil%3E", "sip:ravi@x"),
            ("ravi@x?Call-Info=answer-after", "sip:ravi@x"),
            ("tel:200;postd=pp09001234567;isub=1;phone-context=x", "sip:200@pbx.example:5070"),
            ("sip:ravi:password@x", "sip:ravi@x"),
        ] {
            assert_eq!(called(link), uri, "{link}");
        }
    }

    #[test]
    fn what_is_no_address_is_not_called() {
        for bad in [
            "",
            " ",
            "sip:",
            "sip:ravi@x\r\nRoute: <sip:evil>",
            "sip:%0d%0aX-Evil:1@x",
            "ravi@x\nX-Evil: 1",
            "200\r\nX-Evil: 1",
            "ravi kumar",
            "mailto:ravi@x",
            "javascript:alert(1)",
            "http://x/",
            "tel:",
            "tel:call-me",
            "tel:+44%0d%0a",
            "ravi;method=BYE",
            "<sip:ravi@x>",
            "\"Ravi\" <sip:ravi@x>",
        ] {
            let result = target(bad, Some(&registrar()));
            assert!(result.is_err(), "{bad:?}: {}", result.unwrap());
        }
        assert!(target("200", None).is_err(), "without an account there is nobody to know it");
        assert!(target("tel:200", None).is_err());
    }

    #[test]
    fn only_numbers_of_the_world_cost_money_by_whatever_name_the_registrar_goes() {
        let costs = |to: &str| may_cost_money(&to.parse().unwrap());
        assert!(costs("sip:09001234567@pbx.example") && costs("sip:+4490012@pbx.example:5070"));
        assert!(costs("sip:0900-1234567@pbx.example"), "however it is written");
        assert!(!costs("sip:200@pbx.example") && !costs("sip:ravi1234567@pbx.example"));
        assert!(costs("sip:09001234567@192.0.2.7") && costs("sip:%30900%31234567@pbx.example."));
    }
}
