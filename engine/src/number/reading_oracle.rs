//! What people dial in each country of libphonenumber's metadata, and what must come of it.

use phonenumber::{
    Type,
    metadata::{DATABASE, Descriptor, Metadata},
};
use regex::Regex;
use regex_syntax::hir::literal::{Extractor, Literal};

use super::{BareNumbers, Called, Country, DialPlan, E164, plan};

const KINDS: [Type; 10] = [
    Type::PremiumRate,
    Type::TollFree,
    Type::SharedCost,
    Type::Voip,
    Type::PersonalNumber,
    Type::Pager,
    Type::Uan,
    Type::Voicemail,
    Type::FixedLine,
    Type::Mobile,
];

/// A fixed line in Havana.
const HAVANA: &str = "5378321234";

/// Each country with its metadata; the networks without a country dial nothing.
fn homes() -> impl Iterator<Item = (Country, &'static Metadata)> {
    Country::all().filter_map(|country| Some((country, DATABASE.by_id(country.code())?)))
}

fn examples(metadata: &Metadata) -> impl Iterator<Item = &str> {
    KINDS
        .into_iter()
        .filter_map(|kind| metadata.descriptors().get(kind))
        .filter_map(Descriptor::example)
}

/// A national number as it is written within its country: libphonenumber's first format that fits.
fn as_dialed(metadata: &Metadata, national: &str) -> String {
    let fits = |pattern: &str, text: &str, rest: &str| {
        let pattern: String = pattern.split_whitespace().collect();
        Regex::new(&format!("^(?:{pattern}){rest}"))
            .unwrap()
            .is_match(text)
    };
    let format = metadata.formats().iter().find(|format| {
        let leads = format.leading_digits().last();
        leads.is_none_or(|leads| fits(leads.as_str(), national, ""))
            && fits(format.pattern().as_str(), national, "$")
    });
    let prefix = metadata.national_prefix().unwrap_or_default();
    let rule = format
        .and_then(|format| format.national_prefix())
        .unwrap_or_default();
    let is_prefixed = rule.contains("$NP")
        || !prefix.is_empty() && rule.trim_start_matches('(').starts_with(prefix);
    match is_prefixed {
        true => format!("{prefix}{national}"),
        false => national.to_owned(),
    }
}

fn report(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Every text that a pattern of few digits matches.
fn expanded(pattern: &str) -> Vec<String> {
    let pattern: String = pattern.split_whitespace().collect();
    let hir = regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(&pattern);
    let mut extractor = Extractor::new();
    extractor
        .limit_class(10)
        .limit_repeat(10)
        .limit_literal_len(16)
        .limit_total(100_000);
    let found = extractor.extract(&hir.unwrap());
    let literals = found.literals().unwrap();
    let is_prefix = |literal: &&Literal| {
        assert!(
            literal.is_exact(),
            "{pattern} matches more than {literal:?}"
        );
        !literal.is_empty()
    };
    let texts = literals.iter().filter(is_prefix);
    texts
        .map(|literal| String::from_utf8(literal.as_bytes().to_vec()).unwrap())
        .collect()
}

#[test]
fn after_each_international_prefix_comes_an_international_number() {
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for (home, metadata) in homes() {
        let Some(pattern) = metadata.international_prefix() else {
            continue;
        };
        let plan = DialPlan::for_country(home);
        for prefix in expanded(pattern.as_str()) {
            tried += 1;
            let dialed = format!("{prefix}{HAVANA}");
            let number = plan.destination(&dialed);
            if number != Ok(HAVANA.parse().unwrap()) {
                wrong.push(format!("{home} {dialed}: {number:?}"));
            }
            // With a digit that carriers drop, and to a satellite network, it is no home call however bare digits are read.
            for number in [format!("{HAVANA}9"), "88213123456".to_owned()] {
                for bare in [BareNumbers::Auto, BareNumbers::E164, BareNumbers::National] {
                    let plan = plan.clone().with_bare_numbers(bare);
                    let dialed = format!("{prefix}{number}");
                    let read = plan.read(&dialed).called;
                    let stays = match read {
                        Ok(Called::Number(_, facts)) => facts.country == Some(home),
                        Ok(_) => true,
                        Err(_) => false,
                    };
                    if stays {
                        wrong.push(format!("{home} {dialed} {bare:?}: {read:?}"));
                    }
                }
            }
        }
    }
    assert!(tried > 2_000, "{tried}");
    report(&wrong);
}

#[test]
fn each_example_number_is_read_as_people_dial_it() {
    let mut wrong = Vec::new();
    for (home, metadata) in homes() {
        let plan = DialPlan::for_country(home);
        let code = home.calling_code().unwrap();
        for national in examples(metadata) {
            let Ok(number) = format!("{code}{national}").parse::<E164>() else {
                continue;
            };
            if !plan::look_up(&number).validity.is_valid() {
                continue;
            }
            let dialed = as_dialed(metadata, national);
            let e164 = plan.clone().with_bare_numbers(BareNumbers::E164);
            for (plan, dialed) in [
                (&plan, dialed.clone()),
                (&plan, format!("+{code}{national}")),
                (&plan, format!("+{code} (0) {national}")),
                (&e164, format!("{code}{national}")),
            ] {
                if dialed.contains("(0)") && metadata.national_prefix() != Some("0") {
                    continue;
                }
                let read = plan.read(&dialed).called;
                let is_read =
                    |read, facts: plan::NumberFacts| read == number && facts.country == Some(home);
                if !matches!(read, Ok(Called::Number(read, facts)) if is_read(read, facts)) {
                    wrong.push(format!("{home} {dialed}, not {number}: {read:?}"));
                }
            }
        }
    }
    report(&wrong);
}

#[test]
fn each_emergency_number_is_one() {
    let table = include_str!("../../data/short-numbers.tsv");
    let mut wrong = Vec::new();
    let mut tried = 0;
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let [region, "emergency", pattern] = line.split('\t').collect::<Vec<_>>()[..] else {
            continue;
        };
        let plan = DialPlan::for_country(region.parse().unwrap());
        for number in expanded(pattern) {
            tried += 1;
            let written = [
                number.clone(),
                format!("+{number}"),
                format!("{number}#"),
                format!("tel:{number}"),
                format!("sip:{number}@pbx"),
            ];
            for dialed in written {
                if !plan.is_emergency(&dialed) {
                    wrong.push(format!("{region} {dialed}"));
                }
            }
        }
    }
    assert!(tried > 700, "{tried}");
    report(&wrong);
}
