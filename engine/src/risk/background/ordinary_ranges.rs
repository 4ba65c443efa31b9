//! How ordinary numbers are spread over ranges: fraud stands out where few others are called.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::number::E164;

/// How many first digits are looked at.
pub(in crate::risk) const DEPTH: usize = 6;

/// Of a range with fewer numbers nothing is kept: it would be those numbers rather than a range.
const FEWEST: u32 = 3;

/// So many numbers must a range have before its own say as much as that all digits are alike.
const PRIOR: f32 = 9.0;

/// How many ordinary numbers there were in each range, as a tree of first digits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, u32>", into = "BTreeMap<String, u32>")]
pub struct OrdinaryRanges {
    /// The first is of all numbers.
    ranges: Vec<Range>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    /// How many numbers are in it.
    numbers: u32,
    /// How likely an ordinary number is in it, by as often as it would be if all digits were alike.
    likely: f32,
    /// The same for those of its ranges that are not kept.
    likely_elsewhere: f32,
    /// Where its ranges are; 0 where one is not kept.
    next: [u16; 10],
}

impl Range {
    fn of(numbers: u32, likely: f32) -> Self {
        let mut range = Self {
            numbers,
            likely,
            likely_elsewhere: likely,
            next: [0; 10],
        };
        // There were from none to one too few, but no more than if all digits were alike.
        let few = (FEWEST - 1) as f32 / 2.0;
        range.likely_elsewhere = range.likely_in(few.min(numbers as f32 / 10.0));
        range
    }

    /// How likely an ordinary number is in one of its ranges that has so many.
    fn likely_in(&self, numbers: f32) -> f32 {
        self.likely * (10.0 * numbers + PRIOR) / (self.numbers as f32 + PRIOR)
    }
}

impl OrdinaryRanges {
    /// Counts numbers.
    pub(super) fn count<'a>(numbers: impl Iterator<Item = &'a E164>) -> Self {
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for number in numbers {
            let digits = number.as_str();
            for depth in 0..=digits.len().min(DEPTH) {
                *counts.entry(&digits[..depth]).or_default() += 1;
            }
        }
        counts.retain(|_, count| *count >= FEWEST);
        Self::grown(counts.into_iter())
    }

    /// From ranges, each after those it is in. What is too long or out of its place is left out, which `try_from` refuses.
    fn grown<'a>(counts: impl Iterator<Item = (&'a str, u32)>) -> Self {
        let mut ranges = vec![Range::of(0, 1.0)];
        for (digits, numbers) in counts {
            let Some((last, above)) = digits.as_bytes().split_last() else {
                ranges[0] = Range::of(numbers, 1.0);
                continue;
            };
            let within = above.iter().try_fold(0, |at, digit| {
                let next = *ranges[at].next.get(usize::from(digit.wrapping_sub(b'0')))?;
                (next != 0).then_some(usize::from(next))
            });
            let place = u16::try_from(ranges.len());
            let digit = usize::from(last.wrapping_sub(b'0'));
            let (Some(within), Ok(place), 0..10) = (within, place, digit) else {
                continue;
            };
            let range = Range::of(numbers, ranges[within].likely_in(numbers as f32));
            ranges[within].next[digit] = place;
            ranges.push(range);
        }
        Self { ranges }
    }

    /// How likely an ordinary number has a number's first digits, for each count of them up to [`DEPTH`]: by as often as it would be
    /// if all digits were alike.
    pub(super) fn likely(&self, number: &E164) -> [f32; DEPTH + 1] {
        let mut likely = [1.0; DEPTH + 1];
        let mut range = &self.ranges[0];
        let mut digits = number.digits().iter();
        for depth in 1..=DEPTH {
            let next = digits
                .next()
                .map(|digit| usize::from(range.next[usize::from(digit - b'0') % 10]));
            likely[depth] = match next {
                Some(0) => range.likely_elsewhere,
                Some(next) => {
                    range = &self.ranges[next];
                    range.likely
                }
                None => likely[depth - 1],
            };
            if next.is_none_or(|next| next == 0) {
                let last = likely[depth];
                likely[depth..].fill(last);
                break;
            }
        }
        likely
    }
}

/// Ranges that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ordinary_ranges.{0} is no range of the ranges above it")]
pub struct OrdinaryRangesError(String);

impl TryFrom<BTreeMap<String, u32>> for OrdinaryRanges {
    type Error = OrdinaryRangesError;

    fn try_from(counts: BTreeMap<String, u32>) -> Result<Self, OrdinaryRangesError> {
        let ranges = Self::grown(
            counts
                .iter()
                .map(|(digits, count)| (digits.as_str(), *count)),
        );
        // What was left out is not there when it is written anew.
        let kept = BTreeMap::from(ranges.clone());
        match counts
            .into_iter()
            .find(|(digits, _)| !kept.contains_key(digits))
        {
            Some((digits, _)) => Err(OrdinaryRangesError(digits)),
            None => Ok(ranges),
        }
    }
}

impl From<OrdinaryRanges> for BTreeMap<String, u32> {
    fn from(ranges: OrdinaryRanges) -> Self {
        let mut counts = Self::new();
        let mut open = vec![(String::new(), 0)];
        while let Some((digits, at)) = open.pop() {
            let range = &ranges.ranges[at];
            for (digit, next) in range
                .next
                .iter()
                .enumerate()
                .filter(|(_, next)| **next != 0)
            {
                open.push((format!("{digits}{digit}"), usize::from(*next)));
            }
            counts.insert(digits, range.numbers);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(range: &str, count: usize) -> Vec<E164> {
        (0..count)
            .map(|last| E164::from_digits(&format!("{range}{last:05}")).unwrap())
            .collect()
    }

    fn likely(ranges: &OrdinaryRanges, number: &str) -> [f32; DEPTH + 1] {
        ranges.likely(&E164::from_digits(number).unwrap())
    }

    #[test]
    fn a_range_is_likely_by_how_many_ordinary_numbers_it_has() {
        let ranges =
            OrdinaryRanges::count([numbers("4420", 900), numbers("4477", 100)].concat().iter());
        let (london, mobile) = (likely(&ranges, "442012345"), likely(&ranges, "447712345"));
        assert_eq!(london[2], mobile[2]);
        let more = london[4] / mobile[4];
        assert!((8.5..10.0).contains(&more), "{london:?} {mobile:?}");
        // No ordinary number is there, so it is less likely the more there are beside it.
        let nobody = likely(&ranges, "443312345");
        assert!(nobody[3] < mobile[3] / 5.0, "{nobody:?} {mobile:?}");
        assert_eq!(nobody[3..], [nobody[3]; 4]);
        // A number that ends early is as likely as what it starts.
        assert_eq!(
            likely(&ranges, "44"),
            [
                1.0, london[1], london[2], london[2], london[2], london[2], london[2]
            ]
        );
        assert_eq!(
            likely(&OrdinaryRanges::count([].iter()), "44"),
            [1.0; DEPTH + 1]
        );
    }

    #[test]
    fn too_few_numbers_are_no_range() {
        let ranges =
            OrdinaryRanges::count([numbers("4420", 100), numbers("88213", 2)].concat().iter());
        let written = BTreeMap::from(ranges.clone());
        assert!(
            written
                .keys()
                .all(|range| range.len() <= DEPTH && !range.starts_with('8'))
        );
        assert_eq!(written[""], 102);
        assert_eq!(written["4420"], 100);
    }

    #[test]
    fn what_is_written_is_read_and_nothing_out_of_its_place() {
        let ranges = OrdinaryRanges::count(numbers("4420", 100).iter());
        let mut written = BTreeMap::from(ranges.clone());
        assert_eq!(OrdinaryRanges::try_from(written.clone()), Ok(ranges));
        written.insert("4x".to_owned(), 7);
        let error = OrdinaryRanges::try_from(written.clone()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "ordinary_ranges.4x is no range of the ranges above it"
        );
        written.remove("4x");
        written.insert("332".to_owned(), 7);
        assert!(OrdinaryRanges::try_from(written).is_err());
    }
}
