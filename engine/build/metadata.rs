//! What libphonenumber knows about each territory, reduced to what the automaton and the tables need.

use std::error::Error;

use phonenumber::Type;
use phonenumber::metadata::{DATABASE, Descriptor, Format, Metadata};

use crate::places::PLACES;
use crate::sequences::{self, Sequence};

/// A calling code of E.164 and the territories that share it, in the order in which libphonenumber tries them.
pub(crate) struct CallingCode {
    pub(crate) code: u16,
    pub(crate) territories: Vec<Territory>,
}

impl CallingCode {
    /// How many digits the calling code itself has.
    pub(crate) fn digits(&self) -> usize {
        self.code.to_string().len()
    }
}

/// One territory's numbering plan.
pub(crate) struct Territory {
    /// Index into [`PLACES`].
    pub(crate) place: usize,
    /// The region is this one when a national number starts so, whatever follows.
    pub(crate) leading_digits: Option<String>,
    /// What every number of the territory matches.
    pub(crate) general: Rule,
    /// The kinds of numbers, in the order in which libphonenumber tries them.
    pub(crate) kinds: Vec<(Kind, Rule)>,
    /// The patterns for fixed and mobile lines are the same, so that a match says nothing of either.
    pub(crate) fixed_line_is_mobile: bool,
    pub(crate) national_prefix: Option<String>,
    pub(crate) international_prefix: Option<String>,
    /// All that is dialed before an international number, carrier selection included.
    pub(crate) international_prefixes: Vec<Sequence>,
    /// What becomes of the beginning of a number that is dialed within the territory.
    pub(crate) rewrites: Vec<Rewrite>,
    /// Lengths of numbers that are only dialed locally, without an area code.
    pub(crate) local_lengths: Lengths,
    /// How numbers are written within the territory, up to the last form without a national prefix.
    pub(crate) forms: Vec<Form>,
}

/// How some numbers are written within their territory.
pub(crate) struct Form {
    /// The number starts with one of these; without any it may be all numbers.
    pub(crate) leading: Vec<Sequence>,
    pub(crate) lengths: Lengths,
    /// Whether the national prefix is written.
    pub(crate) prefixed: bool,
}

/// How libphonenumber's `nationalPrefixForParsing` and `nationalPrefixTransformRule` change the beginning of a number, for one form of it.
pub(crate) struct Rewrite {
    pub(crate) form: Sequence,
    /// Put in front of what is kept.
    pub(crate) insert: String,
    /// Which of the form's digits are kept.
    pub(crate) keep: (usize, usize),
}

/// A pattern for national numbers, and the lengths that count for it.
pub(crate) struct Rule {
    pub(crate) pattern: String,
    pub(crate) lengths: Lengths,
}

/// Lengths of national numbers in digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lengths(u32);

impl Lengths {
    pub(crate) fn contains(self, digits: usize) -> bool {
        digits < 32 && self.0 & 1 << digits != 0
    }

    /// One bit a length; what is longer than E.164 allows is left out.
    pub(crate) fn e164_bits(self) -> u16 {
        (self.0 & 0x7fff) as u16
    }
}

/// The kinds of numbers as the engine names them; `Satellite` is ours, the rest libphonenumber's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    PremiumRate,
    TollFree,
    SharedCost,
    Voip,
    PersonalNumber,
    Pager,
    Uan,
    Voicemail,
    FixedLine,
    Mobile,
    FixedLineOrMobile,
    Satellite,
}

/// In libphonenumber's order. Fixed line and mobile come last, as they may both match.
const KINDS: [(Kind, Type); 10] = [
    (Kind::PremiumRate, Type::PremiumRate),
    (Kind::TollFree, Type::TollFree),
    (Kind::SharedCost, Type::SharedCost),
    (Kind::Voip, Type::Voip),
    (Kind::PersonalNumber, Type::PersonalNumber),
    (Kind::Pager, Type::Pager),
    (Kind::Uan, Type::Uan),
    (Kind::Voicemail, Type::Voicemail),
    (Kind::FixedLine, Type::FixedLine),
    (Kind::Mobile, Type::Mobile),
];

/// All calling codes, in ascending order.
pub(crate) fn calling_codes() -> Result<Vec<CallingCode>, Box<dyn Error>> {
    (1..=999)
        .filter_map(|code| Some((code, DATABASE.by_code(&code)?)))
        .map(|(code, territories)| {
            let territories = territories
                .into_iter()
                .map(|metadata| territory(code, metadata))
                .collect::<Result<_, _>>()?;
            Ok(CallingCode { code, territories })
        })
        .collect()
}

fn territory(code: u16, metadata: &Metadata) -> Result<Territory, Box<dyn Error>> {
    // A network without a country has the id 001, "the world"; here it goes by its calling code.
    let id = match metadata.id() {
        "001" => code.to_string(),
        id => id.to_owned(),
    };
    let place = PLACES
        .binary_search_by_key(&id.as_str(), |(code, _)| code)
        .map_err(|_| format!("territory {id} of +{code} is missing in iso3166.rs"))?;
    let local_lengths = KINDS
        .iter()
        .filter_map(|&(_, of)| metadata.descriptors().get(of))
        .flat_map(Descriptor::possible_local_length)
        .fold(0, |bits, &length| bits | 1 << length);
    let kinds: Vec<(Kind, Rule)> = KINDS
        .iter()
        .filter_map(|&(kind, of)| Some((kind, rule(metadata.descriptors().get(of)?))))
        .collect();
    let pattern_of = |wanted: Kind| {
        let (_, rule) = kinds.iter().find(|(kind, _)| *kind == wanted)?;
        Some(rule.pattern.as_str())
    };
    let fixed_line_is_mobile = pattern_of(Kind::FixedLine).is_some()
        && pattern_of(Kind::FixedLine) == pattern_of(Kind::Mobile);
    // The metadata leaves the general lengths out where they follow from the kinds: everywhere.
    let lengths = kinds
        .iter()
        .fold(Lengths(0), |all, (_, rule)| Lengths(all.0 | rule.lengths.0));

    Ok(Territory {
        place,
        leading_digits: metadata
            .leading_digits()
            .map(|regex| compact(regex.as_str())),
        general: Rule {
            pattern: compact(metadata.descriptors().general().national_number().as_str()),
            lengths,
        },
        kinds,
        fixed_line_is_mobile,
        national_prefix: metadata.national_prefix().and_then(literal_digits),
        international_prefix: metadata
            .international_prefix()
            .and_then(|regex| literal_digits(&compact(regex.as_str())))
            .or_else(|| {
                metadata
                    .preferred_international_prefix()
                    .and_then(literal_digits)
            }),
        international_prefixes: match metadata.international_prefix() {
            Some(pattern) => sequences::of(&compact(pattern.as_str()))?,
            None => Vec::new(),
        },
        rewrites: rewrites(metadata)?,
        local_lengths: Lengths(local_lengths),
        forms: forms(metadata)?,
    })
}

fn forms(metadata: &Metadata) -> Result<Vec<Form>, Box<dyn Error>> {
    let Some(prefix) = metadata.national_prefix() else {
        return Ok(Vec::new());
    };
    let prefixed = |format: &Format| {
        let rule = format.national_prefix().unwrap_or_default();
        rule.contains("$NP") || rule.trim_start_matches(['(', '[']).starts_with(prefix)
    };
    let formats = metadata.formats();
    let last = formats.iter().rposition(|format| !prefixed(format));
    let count = last.map_or(0, |last| last + 1);
    formats[..count]
        .iter()
        .map(|format| {
            let leading = match format.leading_digits().last() {
                Some(pattern) => sequences::of(&compact(pattern.as_str()))?,
                None => Vec::new(),
            };
            let lengths = sequences::of(&compact(format.pattern().as_str()))?
                .iter()
                .fold(0, |bits, form| bits | 1 << form.digits.len());
            Ok(Form {
                leading,
                lengths: Lengths(lengths),
                prefixed: prefixed(format),
            })
        })
        .collect()
}

fn rewrites(metadata: &Metadata) -> Result<Vec<Rewrite>, Box<dyn Error>> {
    let pattern = metadata
        .national_prefix_for_parsing()
        .map(|pattern| compact(pattern.as_str()))
        .or_else(|| metadata.national_prefix().map(str::to_owned));
    let Some(pattern) = pattern else {
        return Ok(Vec::new());
    };
    let rule = metadata.national_prefix_transform_rule().unwrap_or("");
    sequences::of(&pattern)?
        .into_iter()
        // What matches without a digit changes nothing.
        .filter(|form| !form.digits.is_empty())
        .map(|form| {
            let all = form.digits.len();
            let transformed = match form.groups.last() {
                Some(Some(kept)) if !rule.is_empty() => Some(*kept),
                _ => None,
            };
            let Some(keep) = transformed else {
                let (insert, keep) = (String::new(), (all, all));
                return Ok(Rewrite { form, insert, keep });
            };
            // All rules of the metadata are digits, then the last group.
            let last = format!("${}", form.groups.len());
            let insert = rule
                .strip_suffix(&last)
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
                .ok_or_else(|| format!("the transform rule {rule} is of a new sort"))?
                .to_owned();
            Ok(Rewrite { form, insert, keep })
        })
        .collect()
}

fn rule(descriptor: &Descriptor) -> Rule {
    Rule {
        pattern: compact(descriptor.national_number().as_str()),
        lengths: Lengths(
            descriptor
                .possible_length()
                .iter()
                .fold(0, |bits, &length| bits | 1 << length),
        ),
    }
}

/// The patterns are laid out over several lines; the space in them means nothing.
fn compact(pattern: &str) -> String {
    pattern.split_whitespace().collect()
}

fn literal_digits(prefix: &str) -> Option<String> {
    let literal = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    literal.then(|| prefix.to_owned())
}
