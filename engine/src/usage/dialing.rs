//! How an account has dialed abroad within the last hour: an exchange is tried with many prefixes, a range number by number.

use jiff::Timestamp;

use super::{AccountMark, aging::Aging, habits::hash, seconds};
use crate::{facts::Counting, number::E164};

/// How many attempts of an account are remembered.
const REMEMBERED: usize = 12;
/// For how long, in seconds.
const HOUR: u32 = 3_600;
/// Numbers that differ by so little are dialed in sequence.
const NEXT: u64 = 5;
/// How many digits of what is dialed stay the same while prefixes are tried.
const TAIL: usize = 8;

/// What accounts have dialed abroad within the last hour.
#[derive(Debug)]
pub struct Dialing(Aging<AccountMark, Recent>);

/// What a call is part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DialingPattern {
    /// With how many prefixes the same number was tried, this call's included.
    pub prefixes: u8,
    /// How many other numbers are next to this one.
    pub neighbours: u8,
    /// How many numbers of its thousand were dialed, this one included.
    pub of_range: u8,
}

/// What is asked first stands first, and what there is not is not read: most accounts have an attempt or two within the hour, which
/// are one line of the processor's cache or two.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct Recent {
    /// Where the next one goes.
    next: u8,
    /// How many there are.
    count: u8,
    attempts: [Attempt; REMEMBERED],
}

/// Sixteen bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Attempt {
    /// In E.164; with [`NO_NUMBER`], the last digits of what is none.
    number: u64,
    /// Everything as dialed, hashed.
    dialed: u32,
    /// Seconds since 1970.
    at: u32,
}

/// No number has this bit.
const NO_NUMBER: u64 = 1 << 63;
/// What the last digits are told by.
const TAIL_ROOM: u64 = 10_u64.pow(TAIL as u32);

impl Attempt {
    fn new(dialed: &str, number: Option<&E164>, at: Timestamp) -> Self {
        Self {
            number: number.map_or_else(|| NO_NUMBER | tail(dialed), E164::value),
            dialed: hash(dialed.as_bytes()) as u32,
            at: seconds(at),
        }
    }

    fn number(&self) -> Option<u64> {
        (self.number & NO_NUMBER == 0).then_some(self.number)
    }

    /// The last digits, where there are so many.
    fn tail(&self) -> Option<u64> {
        match self.number() {
            Some(number) => (number >= TAIL_ROOM / 10).then_some(number % TAIL_ROOM),
            None => Some(self.number & !NO_NUMBER).filter(|tail| *tail != 0),
        }
    }
}

impl Dialing {
    /// Nothing dialed yet; about so many accounts are watched at the most.
    pub fn with_capacity(accounts: usize) -> Self {
        Self(Aging::with_capacity(accounts))
    }

    /// Notes an attempt and tells what it is part of; a dry run tells it alone.
    pub fn observe(
        &self,
        account: AccountMark,
        dialed: &str,
        number: Option<&E164>,
        at: Timestamp,
        counting: Counting,
    ) -> DialingPattern {
        let attempt = Attempt::new(dialed, number, at);
        match counting {
            Counting::Counts => self.0.update(account, |recent| {
                recent.note(attempt);
                recent.pattern(&attempt)
            }),
            Counting::Again | Counting::Peeks => self
                .0
                .read(&account, |recent| recent.pattern(&attempt))
                .unwrap_or_else(|| Recent::default().pattern(&attempt)),
        }
    }
}

fn tail(dialed: &str) -> u64 {
    let dialed = dialed.as_bytes();
    let Some(last) = dialed.len().checked_sub(TAIL) else {
        return 0;
    };
    dialed[last..]
        .iter()
        .try_fold(0, |tail: u64, digit| {
            digit
                .is_ascii_digit()
                .then(|| 10 * tail + u64::from(digit - b'0'))
        })
        .unwrap_or_default()
}

impl Recent {
    /// The same thing dialed again takes no place.
    fn note(&mut self, attempt: Attempt) {
        let same = self.attempts[..usize::from(self.count)]
            .iter_mut()
            .find(|known| known.dialed == attempt.dialed && known.number == attempt.number);
        if let Some(known) = same {
            known.at = known.at.max(attempt.at);
            return;
        }
        self.attempts[usize::from(self.next)] = attempt;
        self.next = (self.next + 1) % REMEMBERED as u8;
        self.count = (self.count + 1).min(REMEMBERED as u8);
    }

    fn pattern(&self, now: &Attempt) -> DialingPattern {
        let mut pattern = DialingPattern {
            prefixes: 1,
            neighbours: 0,
            of_range: 1,
        };
        // A number that was dialed in two ways is one number.
        let mut numbers = [0; REMEMBERED];
        let attempts = &self.attempts[..usize::from(self.count)];
        for (index, past) in attempts.iter().enumerate() {
            if past.at.saturating_add(HOUR) <= now.at || past.dialed == now.dialed {
                continue;
            }
            pattern.prefixes += u8::from(past.tail() == now.tail() && now.tail().is_some());
            let (Some(other), Some(number)) = (past.number(), now.number()) else {
                continue;
            };
            if other == number || numbers.contains(&other) {
                continue;
            }
            numbers[index] = other;
            pattern.neighbours += u8::from(other.abs_diff(number) <= NEXT);
            pattern.of_range += u8::from(other / 1_000 == number / 1_000);
        }
        pattern
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, ToSpan};

    use super::*;

    struct Phone {
        dialing: Dialing,
        at: Timestamp,
    }

    impl Phone {
        fn new() -> Self {
            Self {
                dialing: Dialing::with_capacity(1_000),
                at: "2026-06-08T02:00:00Z".parse().unwrap(),
            }
        }

        fn dials(&mut self, dialed: &str, number: &str) -> DialingPattern {
            self.at += SignedDuration::from_secs(20);
            let number = number.parse().ok();
            let account = AccountMark(7);
            self.dialing
                .observe(account, dialed, number.as_ref(), self.at, Counting::Counts)
        }
    }

    #[test]
    fn one_number_behind_many_prefixes_is_told_even_where_some_are_no_number() {
        let mut phone = Phone::new();
        assert_eq!(phone.dials("0037128054190", "37128054190").prefixes, 1);
        assert_eq!(phone.dials("01137128054190", "37128054190").prefixes, 2);
        assert_eq!(phone.dials("901137128054190", "").prefixes, 3);
        assert_eq!(phone.dials("901137128054190", "").prefixes, 3);
        let again = phone.dials("0037128054190", "37128054190");
        assert_eq!((again.prefixes, again.of_range), (3, 1));
    }

    #[test]
    fn numbers_in_sequence_and_numbers_of_one_range_are_counted() {
        let mut phone = Phone::new();
        for (last, neighbours, of_range) in [(100, 0, 1), (101, 1, 2), (102, 2, 3), (500, 0, 4)] {
            let number = format!("37128054{last}");
            let pattern = phone.dials(&format!("00{number}"), &number);
            assert_eq!(
                (pattern.neighbours, pattern.of_range),
                (neighbours, of_range)
            );
        }
        let office = phone.dials("00442079460123", "442079460123");
        assert_eq!((office.neighbours, office.of_range), (0, 1));
        phone.at += 1.hours();
        assert_eq!(phone.dials("0037128054103", "37128054103").of_range, 1);
    }

    #[test]
    fn a_dry_run_leaves_nothing_behind() {
        let phone = Phone::new();
        let number: E164 = "37128054100".parse().unwrap();
        let account = AccountMark(7);
        for dialed in ["0037128054100", "01137128054100"] {
            let dialing = &phone.dialing;
            let pattern =
                dialing.observe(account, dialed, Some(&number), phone.at, Counting::Peeks);
            assert_eq!(pattern.prefixes, 1);
        }
    }
}
