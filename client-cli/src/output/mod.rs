//! Writing data: tables for people, JSON and CSV for programs.

use std::{borrow::Cow, fmt::Write};

pub use self::{
    facts::Facts,
    listing::Listing,
    rows::{Column, Rows},
};

pub mod csv;
mod facts;
pub mod json;
mod listing;
mod rows;

/// What a piece of text means, so that colour can say it too. It is readable without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Deserves a look.
    Caution,
    /// Not as it should be.
    Bad,
}

/// A cell's text and tone.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    /// As it came: control characters are escaped when it is written.
    pub text: String,
    /// Its tone.
    pub tone: Tone,
}

impl Cell {
    /// A text with a tone.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self {
            text: text.into(),
            tone: Tone::Plain,
        }
    }
}

/// The text in its tone's colour, where colour is on.
pub fn paint(text: &str, tone: Tone, colour: bool) -> String {
    let code = match tone {
        Tone::Good => 32,
        Tone::Caution => 33,
        Tone::Bad => 31,
        Tone::Plain => return text.to_owned(),
    };
    if colour {
        format!("\u{1b}[1;{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// The text with everything escaped that could steer a terminal or disguise what is written: control characters,
/// line ends, and Unicode's invisible and direction-changing ones. A caller chooses his user agent.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_steering) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if is_steering(c) && (c as u32) < 0x100 => {
                // Writing to a String does not fail.
                let _ = write!(escaped, "\\x{:02x}", c as u32);
            }
            c if is_steering(c) => escaped.extend(c.escape_unicode()),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character does something to a terminal, or to how its neighbours are shown.
pub(crate) fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A count with its thousands apart: `18,033`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_escape_sequence_is_shown_and_not_done() {
        assert_eq!(
            visible("friendly\u{1b}[2J\r\nscanner"),
            "friendly\\x1b[2J\\r\\nscanner"
        );
        assert_eq!(
            visible("\u{9b}31m \u{7f}"),
            "\\x9b31m \\x7f",
            "C1 controls as well"
        );
        assert_eq!(visible("gpj\u{202e}exe"), "gpj\\u{202e}exe");
        assert_eq!(visible("Zoë's Yealink"), "Zoë's Yealink");
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 18_033, 1_234_567].map(count),
            ["0", "999", "1,000", "18,033", "1,234,567"]
        );
    }

    proptest! {
        #[test]
        fn nothing_that_steers_passes(text in any::<String>()) {
            prop_assert!(!visible(&text).chars().any(is_steering));
        }
    }
}
