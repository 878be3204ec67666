//! Telephone numbers however they are written: `+91 98123`, `0091 98123`, `098123` and `98123` find one another.
//!
//! Two things need knowledge: where a country calling code ends (ITU-T E.164 makes the codes prefix-free, so their
//! lengths are enough), and the few countries that dial something else than a zero before a national number. No numbering
//! plan is needed.

use crate::fold::digit;

/// Fewer digits are the beginning of something, no fragment.
pub(crate) const MIN_FRAGMENT: usize = 3;

/// What is dialled instead of a zero before a national number, and in the countries with which codes (ITU-T Operational
/// Bulletin, "Dialling procedures"): Russia and Kazakhstan, Belarus, Turkmenistan; Hungary.
const TRUNK_PREFIXES: [(&str, &[&str]); 2] = [("8", &["7", "375", "993"]), ("06", &["36"])];

/// A number's digits: with its country code if it was written with one, else without the trunk zero.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Digits {
    pub digits: String,
    /// How many of `digits` are the country code; 0 if it was written without.
    pub country: usize,
    /// All digits in a row, zeros in front too; empty after a plus, where nothing can go before.
    pub fragment: String,
}

/// Whether this is a number, or the beginning of one, and not a word.
pub(crate) fn looks_like_one(text: &str) -> bool {
    text.chars().any(|c| digit(c).is_some())
        && text.chars().all(|c| digit(c).is_some() || c == '+' || is_punctuation(c))
}

pub(crate) fn is_punctuation(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '.' | '/' | '(' | ')' | '\u{2010}'..='\u{2015}')
}

pub(crate) fn parse(text: &str) -> Digits {
    let all: String = text.chars().filter_map(digit).map(char::from).collect();
    let plus = text.trim_start_matches(is_punctuation).starts_with(['+', '＋']);
    let international = if plus { Some(all.as_str()) } else { all.strip_prefix("00") };
    if let Some(rest) = international {
        let rest = rest.to_owned();
        let country = country_code(&rest).min(rest.len());
        return Digits { digits: rest, country, fragment: if plus { String::new() } else { all } };
    }
    let national = all.trim_start_matches('0');
    let digits = if national.is_empty() { all.clone() } else { national.to_owned() };
    Digits { digits, country: 0, fragment: all }
}

impl Digits {
    /// The part after country code and trunk zero.
    pub(crate) fn national(&self) -> &str {
        &self.digits[self.country..]
    }

    /// Where in a kept number's digits this typed one is.
    pub(crate) fn find_in(&self, kept: &str, country: usize) -> Option<std::ops::Range<usize>> {
        if self.fragment.len() >= MIN_FRAGMENT
            && let Some(from) = kept.find(&self.fragment)
        {
            return Some(from..from + self.fragment.len());
        }
        let at = |from: usize, part: &str| kept[from..].starts_with(part).then(|| from..from + part.len());
        if self.country > 0 {
            // What was typed as international begins the number; or its rest does, if that was written without a code.
            return match country {
                0 if self.national().len() >= MIN_FRAGMENT => at(0, self.national()).or_else(|| {
                    let trunk = trunk_prefix(&self.digits[..self.country])?.trim_start_matches('0');
                    kept.starts_with(trunk).then(|| at(trunk.len(), self.national()))?
                }),
                0 => None,
                _ => at(0, &self.digits),
            };
        }
        if self.digits.len() < MIN_FRAGMENT {
            return at(0, &self.digits).or_else(|| at(country, &self.digits));
        }
        kept.find(&self.digits).map(|from| from..from + self.digits.len()).or_else(|| {
            let trunk = trunk_prefix(&kept[..country])?;
            self.without_trunk(trunk).and_then(|national| at(country, national))
        })
    }

    /// What has to be in a kept number's digits, one of these at least, if this typed one is to be found in it.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &str> {
        let national = if self.country > 0 { self.national() } else { "" };
        let texts = [&self.fragment, &self.digits, national].into_iter();
        let abroad = TRUNK_PREFIXES.iter().filter_map(|(trunk, _)| self.without_trunk(trunk));
        texts.chain(abroad).filter(|text| text.len() >= MIN_FRAGMENT)
    }

    /// The rest of a number typed with this in front, if enough is left.
    fn without_trunk(&self, trunk: &str) -> Option<&str> {
        self.fragment.strip_prefix(trunk).filter(|national| national.len() >= MIN_FRAGMENT)
    }
}

fn trunk_prefix(country: &str) -> Option<&'static str> {
    TRUNK_PREFIXES.iter().find(|(_, codes)| codes.contains(&country)).map(|(trunk, _)| *trunk)
}

/// How many digits the country calling code at the beginning has (ITU-T E.164, list of assigned codes).
fn country_code(digits: &str) -> usize {
    match digits.as_bytes() {
        [b'1' | b'7', ..] => 1,
        [b'2', b'0' | b'7', ..]
        | [b'3', b'0'..=b'4' | b'6' | b'9', ..]
        | [b'4', b'0' | b'1' | b'3'..=b'9', ..]
        | [b'5', b'1'..=b'8', ..]
        | [b'6', b'0'..=b'6', ..]
        | [b'8', b'1' | b'2' | b'4' | b'6', ..]
        | [b'9', b'0'..=b'5' | b'8', ..] => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(kept: &str, typed: &str) -> bool {
        let kept = parse(kept);
        parse(typed).find_in(&kept.digits, kept.country).is_some()
    }

    #[track_caller]
    fn found(kept: &str, typed: &[&str]) {
        for typed in typed {
            assert!(finds(kept, typed), "{typed} in {kept}");
        }
    }

    #[test]
    fn any_written_form_finds_any_other() {
        let forms = ["+91 98123 45678", "0091-98123-45678", "098123 45678", "9812345678", "(098) 12345678"];
        for kept in forms {
            found(kept, &forms);
        }
        found("+44 20 7946 0200", &["020 7946", "+4420", "7946", "0200", "0044 20"]);
        found("+44 20 7000 4200", &["00042", "042", "000", "0042"]);
        found("+39 06 1234567", &["06 1234", "+39 06"]);
        let moscow = ["+7 495 123-45-67", "8 (495) 123-45-67", "007 495 1234567"];
        let budapest = ["+36 1 234 5678", "06 1 234 5678"];
        for forms in [&moscow[..], &budapest] {
            forms.iter().for_each(|kept| found(kept, forms));
        }
        found("+7 495 1234567", &["8495", "8 (495) 12"]);
        found("+१ 415 5550100", &["415", "+1 415"]);
    }

    #[test]
    fn what_is_not_in_it_is_not_found() {
        assert!(!finds("+919812345678", "9999"));
        assert!(!finds("+919812345678", "+44 98"));
        assert!(!finds("+919812345678", "12"), "two digits begin a number");
        assert!(!finds("+919812345678", "8 98123"), "nobody dials an 8 in India");
        assert!(!finds("+7 495 1234567", "8 123"), "the trunk prefix stands at the beginning");
    }

    #[test]
    fn words_are_no_numbers() {
        assert!(looks_like_one("+91 (98)") && looks_like_one("1"));
        assert!(!looks_like_one("+") && !looks_like_one("a1") && !looks_like_one("4711b"));
    }
}
