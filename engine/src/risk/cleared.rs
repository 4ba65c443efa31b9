//! What was taken for fraud and was not.

use hashbrown::{HashMap, HashSet};

use super::assessment::Signal;
use crate::number::E164;

/// The most numbers that are kept, the newest ones.
pub const MAX_CLEARED: usize = 100_000;
/// What a range is: numbers that differ in their last digits alone.
const OPEN_DIGITS: u32 = 3;
/// What it speaks for a number that was a false positive itself, in log-odds.
const OF_THE_NUMBER: f32 = -6.0;
/// What each false positive of its range does.
const OF_THE_RANGE: f32 = -0.75;
/// How many of them count: whoever may teach can't clear a range by repeating himself.
const COUNTED: u16 = 2;

/// The numbers that somebody said of that they were no fraud after all (false positives).
#[derive(Clone, Debug, Default)]
pub struct Cleared {
    numbers: HashSet<u64>,
    /// How many there are of each range.
    ranges: HashMap<u64, u16>,
}

impl Cleared {
    /// Takes numbers, the newest first.
    pub fn new(numbers: impl IntoIterator<Item = E164>) -> Self {
        let mut cleared = Self::default();
        for number in numbers.into_iter().take(MAX_CLEARED) {
            cleared.put(&number);
        }
        cleared
    }

    /// Takes one more.
    pub fn put(&mut self, number: &E164) {
        if self.numbers.len() < MAX_CLEARED && self.numbers.insert(number.value()) {
            *self.ranges.entry(range(number)).or_default() += 1;
        }
    }

    /// Forgets one: it was fraud.
    pub fn remove(&mut self, number: &E164) {
        if self.numbers.remove(&number.value())
            && let Some(count) = self.ranges.get_mut(&range(number))
        {
            *count -= 1;
        }
    }

    /// What it says of a number, in log-odds: nothing, or something below 0.
    pub(super) fn log_odds(&self, number: &E164) -> f32 {
        // Nearly always nobody has cleared anything.
        if self.numbers.is_empty() {
            return 0.0;
        }
        if self.numbers.contains(&number.value()) {
            return OF_THE_NUMBER;
        }
        OF_THE_RANGE * f32::from(self.of_range(number).min(COUNTED))
    }

    /// That as a signal; `weight` says what log-odds come to in points.
    pub(super) fn signal(&self, number: &E164, weight: impl Fn(f32) -> i32) -> Option<Signal> {
        let log_odds = self.log_odds(number);
        let evidence = if self.numbers.contains(&number.value()) {
            "it was a false positive before".to_owned()
        } else {
            match self.of_range(number) {
                0 => return None,
                1 => "another number of its thousand was a false positive".to_owned(),
                count => format!("{count} numbers of its thousand were false positives"),
            }
        };
        Some(Signal {
            name: "cleared",
            weight: weight(log_odds),
            evidence,
        })
    }

    fn of_range(&self, number: &E164) -> u16 {
        self.ranges.get(&range(number)).copied().unwrap_or(0)
    }
}

fn range(number: &E164) -> u64 {
    number.value() / 10_u64.pow(OPEN_DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(digits: &str) -> E164 {
        E164::from_digits(digits).unwrap()
    }

    #[test]
    fn a_false_positive_clears_its_number_and_some_of_its_range_within_bounds() {
        let mut cleared = Cleared::default();
        let (one, other) = (number("37128054100"), number("37128054200"));
        assert_eq!(cleared.log_odds(&one), 0.0);
        for _ in 0..5 {
            cleared.put(&one);
        }
        assert_eq!(
            (cleared.log_odds(&one), cleared.log_odds(&other)),
            (-6.0, -0.75)
        );
        assert_eq!(cleared.log_odds(&number("37128055100")), 0.0);
        for last in 300..400 {
            cleared.put(&number(&format!("37128054{last}")));
        }
        assert_eq!(
            cleared.log_odds(&other),
            -1.5,
            "a hundred are not worth more than two"
        );
        let told = cleared
            .signal(&other, |log_odds| (100.0 * log_odds) as i32)
            .unwrap();
        assert_eq!(
            told.evidence,
            "101 numbers of its thousand were false positives"
        );
        assert_eq!(told.weight, -150);
        cleared.remove(&one);
        cleared.remove(&one);
        assert_eq!(cleared.log_odds(&one), -1.5);
        assert!(cleared.signal(&number("37128055100"), |_| 0).is_none());
    }
}
