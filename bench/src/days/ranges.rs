//! The ranges that fraudsters rent, and what is known of them beforehand.

use std::collections::BTreeSet;

use tfps_engine::number::E164;

use super::{chance::Chance, numbers::filled};

/// Fraud numbers.
#[derive(Clone, Debug)]
pub struct Fraud {
    /// Those that are known beforehand.
    pub known: Vec<E164>,
    /// Those that attacks go to: none of them is known. Numbers of one range stand together.
    pub fresh: Vec<E164>,
}

/// A file is no list of numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is no number in E.164: {text}")]
pub struct NotNumbers {
    line: usize,
    text: String,
}

/// Where ranges are rented or hijacked: satellite and international networks, islands, and such as no plan has given anybody. Made up, but
/// of the kinds that are seen.
const RENTED: &[&str] = &[
    "3712805####",
    "3712580####",
    "3725610####",
    "37256000###",
    "535210####",
    "5352991###",
    "21697####",
    "2165311####",
    "2127#######",
    "21266090####",
    "213770##0###",
    "9477900####",
    "94111990###",
    "960799####",
    "2246600####",
    "22460######",
    "23277600###",
    "232900#####",
    "2617890####",
    "26134000####",
    "25290######",
    "2527990####",
    "2375000####",
    "23769900####",
    "88213######",
    "88216######",
    "881848######",
    "8816#######",
    "8835100######",
    "87077#######",
    "8810######",
    "4470#######",
    "44701160####",
    "447924####",
    "38640######",
    "38670######",
    "3816######",
    "38761999###",
    "3897000####",
    "37360#####",
    "3737799####",
    "99298500####",
    "99293######",
    "99655######",
    "9647500#####",
    "93790######",
    "9379######",
    "67570######",
    "6757999####",
    "67771####",
    "6775####",
    "68290###",
    "6827####",
    "6745580###",
    "6857700###",
    "247####",
    "2906####",
    "24205######",
    "24389#######",
    "2437######",
    "2398####",
    "23991#####",
    "2675######",
    "2634######",
    "26377######",
];

impl Fraud {
    /// Made up: of most ranges some numbers are known, of some none. Attacks go to the others.
    pub fn made_up(seed: u64) -> Self {
        let mut chance = Chance::new(seed, "fraud");
        let mut known = BTreeSet::new();
        let mut fresh = BTreeSet::new();
        for _ in 0..500 {
            // A range is a pattern whose last two or three digits are open.
            let template = filled(chance.one::<&str>(RENTED), &mut chance);
            let open = chance.between(2, 3) as usize;
            let digits = template.as_str();
            let head = &digits[..digits.len() - open];
            let is_new = chance.happens(0.15);
            let share = if is_new { 0.0 } else { 0.6 };
            for _ in 0..chance.between(3, 24) {
                let number = filled(&format!("{head}{}", "#".repeat(open)), &mut chance);
                if chance.happens(share) {
                    known.insert(number);
                } else {
                    fresh.insert(number);
                }
            }
        }
        Self::apart(known, fresh)
    }

    /// Of a list of real ones, one a line, so many of a hundred are known.
    ///
    /// # Errors
    /// When a line is none.
    pub fn read(list: &str, known_percent: u64, seed: u64) -> Result<Self, NotNumbers> {
        let mut chance = Chance::new(seed, "fraud");
        let mut known = BTreeSet::new();
        let mut fresh = BTreeSet::new();
        for (line, text) in (1..).zip(list.lines()).filter(|(_, text)| !text.is_empty()) {
            let number = text.parse().map_err(|_| NotNumbers {
                line,
                text: text.to_owned(),
            })?;
            if chance.between(1, 100) <= known_percent {
                known.insert(number);
            } else {
                fresh.insert(number);
            }
        }
        Ok(Self::apart(known, fresh))
    }

    fn apart(known: BTreeSet<E164>, mut fresh: BTreeSet<E164>) -> Self {
        fresh.retain(|number| !known.contains(number));
        Self {
            known: known.into_iter().collect(),
            fresh: fresh.into_iter().collect(),
        }
    }

    /// The numbers of an attack: such as stand together.
    pub(super) fn rent(&self, count: usize, chance: &mut Chance) -> Vec<E164> {
        let first = chance.between(0, self.fresh.len().saturating_sub(count) as u64) as usize;
        self.fresh[first..].iter().take(count).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_of_an_attack_is_known() {
        let fraud = Fraud::made_up(1);
        assert!(fraud.known.len() > 1_000 && fraud.fresh.len() > 1_000);
        assert!(
            fraud
                .fresh
                .iter()
                .all(|number| !fraud.known.contains(number))
        );
        let error = Fraud::read("37128054100\n0044\n", 80, 1).unwrap_err();
        assert_eq!(error.to_string(), "line 2 is no number in E.164: 0044");
    }
}
