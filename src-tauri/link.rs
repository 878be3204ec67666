//! Links into the app: `patchcord:call/ID`. They come from mails and web pages, so anything else is nothing.

use protocol::CallId;

/// The longest id that any exchange gives.
const MAX_ID: usize = 128;

/// The call that the link names.
pub fn call(link: &str) -> Option<CallId> {
    let rest = link.strip_prefix("patchcord:")?;
    let id = rest.trim_start_matches("//").strip_prefix("call/")?.trim_end_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!id.is_empty() && id.len() <= MAX_ID && id.chars().all(plain)).then(|| CallId(id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::call;

    #[test]
    fn only_a_plain_id_names_a_call() {
        for link in ["patchcord:call/a1-2", "patchcord://call/a1-2", "patchcord://call/a1-2/"] {
            assert_eq!(call(link).map(|id| id.0).as_deref(), Some("a1-2"), "{link}");
        }
        let long = format!("patchcord:call/{}", "x".repeat(200));
        for link in [
            "",
            "patchcord:",
            "patchcord:call/",
            "patchcord:call/a/b",
            "patchcord:call/a?x",
            "tel:+44",
            "--data-dir",
            &long,
        ] {
            assert_eq!(call(link), None, "{link}");
        }
    }
}
