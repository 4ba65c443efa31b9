//! What speaks for a score, in words.

use super::known_numbers::Surroundings;
use crate::number::{E164, NumberFacts, NumberKind, Validity};

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
