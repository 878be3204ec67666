//! Keys whose value is one of a few words.

use toml::Spanned;

use super::{Section, mistakes::Found, section::short};

/// What the word of `key` means; `default` if the key is absent or its word unknown.
pub(super) fn word<T: Copy>(
    section: &mut Section<'_, '_>,
    key: &'static str,
    known: &[(&'static str, T)],
    default: T,
    found: &mut Found,
) -> T {
    let Some(given) = section.get::<String>(found, key) else { return default };
    meaning(&given, key, known, found).unwrap_or(default)
}

/// What a word means; if it is not among those `known`, that is a mistake.
pub(super) fn meaning<T: Copy>(
    given: &Spanned<String>,
    key: &str,
    known: &[(&'static str, T)],
    found: &mut Found,
) -> Option<T> {
    let meant = known.iter().find(|(word, _)| word == given.get_ref()).map(|(_, meaning)| *meaning);
    if meant.is_none() {
        let what = format!("`{key}` is \"{}\"", short(given.get_ref()));
        found.say(&given.span(), what, format!("use {}", choices(known.iter().map(|(word, _)| *word))));
    }
    meant
}

/// `"a", "b" or "c"`.
pub(super) fn choices<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = words.map(|w| format!("\"{w}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}
