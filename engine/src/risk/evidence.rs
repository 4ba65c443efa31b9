//! What speaks for a score, in words.

use super::known_numbers::Surroundings;
use crate::number::{CountryGroup, E164, NumberFacts, NumberKind, Validity};

/// What the numbering plan says.
pub(super) fn plan(number: &E164, plan: &NumberFacts) -> String {
    let country = plan.country.map_or("no country", |country| country.name());
    match plan.validity {
        Validity::Valid => match plan.kind {
            NumberKind::PremiumRate => format!("a premium-rate number of {country}"),
            NumberKind::SharedCost => format!("a shared-cost number of {country}"),
            NumberKind::Satellite => format!("a satellite telephone of {country}"),
            kind => format!("a valid number of {country}: {kind}"),
        },
        Validity::Unallocated => format!("a range of {country} that is not allocated"),
        Validity::TooShort | Validity::TooLong => format!(
            "{} digits: {country} has no numbers of that length",
            number.digits().len()
        ),
        Validity::NoSuchCallingCode => "a calling code that there is not".to_owned(),
    }
}

/// How much more the number's country is called by fraudsters than by others.
pub(super) fn country(plan: &NumberFacts, country_odds: f32) -> String {
    let Some(country) = plan.country else {
        return "no country has such numbers".to_owned();
    };
    let risk = if CountryGroup::HighRisk.countries().contains(country) {
        "high"
    } else if CountryGroup::MediumRisk.countries().contains(country) {
        "medium"
    } else {
        "low"
    };
    let country = format!("{}, of {risk} risk", country.name());
    let times = country_odds.abs().exp();
    match times.round() as u32 {
        0 | 1 => format!("{country}: fraudsters call there as often as others"),
        times if country_odds > 0.0 => {
            format!("{country}: fraudsters call there {times} times as often as others")
        }
        times => {
            format!("{country}: others call there {times} times as often as fraudsters")
        }
    }
}

/// What is known of the number's ranges.
pub(super) fn range(number: &E164, around: &Surroundings) -> String {
    if around.known == 0.0 {
        return "no number is known as fraud yet".to_owned();
    }
    let digits = number.digits().len();
    let shared = usize::from(around.shared);
    let known = around.sharing[shared].round().max(1.0);
    let open = digits - shared;
    match (shared, open) {
        (0..=3, _) => format!(
            "shares no range with the {} known fraud numbers",
            around.known.round()
        ),
        (_, 0) => format!("is the beginning of {}", numbers(known)),
        _ => format!("shares {shared} of {digits} digits with {}", numbers(known)),
    }
}

fn numbers(count: f32) -> String {
    if count < 1.5 {
        "a known fraud number".to_owned()
    } else {
        format!("{count} known fraud numbers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::plan;

    #[test]
    fn a_country_is_told_by_its_risk_and_by_who_calls_it() {
        let told = |number: &str, odds: f32| {
            country(&plan::look_up(&E164::from_digits(number).unwrap()), odds)
        };
        assert_eq!(
            told("5353712345", 2.5),
            "Cuba, of high risk: fraudsters call there 12 times as often as others"
        );
        assert_eq!(
            told("4930227300", -1.6),
            "Germany, of low risk: others call there 5 times as often as fraudsters"
        );
        assert_eq!(
            told("4930227300", 0.1),
            "Germany, of low risk: fraudsters call there as often as others"
        );
    }
}
