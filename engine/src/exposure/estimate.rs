//! What a minute costs where no rate is known: a rough estimate by country and kind of number, in US dollars.

use std::sync::LazyLock;

use super::Money;
use crate::number::{Country, NumberFacts, NumberKind};

/// One line a country; its head says where the prices are from.
const TABLE: &str = include_str!("../../data/price-estimates.csv");

/// A number of no country known.
const NOWHERE: Prices = Prices {
    fixed: Money::from_millionths(1_000_000),
    mobile: Money::from_millionths(1_000_000),
};
/// The least for a number that the caller pays the called party for.
const PREMIUM: Money = Money::from_millionths(1_000_000);
/// The least for a number that follows a person, and for one that is in no assigned range: fraudsters like both.
const DEAR: Money = Money::from_millionths(500_000);
/// The least for a number whose costs are shared.
const SHARED: Money = Money::from_millionths(250_000);

#[derive(Clone, Copy, Debug)]
struct Prices {
    fixed: Money,
    mobile: Money,
}

static PRICES: LazyLock<Box<[Prices]>> = LazyLock::new(|| {
    let mut prices = vec![NOWHERE; Country::all().len()];
    for line in TABLE.lines() {
        if let Some((country, line)) = read(line) {
            prices[country.index()] = line;
        }
    }
    prices.into()
});

/// A line of the table; `None` for its head.
fn read(line: &str) -> Option<(Country, Prices)> {
    let mut cells = line.split(',');
    let country = Country::from_code(cells.next()?).ok()?;
    let fixed = cells.next()?.parse().ok()?;
    let mobile = cells.next()?.parse().ok()?;
    Some((country, Prices { fixed, mobile }))
}

/// What a minute to a number costs, roughly, in US dollars.
pub fn estimate(plan: &NumberFacts) -> Money {
    let of_country = plan.country.map(|country| PRICES[country.index()]);
    let Prices { fixed, mobile } = of_country.unwrap_or(NOWHERE);
    match plan.kind {
        NumberKind::FixedLine
        | NumberKind::TollFree
        | NumberKind::Voip
        | NumberKind::Uan
        | NumberKind::Voicemail => fixed,
        NumberKind::Mobile
        | NumberKind::FixedLineOrMobile
        | NumberKind::Pager
        | NumberKind::Satellite => mobile,
        NumberKind::PremiumRate => mobile.max(PREMIUM),
        NumberKind::SharedCost => mobile.max(SHARED),
        NumberKind::PersonalNumber | NumberKind::Unknown => mobile.max(DEAR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::plan;

    #[test]
    fn every_country_that_has_numbers_has_a_price() {
        let lines: Vec<Country> = TABLE
            .lines()
            .filter_map(read)
            .map(|(country, prices)| {
                assert!(prices.fixed > Money::NONE && prices.fixed <= prices.mobile);
                country
            })
            .collect();
        let mut sorted = lines.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), lines.len(), "a country stands there twice");
        for country in Country::all().filter(|country| country.calling_code().is_some()) {
            assert!(lines.contains(&country), "{country}");
        }
        let comments = TABLE.lines().filter(|line| line.starts_with('#')).count();
        assert_eq!(lines.len() + comments + 1, TABLE.lines().count());
    }

    #[test]
    fn what_fraudsters_dial_is_dear_and_an_ordinary_number_is_not() {
        let price = |number: &str| {
            let number = number.parse().unwrap();
            estimate(&plan::look_up(&number)).to_string()
        };
        assert_eq!(price("442079460123"), "0.02");
        assert_eq!(price("447400123456"), "0.04");
        assert_eq!(price("252612345678"), "0.95");
        assert_eq!(price("881612345678"), "5.00");
        // Premium rate in the United Kingdom, and a Latvian number that is too long.
        assert_eq!(price("449091234567"), "1.00");
        assert_eq!(price("371280541901"), "0.50");
        assert_eq!(price("999"), "1.00");
    }
}
