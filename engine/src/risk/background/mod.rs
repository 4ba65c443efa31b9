//! What numbers are like before any is known around them.

mod country_odds;
mod kind_odds;
mod ordinary_ranges;

use serde::{Deserialize, Serialize};

pub(super) use self::ordinary_ranges::DEPTH;
use self::{country_odds::CountryOdds, kind_odds::KindOdds, ordinary_ranges::OrdinaryRanges};
use crate::number::{E164, NumberFacts};

/// How much more countries and kinds of numbers are called by fraudsters than by others, and where the others are called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Background {
    /// The odds by country.
    pub country_odds: CountryOdds,
    /// The odds by country and kind.
    pub kind_odds: KindOdds,
    /// Where ordinary numbers are.
    pub ordinary_ranges: OrdinaryRanges,
}

/// A number's background.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Behind {
    /// The log-odds of its country.
    pub(super) country_odds: f32,
    /// The log-odds of its country and kind.
    pub(super) kind_odds: f32,
    /// How likely an ordinary number has its first digits, by as often as it would be if all digits were alike.
    pub(super) ordinary: [f32; DEPTH + 1],
}

impl Behind {
    /// That of such a number of a country that fraudsters call as often as others do.
    pub(super) fn of_any_country(&self) -> Self {
        Self {
            country_odds: 0.0,
            kind_odds: self.kind_odds - self.country_odds,
            ..*self
        }
    }
}

impl Background {
    /// Counts numbers.
    pub(super) fn count<'a>(
        fraud: impl Iterator<Item = &'a E164> + Clone,
        ordinary: impl Iterator<Item = &'a E164> + Clone,
    ) -> Self {
        let country_odds = CountryOdds::count(fraud.clone(), ordinary.clone());
        Self {
            kind_odds: KindOdds::count(fraud, ordinary.clone(), &country_odds),
            ordinary_ranges: OrdinaryRanges::count(ordinary),
            country_odds,
        }
    }

    /// What is behind a number.
    pub(super) fn of(&self, number: &E164, plan: &NumberFacts) -> Behind {
        let country_odds = self.country_odds.of(plan.country);
        Behind {
            country_odds,
            kind_odds: self.kind_odds.of(plan, country_odds),
            ordinary: self.ordinary_ranges.likely(number),
        }
    }
}
