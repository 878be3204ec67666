//! Text as it is searched: without case and accents, cut into words, each character still knowing where it came from.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// Words longer than this differ only in what nobody types.
const MAX_WORD_CHARS: usize = 24;
/// In a script without spaces a word begins at every character; this is how far it reaches.
const MAX_RUN_CHARS: usize = 8;

/// A folded word and the characters of the original text that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub text: String,
    /// For each character of `text`, the original character it came from, counted from 0.
    pub at: Vec<u32>,
    /// Written without spaces: more words begin inside it.
    pub run: bool,
}

/// The words of a text, in order.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word = Word { text: String::new(), at: Vec::new(), run: false };
    for (at, original) in (0u32..).zip(text.chars()) {
        if is_joining(original) && !word.text.is_empty() {
            continue; // O'Brien is one word
        }
        each_folded(original, |c| {
            let run = is_run(c);
            if !is_word(c) || (run != word.run && !is_mark(c)) {
                finish(&mut word, &mut words);
            }
            if is_word(c) && (!is_mark(c) || !word.text.is_empty()) {
                if !is_mark(c) {
                    word.run = run;
                }
                word.text.push(c);
                word.at.push(at);
            }
        });
    }
    finish(&mut word, &mut words);
    words
}

/// Every string at which somebody may begin to type, for the index.
pub(crate) fn each_index_word(text: &str, mut tell: impl FnMut(&str)) {
    for word in words(text) {
        if !word.run {
            tell(first_chars(&word.text, MAX_WORD_CHARS));
            continue;
        }
        for (start, c) in word.text.char_indices() {
            if !is_mark(c) {
                tell(first_chars(&word.text[start..], MAX_RUN_CHARS));
            }
        }
    }
}

/// The prefixes that must all be found for a typed word to be found.
pub(crate) fn each_prefix(word: &Word, mut tell: impl FnMut(&str)) {
    if !word.run {
        return tell(first_chars(&word.text, MAX_WORD_CHARS));
    }
    let mut rest = word.text.as_str();
    while !rest.is_empty() {
        let prefix = first_chars(rest, MAX_RUN_CHARS);
        tell(prefix);
        rest = &rest[prefix.len()..];
    }
}

/// A decimal digit of any script, as ASCII.
pub(crate) fn digit(c: char) -> Option<u8> {
    if c.is_ascii_digit() {
        return Some(c as u8);
    }
    /// Zeros of the scripts that people write telephone numbers in.
    const ZEROS: [u32; 12] = [0x660, 0x6F0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xFF10];
    let code = u32::from(c);
    let zero = ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code))?;
    Some(b'0' + (code - zero) as u8)
}

fn finish(word: &mut Word, words: &mut Vec<Word>) {
    if !word.text.is_empty() {
        words.push(std::mem::replace(word, Word { text: String::new(), at: Vec::new(), run: false }));
    }
    word.run = false;
}

fn first_chars(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

fn each_folded(c: char, mut tell: impl FnMut(char)) {
    if c.is_ascii() {
        return tell(c.to_ascii_lowercase());
    }
    for c in c.to_lowercase().flat_map(|c| std::iter::once(c).nfkd()) {
        match c {
            'ß' => "ss".chars().for_each(&mut tell),
            'æ' => "ae".chars().for_each(&mut tell),
            'œ' => "oe".chars().for_each(&mut tell),
            'þ' => "th".chars().for_each(&mut tell),
            'ø' => tell('o'),
            'đ' | 'ð' => tell('d'),
            'ł' => tell('l'),
            'ı' => tell('i'),
            'ħ' => tell('h'),
            'ς' => tell('σ'),
            // Arabic and Persian keyboards write the same letters differently.
            'ى' | 'ی' => tell('ي'),
            'ک' => tell('ك'),
            'ة' => tell('ه'),
            'ـ' => {}
            // Katakana as Hiragana.
            'ァ'..='ヶ' => tell(char::from_u32(u32::from(c) - 0x60).unwrap_or(c)),
            c if is_accent(c) => {}
            c => tell(digit(c).map_or(c, char::from)),
        }
    }
}

/// Marks that people leave out when they type. Those of Indic and Japanese scripts make another letter and stay.
fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36F}' | '\u{483}'..='\u{487}' | '\u{591}'..='\u{5BD}' | '\u{5BF}' | '\u{5C1}'..='\u{5C7}'
        | '\u{610}'..='\u{61A}' | '\u{64B}'..='\u{65F}' | '\u{670}' | '\u{6D6}'..='\u{6ED}' | '\u{93C}'
        | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{200B}'..='\u{200F}' | '\u{FE00}'..='\u{FE0F}')
}

/// Part of a word although it is no letter: vowel signs and viramas.
fn is_mark(c: char) -> bool {
    !c.is_ascii()
        && (canonical_combining_class(c) != 0
            || matches!(u32::from(c), 0x900..=0xDFF if !c.is_alphanumeric() && !matches!(c, '।' | '॥' | '॰'))
            || matches!(u32::from(c), 0xE31 | 0xE34..=0xE3A | 0xE47..=0xE4E | 0x102B..=0x103E))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || is_mark(c)
}

fn is_joining(c: char) -> bool {
    matches!(c, '\'' | '’' | 'ʼ')
}

/// Scripts without spaces: Thai to Khmer, Kana, Han.
fn is_run(c: char) -> bool {
    matches!(u32::from(c),
        0xE00..=0xEFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF
        | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn folded(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.text).collect()
    }

    fn indexed(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        each_index_word(text, |word| all.push(word.to_owned()));
        all
    }

    #[test]
    fn accents_and_case_go() {
        assert_eq!(folded("João  PEREIRA-Müller"), ["joao", "pereira", "muller"]);
        assert_eq!(folded("Straße Łódź Ærø Đặng"), ["strasse", "lodz", "aero", "dang"]);
        assert_eq!(folded("O’Brien's"), ["obriens"]);
        assert_eq!(folded("İstanbul ΣΊΣΥΦΟΣ"), ["istanbul", "σισυφοσ"]);
        assert_eq!(folded("أحمد آل"), ["احمد", "ال"]);
    }

    #[test]
    fn vowel_signs_of_devanagari_stay() {
        assert_eq!(folded("प्रिया नायर"), ["प्रिया", "नायर"]);
        assert_ne!(folded("कि"), folded("का"));
    }

    #[test]
    fn a_run_without_spaces_can_be_found_from_every_character() {
        assert_eq!(indexed("王小明"), ["王小明", "小明", "明"]);
        assert_eq!(indexed("Li王明"), ["li", "王明", "明"]);
        assert_eq!(indexed("タナカ"), ["たなか", "なか", "か"]);
    }

    #[test]
    fn each_character_knows_its_original() {
        let word = words(" Straße").into_iter().next().unwrap();
        assert_eq!((word.text.as_str(), word.at), ("strasse", vec![1, 2, 3, 4, 5, 5, 6]));
    }

    #[test]
    fn digits_of_any_script_are_digits() {
        assert_eq!(folded("٩٨१२"), ["9812"]);
    }
}
