//! An amount of money, in the currency of the operator's rates.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// How many of them make one of the currency.
const PARTS: u64 = 1_000_000;
/// How many digits stand behind the point at the most.
const DIGITS: usize = 6;

/// An amount of money in millionths of a currency that nothing here needs to know.
///
/// Written with a decimal point and without a currency: `0.0125`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Money(u64);

/// Why a text is no amount of money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no amount of money: digits, and at most {DIGITS} behind a point, without a currency"
)]
pub struct NotMoney(String);

impl Money {
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// In millionths.
    pub const fn from_millionths(millionths: u64) -> Self {
        Self(millionths)
    }

    /// In millionths.
    pub fn millionths(self) -> u64 {
        self.0
    }

    /// Less another amount; nothing where that is more.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// What so many seconds cost at this price a minute, to the second.
    #[must_use]
    pub fn for_seconds(self, seconds: u64) -> Self {
        let exact = u128::from(self.0) * u128::from(seconds) / 60;
        Self(u64::try_from(exact).unwrap_or(u64::MAX))
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::NONE, Add::add)
    }
}

impl FromStr for Money {
    type Err = NotMoney;

    fn from_str(text: &str) -> Result<Self, NotMoney> {
        let wrong = || NotMoney(text.to_owned());
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > DIGITS {
            return Err(wrong());
        }
        let whole: u64 = whole.parse().map_err(|_| wrong())?;
        let part: u64 = format!("{part:0<DIGITS$}").parse().map_err(|_| wrong())?;
        whole
            .checked_mul(PARTS)
            .and_then(|whole| whole.checked_add(part))
            .map(Self)
            .ok_or_else(wrong)
    }
}

impl TryFrom<String> for Money {
    type Error = NotMoney;

    fn try_from(text: String) -> Result<Self, NotMoney> {
        text.parse()
    }
}

impl From<Money> for String {
    fn from(money: Money) -> Self {
        money.to_string()
    }
}

/// At least two digits behind the point; with a precision, as many, rounded.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(precision) = f.precision().filter(|precision| *precision < DIGITS) else {
            let part = format!("{:0DIGITS$}", self.0 % PARTS);
            let part = part.trim_end_matches('0');
            return write!(f, "{}.{part:0<2}", self.0 / PARTS);
        };
        let unit = 10_u64.pow((DIGITS - precision) as u32);
        let rounded = self.0.saturating_add(unit / 2) / unit;
        let ones = PARTS / unit;
        match precision {
            0 => write!(f, "{rounded}"),
            _ => write!(f, "{}.{:0precision$}", rounded / ones, rounded % ones),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_written_as_they_are_read() {
        for (text, millionths, written) in [
            ("0.0125", 12_500, "0.0125"),
            ("3", 3_000_000, "3.00"),
            ("1.5", 1_500_000, "1.50"),
        ] {
            let money: Money = text.parse().unwrap();
            assert_eq!((money.0, money.to_string().as_str()), (millionths, written));
        }
        assert_eq!(format!("{:.2}", Money(1_995_000)), "2.00");
        assert_eq!(format!("{:.0}", Money(1_495_000)), "1");
        for text in [
            "",
            ".5",
            "1.",
            "-1",
            "1,5",
            "$1",
            "0.1234567",
            "1e3",
            "99999999999999999999",
        ] {
            assert_eq!(text.parse::<Money>(), Err(NotMoney(text.to_owned())));
        }
    }

    #[test]
    fn a_call_costs_by_the_second() {
        let price: Money = "0.60".parse().unwrap();
        assert_eq!(price.for_seconds(90).to_string(), "0.90");
        assert_eq!(Money(u64::MAX).for_seconds(u64::MAX), Money(u64::MAX));
    }

    proptest! {
        #[test]
        fn every_amount_is_read_back(millionths: u64) {
            let money = Money(millionths);
            prop_assert_eq!(money.to_string().parse(), Ok(money));
        }
    }
}
