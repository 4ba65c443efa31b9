//! What a captcha asks, and what its answer is.

use tfps_engine::policy::{CaptchaKind, VerificationDocument};

use super::secret::captcha;

/// The sums that are asked for: all of two digits, so that it is known when the caller has typed enough.
const SUMS: std::ops::RangeInclusive<u32> = 20..=99;

/// What a caller hears, and answers with digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// These digits are read out.
    Digits(String),
    /// The sum of the two is asked for.
    Sum(u32, u32),
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
        }
    }

    /// The digits that are right.
    pub fn answer(&self) -> String {
        match self {
            Self::Digits(digits) => digits.clone(),
            Self::Sum(first, second) => (first + second).to_string(),
        }
    }

    /// How many digits the answer has.
    pub fn digit_count(&self) -> u32 {
        u32::try_from(self.answer().len()).unwrap_or_default()
    }
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
    fn a_sum_is_of_two_numbers_and_has_two_digits() {
        let limits = VerificationDocument {
            captcha: CaptchaKind::Arithmetic,
            ..VerificationDocument::default()
        };
        let mut seen = std::collections::HashSet::new();
        for _ in 0..5_000 {
            let question = Question::new(&limits);
            let Question::Sum(first, second) = question else {
                panic!("{question:?}");
            };
            assert!(first > 0 && second > 0);
            assert_eq!(question.answer(), (first + second).to_string());
            assert_eq!(question.digit_count(), 2);
            seen.insert(first + second);
        }
        assert_eq!(seen.len(), 80, "every sum comes up");
    }
}
