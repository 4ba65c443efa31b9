//! What a captcha asks, and what its answer is.

use tfps_engine::policy::{CaptchaKind, VerificationDocument};

use super::secret::captcha;

/// The sums that are asked for: all of three digits, so that it is known when the caller has typed enough, and one in 900 is guessed.
const SUMS: std::ops::RangeInclusive<u32> = 100..=999;

/// What a caller hears, and answers with digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// These digits are read out.
    Digits(String),
    /// The sum of the two is asked for.
    Sum(u32, u32),
    /// Digits are read out, of which some are to be typed.
    AmongWords(Vec<Spoken>),
}

/// A digit that is read out, and whether the caller is told to type it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// The digit, in ASCII.
    pub digit: char,
    /// Whether it is to be typed.
    pub typed: bool,
}

impl Question {
    /// A question as the policy asks them.
    pub(super) fn new(limits: &VerificationDocument) -> Self {
        match limits.captcha {
            CaptchaKind::Digits => Self::Digits(captcha(limits.captcha_digits)),
            CaptchaKind::Arithmetic => {
                let sum = below(SUMS.end() - SUMS.start() + 1) + SUMS.start();
                let first = 1 + below(sum - 1);
                Self::Sum(first, sum - first)
            }
            CaptchaKind::DigitsAmongWords => Self::AmongWords(among_words(limits.captcha_digits)),
        }
    }

    /// The digits that are right.
    pub fn answer(&self) -> String {
        match self {
            Self::Digits(digits) => digits.clone(),
            Self::Sum(first, second) => (first + second).to_string(),
            Self::AmongWords(spoken) => spoken
                .iter()
                .filter(|spoken| spoken.typed)
                .map(|spoken| spoken.digit)
                .collect(),
        }
    }

    /// How many digits the answer has.
    pub fn digit_count(&self) -> u32 {
        u32::try_from(self.answer().len()).unwrap_or_default()
    }
}

/// So many digits to type, and half as many among them that are not, at random places.
fn among_words(digits: u32) -> Vec<Spoken> {
    let spoken = |typed| move |digit| Spoken { digit, typed };
    let mut all: Vec<_> = captcha(digits).chars().map(spoken(true)).collect();
    for other in captcha(digits.div_ceil(2)).chars().map(spoken(false)) {
        let places = u32::try_from(all.len()).unwrap_or(u32::MAX);
        all.insert(below(places.saturating_add(1)) as usize, other);
    }
    all
}

/// A number below a bound, each as likely as the others, as nearly as 64 bits tell.
fn below(bound: u32) -> u32 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .expect("the machine has randomness, or the server would not have started");
    u32::try_from(u64::from_le_bytes(bytes) % u64::from(bound.max(1))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn among_words_some_digits_are_to_be_typed_and_others_are_not() {
        let limits = VerificationDocument {
            captcha: CaptchaKind::DigitsAmongWords,
            ..VerificationDocument::default()
        };
        let mut places = std::collections::HashSet::new();
        for _ in 0..2_000 {
            let question = Question::new(&limits);
            let Question::AmongWords(spoken) = &question else {
                panic!("{question:?}");
            };
            assert_eq!((spoken.len(), question.digit_count()), (6, 4));
            let typed = spoken.iter().filter(|spoken| spoken.typed);
            let typed: String = typed.map(|spoken| spoken.digit).collect();
            assert_eq!(question.answer(), typed);
            let others = spoken
                .iter()
                .enumerate()
                .filter(|(_, spoken)| !spoken.typed);
            places.extend(others.map(|(place, _)| place));
        }
        assert_eq!(places.len(), 6, "they may stand anywhere");
    }

    #[test]
    fn a_sum_is_of_two_numbers_and_has_three_digits() {
        let limits = VerificationDocument {
            captcha: CaptchaKind::Arithmetic,
            ..VerificationDocument::default()
        };
        let mut seen = std::collections::HashSet::new();
        for _ in 0..20_000 {
            let question = Question::new(&limits);
            let Question::Sum(first, second) = question else {
                panic!("{question:?}");
            };
            assert!(first > 0 && second > 0);
            assert_eq!(question.answer(), (first + second).to_string());
            assert_eq!(question.digit_count(), 3);
            seen.insert(first + second);
        }
        assert_eq!(seen.len(), 900, "every sum comes up");
    }
}
