//! Links into the app: `patchcord:call/ID` and `tel:NUMBER` (RFC 3966). They come from mails and web pages, so anything
//! else is nothing, and no link calls anybody by itself.

use desk::{DeskHandle, Wish};
use protocol::CallId;

/// The longest id that any exchange gives.
const MAX_ID: usize = 128;
/// Longer than any number with its extension.
const MAX_NUMBER: usize = 40;

/// Shows what the first link among `arguments` names.
pub fn follow<'a>(desk: &DeskHandle, arguments: impl IntoIterator<Item = &'a str>) {
    if let Some(wish) = arguments.into_iter().find_map(wish) {
        desk.wish(wish);
    }
}

fn wish(link: &str) -> Option<Wish> {
    let (scheme, rest) = link.split_once(':')?;
    match scheme.to_ascii_lowercase().as_str() {
        "patchcord" => call(rest).map(|call| Wish::OpenDetails { call }),
        "tel" => number(rest).map(|number| Wish::OfferNumber { number }),
        _ => None,
    }
}

fn call(rest: &str) -> Option<CallId> {
    let id = rest.trim_start_matches("//").strip_prefix("call/")?.trim_end_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!id.is_empty() && id.len() <= MAX_ID && id.chars().all(plain)).then(|| CallId(id.to_owned()))
}

/// Without the number's parameters (RFC 3966 section 3), and with what browsers escape read again.
fn number(rest: &str) -> Option<String> {
    let rest =
        rest.trim_start_matches("//").split(';').next()?.replace("%20", " ").replace("%2B", "+").replace("%2b", "+");
    let plain = |c: char| c.is_ascii_digit() || "+*# ()-./".contains(c);
    let dialled = rest.chars().any(|c| c.is_ascii_digit()) && rest.len() <= MAX_NUMBER && rest.chars().all(plain);
    dialled.then(|| rest.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use desk::Wish;
    use protocol::CallId;

    use super::wish;

    #[test]
    fn a_plain_id_names_a_call() {
        let opens = Some(Wish::OpenDetails { call: CallId("a1-2".into()) });
        for link in ["patchcord:call/a1-2", "patchcord://call/a1-2", "patchcord://call/a1-2/", "Patchcord:call/a1-2"] {
            assert_eq!(wish(link), opens, "{link}");
        }
    }

    #[test]
    fn a_number_is_offered_not_called() {
        for (link, number) in [
            ("tel:+44-20-7946-0018", "+44-20-7946-0018"),
            ("tel:+44%2020%207946", "+44 20 7946"),
            ("tel:%2B4420", "+4420"),
            ("tel://118;phone-context=example.org", "118"),
            ("TEL:(030)12345", "(030)12345"),
        ] {
            assert_eq!(wish(link), Some(Wish::OfferNumber { number: number.into() }), "{link}");
        }
    }

    #[test]
    fn anything_else_is_nothing() {
        let (long_id, long_number) = (format!("patchcord:call/{}", "x".repeat(200)), format!("tel:{}", "1".repeat(41)));
        for link in [
            "",
            "patchcord:",
            "patchcord:call/",
            "patchcord:call/a/b",
            "patchcord:call/a?x",
            "tel:",
            "tel:+",
            "tel:sip:maya@example.org",
            "tel:12%0d%0a34",
            "sip:maya@example.org",
            "--data-dir",
            &long_id,
            &long_number,
        ] {
            assert_eq!(wish(link), None, "{link}");
        }
    }
}
