//! How much an account can lose in a day.

use serde::{Deserialize, Serialize};

use super::{Money, Rates, estimate};
use crate::{
    number::{Country, E164, NumberFacts},
    risk::pays,
};

/// The caps of a policy. What is 0 is not capped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Caps {
    /// What an account's calls of a day may cost, by the server's rates.
    pub daily_cost: Money,
    /// How many minutes they may last abroad.
    pub daily_international_minutes: u32,
    /// How long a call counts of which the switch tells nothing, in minutes; 0: not at all.
    pub assumed_minutes: u32,
    /// Whether a number without a rate costs what it is estimated to; otherwise it costs nothing.
    pub estimate: bool,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            daily_cost: Money::from_millionths(20_000_000),
            daily_international_minutes: 120,
            assumed_minutes: 5,
            estimate: true,
        }
    }
}

/// What a call adds to its account's exposure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tariff {
    /// What a minute costs.
    pub price: Money,
    /// Whether the price is an estimate: no rate is known.
    pub estimated: bool,
    /// Whether it leaves the home country.
    pub abroad: bool,
}

/// What calls have cost, and how long they lasted abroad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// By their prices and their seconds.
    pub cost: Money,
    /// Whether some of that is an estimate.
    pub estimated: bool,
    /// Seconds abroad.
    pub seconds_abroad: u64,
}

impl Tariff {
    /// What so many seconds add.
    #[must_use]
    pub fn for_seconds(&self, seconds: u64) -> Exposure {
        let cost = self.price.for_seconds(seconds);
        Exposure {
            cost,
            estimated: self.estimated && cost > Money::NONE,
            seconds_abroad: if self.abroad { seconds } else { 0 },
        }
    }
}

impl Exposure {
    /// Takes another back, which was added before.
    pub fn take_back(&mut self, other: Self) {
        self.cost = self.cost.less(other.cost);
        self.seconds_abroad = self.seconds_abroad.saturating_sub(other.seconds_abroad);
    }

    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.cost += other.cost;
        self.estimated |= other.estimated;
        self.seconds_abroad = self.seconds_abroad.saturating_add(other.seconds_abroad);
    }
}

impl Caps {
    /// No cap.
    pub const NONE: Self = Self {
        daily_cost: Money::NONE,
        daily_international_minutes: 0,
        assumed_minutes: 0,
        estimate: true,
    };

    /// What a call to a number adds, for callers at home in a country; `None`: nothing that is capped. By the estimate, ordinary calls
    /// within the home country cost nothing.
    pub fn tariff(
        &self,
        number: &E164,
        plan: &NumberFacts,
        home: Country,
        rates: &Rates,
    ) -> Option<Tariff> {
        if !self.any() {
            return None;
        }
        let abroad = plan.country != Some(home);
        let rate = rates.of(number);
        let tariff = Tariff {
            price: rate.unwrap_or_else(|| {
                if self.estimate && pays(plan, home) {
                    estimate(plan)
                } else {
                    Money::NONE
                }
            }),
            estimated: rate.is_none() && self.estimate,
            abroad,
        };
        (abroad || tariff.price > Money::NONE).then_some(tariff)
    }

    /// Whether there is any.
    pub fn any(&self) -> bool {
        self.daily_cost > Money::NONE || self.daily_international_minutes > 0
    }

    /// Why a call of this tariff can't be made or go on, where so much is spent: a cap is reached that it would add to.
    pub fn reached(&self, spent: &Exposure, tariff: &Tariff) -> Option<String> {
        let costs = tariff.price > Money::NONE;
        if costs && self.daily_cost > Money::NONE && spent.cost >= self.daily_cost {
            let estimated = if spent.estimated { "an estimated " } else { "" };
            return Some(format!(
                "today's calls have cost {estimated}{:.2} of at most {:.2}",
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
            ..Caps::NONE
        };
        let spent = |cost, minutes: u64| Exposure {
            cost: money(cost),
            seconds_abroad: minutes * 60,
            ..Exposure::default()
        };
        let tariff = |price, abroad| Tariff {
            price: money(price),
            abroad,
            ..Tariff::default()
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
        let caps = Caps::NONE;
        assert!(!caps.any());
        let spent = Exposure {
            cost: Money::from_millionths(u64::MAX),
            seconds_abroad: u64::MAX,
            ..Exposure::default()
        };
        let tariff = Tariff {
            price: money("1"),
            abroad: true,
            ..Tariff::default()
        };
        assert_eq!(caps.reached(&spent, &tariff), None);
    }

    #[test]
    fn a_call_adds_by_the_second() {
        let abroad = Tariff {
            price: money("0.60"),
            abroad: true,
            ..Tariff::default()
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

    #[test]
    fn a_number_costs_its_rate_or_what_it_is_estimated_to() {
        let mut rates = Rates::default();
        rates.put("44", money("0.60")).unwrap();
        rates.put("1", money("0.01")).unwrap();
        let none = Rates::default();
        let tariff = |caps: Caps, rates: &Rates, number: &str| {
            let number = number.parse().unwrap();
            let plan = crate::number::plan::look_up(&number);
            let tariff = caps.tariff(&number, &plan, Country::UNITED_STATES, rates);
            tariff.map(|tariff| (tariff.price.to_string(), tariff.estimated, tariff.abroad))
        };
        let told = |price: &str, estimated, abroad| Some((price.to_owned(), estimated, abroad));
        let caps = Caps::default();
        let (london, somalia, home) = ("442079460123", "252612345678", "12125550123");
        assert_eq!(tariff(caps, &rates, london), told("0.60", false, true));
        assert_eq!(tariff(caps, &none, london), told("0.02", true, true));
        assert_eq!(tariff(caps, &rates, somalia), told("0.95", true, true));
        assert_eq!(tariff(caps, &rates, home), told("0.01", false, false));
        assert_eq!(tariff(caps, &none, home), None);
        assert_eq!(tariff(Caps::NONE, &rates, london), None);
        let by_rates_alone = Caps {
            estimate: false,
            ..caps
        };
        assert_eq!(
            tariff(by_rates_alone, &rates, somalia),
            told("0.00", false, true)
        );
    }

    #[test]
    fn what_was_estimated_is_told_as_an_estimate() {
        let tariff = Tariff {
            price: money("1"),
            estimated: true,
            abroad: true,
        };
        let mut spent = tariff.for_seconds(1_200);
        let reason = "today's calls have cost an estimated 20.00 of at most 20.00";
        assert_eq!(
            Caps::default().reached(&spent, &tariff).as_deref(),
            Some(reason)
        );
        spent.take_back(tariff.for_seconds(60));
        assert_eq!(Caps::default().reached(&spent, &tariff), None);
    }
}
