//! What a field of a request may hold. Each fault names the field (as the caller writes it: "`note`") and the
//! place in it.

use super::refusal::{Answer, Refused};

/// Of anything that names somebody or something: ids have at most 32 characters, numbers a few more with their signs.
pub(super) const MAX_NAME: usize = 64;

/// # Errors
/// `value` has more than `max` characters, or one that is no text.
pub(super) fn text(field: &str, value: &str, max: usize) -> Answer<()> {
    short(field, value, max)?;
    no_control(field, value, char::is_control)
}

/// As [`text`], but in lines.
///
/// # Errors
/// As [`text`].
pub(super) fn lines(field: &str, value: &str, max: usize) -> Answer<()> {
    short(field, value, max)?;
    no_control(field, value, |c| c.is_control() && c != '\n')
}

fn short(field: &str, value: &str, max: usize) -> Answer<()> {
    match value.chars().count() {
        count if count > max => {
            Err(Refused::bad_request(format!("{field} has {count} characters. Use at most {max}.")))
        }
        _ => Ok(()),
    }
}

fn no_control(field: &str, value: &str, control: impl Fn(char) -> bool) -> Answer<()> {
    match value.chars().enumerate().find(|(_, c)| control(*c)) {
        Some((n, c)) => {
            let message = format!(
                "{field} has a control character (U+{:04X}) as its {}. character. Take it out.",
                c as u32,
                n + 1
            );
            Err(Refused::bad_request(message))
        }
        None => Ok(()),
    }
}

/// # Errors
/// As [`text`], or it is empty.
pub(super) fn filled(field: &str, value: &str, max: usize) -> Answer<()> {
    if value.trim().is_empty() {
        return Err(Refused::bad_request(format!("{field} is empty. Fill it in.")));
    }
    text(field, value, max)
}

/// # Errors
/// `value` can't be an id that this exchange gave out.
pub(super) fn id(field: &str, value: &str) -> Answer<()> {
    filled(field, value, MAX_NAME)?;
    match value.chars().enumerate().find(|(_, c)| !c.is_ascii_alphanumeric() && !"-_.".contains(*c)) {
        Some((n, _)) => {
            let message = format!("{field} is no id: its {}. character is no letter, digit, dot or dash.", n + 1);
            Err(Refused::bad_request(message))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_count_characters_and_include_the_last_one() {
        assert!(text("note", &"é".repeat(5), 5).is_ok());
        assert!(text("note", &"é".repeat(6), 5).is_err());
        assert!(text("note", "a\u{7f}", 5).is_err() && text("note", "a\nb", 5).is_err());
        assert!(filled("user", " ", 5).is_err() && filled("user", "x", 5).is_ok());
        for wrong in ["", "a b", "a/b", "é", "a\0", &"x".repeat(65)] {
            assert!(id("call", wrong).is_err(), "{wrong:?}");
        }
        assert!(id("call", "0f3a-c12").is_ok());
    }
}
