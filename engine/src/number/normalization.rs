//! From what was dialed to the number it means.

use super::country::Country;
use super::dial_plan::{BareNumbers, DialPlan};
use super::e164::{E164, E164Error};
use super::plan;

impl DialPlan {
    /// Reads what was dialed as the number it means. In this order:
    ///
    /// 1. Space and `-` `.` `(` `)` `/` separate visually and mean nothing.
    /// 2. After `+` or the longest international prefix that matches comes a number in the form of E.164. A prefix such
    ///    as Russia's 810 counts before bare numbers that start with the same digits.
    /// 3. After the national prefix comes a number of the home country. Where bare numbers are E.164, this is so only
    ///    for a prefix that starts with 0, which no such number does: `1` and `8` would be ambiguous.
    /// 4. What starts with 0 now is a number of the home country if its numbers do so, as in Italy, and else an error.
    /// 5. All else is a bare number.
    ///
    /// Nothing is allocated.
    ///
    /// # Errors
    ///
    /// When no number is meant; the error tells why. Whether there is such a number is not asked here.
    pub fn normalize(&self, dialed: &str) -> Result<E164, NotANumber> {
        let mut digits = DialedDigits::new();
        digits.read(dialed)?;
        let Some(first) = digits.first() else {
            return Err(match digits.after_plus {
                true => NotANumber::NoDigitsAfterPrefix,
                false => NotANumber::NothingDialed,
            });
        };
        if digits.after_plus {
            return digits.number();
        }
        let matching = self
            .international_prefixes()
            .iter()
            .filter(|prefix| digits.start_with(prefix));
        if let Some(longest) = matching.map(String::len).max() {
            digits.drop_prefix(longest);
            return digits.number();
        }
        if let Some(prefix) = self.unambiguous_national_prefix()
            && digits.start_with(prefix)
        {
            digits.drop_prefix(prefix.len());
            return digits.number_in(self.home_country());
        }
        let home = self.home_country();
        match self.bare_numbers() {
            _ if first == b'0' && plan::national_numbers_start_with_zero(home) => {
                digits.number_in(home)
            }
            _ if first == b'0' => Err(NotANumber::NoSuchPrefix { home }),
            BareNumbers::E164 => digits.number(),
            BareNumbers::National => digits.number_in(home),
        }
    }

    /// The number that is called, in E.164; an emergency number has none.
    ///
    /// # Errors
    ///
    /// As [`Self::normalize`], and for an emergency number.
    pub fn destination(&self, dialed: &str) -> Result<E164, NotANumber> {
        if self.is_emergency(dialed) {
            return Err(NotANumber::Emergency);
        }
        self.normalize(dialed)
    }

    fn unambiguous_national_prefix(&self) -> Option<&str> {
        self.national_prefix().filter(|prefix| {
            self.bare_numbers() == BareNumbers::National || prefix.starts_with('0')
        })
    }
}

/// The digits that were dialed, with room in front for a calling code.
struct DialedDigits {
    after_plus: bool,
    room: [u8; Self::ROOM],
    start: usize,
    end: usize,
    /// How many digits were dialed for which there was no room.
    beyond: usize,
}

impl DialedDigits {
    const LONGEST_CALLING_CODE: usize = 3;

    /// Enough for the longest prefix and the longest number; what has more digits is no number anyway.
    const ROOM: usize = Self::LONGEST_CALLING_CODE + DialPlan::MAX_PREFIX_DIGITS + E164::MAX_DIGITS;

    const fn new() -> Self {
        Self {
            after_plus: false,
            room: [0; Self::ROOM],
            start: Self::LONGEST_CALLING_CODE,
            end: Self::LONGEST_CALLING_CODE,
            beyond: 0,
        }
    }

    fn read(&mut self, dialed: &str) -> Result<(), NotANumber> {
        for (at, byte) in dialed.bytes().enumerate() {
            match byte {
                b'0'..=b'9' => match self.room.get_mut(self.end) {
                    Some(place) => {
                        *place = byte;
                        self.end += 1;
                    }
                    None => self.beyond += 1,
                },
                b' ' | b'-' | b'.' | b'(' | b')' | b'/' => {}
                b'+' if self.first().is_none() && !self.after_plus => self.after_plus = true,
                _ => return Err(not_dialable(dialed, at)),
            }
        }
        Ok(())
    }

    fn first(&self) -> Option<u8> {
        self.as_slice().first().copied()
    }

    fn start_with(&self, prefix: &str) -> bool {
        self.as_slice().starts_with(prefix.as_bytes())
    }

    fn drop_prefix(&mut self, digits: usize) {
        self.start += digits;
    }

    /// The digits as a number that starts with its calling code.
    fn number(&self) -> Result<E164, NotANumber> {
        if self.beyond > 0 {
            let digits = self.as_slice().len() + self.beyond;
            return Err(NotANumber::TooManyDigits { digits });
        }
        E164::from_ascii(self.as_slice()).map_err(|error| match error {
            E164Error::Empty => NotANumber::NoDigitsAfterPrefix,
            E164Error::LeadingZero => NotANumber::NoSuchCallingCode,
            E164Error::TooLong { digits } => NotANumber::TooManyDigits { digits },
            E164Error::NotADigit {
                position,
                character,
            } => NotANumber::NotDialable {
                position,
                character,
            },
        })
    }

    /// The digits as a national number of a country.
    fn number_in(&mut self, home: Country) -> Result<E164, NotANumber> {
        if self.first().is_none() {
            return Err(NotANumber::NoDigitsAfterPrefix);
        }
        let mut code = home
            .calling_code()
            .ok_or(NotANumber::NoHomeCallingCode { home })?;
        while code > 0 {
            self.start -= 1;
            self.room[self.start] = b'0' + (code % 10) as u8;
            code /= 10;
        }
        self.number()
    }

    fn as_slice(&self) -> &[u8] {
        &self.room[self.start..self.end]
    }
}

/// Names the character that starts at a byte; whatever came before it is ASCII.
#[cold]
fn not_dialable(text: &str, at: usize) -> NotANumber {
    let character = text[at..].chars().next().unwrap_or_default();
    NotANumber::NotDialable {
        position: at + 1,
        character,
    }
}

/// Why what was dialed means no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotANumber {
    /// An emergency number, which is dialed as it is and is nobody's in E.164.
    #[error("an emergency number")]
    Emergency,
    /// There is nothing, or nothing but separators.
    #[error("nothing was dialed")]
    NothingDialed,
    /// A character that is no digit, no separator and no leading `+`.
    #[error("`{}` at position {position} can't be dialed: expected digits, with an optional + in front", .character.escape_debug())]
    NotDialable {
        /// Where, counted in characters from 1.
        position: usize,
        /// What stands there.
        character: char,
    },
    /// A prefix or `+`, and then nothing.
    #[error("no digits after the prefix")]
    NoDigitsAfterPrefix,
    /// What follows `+` or an international prefix starts with 0.
    #[error("no calling code starts with 0: expected 1 to 9 after + or the international prefix")]
    NoSuchCallingCode,
    /// What was dialed starts with 0, but with no prefix that the plan has.
    #[error(
        "no prefix of the dial plan for {home} matches, and no number without a prefix starts with 0"
    )]
    NoSuchPrefix {
        /// The home country of the plan.
        home: Country,
    },
    /// The number would be longer than E.164 allows.
    #[error(
        "a number of {digits} digits, calling code included: at most {} are possible",
        E164::MAX_DIGITS
    )]
    TooManyDigits {
        /// How many digits it would have.
        digits: usize,
    },
    /// A national number in a country that has none.
    #[error(
        "a number without calling code, and {home} has none: expected + or an international prefix"
    )]
    NoHomeCallingCode {
        /// The home country of the plan.
        home: Country,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(home: &str) -> DialPlan {
        DialPlan::for_country(home.parse().unwrap())
    }

    fn national(home: &str) -> DialPlan {
        plan(home).with_bare_numbers(BareNumbers::National)
    }

    #[track_caller]
    fn assert_means(plan: &DialPlan, dialed: &str, number: &str) {
        assert_eq!(
            plan.normalize(dialed).map(|number| number.to_string()),
            Ok(number.to_owned())
        );
    }

    #[test]
    fn a_german_telephone() {
        let plan = plan("DE");
        assert_means(&plan, "+4930123456", "+4930123456");
        assert_means(&plan, "004930123456", "+4930123456");
        assert_means(&plan, "030123456", "+4930123456");
        assert_means(&plan, "0044 20 7946 0000", "+442079460000");
        // Without any prefix it is E.164 as switches send it, from wherever.
        assert_means(&plan, "442079460000", "+442079460000");
    }

    #[test]
    fn an_american_telephone() {
        let plan = plan("US");
        assert_means(&plan, "011 49 30 123456", "+4930123456");
        assert_means(&plan, "00 49 30 123456", "+4930123456");
        assert_means(&plan, "1 212 555 0100", "+12125550100");
        assert_means(&national("US"), "212 555 0100", "+12125550100");
        assert_means(&national("US"), "1 212 555 0100", "+12125550100");
    }

    #[test]
    fn separators_mean_nothing() {
        let plan = plan("DE");
        for dialed in [
            "+49 30 / 123-456",
            "(+49) 30.123456",
            "00(49)30123456",
            "(030) 123 456",
            " 030123456 ",
        ] {
            assert_means(&plan, dialed, "+4930123456");
        }
    }

    #[test]
    fn the_longest_international_prefix_counts() {
        let plan = plan("AU");
        assert_eq!(plan.international_prefixes(), ["00", "011", "0011"]);
        assert_means(&plan, "0011 44 20 7946 0000", "+442079460000");
        assert_means(&plan, "00 44 20 7946 0000", "+442079460000");
        assert_means(&plan, "02 9374 4000", "+61293744000");
    }

    #[test]
    fn a_national_prefix_other_than_0_is_no_prefix_before_e164() {
        // +81 is Japan: 8 is Russia's national prefix only where bare numbers are national ones.
        assert_means(&plan("RU"), "81312345678", "+81312345678");
        assert_means(&national("RU"), "8 495 123 45 67", "+74951234567");
        assert_means(&plan("RU"), "810 49 30 123456", "+4930123456");
        assert_means(&plan("HU"), "06 1 234 5678", "+3612345678");
    }

    #[test]
    fn a_0_may_be_part_of_the_number() {
        assert_means(&plan("IT"), "06 698 12345", "+390669812345");
        assert_means(&national("IT"), "06 698 12345", "+390669812345");
        assert_means(&national("IT"), "312 345 6789", "+393123456789");
        let home = Country::UNITED_STATES;
        for plan in [plan("US"), national("US")] {
            assert_eq!(
                plan.normalize("0301234"),
                Err(NotANumber::NoSuchPrefix { home })
            );
        }
        assert!(national("HU").normalize("01234").is_err());
    }

    #[test]
    fn what_means_no_number_is_told_apart() {
        let plan = plan("DE");
        let wrong = |dialed: &str| plan.normalize(dialed).unwrap_err();
        assert_eq!(wrong(""), NotANumber::NothingDialed);
        assert_eq!(wrong(" (-) "), NotANumber::NothingDialed);
        for prefix in ["+", "00", "0", "011", "+ -"] {
            assert_eq!(wrong(prefix), NotANumber::NoDigitsAfterPrefix, "{prefix}");
        }
        for zero in ["+0301234", "000301234", "0110301234"] {
            assert_eq!(wrong(zero), NotANumber::NoSuchCallingCode, "{zero}");
        }
        assert_eq!(
            wrong("+1234567890123456"),
            NotANumber::TooManyDigits { digits: 16 }
        );
        assert_eq!(
            wrong("001234567890123456"),
            NotANumber::TooManyDigits { digits: 16 }
        );
        assert_eq!(
            wrong("012345678901234"),
            NotANumber::TooManyDigits { digits: 16 }
        );
        assert_eq!(
            wrong(&"9".repeat(100_000)),
            NotANumber::TooManyDigits { digits: 100_000 }
        );
        assert_eq!(
            DialPlan::for_country("AQ".parse().unwrap()).normalize("+4930"),
            Ok("+4930".parse().unwrap())
        );
        let nowhere = "AQ".parse().unwrap();
        assert_eq!(
            national("AQ").normalize("4930"),
            Err(NotANumber::NoHomeCallingCode { home: nowhere })
        );
    }

    #[test]
    fn what_can_not_be_dialed_is_shown_with_its_place() {
        let plan = plan("DE");
        for (dialed, position, character) in [
            ("+49a30", 4, 'a'),
            ("0049'30", 5, '\''),
            ("*31#0301234", 1, '*'),
            ("030#", 4, '#'),
            ("+49;ext=1", 4, ';'),
            ("00+49", 3, '+'),
            ("++49", 2, '+'),
            ("٣٠", 1, '٣'),
            ("049\n", 4, '\n'),
            ("+49%2730", 4, '%'),
        ] {
            assert_eq!(
                plan.normalize(dialed),
                Err(NotANumber::NotDialable {
                    position,
                    character
                }),
                "{dialed}"
            );
        }
        // However long the rest: a character that can't be dialed tells more than a length.
        assert!(matches!(
            plan.normalize(&format!("{}'", "9".repeat(50))),
            Err(NotANumber::NotDialable { position: 51, .. })
        ));
    }

    fn any_plan() -> impl Strategy<Value = DialPlan> {
        let home = (0..Country::all().len()).prop_map(|nth| Country::all().nth(nth).unwrap());
        (
            home,
            prop_oneof![Just(BareNumbers::E164), Just(BareNumbers::National)],
        )
            .prop_map(|(home, bare)| DialPlan::for_country(home).with_bare_numbers(bare))
    }

    proptest! {
        #[test]
        fn any_text_is_a_number_or_an_error(plan in any_plan(), text in "\\PC*") {
            if let Ok(number) = plan.normalize(&text) {
                prop_assert_eq!(number.as_str().parse(), Ok(number));
            }
        }

        #[test]
        fn any_digits_are_a_number_or_an_error(plan in any_plan(), text in "[+(]{0,2}[-0-9 ]{0,40}") {
            if let Ok(number) = plan.normalize(&text) {
                prop_assert_eq!(number.as_str().parse(), Ok(number));
                prop_assert_eq!(plan.normalize(&number.to_string()), Ok(number));
            }
        }

        #[test]
        fn a_plus_needs_no_plan(plan in any_plan(), number in "[1-9][0-9]{0,14}") {
            let number: E164 = number.parse().unwrap();
            prop_assert_eq!(plan.normalize(&number.to_string()), Ok(number));
        }

        #[test]
        fn every_international_prefix_stands_for_the_plus(plan in any_plan(), number in "[1-9][0-9]{0,14}") {
            for prefix in plan.international_prefixes() {
                let dialed = format!("{prefix}{number}");
                let longest = plan.international_prefixes().iter().filter(|other| dialed.starts_with(*other));
                if longest.map(String::len).max() == Some(prefix.len()) {
                    prop_assert_eq!(plan.normalize(&dialed), Ok(number.parse().unwrap()));
                }
            }
        }
    }
}
