//! The numbering plans of the world: whose number it is, of what kind, and whether there can be such a number.
//!
//! The plans are libphonenumber's, compiled into one automaton over digits when the engine is built; a look-up is a walk of
//! at most 14 steps. Its judgement of complete numbers is libphonenumber's own. They lag behind what regulators assign,
//! so a number that is not valid is a signal, no proof.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::country::Country;
use super::e164::E164;

/// What the numbering plans say of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NumberFacts {
    /// The calling code that the number starts with.
    pub calling_code: Option<u16>,
    /// Whose number it is, as well as its digits tell it.
    ///
    /// For a number that is not valid, its first digits decide where they are one country's alone; otherwise it is the main
    /// country of the calling code. None only without a calling code.
    pub country: Option<Country>,
    /// What kind of number it is; [`NumberKind::Unknown`] unless it is valid.
    pub kind: NumberKind,
    /// Whether there can be such a number.
    pub validity: Validity,
}

/// What kind of line or service a number is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NumberKind {
    /// A fixed line.
    FixedLine,
    /// A mobile telephone.
    Mobile,
    /// One of the two; the plan does not tell them apart, as in North America.
    FixedLineOrMobile,
    /// The called party pays.
    TollFree,
    /// The caller pays the called party.
    PremiumRate,
    /// Both parties pay a part.
    SharedCost,
    /// A line on the Internet.
    Voip,
    /// A number that follows a person; it may be charged like premium rate.
    PersonalNumber,
    /// A pager.
    Pager,
    /// A company's one number for the whole country (universal access number).
    Uan,
    /// Access to voice mail.
    Voicemail,
    /// A satellite telephone: Inmarsat (+870) and the global mobile satellite systems (+881).
    Satellite,
    /// Not a valid number.
    Unknown,
}

/// Whether the numbering plans have room for a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Validity {
    /// The number is in an assigned range and has the right length.
    Valid,
    /// The length is possible, but the plan has no such range.
    Unallocated,
    /// Digits are missing: the country has longer numbers, and none of this length.
    TooShort,
    /// The country has no numbers that long.
    TooLong,
    /// There is no such calling code.
    NoSuchCallingCode,
}

/// Says whose number it is, of what kind, and whether there can be such a number.
#[must_use]
pub fn look_up(number: &E164) -> NumberFacts {
    let Some(calling_code) = calling_code(number.digits()) else {
        return NumberFacts {
            calling_code: None,
            country: None,
            kind: NumberKind::Unknown,
            validity: Validity::NoSuchCallingCode,
        };
    };
    let national = &number.digits()[usize::from(calling_code.digits)..];
    let (kind, slot) = walk(calling_code.start, national);
    let territory = &TERRITORIES[usize::from(calling_code.first_territory) + usize::from(slot)];
    NumberFacts {
        calling_code: Some(calling_code.code),
        country: Some(territory.country),
        kind: kind.unwrap_or(NumberKind::Unknown),
        validity: if kind.is_some() {
            Validity::Valid
        } else {
            territory.validity_by_length(national.len())
        },
    }
}

/// The same, as seen from a home country: what is a valid number of its plan too is its own. Services such as +1 800 belong to every country
/// of their calling code.
#[must_use]
pub fn look_up_from(number: &E164, home: Country) -> NumberFacts {
    let facts = look_up(number);
    if facts.country != Some(home)
        && facts.calling_code == home.calling_code()
        && is_valid_in(number, home)
    {
        return NumberFacts {
            country: Some(home),
            ..facts
        };
    }
    facts
}

fn is_valid_in(number: &E164, country: Country) -> bool {
    let Some(calling_code) = calling_code(number.digits()) else {
        return false;
    };
    let mut state = calling_code.start;
    for digit in &number.digits()[usize::from(calling_code.digits)..] {
        state = cell(state, usize::from(digit - b'0'));
        if state == DEAD {
            return false;
        }
    }
    countries_of(calling_code.code)
        .position(|other| other == country)
        .is_some_and(|slot| outcome(state).valid_in >> slot & 1 == 1)
}

/// The number that is reached where carriers drop surplus digits: its longest beginning that is a number of the plan or, where none
/// is, as many of its digits as the country's longest numbers have.
#[must_use]
pub fn without_surplus(number: &E164, facts: &NumberFacts) -> E164 {
    let Some(calling_code) = calling_code(number.digits()).filter(|_| !facts.validity.is_valid())
    else {
        return *number;
    };
    let before = usize::from(calling_code.digits);
    let national = &number.digits()[before..];
    let (mut state, mut valid) = (calling_code.start, None);
    for (place, digit) in national.iter().enumerate() {
        state = cell(state, usize::from(digit - b'0'));
        if state == DEAD {
            break;
        }
        if outcome(state).kind.is_some() {
            valid = Some(place + 1);
        }
    }
    let longest = || {
        let (_, slot) = walk(calling_code.start, national);
        TERRITORIES[usize::from(calling_code.first_territory) + usize::from(slot)].longest()
    };
    number.first(before + valid.unwrap_or_else(longest))
}

/// The calling code that digits begin with.
pub(super) fn calling_code_of(digits: &[u8]) -> Option<u16> {
    calling_code(digits).map(|found| found.code)
}

/// The countries that share a calling code, the main one first.
pub(super) fn countries_of(calling_code: u16) -> impl Iterator<Item = Country> {
    let place = CALLING_CODES.binary_search_by_key(&calling_code, |known| known.code);
    let territories = place.map_or(&[][..], |place| {
        let first = usize::from(CALLING_CODES[place].first_territory);
        let next = CALLING_CODES.get(place + 1);
        let end = next.map_or(TERRITORIES.len(), |next| usize::from(next.first_territory));
        &TERRITORIES[first..end]
    });
    territories.iter().map(|territory| territory.country)
}

impl NumberKind {
    /// The kind in lower-case words with hyphens: `premium-rate`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FixedLine => "fixed-line",
            Self::Mobile => "mobile",
            Self::FixedLineOrMobile => "fixed-line-or-mobile",
            Self::TollFree => "toll-free",
            Self::PremiumRate => "premium-rate",
            Self::SharedCost => "shared-cost",
            Self::Voip => "voip",
            Self::PersonalNumber => "personal-number",
            Self::Pager => "pager",
            Self::Uan => "uan",
            Self::Voicemail => "voicemail",
            Self::Satellite => "satellite",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for NumberKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Validity {
    /// Whether the number is in an assigned range and has the right length.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        matches!(self, Self::Valid)
    }

    /// Whether not even the length is right.
    #[must_use]
    pub const fn is_impossible_length(self) -> bool {
        matches!(self, Self::TooShort | Self::TooLong)
    }

    /// The judgement in lower-case words with hyphens: `too-short`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Unallocated => "unallocated",
            Self::TooShort => "too-short",
            Self::TooLong => "too-long",
            Self::NoSuchCallingCode => "no-such-calling-code",
        }
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A calling code, and where its part of the automaton starts.
struct CallingCode {
    code: u16,
    digits: u8,
    start: u16,
    /// Index of the main country in [`TERRITORIES`]; the others that share the code follow.
    first_territory: u16,
}

/// One of the countries that share a calling code.
struct Territory {
    country: Country,
    /// A bit for each length of national numbers, from 0 to 14 digits.
    lengths: u16,
}

/// What is known where a number ends, or leaves the plan. Countries are told by their slot: how many they come after
/// the main country.
struct Outcome {
    kind: Option<NumberKind>,
    slot: u8,
    /// The country of a number that goes on from here to where no plan follows.
    slot_beyond: u8,
    /// The countries, as bits by slot, in whose plans the number that ends here is valid.
    valid_in: u32,
}

/// In ascending order.
static CALLING_CODES: &[CallingCode] = include!(concat!(env!("OUT_DIR"), "/calling_codes.rs"));

/// The index of the calling code by the first three digits of a number, or [`NO_CALLING_CODE`].
static FIRST_DIGITS: [u8; 1000] = include!(concat!(env!("OUT_DIR"), "/first_digits.rs"));
const NO_CALLING_CODE: u8 = u8::MAX;

static TERRITORIES: &[Territory] = include!(concat!(env!("OUT_DIR"), "/territories.rs"));

static OUTCOMES: &[Outcome] = include!(concat!(env!("OUT_DIR"), "/outcomes.rs"));

/// The automaton: for each state [`CELLS`] little-endian 16-bit numbers, the next state for the digits 0 to 9 and the
/// index of the outcome.
static STATES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/states.bin"));
const CELLS: usize = 11;
const OUTCOME_CELL: usize = 10;

/// The state for digits that no plan has.
const DEAD: u16 = 0;

fn calling_code(digits: &[u8]) -> Option<&'static CallingCode> {
    let digit = |place: usize| {
        digits
            .get(place)
            .map_or(0, |digit| usize::from(digit - b'0'))
    };
    let index = FIRST_DIGITS[100 * digit(0) + 10 * digit(1) + digit(2)];
    if index == NO_CALLING_CODE {
        return None;
    }
    let calling_code = &CALLING_CODES[usize::from(index)];
    (digits.len() >= usize::from(calling_code.digits)).then_some(calling_code)
}

/// Follows the digits of a national number to its kind, if it is valid, and the slot of its country.
fn walk(start: u16, national: &[u8]) -> (Option<NumberKind>, u8) {
    let mut state = start;
    for digit in national {
        let next = cell(state, usize::from(digit - b'0'));
        if next == DEAD {
            return (None, outcome(state).slot_beyond);
        }
        state = next;
    }
    let outcome = outcome(state);
    (outcome.kind, outcome.slot)
}

fn outcome(state: u16) -> &'static Outcome {
    &OUTCOMES[usize::from(cell(state, OUTCOME_CELL))]
}

fn cell(state: u16, column: usize) -> u16 {
    let at = 2 * (CELLS * usize::from(state) + column);
    u16::from_le_bytes([STATES[at], STATES[at + 1]])
}

impl Territory {
    /// The digits of its longest national numbers.
    fn longest(&self) -> usize {
        self.lengths.checked_ilog2().unwrap_or_default() as usize
    }

    fn validity_by_length(&self, digits: usize) -> Validity {
        let from_here_on = u32::from(self.lengths) >> digits;
        match from_here_on {
            0 => Validity::TooLong,
            bits if bits & 1 == 0 => Validity::TooShort,
            _ => Validity::Unallocated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(number: &str) -> NumberFacts {
        look_up(&number.replace(' ', "").parse().unwrap())
    }

    /// Country and kind of a number that must be valid.
    #[track_caller]
    fn valid(number: &str) -> (&'static str, NumberKind) {
        let facts = facts(number);
        assert_eq!(facts.validity, Validity::Valid, "{number}");
        (facts.country.unwrap().code(), facts.kind)
    }

    /// Country and judgement of a number that must not be valid.
    #[track_caller]
    fn invalid(number: &str) -> (&'static str, Validity) {
        let facts = facts(number);
        assert!(!facts.validity.is_valid(), "{number}");
        assert_eq!(facts.kind, NumberKind::Unknown, "{number}");
        (facts.country.unwrap().code(), facts.validity)
    }

    #[test]
    fn plus_1_is_25_countries() {
        assert_eq!(
            valid("+1 650 253 0000"),
            ("US", NumberKind::FixedLineOrMobile)
        );
        assert_eq!(
            valid("+1 506 234 5678"),
            ("CA", NumberKind::FixedLineOrMobile)
        );
        assert_eq!(valid("+1 876 523 0123").0, "JM");
        assert_eq!(valid("+1 809 234 5678").0, "DO");
        assert_eq!(valid("+1 787 234 5678").0, "PR");
        assert_eq!(valid("+1 473 406 1234").0, "GD");
        assert_eq!(valid("+1 800 234 5678"), ("US", NumberKind::TollFree));
        assert_eq!(valid("+1 900 234 5678"), ("US", NumberKind::PremiumRate));
    }

    #[test]
    fn plus_7_is_two_countries() {
        assert_eq!(valid("+7 495 123 45 67"), ("RU", NumberKind::FixedLine));
        assert_eq!(valid("+7 912 345 67 89"), ("RU", NumberKind::Mobile));
        assert_eq!(valid("+7 771 000 9998"), ("KZ", NumberKind::Mobile));
        assert_eq!(valid("+7 712 345 6789"), ("KZ", NumberKind::FixedLine));
    }

    #[test]
    fn plus_44_is_four_countries() {
        assert_eq!(valid("+44 20 7031 3000"), ("GB", NumberKind::FixedLine));
        assert_eq!(valid("+44 1481 256789"), ("GG", NumberKind::FixedLine));
        assert_eq!(valid("+44 1534 456789"), ("JE", NumberKind::FixedLine));
        assert_eq!(valid("+44 1624 756789"), ("IM", NumberKind::FixedLine));
        assert_eq!(valid("+44 7797 712345"), ("JE", NumberKind::Mobile));
        assert_eq!(valid("+44 7400 123456"), ("GB", NumberKind::Mobile));
        assert_eq!(valid("+44 70 1234 5678").1, NumberKind::PersonalNumber);
        assert_eq!(valid("+44 909 879 0000"), ("GB", NumberKind::PremiumRate));
    }

    #[test]
    fn what_costs_more_is_told() {
        assert_eq!(valid("+49 900 1234567"), ("DE", NumberKind::PremiumRate));
        assert_eq!(valid("+49 180 1234567"), ("DE", NumberKind::SharedCost));
        assert_eq!(valid("+39 899 123456"), ("IT", NumberKind::PremiumRate));
        assert_eq!(valid("+247 62889"), ("AC", NumberKind::FixedLine));
    }

    #[test]
    fn networks_without_a_country_are_their_own() {
        assert_eq!(valid("+881 612345678"), ("881", NumberKind::Satellite));
        assert_eq!(valid("+870 301234567"), ("870", NumberKind::Satellite));
        assert_eq!(valid("+979 123456789"), ("979", NumberKind::PremiumRate));
        assert_eq!(valid("+800 12345678"), ("800", NumberKind::TollFree));
        assert_eq!(valid("+808 12345678"), ("808", NumberKind::SharedCost));
        assert_eq!(valid("+878 101234567890"), ("878", NumberKind::Voip));
        assert_eq!(valid("+882 3421234"), ("882", NumberKind::Mobile));
        assert_eq!(valid("+883 510012345"), ("883", NumberKind::Voip));
        assert_eq!(valid("+888 12345678901"), ("888", NumberKind::Uan));
    }

    #[test]
    fn the_first_digits_tell_the_country_of_a_number_that_is_none() {
        assert_eq!(invalid("+1 876 123"), ("JM", Validity::TooShort));
        assert_eq!(invalid("+1 876 523 01234"), ("JM", Validity::TooLong));
        assert_eq!(invalid("+1 876 023 0123"), ("JM", Validity::Unallocated));
        assert_eq!(invalid("+7 7"), ("KZ", Validity::TooShort));
        assert_eq!(invalid("+44 1481"), ("GG", Validity::TooShort));
        assert_eq!(invalid("+44 1534 4567890"), ("JE", Validity::TooLong));
        assert_eq!(invalid("+881 6"), ("881", Validity::TooShort));
        // Where they do not, it is the main country of the calling code.
        assert_eq!(invalid("+1"), ("US", Validity::TooShort));
        assert_eq!(invalid("+1 055 123 4567"), ("US", Validity::Unallocated));
        assert_eq!(invalid("+44 0"), ("GB", Validity::TooShort));
    }

    #[test]
    fn a_length_that_no_number_has_is_told_from_a_range_that_is_not_there() {
        // Ascension has numbers of 5 and 6 digits, Norway of 5 and 8.
        assert_eq!(invalid("+247 99999"), ("AC", Validity::Unallocated));
        assert_eq!(invalid("+247 6288"), ("AC", Validity::TooShort));
        assert_eq!(invalid("+247 6288912"), ("AC", Validity::TooLong));
        assert_eq!(invalid("+47 223456"), ("NO", Validity::TooShort));
        assert!(facts("+247 6288").validity.is_impossible_length());
        assert!(!facts("+247 99999").validity.is_impossible_length());
    }

    #[test]
    fn surplus_digits_are_told_from_the_number() {
        let reached = |number: &str| {
            let number: E164 = number.parse().unwrap();
            let reached = without_surplus(&number, &look_up(&number));
            reached.to_string()
        };
        for surplus in ["", "1", "12", "123"] {
            assert_eq!(reached(&format!("+37128054190{surplus}")), "+37128054190");
            assert_eq!(reached(&format!("+12125552368{surplus}")), "+12125552368");
            // Norway has numbers of 5 digits too.
            assert_eq!(reached(&format!("+4722345678{surplus}")), "+4722345678");
        }
        // There is no such range, and no number in it is longer than 8 digits.
        assert_eq!(reached("+37199999999123"), "+37199999999");
        assert_eq!(reached("+3719999"), "+3719999");
        assert_eq!(reached("+999123456789"), "+999123456789");
    }

    #[test]
    fn there_are_gaps_among_the_calling_codes() {
        for number in ["+210 1234567", "+999 1234567", "+9", "+35", "+2", "+21"] {
            let facts = facts(number);
            assert_eq!(facts.validity, Validity::NoSuchCallingCode, "{number}");
            assert_eq!(
                (facts.calling_code, facts.country),
                (None, None),
                "{number}"
            );
        }
        for (number, calling_code) in [("+1", 1), ("+49", 49), ("+351", 351), ("+7", 7)] {
            assert_eq!(facts(number).calling_code, Some(calling_code));
        }
    }

    #[test]
    fn words_are_those_of_the_documents() {
        #[derive(Serialize, Deserialize)]
        struct Document {
            kinds: Vec<NumberKind>,
            validity: Validity,
        }
        let text = "kinds = [\"fixed-line-or-mobile\", \"uan\", \"voip\"]\nvalidity = \"no-such-calling-code\"\n";
        let document: Document = toml::from_str(text).unwrap();
        assert_eq!(toml::to_string(&document).unwrap(), text);
        assert!(
            document
                .kinds
                .iter()
                .all(|kind| text.contains(&kind.to_string()))
        );
        assert_eq!(document.validity.to_string(), "no-such-calling-code");
    }
}
