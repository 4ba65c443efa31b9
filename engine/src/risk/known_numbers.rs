//! The numbers that are known as fraud, ordered so that what stands around a number is found in a few steps.

use crate::number::E164;

/// What one known number counts, undecayed.
pub const FULL_WEIGHT: u16 = 64;

/// After so many days a number counts half: ranges are rented and given up.
const HALF_LIFE_DAYS: f64 = 365.0;

/// What a number counts that has been known for so many days.
pub fn faded(days: u32) -> u16 {
    let part = (-f64::from(days) / HALF_LIFE_DAYS).exp2();
    (f64::from(FULL_WEIGHT) * part).round() as u16
}

/// The most numbers that are kept; of more, those that weigh least are left out.
pub const MAX_KNOWN: usize = 1_000_000;

/// Numbers that are known as fraud, each with a weight that time takes away.
///
/// A number is a key of 15 nibbles, so that the numbers of a range are neighbours, and a range is two searches. Twelve bytes a
/// number, and some 150 KB for the tables that make the searches short.
#[derive(Clone, Debug)]
pub struct KnownNumbers {
    keys: Vec<u64>,
    /// The weights of all keys before each, and at the end of all; empty where all weigh [`FULL_WEIGHT`], so that nothing is read.
    before: Vec<u32>,
    /// How many keys have lower first digits, by the first [`INDEXED`] of them; and at the end all.
    starts: Vec<u32>,
    /// The weights of the numbers by their last four digits.
    tails_of_4: Vec<u32>,
    /// The weights of the numbers by their last three digits.
    tails_of_3: Vec<u32>,
    /// The weights of the numbers by their first three digits and how many digits they have.
    lengths: Vec<u32>,
}

/// How many first digits the index knows.
const INDEXED: usize = 4;

/// What of the known numbers stands around a number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Surroundings {
    /// How many known numbers, by their weights, share at least so many first digits.
    pub sharing: [f32; E164::MAX_DIGITS + 1],
    /// The most first digits that a known number shares, short of all.
    pub shared: u8,
    /// The known numbers next below it, the nearest first, as far as they share a digit.
    pub(super) below: Side,
    /// Those next above it.
    pub(super) above: Side,
    /// How many numbers are known, by their weights, itself counted.
    pub known: f32,
    /// Whether the number itself is known.
    pub is_known: bool,
    /// How many known numbers, by their weights, end with the same four digits.
    pub tail_of_4: f32,
    /// How many known numbers, by their weights, end with the same three digits.
    pub tail_of_3: f32,
    /// How many known numbers, by their weights, start with the same three digits and have as many digits.
    pub as_long: f32,
}

/// How many known numbers are looked at on each side.
pub(super) const NEAREST: usize = 4;

/// The known numbers on one side of a number, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Side {
    /// How many first digits each shares with it; 0 where there is none that shares any.
    pub(super) shared: [u8; NEAREST],
    /// How many digits each has.
    pub(super) digits: [u8; NEAREST],
    /// How far the nearest of as many digits is, in the count of its digits; infinite where there is none.
    pub(super) distance: f64,
}

impl Default for Side {
    fn default() -> Self {
        Self {
            shared: [0; NEAREST],
            digits: [0; NEAREST],
            distance: f64::INFINITY,
        }
    }
}

impl Side {
    fn of<'a>(own: u64, digits: usize, value: u64, keys: impl Iterator<Item = &'a u64>) -> Self {
        let mut side = Self::default();
        for (place, other) in keys.take(NEAREST).enumerate() {
            // The highest nibble of a key is empty.
            let shared = ((own ^ other).leading_zeros() as usize / 4 - 1).min(digits);
            if shared == 0 {
                break;
            }
            let others = digits_of(*other);
            side.shared[place] = shared as u8;
            side.digits[place] = others as u8;
            // Of as many digits the first is the nearest.
            if others == digits && side.distance.is_infinite() {
                side.distance = value.abs_diff(self::value(*other, digits)) as f64;
            }
        }
        side
    }
}

impl KnownNumbers {
    /// Takes numbers with their weights, at most [`FULL_WEIGHT`] each; what is there twice counts by its greatest weight, and what
    /// weighs nothing is not known.
    pub fn new(numbers: impl IntoIterator<Item = (E164, u16)>) -> Self {
        let mut numbers: Vec<(u64, u16)> = numbers
            .into_iter()
            .filter(|(_, weight)| *weight > 0)
            .map(|(number, weight)| (key(&number), weight.min(FULL_WEIGHT)))
            .collect();
        numbers.sort_unstable_by_key(|&(key, weight)| (key, std::cmp::Reverse(weight)));
        numbers.dedup_by_key(|(key, _)| *key);
        if numbers.len() > MAX_KNOWN {
            numbers.sort_by_key(|&(_, weight)| std::cmp::Reverse(weight));
            numbers.truncate(MAX_KNOWN);
            numbers.sort_unstable_by_key(|&(key, _)| key);
        }
        let mut known = Self {
            keys: Vec::with_capacity(numbers.len()),
            before: Vec::with_capacity(numbers.len() + 1),
            starts: Vec::with_capacity(POSSIBLE_STARTS + 1),
            tails_of_4: vec![0; 10_000],
            tails_of_3: vec![0; 1_000],
            lengths: vec![0; 1_000 * LENGTHS],
        };
        let mut sum = 0;
        known.before.push(0);
        for (key, weight) in numbers {
            let weight = u32::from(weight);
            sum += weight;
            known.keys.push(key);
            known.before.push(sum);
            let digits = digits_of(key);
            let places = Places::of(key, digits, value(key, digits));
            known.tails_of_4[places.tail_of_4] += weight;
            known.tails_of_3[places.tail_of_3] += weight;
            known.lengths[places.length] += weight;
        }
        if sum == known.keys.len() as u32 * u32::from(FULL_WEIGHT) {
            known.before = Vec::new();
        }
        for (place, key) in known.keys.iter().enumerate() {
            let start = (key >> START_SHIFT) as usize;
            known
                .starts
                .resize(known.starts.len().max(start + 1), place as u32);
        }
        known
            .starts
            .resize(POSSIBLE_STARTS + 1, known.keys.len() as u32);
        known
    }

    /// How many numbers are known.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// What stands around a number, itself left out.
    pub fn around(&self, number: &E164) -> Surroundings {
        let own = key(number);
        let digits = number.digits().len();
        let start = (own >> START_SHIFT) as usize;
        let (first, last) = (self.starts[start] as usize, self.starts[start + 1] as usize);
        let at = first + self.keys[first..last].partition_point(|known| *known < own);
        let is_known = self.keys.get(at) == Some(&own);
        let after = at + usize::from(is_known);
        let own_weight = self.weight(at, after);
        let mut sharing = [0.0; E164::MAX_DIGITS + 1];
        let (mut low, mut high) = (at, after);
        for depth in (1..=digits).rev() {
            let from = own & mask(depth);
            let to = from + (1 << (60 - 4 * depth));
            (low, high) = if depth > INDEXED {
                (self.back(low, from), self.forth(high, to))
            } else {
                (self.start(from), self.start(to))
            };
            sharing[depth] = counted(self.weight(low, high) - own_weight);
        }
        let known = counted(self.weight(0, self.keys.len()));
        sharing[0] = known;
        let value = value(own, digits);
        let below = Side::of(own, digits, value, self.keys[..at].iter().rev());
        let above = Side::of(own, digits, value, self.keys[after..].iter());
        let places = Places::of(own, digits, value);
        let others = |table: &[u32], place: usize| counted(table[place] - own_weight);
        Surroundings {
            tail_of_4: others(&self.tails_of_4, places.tail_of_4),
            tail_of_3: others(&self.tails_of_3, places.tail_of_3),
            as_long: others(&self.lengths, places.length),
            sharing,
            shared: below.shared[0].max(above.shared[0]),
            below,
            above,
            known,
            is_known,
        }
    }

    fn weight(&self, from: usize, to: usize) -> u32 {
        match self.before.is_empty() {
            true => (to - from) as u32 * u32::from(FULL_WEIGHT),
            false => self.before[to] - self.before[from],
        }
    }

    /// How many keys are below one that has no more than the indexed digits.
    fn start(&self, key: u64) -> usize {
        self.starts[(key >> START_SHIFT) as usize] as usize
    }

    /// The first place of a key that is not below `from`, at or before a place: near places are tried first.
    fn back(&self, place: usize, from: u64) -> usize {
        let mut step = 1;
        let mut high = place;
        loop {
            let low = high.saturating_sub(step);
            if low == high || self.keys[low] < from {
                let within = &self.keys[low..high];
                return low + within.partition_point(|known| *known < from);
            }
            high = low;
            step *= 2;
        }
    }

    /// The first place of a key that is not below `to`, at or after a place.
    fn forth(&self, place: usize, to: u64) -> usize {
        let mut step = 1;
        let mut low = place;
        loop {
            let high = (low + step).min(self.keys.len());
            if low == high || self.keys[high - 1] >= to {
                let within = &self.keys[low..high];
                return low + within.partition_point(|known| *known < to);
            }
            low = high;
            step *= 2;
        }
    }
}

impl Default for KnownNumbers {
    fn default() -> Self {
        Self::new([])
    }
}

/// Below the indexed digits.
const START_SHIFT: usize = 4 * (E164::MAX_DIGITS - INDEXED);
/// As many as the indexed nibbles tell apart.
const POSSIBLE_STARTS: usize = 1 << (4 * INDEXED);
/// How many lengths a number can have, and 0.
const LENGTHS: usize = E164::MAX_DIGITS + 1;

/// Where a number stands in the tables.
struct Places {
    tail_of_4: usize,
    tail_of_3: usize,
    length: usize,
}

impl Places {
    fn of(key: u64, digits: usize, value: u64) -> Self {
        let value = value as usize;
        let first = self::value(key, digits.min(3)) as usize;
        Self {
            tail_of_4: value % 10_000,
            tail_of_3: value % 1_000,
            length: first * LENGTHS + digits,
        }
    }
}

fn counted(weight: u32) -> f32 {
    weight as f32 / f32::from(FULL_WEIGHT)
}

/// The digits from the left, each in a nibble as 1 to 10, the highest nibble empty; what is not there is 0.
fn key(number: &E164) -> u64 {
    number.ordered_key() >> 4
}

/// The nibbles of the first digits.
fn mask(digits: usize) -> u64 {
    let all = (1 << 60) - 1;
    all & !((1 << (60 - 4 * digits)) - 1)
}

fn digits_of(key: u64) -> usize {
    E164::MAX_DIGITS - key.trailing_zeros() as usize / 4
}

/// The number that the digits of a key count to.
fn value(key: u64, digits: usize) -> u64 {
    (1..=digits).fold(0, |value, place| {
        10 * value + (key >> (60 - 4 * place) & 15) - 1
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(digits: &str) -> E164 {
        E164::from_digits(digits).unwrap()
    }

    fn known(numbers: &[&str]) -> KnownNumbers {
        KnownNumbers::new(numbers.iter().map(|digits| (number(digits), FULL_WEIGHT)))
    }

    #[test]
    fn a_number_is_not_its_own_neighbour() {
        let known = known(&["88213000123", "88213000124", "882139"]);
        let around = known.around(&number("88213000123"));
        assert!(around.is_known);
        assert_eq!(around.known, 3.0);
        assert_eq!(around.sharing[10], 1.0);
        assert_eq!(around.sharing[11], 0.0);
        assert_eq!(around.sharing[5], 2.0);
        assert_eq!(around.shared, 10);
    }

    #[test]
    fn nothing_is_around_where_nothing_is_known() {
        let around = KnownNumbers::default().around(&number("442071234567"));
        assert_eq!((around.known, around.shared), (0.0, 0));
        assert_eq!(around.sharing, [0.0; 16]);
        assert_eq!((around.below, around.above), Default::default());
    }

    #[test]
    fn a_weight_that_time_took_counts_less_and_none_is_gone() {
        let known = KnownNumbers::new([
            (number("25261234"), FULL_WEIGHT / 2),
            (number("25261235"), 0),
            (number("25261236"), u16::MAX),
        ]);
        assert_eq!(known.len(), 2);
        let around = known.around(&number("25261237"));
        assert_eq!(around.sharing[7], 1.5);
    }

    #[test]
    fn a_neighbour_of_as_many_digits_has_a_distance() {
        let known = known(&["3725550199", "37255502"]);
        let around = known.around(&number("3725550200"));
        assert_eq!(around.below.distance, 1.0);
        assert_eq!(around.below.shared, [8, 7, 0, 0]);
        assert_eq!(around.above, Side::default());
    }

    proptest! {
        #[test]
        fn counts_are_those_of_asking_each(
            numbers in proptest::collection::vec("[1-3][0-2]{0,14}", 0..60),
            asked in "[1-3][0-2]{0,14}",
        ) {
            let known = KnownNumbers::new(numbers.iter().map(|digits| (number(digits), FULL_WEIGHT)));
            let others: std::collections::BTreeSet<&String> =
                numbers.iter().filter(|digits| **digits != asked).collect();
            let around = known.around(&number(&asked));
            for depth in 1..=asked.len() {
                let sharing = others.iter().filter(|other| other.starts_with(&asked[..depth])).count();
                prop_assert_eq!(around.sharing[depth], sharing as f32, "depth {}", depth);
            }
            let longest = others
                .iter()
                .map(|other| asked.bytes().zip(other.bytes()).take_while(|(one, two)| one == two).count())
                .max()
                .unwrap_or(0);
            prop_assert_eq!(usize::from(around.shared), longest);
            let value = |digits: &str| digits.parse::<i64>().unwrap();
            let distances = others
                .iter()
                .filter(|other| other.len() == asked.len())
                .map(|other| value(other) - value(&asked));
            for (side, sign) in [(around.below, -1), (around.above, 1)] {
                let nearest = distances.clone().map(|distance| sign * distance).filter(|distance| *distance > 0).min();
                if side.distance.is_finite() {
                    prop_assert_eq!(Some(side.distance as i64), nearest);
                }
            }
            prop_assert_eq!(around.is_known, numbers.contains(&asked));
        }
    }
}
