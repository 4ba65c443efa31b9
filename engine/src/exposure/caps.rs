//! How much an account can lose in a day.

use serde::{Deserialize, Serialize};

use super::Money;

/// The caps of a policy. What is 0 is not capped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Caps {
    /// What an account's calls of a day may cost, by the server's rates.
    pub daily_cost: Money,
    /// How many minutes they may last abroad.
    pub daily_international_minutes: u32,
}

/// What a call adds to its account's exposure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tariff {
    /// What a minute costs; nothing where no rate is known.
    pub price: Money,
    /// Whether it leaves the home country.
    pub abroad: bool,
}

/// What calls have cost, and how long they lasted abroad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// By their prices and their seconds.
    pub cost: Money,
    /// Seconds abroad.
    pub seconds_abroad: u64,
}

impl Tariff {
    /// What so many seconds add.
    #[must_use]
    pub fn for_seconds(&self, seconds: u64) -> Exposure {
        Exposure {
            cost: self.price.for_seconds(seconds),
            seconds_abroad: if self.abroad { seconds } else { 0 },
        }
    }
}

impl Exposure {
    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.cost += other.cost;
        self.seconds_abroad = self.seconds_abroad.saturating_add(other.seconds_abroad);
    }
}

impl Caps {
    /// Whether there is any.
    pub fn any(&self) -> bool {
        self.daily_cost > Money::NONE || self.daily_international_minutes > 0
    }

    /// Why a call of this tariff can't be made or go on, where so much is spent: a cap is reached that it would add to.
    pub fn reached(&self, spent: &Exposure, tariff: &Tariff) -> Option<String> {
        let costs = tariff.price > Money::NONE;
        if costs && self.daily_cost > Money::NONE && spent.cost >= self.daily_cost {
            return Some(format!(
                "today's calls have cost {:.2} of at most {:.2}",
                spent.cost, self.daily_cost
            ));
        }
        let minutes = u64::from(self.daily_international_minutes);
        if tariff.abroad && minutes > 0 && spent.seconds_abroad >= minutes * 60 {
            return Some(format!(
                "today's calls abroad have lasted {} minutes of at most {minutes}",
                spent.seconds_abroad / 60
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn a_cap_stops_only_what_adds_to_it() {
        let caps = Caps {
            daily_cost: money("10"),
            daily_international_minutes: 30,
        };
        let spent = |cost, minutes: u64| Exposure {
            cost: money(cost),
            seconds_abroad: minutes * 60,
        };
        let tariff = |price, abroad| Tariff {
            price: money(price),
            abroad,
        };
        assert_eq!(caps.reached(&spent("9.99", 29), &tariff("1", true)), None);
        assert_eq!(
            caps.reached(&spent("10", 29), &tariff("0.01", false))
                .as_deref(),
            Some("today's calls have cost 10.00 of at most 10.00")
        );
        assert_eq!(caps.reached(&spent("10", 29), &tariff("0", true)), None);
        assert_eq!(
            caps.reached(&spent("0", 31), &tariff("0", true)).as_deref(),
            Some("today's calls abroad have lasted 31 minutes of at most 30")
        );
        assert_eq!(caps.reached(&spent("0", 31), &tariff("0", false)), None);
    }

    #[test]
    fn no_cap_stops_nothing() {
        let caps = Caps::default();
        assert!(!caps.any());
        let spent = Exposure {
            cost: Money::from_millionths(u64::MAX),
            seconds_abroad: u64::MAX,
        };
        let tariff = Tariff {
            price: money("1"),
            abroad: true,
        };
        assert_eq!(caps.reached(&spent, &tariff), None);
    }

    #[test]
    fn a_call_adds_by_the_second() {
        let abroad = Tariff {
            price: money("0.60"),
            abroad: true,
        };
        let mut spent = abroad.for_seconds(90);
        spent.add(
            Tariff {
                abroad: false,
                ..abroad
            }
            .for_seconds(10),
        );
        assert_eq!((spent.cost, spent.seconds_abroad), (money("1"), 90));
    }
}
