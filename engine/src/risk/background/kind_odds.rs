//! How much more a country's numbers of a kind are called by fraudsters than by others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::country_odds::CountryOdds;
use crate::number::{Country, E164, NumberFacts, NumberKind, Validity, plan};

/// So many numbers of a kind must there be before they say as much as those of the country.
const PRIOR: f64 = 4.0;

/// The kinds of numbers, and the ways in which a number can be none.
const KINDS: [&str; 17] = [
    "fixed-line",
    "mobile",
    "fixed-line-or-mobile",
    "toll-free",
    "premium-rate",
    "shared-cost",
    "voip",
    "personal-number",
    "pager",
    "uan",
    "voicemail",
    "satellite",
    "unknown",
    "unallocated",
    "too-short",
    "too-long",
    "no-such-calling-code",
];

/// Which of them a number is of.
fn place(plan: &NumberFacts) -> usize {
    match plan.validity {
        Validity::Valid => match plan.kind {
            NumberKind::FixedLine => 0,
            NumberKind::Mobile => 1,
            NumberKind::FixedLineOrMobile => 2,
            NumberKind::TollFree => 3,
            NumberKind::PremiumRate => 4,
            NumberKind::SharedCost => 5,
            NumberKind::Voip => 6,
            NumberKind::PersonalNumber => 7,
            NumberKind::Pager => 8,
            NumberKind::Uan => 9,
            NumberKind::Voicemail => 10,
            NumberKind::Satellite => 11,
            NumberKind::Unknown => 12,
        },
        Validity::Unallocated => 13,
        Validity::TooShort => 14,
        Validity::TooLong => 15,
        Validity::NoSuchCallingCode => 16,
    }
}

/// The log-odds of a number's being fraud by its country and kind, as if there were as many of both in the world.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct KindOdds {
    /// NaN where no number was counted.
    by_country: Box<[OfCountry]>,
}

impl PartialEq for KindOdds {
    fn eq(&self, other: &Self) -> bool {
        Written::from(self.clone()) == Written::from(other.clone())
    }
}

type OfCountry = [f32; KINDS.len()];

fn nowhere() -> Box<[OfCountry]> {
    Country::all().map(|_| [f32::NAN; KINDS.len()]).collect()
}

/// The part that log-odds stand for.
fn share(odds: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(odds)).exp())
}

/// By country and kind, what is known.
type Written = BTreeMap<String, BTreeMap<String, f32>>;

impl KindOdds {
    /// Counts numbers. A kind of which a country has few is taken to be as the country.
    pub(super) fn count<'a>(
        fraud: impl Iterator<Item = &'a E164>,
        ordinary: impl Iterator<Item = &'a E164>,
        countries: &CountryOdds,
    ) -> Self {
        let mut counts: BTreeMap<(usize, usize), (f64, f64)> = BTreeMap::new();
        let (mut of_fraud, mut of_ordinary) = (1.0, 1.0);
        let counted = fraud
            .map(|number| (number, 1.0, 0.0))
            .chain(ordinary.map(|number| (number, 0.0, 1.0)));
        for (number, fraud, ordinary) in counted {
            let plan = plan::look_up(number);
            of_fraud += fraud;
            of_ordinary += ordinary;
            if let Some(country) = plan.country {
                let count = counts.entry((country.index(), place(&plan))).or_default();
                count.0 += fraud;
                count.1 += ordinary;
            }
        }
        let mut by_country = nowhere();
        for ((country, kind), (fraud, ordinary)) in counts {
            let share = share(countries.of(Country::all().nth(country)));
            let fraud = fraud * of_ordinary / of_fraud + PRIOR * share;
            let ordinary = ordinary + PRIOR * (1.0 - share);
            // More digits would tell nothing.
            by_country[country][kind] = (((fraud / ordinary).ln() * 1e3).round() / 1e3) as f32;
        }
        Self { by_country }
    }

    /// Those of a number; those of its country where there are none of its kind.
    pub(super) fn of(&self, plan: &NumberFacts, country_odds: f32) -> f32 {
        let of_country = |country: Country| self.by_country[country.index()][place(plan)];
        let odds = plan.country.map_or(f32::NAN, of_country);
        if odds.is_nan() { country_odds } else { odds }
    }
}

/// Kinds' odds that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("kind_odds.{0} is no country and kind with a finite number")]
pub struct KindOddsError(String);

impl TryFrom<Written> for KindOdds {
    type Error = KindOddsError;

    fn try_from(written: Written) -> Result<Self, KindOddsError> {
        let mut by_country = nowhere();
        for (code, kinds) in written {
            for (kind, odds) in kinds {
                let country = Country::from_code(&code).ok().filter(|_| odds.is_finite());
                let place = KINDS.iter().position(|name| *name == kind);
                let (Some(country), Some(place)) = (country, place) else {
                    return Err(KindOddsError(format!("{code}.{kind}")));
                };
                by_country[country.index()][place] = odds;
            }
        }
        Ok(Self { by_country })
    }
}

impl From<KindOdds> for Written {
    fn from(odds: KindOdds) -> Self {
        Country::all()
            .map(|country| {
                let kinds = KINDS.iter().zip(odds.by_country[country.index()]);
                let kinds = kinds.filter(|(_, odds)| !odds.is_nan());
                let kinds: BTreeMap<_, _> = kinds
                    .map(|(kind, odds)| ((*kind).to_owned(), odds))
                    .collect();
                (country.code().to_owned(), kinds)
            })
            .filter(|(_, kinds)| !kinds.is_empty())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(range: &str, count: usize) -> Vec<E164> {
        (0..count)
            .map(|last| E164::from_digits(&format!("{range}{last:04}")).unwrap())
            .collect()
    }

    fn odds() -> (CountryOdds, KindOdds) {
        // Latvia's mobile numbers, and as many ordinary fixed lines.
        let (fraud, ordinary) = (numbers("3712555", 200), numbers("3716755", 200));
        let countries = CountryOdds::count(fraud.iter(), ordinary.iter());
        let kinds = KindOdds::count(fraud.iter(), ordinary.iter(), &countries);
        (countries, kinds)
    }

    #[test]
    fn a_country_s_kinds_differ_and_what_was_not_counted_is_as_its_country() {
        let (countries, kinds) = odds();
        let of = |number: &str| {
            let plan = plan::look_up(&E164::from_digits(number).unwrap());
            let of_country = countries.of(plan.country);
            (kinds.of(&plan, of_country), of_country)
        };
        let ((mobile, latvia), (fixed, _)) = (of("37126551234"), of("37167551234"));
        assert!(mobile > latvia + 3.0, "{mobile} {latvia}");
        assert!(fixed < latvia - 3.0, "{fixed} {latvia}");
        let (premium, _) = of("37190001234");
        assert_eq!(premium, latvia);
        let (london, britain) = of("442079460123");
        assert_eq!(london, britain);
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let (_, kinds) = odds();
        let written = Written::from(kinds.clone());
        assert_eq!(
            written["LV"].keys().collect::<Vec<_>>(),
            ["fixed-line", "mobile"]
        );
        assert_eq!(KindOdds::try_from(written.clone()), Ok(kinds));
        for (country, kind, odds) in [
            ("LV", "yacht", 1.0),
            ("XX", "mobile", 1.0),
            ("LV", "mobile", f32::NAN),
        ] {
            let mut written = written.clone();
            written
                .entry(country.to_owned())
                .or_default()
                .insert(kind.to_owned(), odds);
            let error = KindOdds::try_from(written).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("kind_odds.{country}.{kind} is no country and kind with a finite number")
            );
        }
    }
}
