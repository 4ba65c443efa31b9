//! libphonenumber's judgement of a number in its own plain words, regular expression by regular expression: slow, and
//! written without a look at the automaton that is checked against it here.

use std::collections::HashMap;
use std::sync::LazyLock;

use phonenumber::Type;
use phonenumber::metadata::{DATABASE, Descriptor, Metadata};
use proptest::prelude::*;
use proptest::sample::select;
use regex::{Regex, RegexBuilder};

use super::plan::look_up;
use super::{Country, E164, NumberKind, Validity};

/// What libphonenumber's `getNumberType` can say, and how it is called here.
const KINDS: [(Type, NumberKind); 10] = [
    (Type::PremiumRate, NumberKind::PremiumRate),
    (Type::TollFree, NumberKind::TollFree),
    (Type::SharedCost, NumberKind::SharedCost),
    (Type::Voip, NumberKind::Voip),
    (Type::PersonalNumber, NumberKind::PersonalNumber),
    (Type::Pager, NumberKind::Pager),
    (Type::Uan, NumberKind::Uan),
    (Type::Voicemail, NumberKind::Voicemail),
    (Type::FixedLine, NumberKind::FixedLine),
    (Type::Mobile, NumberKind::Mobile),
];

struct Territory {
    country: Country,
    leading_digits: Option<Regex>,
    general: Regex,
    kinds: Vec<(NumberKind, Rule)>,
    fixed_line_is_mobile: bool,
}

struct Rule {
    pattern: Regex,
    lengths: Vec<u16>,
}

static WORLD: LazyLock<HashMap<u16, Vec<Territory>>> = LazyLock::new(|| {
    (1..=999)
        .filter_map(|code| {
            let territories = DATABASE.by_code(&code)?;
            Some((
                code,
                territories
                    .into_iter()
                    .map(|metadata| territory(code, metadata))
                    .collect(),
            ))
        })
        .collect()
});

fn territory(code: u16, metadata: &Metadata) -> Territory {
    let descriptors = metadata.descriptors();
    let source = |of: Type| {
        descriptors
            .get(of)
            .map(|rule| rule.national_number().as_str())
    };
    let id = if metadata.id() == "001" {
        code.to_string()
    } else {
        metadata.id().to_owned()
    };
    Territory {
        country: id.parse().unwrap(),
        leading_digits: metadata
            .leading_digits()
            .map(|regex| whole(regex.as_str(), "[0-9]*")),
        general: whole(descriptors.general().national_number().as_str(), ""),
        kinds: KINDS
            .into_iter()
            .filter_map(|(of, kind)| Some((kind, rule(descriptors.get(of)?))))
            .collect(),
        fixed_line_is_mobile: source(Type::FixedLine) == source(Type::Mobile),
    }
}

fn rule(descriptor: &Descriptor) -> Rule {
    Rule {
        pattern: whole(descriptor.national_number().as_str(), ""),
        lengths: descriptor.possible_length().to_vec(),
    }
}

/// A pattern that a whole text has to match, up to the rest.
fn whole(pattern: &str, rest: &str) -> Regex {
    RegexBuilder::new(&format!("^(?:{pattern}){rest}$"))
        .ignore_whitespace(true)
        .unicode(false)
        .build()
        .unwrap()
}

impl Territory {
    fn kind(&self, national: &str) -> Option<NumberKind> {
        if !self.general.is_match(national) {
            return None;
        }
        let matching: Vec<NumberKind> = self
            .kinds
            .iter()
            .filter(|(_, rule)| {
                rule.lengths.contains(&(national.len() as u16)) && rule.pattern.is_match(national)
            })
            .map(|(kind, _)| *kind)
            .collect();
        let both = self.fixed_line_is_mobile || matching.contains(&NumberKind::Mobile);
        match *matching.first()? {
            NumberKind::FixedLine if both => Some(NumberKind::FixedLineOrMobile),
            NumberKind::Mobile if self.fixed_line_is_mobile => None,
            kind => Some(kind),
        }
    }
}

struct Judgement {
    calling_code: u16,
    /// Which territory libphonenumber takes the number for, if any.
    country: Option<Country>,
    kind: Option<NumberKind>,
}

fn judge(number: &E164) -> Option<Judgement> {
    let (calling_code, national, territories) = (1..=3).find_map(|digits| {
        let (code, national) = number.as_str().split_at_checked(digits)?;
        let code = code.parse().unwrap();
        Some((code, national, WORLD.get(&code)?))
    })?;
    let territory = match territories.as_slice() {
        [only] => Some(only),
        several => several
            .iter()
            .find(|territory| match &territory.leading_digits {
                Some(leading) => leading.is_match(national),
                None => territory.kind(national).is_some(),
            }),
    };
    let kind = territory.and_then(|territory| territory.kind(national));
    let satellite = kind.is_some() && [870, 881].contains(&calling_code);
    Some(Judgement {
        calling_code,
        country: territory.map(|territory| territory.country),
        kind: if satellite {
            Some(NumberKind::Satellite)
        } else {
            kind
        },
    })
}

fn assert_agreement(number: &E164) {
    let facts = look_up(number);
    let Some(judgement) = judge(number) else {
        assert_eq!(facts.validity, Validity::NoSuchCallingCode, "{number}");
        assert_eq!(
            (facts.calling_code, facts.country),
            (None, None),
            "{number}"
        );
        return;
    };
    assert_eq!(facts.calling_code, Some(judgement.calling_code), "{number}");
    assert_eq!(
        facts.kind,
        judgement.kind.unwrap_or(NumberKind::Unknown),
        "{number}"
    );
    assert_eq!(
        facts.validity.is_valid(),
        judgement.kind.is_some(),
        "{number}"
    );
    if judgement.country.is_some() {
        assert_eq!(facts.country, judgement.country, "{number}");
    } else {
        let sharing = &WORLD[&judgement.calling_code];
        assert!(
            sharing
                .iter()
                .any(|sharer| Some(sharer.country) == facts.country),
            "{number}"
        );
    }
}

/// An example of each kind of number of each territory, as libphonenumber gives them.
static EXAMPLES: LazyLock<Vec<E164>> = LazyLock::new(|| {
    let of_territory = |code: u16, metadata: &Metadata| -> Vec<E164> {
        KINDS
            .iter()
            .filter_map(|(of, _)| metadata.descriptors().get(*of)?.example())
            .map(|national| format!("{code}{national}").parse().unwrap())
            .collect()
    };
    let mut examples: Vec<E164> = (1..=999)
        .flat_map(|code| {
            let territories = DATABASE.by_code(&code).unwrap_or_default();
            territories
                .into_iter()
                .flat_map(move |metadata| of_territory(code, metadata))
        })
        .collect();
    examples.sort_unstable();
    examples.dedup();
    examples
});

#[test]
fn every_example_is_valid() {
    assert!(EXAMPLES.len() > 1_000);
    for number in EXAMPLES.iter() {
        assert_eq!(look_up(number).validity, Validity::Valid, "{number}");
        assert_agreement(number);
    }
}

#[test]
fn the_first_digits_tell_the_country_or_leave_it_to_the_main_one() {
    for number in EXAMPLES.iter() {
        let country = look_up(number).country.unwrap();
        let main_country = WORLD[&country.calling_code().unwrap()][0].country;
        let mut told = false;
        for digits in country.calling_code().unwrap().to_string().len()..number.digits().len() {
            let beginning = number.as_str()[..digits].parse().unwrap();
            assert_agreement(&beginning);
            if judge(&beginning).unwrap().kind.is_some() {
                continue;
            }
            let so_far = look_up(&beginning).country.unwrap();
            assert!(
                so_far == country || (so_far == main_country && !told),
                "{beginning} of {number}"
            );
            told = so_far != main_country;
        }
    }
}

#[test]
fn beginnings_of_numbers_agree() {
    for code in 1..=99_999 {
        assert_agreement(&E164::from_digits(&code.to_string()).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn numbers_next_to_an_example_agree(
        example in select(EXAMPLES.as_slice()),
        kept in 0..=E164::MAX_DIGITS,
        replaced in "[0-9]{0,3}",
        appended in "[0-9]{0,3}",
    ) {
        let example = example.as_str();
        let kept = kept.min(example.len());
        let rest = example.get(kept + replaced.len()..).unwrap_or_default();
        let number = format!("{}{replaced}{rest}{appended}", &example[..kept]);
        if let Ok(number) = number.parse() {
            assert_agreement(&number);
        }
    }

    #[test]
    fn any_number_agrees(
        code in select(WORLD.keys().copied().collect::<Vec<_>>()),
        national in "[0-9]{0,14}",
    ) {
        if let Ok(number) = format!("{code}{national}").parse() {
            assert_agreement(&number);
        }
    }
}
