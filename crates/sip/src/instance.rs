//! Which device a binding is of (RFC 5626 section 4.1): one that has moved takes the place of its old binding, so that calls
//! do not ring where it no longer is.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{NameAddr, auth::hex};

/// A URN with all that is around it.
const MAX_LEN: usize = 200;

/// One flow of one device, as Contact parameters: `+sip.instance="<urn:uuid:…>";reg-id=1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// `<urn:uuid:…>`.
    urn: String,
    reg_id: u32,
}

impl Instance {
    /// The only flow of the device that is called `name`: the same for the same name (UUID version 8, RFC 9562).
    #[must_use]
    pub fn named(name: &str) -> Self {
        let mut bytes = Sha256::digest(name.as_bytes());
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let all = hex(&bytes[..16]);
        let (a, b, c, d, e) = (&all[..8], &all[8..12], &all[12..16], &all[16..20], &all[20..]);
        Self { urn: format!("<urn:uuid:{a}-{b}-{c}-{d}-{e}>"), reg_id: 1 }
    }

    /// Of a Contact; both are needed, a device without a `reg-id` wants no more than RFC 3261.
    pub(crate) fn of(contact: &NameAddr) -> Option<Self> {
        let urn = contact.param("+sip.instance")?;
        let inside = urn.strip_prefix('<')?.strip_suffix('>')?;
        let clean = inside.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '<' | '>'));
        let reg_id = contact.param("reg-id")?.parse().ok()?;
        (clean && urn.len() <= MAX_LEN).then(|| Self { urn: urn.to_owned(), reg_id })
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+sip.instance=\"{}\";reg-id={}", self.urn, self.reg_id)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_instance_which_is_read_as_it_was_written() {
        let here = Instance::named("here");
        assert_eq!(here.to_string(), "+sip.instance=\"<urn:uuid:fcec9150-9759-8d99-9c2c-d14bcb26b272>\";reg-id=1");
        assert_ne!(here, Instance::named("there"));
        let contact: NameAddr = format!("<sip:ravi@192.0.2.1>;{here};expires=60").parse().unwrap();
        assert_eq!((Instance::of(&contact), contact.param("expires")), (Some(here), Some("60")));
    }

    #[test]
    fn what_is_no_instance_is_none() {
        for params in [
            "reg-id=1",
            "+sip.instance=\"<urn:uuid:1>\"",
            "+sip.instance=\"<urn:uuid:1>\";reg-id=x",
            "+sip.instance=\"urn:uuid:1\";reg-id=1",
            "+sip.instance=\"<urn:a\\\"b>\";reg-id=1",
            "+sip.instance=\"<urn:a b>\";reg-id=1",
            &format!("+sip.instance=\"<{}>\";reg-id=1", "x".repeat(MAX_LEN)),
        ] {
            let contact: NameAddr = format!("<sip:ravi@192.0.2.1>;{params}").parse().unwrap();
            assert_eq!(Instance::of(&contact), None, "{params}");
        }
    }
}
