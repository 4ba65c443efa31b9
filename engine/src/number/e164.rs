//! Telephone numbers as the whole world dials them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A number in the form of ITU-T E.164: calling code and national number, up to 15 digits, the first of them not 0.
///
/// It says nothing of whether such a number exists; [`plan::look_up`](super::plan::look_up) does.
/// Numbers are ordered as they are dialed, digit by digit, so the numbers of a range are neighbours: `+4930` comes before
/// `+49301`, and that before `+4931`.
///
/// Displayed and serialized with the leading `+`; read with or without it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct E164 {
    // ASCII digits, padded with zero bytes, which sort before every digit.
    digits: [u8; Self::MAX_DIGITS],
    len: u8,
}

impl E164 {
    /// The longest number, calling code included (ITU-T E.164, 6.2.1).
    pub const MAX_DIGITS: usize = 15;

    /// Reads a number that is written as digits alone, without the `+`.
    ///
    /// # Errors
    ///
    /// When it is empty, longer than [`MAX_DIGITS`](Self::MAX_DIGITS), starts with 0 or has anything but digits.
    pub fn from_digits(digits: &str) -> Result<Self, E164Error> {
        let odd = digits
            .chars()
            .enumerate()
            .find(|(_, character)| !character.is_ascii_digit());
        if let Some((before, character)) = odd {
            return Err(E164Error::NotADigit {
                position: before + 1,
                character,
            });
        }
        Self::from_ascii(digits.as_bytes())
    }

    /// Takes digits that are known to be such.
    pub(super) fn from_ascii(digits: &[u8]) -> Result<Self, E164Error> {
        debug_assert!(digits.iter().all(u8::is_ascii_digit));
        match digits {
            [] => Err(E164Error::Empty),
            [b'0', ..] => Err(E164Error::LeadingZero),
            _ if digits.len() > Self::MAX_DIGITS => Err(E164Error::TooLong {
                digits: digits.len(),
            }),
            _ => {
                let mut number = Self {
                    digits: [0; Self::MAX_DIGITS],
                    len: digits.len() as u8,
                };
                number.digits[..digits.len()].copy_from_slice(digits);
                Ok(number)
            }
        }
    }

    /// The digits as text, without the `+`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.digits()).expect("nothing but ASCII digits was ever put in")
    }

    /// The digits from the top, four bits each, each plus one, so that numbers are ordered as they are dialed and a prefix comes right
    /// before what it covers. The lowest four bits are 0.
    pub(crate) fn ordered_key(&self) -> u64 {
        let places = (0..16_u32).rev();
        self.digits()
            .iter()
            .zip(places)
            .fold(0, |key, (digit, place)| {
                key | u64::from(digit - b'0' + 1) << (4 * place)
            })
    }

    /// The digits as one number.
    pub(crate) fn value(&self) -> u64 {
        self.digits()
            .iter()
            .fold(0, |value, digit| 10 * value + u64::from(digit - b'0'))
    }

    /// The thousand that it is one of: its digits but the last three.
    pub(crate) fn thousand(&self) -> u64 {
        self.value() / 1_000
    }

    /// Its first digits, as many as it has at the most.
    pub(super) fn first(&self, digits: usize) -> Self {
        Self::from_ascii(&self.digits()[..digits.clamp(1, self.digits().len())]).unwrap_or(*self)
    }

    /// The digits in ASCII, calling code first: `b'1'`, not `1`.
    #[must_use]
    pub fn digits(&self) -> &[u8] {
        &self.digits[..usize::from(self.len)]
    }
}

impl FromStr for E164 {
    type Err = E164Error;

    /// Reads the digits with or without a leading `+`.
    fn from_str(number: &str) -> Result<Self, E164Error> {
        let Some(digits) = number.strip_prefix('+') else {
            return Self::from_digits(number);
        };
        Self::from_digits(digits).map_err(|error| match error {
            E164Error::NotADigit {
                position,
                character,
            } => E164Error::NotADigit {
                position: position + 1,
                character,
            },
            other => other,
        })
    }
}

impl TryFrom<String> for E164 {
    type Error = E164Error;

    fn try_from(number: String) -> Result<Self, E164Error> {
        number.parse()
    }
}

impl From<E164> for String {
    fn from(number: E164) -> Self {
        number.to_string()
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.as_str())
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E164({self})")
    }
}

/// Why a text is not a number in the form of E.164.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum E164Error {
    /// There is not a single digit.
    #[error("a number without digits: E.164 has 1 to {} digits", E164::MAX_DIGITS)]
    Empty,
    /// No calling code starts with 0.
    #[error("a number that starts with 0: E.164 starts with a calling code, 1 to 9, and no prefix")]
    LeadingZero,
    /// Something else than a digit.
    #[error("`{}` at position {position} of the number: E.164 has only digits after the +", .character.escape_debug())]
    NotADigit {
        /// Where, counted in characters from 1.
        position: usize,
        /// What stands there.
        character: char,
    },
    /// More digits than E.164 allows.
    #[error("a number of {digits} digits: E.164 has at most {}", E164::MAX_DIGITS)]
    TooLong {
        /// How many there are.
        digits: usize,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_read_and_written() {
        let number = E164::from_digits("493012345").unwrap();
        assert_eq!(number.as_str(), "493012345");
        assert_eq!(number.digits(), b"493012345");
        assert_eq!(number.to_string(), "+493012345");
        assert_eq!("+493012345".parse(), Ok(number));
        assert_eq!("493012345".parse(), Ok(number));
    }

    #[test]
    fn it_has_one_to_fifteen_digits() {
        assert_eq!(E164::from_digits(""), Err(E164Error::Empty));
        assert_eq!("+".parse::<E164>(), Err(E164Error::Empty));
        assert_eq!(
            E164::from_digits("7").map(|number| number.to_string()),
            Ok("+7".to_owned())
        );
        assert_eq!(
            E164::from_digits("123456789012345").unwrap().digits().len(),
            E164::MAX_DIGITS
        );
        assert_eq!(
            E164::from_digits("1234567890123456"),
            Err(E164Error::TooLong { digits: 16 })
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        assert_eq!("+0049".parse::<E164>(), Err(E164Error::LeadingZero));
        assert_eq!(
            E164::from_digits("49'30"),
            Err(E164Error::NotADigit {
                position: 3,
                character: '\''
            })
        );
        assert_eq!(
            "+49'30".parse::<E164>(),
            Err(E164Error::NotADigit {
                position: 4,
                character: '\''
            })
        );
        assert_eq!(
            "++49".parse::<E164>().unwrap_err().to_string(),
            "`+` at position 2 of the number: E.164 has only digits after the +"
        );
        // A control character must not reach a log as it is.
        assert!(
            E164::from_digits("49\n")
                .unwrap_err()
                .to_string()
                .starts_with("`\\n` at position 3")
        );
    }

    #[test]
    fn ranges_sort_together() {
        let number = |digits| E164::from_digits(digits).unwrap();
        assert!(number("4930") < number("49301"));
        assert!(number("49301") < number("4931"));
        assert!(number("5") > number("499999"));
    }

    #[test]
    fn it_is_small_enough_to_copy() {
        assert_eq!(size_of::<E164>(), 16);
    }

    #[test]
    fn documents_hold_it_as_text() {
        #[derive(Serialize, Deserialize)]
        struct Document {
            number: E164,
        }
        let document: Document = toml::from_str("number = '881612345678'").unwrap();
        assert_eq!(
            toml::to_string(&document).unwrap(),
            "number = \"+881612345678\"\n"
        );
        assert!(toml::from_str::<Document>("number = '0049'").is_err());
    }

    proptest! {
        #[test]
        fn every_number_survives_its_text(digits in "[1-9][0-9]{0,14}") {
            let number = E164::from_digits(&digits).unwrap();
            prop_assert_eq!(number.as_str(), &digits);
            prop_assert_eq!(number.to_string().parse(), Ok(number));
        }

        #[test]
        fn order_is_that_of_the_text(a in "[1-9][0-9]{0,14}", b in "[1-9][0-9]{0,14}") {
            let order = E164::from_digits(&a).unwrap().cmp(&E164::from_digits(&b).unwrap());
            prop_assert_eq!(order, a.cmp(&b));
        }

        #[test]
        fn nothing_else_is_a_number(text in "\\PC*") {
            if let Ok(number) = text.parse::<E164>() {
                prop_assert_eq!(number.as_str(), text.strip_prefix('+').unwrap_or(&text));
                prop_assert!((1..=E164::MAX_DIGITS).contains(&number.digits().len()));
                prop_assert!(number.digits()[0] != b'0');
            }
        }
    }
}
