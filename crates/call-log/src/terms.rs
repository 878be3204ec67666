//! How a typed line becomes conditions. There is no query language: whatever is typed is text.

use crate::fold::{self, Word};
use crate::number::{self, Digits};

/// A person types a few words; more is an accident.
const MAX_TERMS: usize = 8;
const MAX_CHARS: usize = 256;

/// One condition of a search; a call must fulfil all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Term {
    /// The beginnings of words that one name or note must have. More than one if punctuation was typed between them.
    Words(Vec<Word>),
    /// A number or a part of one; or words that begin with its parts.
    Number { digits: Digits, words: Vec<Word> },
}

/// What a search asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Query {
    Everything,
    All(Vec<Term>),
    /// Something was typed that no text has.
    Nothing,
}

pub(crate) fn parse(typed: &str) -> Query {
    let typed: String = typed.chars().take(MAX_CHARS).collect();
    let mut terms: Vec<Term> = Vec::new();
    let mut number = String::new();
    for part in typed.split_whitespace() {
        // "+91 98" is one number, written as people write them.
        if number::looks_like_one(part) || part == "+" {
            number.push(' ');
            number.push_str(part);
            continue;
        }
        terms.extend(number_term(&std::mem::take(&mut number)));
        let words = fold::words(part);
        if !words.is_empty() {
            terms.push(Term::Words(words));
        }
    }
    terms.extend(number_term(&number));
    terms.truncate(MAX_TERMS);
    match (terms.is_empty(), typed.trim().is_empty()) {
        (false, _) => Query::All(terms),
        (true, true) => Query::Everything,
        (true, false) => Query::Nothing,
    }
}

fn number_term(text: &str) -> Option<Term> {
    let digits = number::parse(text);
    (!digits.digits.is_empty()).then(|| Term::Number { digits, words: fold::words(text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(term: &Term) -> Vec<&str> {
        match term {
            Term::Words(words) | Term::Number { words, .. } => words.iter().map(|w| w.text.as_str()).collect(),
        }
    }

    #[test]
    fn a_number_typed_with_spaces_is_one_term() {
        let Query::All(terms) = parse("priya +91 98-12 sharma") else { panic!("something") };
        assert_eq!(
            terms.iter().map(words).collect::<Vec<_>>(),
            [vec!["priya"], vec!["91", "98", "12"], vec!["sharma"]]
        );
        assert!(matches!(&terms[1], Term::Number { digits, .. } if digits.digits == "919812" && digits.country == 2));
    }

    #[test]
    fn what_no_text_has_finds_nothing_and_what_is_empty_everything() {
        assert_eq!(parse("  \t "), Query::Everything);
        assert_eq!(parse("\"*( \0 %"), Query::Nothing);
        assert!(matches!(parse("priya ("), Query::All(terms) if terms.len() == 1));
    }

    #[test]
    fn a_line_of_ten_thousand_characters_is_cut() {
        assert!(matches!(parse(&"a\" OR ".repeat(2_000)), Query::All(terms) if terms.len() == MAX_TERMS));
    }
}
