//! How much more a country is called by fraudsters than by others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::number::{Country, CountryGroup, E164, plan};

/// So many numbers of a country must there be before they say as much as those of all countries whose risk is alike.
const PRIOR: f64 = 20.0;

/// The log-odds of a number's being fraud by its country alone, as if there were as many of both in the world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, f32>", into = "BTreeMap<String, f32>")]
pub struct CountryOdds {
    by_country: Box<[f32]>,
    elsewhere: f32,
}

/// The key of numbers that have no country, since there is no such calling code.
const ELSEWHERE: &str = "elsewhere";

#[derive(Clone, Copy, Default)]
struct Count {
    fraud: f64,
    ordinary: f64,
}

impl CountryOdds {
    /// Counts numbers. A country of which there are few is taken to be as those of its risk ([`CountryGroup`]).
    pub(super) fn count<'a>(
        fraud: impl Iterator<Item = &'a E164>,
        ordinary: impl Iterator<Item = &'a E164>,
    ) -> Self {
        let high = CountryGroup::HighRisk.countries();
        let medium = CountryGroup::MediumRisk.countries();
        let group = |country: Option<Country>| match country {
            Some(country) if medium.contains(country) => 1,
            Some(country) if !high.contains(country) => 0,
            _ => 2,
        };
        let mut countries: BTreeMap<Option<Country>, Count> = BTreeMap::new();
        let mut groups = [Count {
            fraud: 1.0,
            ordinary: 1.0,
        }; 3];
        let mut all = groups[0];
        let counted = fraud
            .map(|number| (number, 1.0, 0.0))
            .chain(ordinary.map(|number| (number, 0.0, 1.0)));
        for (number, fraud, ordinary) in counted {
            let country = plan::look_up(number).country;
            let own = countries.entry(country).or_default();
            for count in [own, &mut groups[group(country)], &mut all] {
                count.fraud += fraud;
                count.ordinary += ordinary;
            }
        }
        let scale = all.ordinary / all.fraud;
        let odds = |country: Option<Country>| {
            let alike = groups[group(country)];
            let share = alike.fraud * scale / (alike.fraud * scale + alike.ordinary);
            let own = countries.get(&country).copied().unwrap_or_default();
            let fraud = own.fraud * scale + PRIOR * share;
            let ordinary = own.ordinary + PRIOR * (1.0 - share);
            (fraud / ordinary).ln() as f32
        };
        Self {
            by_country: Country::all().map(|country| odds(Some(country))).collect(),
            elsewhere: odds(None),
        }
    }

    /// Those of a number's country; `None`: there is no such calling code.
    pub fn of(&self, country: Option<Country>) -> f32 {
        country.map_or(self.elsewhere, |country| self.by_country[country.index()])
    }
}

/// Country odds that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("country_odds.{country} {problem}")]
pub struct CountryOddsError {
    country: String,
    problem: &'static str,
}

impl TryFrom<BTreeMap<String, f32>> for CountryOdds {
    type Error = CountryOddsError;

    fn try_from(mut odds: BTreeMap<String, f32>) -> Result<Self, CountryOddsError> {
        let mut take = |country: &str| match odds.remove(country) {
            Some(odds) if odds.is_finite() => Ok(odds),
            other => Err(CountryOddsError {
                country: country.to_owned(),
                problem: match other {
                    Some(_) => "is no finite number",
                    None => "is missing",
                },
            }),
        };
        let by_country = Country::all()
            .map(|country| take(country.code()))
            .collect::<Result<_, _>>()?;
        let elsewhere = take(ELSEWHERE)?;
        match odds.into_keys().next() {
            None => Ok(Self {
                by_country,
                elsewhere,
            }),
            Some(country) => Err(CountryOddsError {
                country,
                problem: "is no country",
            }),
        }
    }
}

impl From<CountryOdds> for BTreeMap<String, f32> {
    fn from(odds: CountryOdds) -> Self {
        Country::all()
            .map(|country| (country.code().to_owned(), odds.of(Some(country))))
            .chain([(ELSEWHERE.to_owned(), odds.elsewhere)])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(prefix: &str, count: usize) -> Vec<E164> {
        (0..count)
            .map(|number| E164::from_digits(&format!("{prefix}{number:06}")).unwrap())
            .collect()
    }

    #[test]
    fn a_country_of_many_numbers_speaks_for_itself_and_one_of_none_for_its_kind() {
        let fraud = [numbers("2526", 300), numbers("4420", 30)].concat();
        let ordinary = [numbers("4420", 300), numbers("2526", 3)].concat();
        let odds = CountryOdds::count(fraud.iter(), ordinary.iter());
        let of = |code| odds.of(Some(Country::from_code(code).unwrap()));
        assert!(of("SO") > 2.0, "{}", of("SO"));
        assert!(of("GB") < -1.0, "{}", of("GB"));
        // Nobody has counted Cuba, which is of Somalia's risk, nor Sweden.
        assert!(of("CU") > 1.0, "{}", of("CU"));
        assert!(of("SE").abs() < 0.1, "{}", of("SE"));
        assert_eq!(odds.of(None), of("CU"));
    }

    #[test]
    fn every_country_must_be_there_and_nothing_else() {
        let odds = CountryOdds::count([].iter(), [].iter());
        let mut written = BTreeMap::from(odds.clone());
        assert_eq!(CountryOdds::try_from(written.clone()), Ok(odds));
        written.insert("XX".to_owned(), 1.0);
        let error = CountryOdds::try_from(written.clone()).unwrap_err();
        assert_eq!(error.to_string(), "country_odds.XX is no country");
        written.remove("FR");
        let error = CountryOdds::try_from(written).unwrap_err();
        assert_eq!(error.to_string(), "country_odds.FR is missing");
    }
}
