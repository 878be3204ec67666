//! `Replaces` (RFC 3891): which dialog a new call shall take the place of.

use std::{fmt, fmt::Write, str::FromStr};

use crate::{Error, message::param_of};

/// Longest value that is read, bytes.
const MAX_LEN: usize = 1024;

/// A dialog as `Replaces` names it, from the point of view of whoever receives the new INVITE: `to_tag` is the tag of
/// their own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Replaces {
    pub call_id: String,
    pub to_tag: String,
    pub from_tag: String,
    /// Only as long as the dialog has not been answered.
    pub early_only: bool,
}

impl Replaces {
    /// The value for a header within a URI: `?Replaces=…`.
    pub(crate) fn escaped(&self) -> String {
        let mut out = String::new();
        for b in self.to_string().bytes() {
            if b.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&b) {
                out.push(char::from(b));
            } else {
                let _ = write!(out, "%{b:02X}");
            }
        }
        out
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        if self.early_only { f.write_str(";early-only") } else { Ok(()) }
    }
}

impl FromStr for Replaces {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |why| Error::Address { text: text.chars().take(80).collect(), why };
        if text.len() > MAX_LEN || text.chars().any(char::is_control) {
            return Err(bad("too long, or a control character"));
        }
        let call_id = text.split(';').next().unwrap_or_default().trim().to_owned();
        let tag = |name| param_of(text, name).filter(|t| !t.is_empty()).map(str::to_owned);
        match (tag("to-tag"), tag("from-tag")) {
            (Some(to_tag), Some(from_tag)) if !call_id.is_empty() => {
                Ok(Self { call_id, to_tag, from_tag, early_only: param_of(text, "early-only").is_some() })
            }
            _ => Err(bad("Replaces needs a Call-ID, a to-tag and a from-tag")),
        }
    }
}

/// The `Replaces` within a Refer-To's URI, if there is one.
///
/// # Errors
/// If there is one that cannot be read.
pub(crate) fn of_uri(uri: &crate::Uri) -> Result<Option<Replaces>, Error> {
    uri.header("Replaces").map(|value| value.parse()).transpose()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_into_a_uri_is_read_out_of_it() {
        let dialog = Replaces {
            call_id: "a84b4c76e66710@pc33.atlanta.example.com".into(),
            to_tag: "7743".into(),
            from_tag: "6472".into(),
            early_only: true,
        };
        let text = format!("sip:mina@10.0.0.1:5060;transport=tcp?Replaces={}&Require=replaces", dialog.escaped());
        let uri: crate::Uri = text.parse().unwrap();
        assert_eq!((uri.user(), uri.port, uri.param("transport")), ("mina", Some(5060), Some("tcp")));
        assert_eq!(of_uri(&uri).unwrap(), Some(dialog));
        assert_eq!(uri.to_string(), text);
    }

    #[test]
    fn an_unescaped_at_sign_does_no_harm() {
        let uri: crate::Uri = "sip:mina@10.0.0.1?Replaces=1@2%3Bto-tag%3Da%3Bfrom-tag%3Db".parse().unwrap();
        assert_eq!(uri.user(), "mina");
        assert_eq!(of_uri(&uri).unwrap().unwrap().call_id, "1@2");
    }

    #[test]
    fn half_a_dialog_is_refused() {
        for bad in [
            "",
            "x",
            "x;to-tag=1",
            "x;from-tag=1",
            ";to-tag=1;from-tag=2",
            "x;to-tag=;from-tag=1",
            "x\n;to-tag=1;from-tag=2",
        ] {
            assert!(bad.parse::<Replaces>().is_err(), "{bad}");
        }
    }
}
