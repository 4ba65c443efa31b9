//! Prefixes of a policy's own, written as patterns.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::dialing::{DigitClass, begins};

/// Digits that are dialed before a number, as a pattern: `X` is any digit, `Z` 1 to 9, `N` 2 to 9, `[15-7]` one of 1, 5, 6 and 7, as in
/// Asterisk's dialplan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix {
    text: String,
    classes: Vec<DigitClass>,
}

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// It would match everything.
    #[error("an empty prefix: expected digits such as 00")]
    Empty,
    /// It is no pattern.
    #[error("prefix `{}`: expected digits, X (0-9), Z (1-9), N (2-9) or [1-35]; + is always understood", .0.escape_debug())]
    NoPattern(String),
    /// It is longer than any.
    #[error("prefix `{}`: at most {} digits", .0.escape_debug(), Prefix::MAX_DIGITS)]
    TooLong(String),
}

impl Prefix {
    /// The longest one.
    pub const MAX_DIGITS: usize = 16;

    pub(super) fn begins(&self, digits: &[u8]) -> bool {
        begins(digits, &self.classes)
    }

    /// How many digits it has.
    pub(super) fn len(&self) -> usize {
        self.classes.len()
    }

    /// The pattern as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        // Cut off where it is far too long: it is shown.
        let shown = || text.chars().take(2 * Self::MAX_DIGITS).collect();
        let mut classes = Vec::new();
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            let class = match character {
                '0'..='9' => 1 << digit(character),
                'X' | 'x' => 0b11_1111_1111,
                'Z' | 'z' => 0b11_1111_1110,
                'N' | 'n' => 0b11_1111_1100,
                '[' => {
                    let (inside, after) = rest
                        .as_str()
                        .split_once(']')
                        .ok_or_else(|| PrefixError::NoPattern(shown()))?;
                    rest = after.chars();
                    choice(inside).ok_or_else(|| PrefixError::NoPattern(shown()))?
                }
                _ => return Err(PrefixError::NoPattern(shown())),
            };
            classes.push(class);
            if classes.len() > Self::MAX_DIGITS {
                return Err(PrefixError::TooLong(shown()));
            }
        }
        if classes.is_empty() {
            return Err(PrefixError::Empty);
        }
        Ok(Self {
            text: text.to_owned(),
            classes,
        })
    }
}

fn digit(character: char) -> u32 {
    character.to_digit(10).unwrap_or_default()
}

/// What stands between brackets: digits and ranges.
fn choice(inside: &str) -> Option<DigitClass> {
    let mut class = 0;
    let mut rest = inside.chars().peekable();
    while let Some(from) = rest.next() {
        let from = from.to_digit(10)?;
        let to = match rest.next_if_eq(&'-') {
            Some(_) => rest.next()?.to_digit(10)?,
            None => from,
        };
        for value in from..=to {
            class |= 1 << value;
        }
    }
    (class != 0).then_some(class)
}

impl TryFrom<String> for Prefix {
    type Error = PrefixError;

    fn try_from(text: String) -> Result<Self, PrefixError> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.text
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_as_asterisk_writes_it() {
        let begins = |pattern: &str, digits: &str| {
            let prefix: Prefix = pattern.parse().unwrap();
            prefix.begins(digits.as_bytes())
        };
        assert!(begins("00", "0044") && !begins("00", "0"));
        assert!(begins("013X", "0139") && begins("01[3-58]", "015") && !begins("01[3-58]", "016"));
        assert!(begins("N", "2") && !begins("N", "1") && begins("Z", "1") && !begins("Z", "0"));
        for (text, error) in [
            ("", PrefixError::Empty),
            ("+", PrefixError::NoPattern("+".into())),
            ("0[12", PrefixError::NoPattern("0[12".into())),
            ("0[]", PrefixError::NoPattern("0[]".into())),
            ("0[2-1]", PrefixError::NoPattern("0[2-1]".into())),
            (&"1".repeat(17), PrefixError::TooLong("1".repeat(17))),
        ] {
            assert_eq!(text.parse::<Prefix>(), Err(error));
        }
    }
}
