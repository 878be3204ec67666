//! Keys that may become a feature code are kept from the other side until it is known whether they do.

use std::time::Duration;

use tokio::time::Instant;

/// How long after a key of the code the next one is waited for, as in the field (Asterisk's `featuredigittimeout`).
const NEXT_OF_CODE: Duration = Duration::from_secs(1);
/// The same behind the code: longer than the switchboard takes an extension to go on.
const NEXT_OF_EXTENSION: Duration = Duration::from_millis(3_500);
/// No extension is as long: whoever types on means the other side.
const LONGEST: usize = 32;

/// The keys of one end of a conversation.
pub struct Keys {
    /// Empty: there is none, and nothing is kept.
    code: String,
    kept: String,
    since: Instant,
}

impl Keys {
    pub fn new(code: &str) -> Self {
        Self { code: code.to_owned(), kept: String::new(), since: Instant::now() }
    }

    /// Takes a key. What the other side gets now, in order: nothing while the code may come of it.
    pub fn press(&mut self, now: Instant, key: char) -> String {
        self.kept.push(key);
        self.since = now;
        if self.may_be_code() {
            return String::new();
        }
        self.kept.pop();
        let mut out = std::mem::take(&mut self.kept);
        // A mistyped beginning does not spoil the code that follows it.
        if self.code.starts_with(key) {
            self.kept.push(key);
        } else {
            out.push(key);
        }
        out
    }

    /// When what is kept is given to the other side after all.
    pub fn due(&self) -> Option<Instant> {
        let wait = if self.kept.len() < self.code.len() { NEXT_OF_CODE } else { NEXT_OF_EXTENSION };
        (!self.kept.is_empty()).then(|| self.since + wait)
    }

    /// Nothing came of what was kept.
    pub fn release(&mut self) -> String {
        std::mem::take(&mut self.kept)
    }

    /// The conversation is over for now, by the code if it is followed by an extension: then nobody gets it.
    pub fn leave(&mut self) -> String {
        let kept = self.release();
        if kept.len() > self.code.len() { String::new() } else { kept }
    }

    /// As the switchboard reads it: the code, an extension, and perhaps `#`.
    fn may_be_code(&self) -> bool {
        match self.kept.strip_prefix(&self.code) {
            _ if self.code.is_empty() => false,
            Some(extension) => !extension.starts_with('#') && extension.len() <= LONGEST,
            None => self.code.starts_with(&self.kept),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the other side gets after each key, then at the end of a long wait.
    fn typed(code: &str, keys: &str) -> Vec<String> {
        let now = Instant::now();
        let mut reader = Keys::new(code);
        let mut got: Vec<String> = keys.chars().map(|key| reader.press(now, key)).collect();
        got.push(reader.release());
        got
    }

    #[test]
    fn keys_that_can_be_no_code_are_given_on_at_once_and_in_order() {
        for (code, keys, got) in [
            ("*2", "5", "5/"),
            ("*2", "15*", "1/5//*"),
            ("*2", "*9", "/*9/"),
            ("*2", "**9", "/*/*9/"),
            ("*2", "*2105", "/////*2105"),
            ("*2", "*2#", "//*2#/"),
            ("*2", "*2105#", "//////*2105#"),
            ("##", "###5", "//##/#5/"),
            ("*", "*", "/*"),
            ("", "*2105", "*/2/1/0/5/"),
        ] {
            assert_eq!(typed(code, keys).join("/"), got, "{keys} with {code:?}");
        }
        let long = format!("*2{}", "1".repeat(LONGEST + 1));
        assert_eq!(typed("*2", &long).concat(), long);
        assert_eq!(typed("*2", &long).last().map(String::len), Some(0));
    }

    #[test]
    fn a_lonely_star_waits_less_than_a_code_for_its_extension() {
        let now = Instant::now();
        let mut keys = Keys::new("*2");
        assert_eq!(keys.due(), None);
        keys.press(now, '*');
        assert_eq!(keys.due(), Some(now + NEXT_OF_CODE));
        keys.press(now, '2');
        assert_eq!(keys.due(), Some(now + NEXT_OF_EXTENSION));
        assert_eq!(keys.leave(), "*2");
        "*21".chars().for_each(|key| drop(keys.press(now, key)));
        assert_eq!((keys.leave(), keys.due()), (String::new(), None));
    }
}
