//! What the call is part of: an exchange that is tried with many prefixes, a range that is dialed number by number, several accounts
//! that turn to one range.

use super::{
    Circumstances,
    indicator::{
        Indicator::{
            self, Neighbours1, Neighbours2, Neighbours3, Newcomers1, Newcomers2, Newcomers3,
            Newcomers4, OfRange2, OfRange3, OfRange4, OfRange5, OfRange6, Prefixes2, Prefixes3,
            Prefixes4, Regulars1, Regulars2, TestedByAnother, TestedItself,
        },
        Indicators,
    },
    novelty::acquaintance,
};
use crate::usage::Tested;

/// With how many prefixes a number was tried.
const PREFIXES: [Indicator; 3] = [Prefixes2, Prefixes3, Prefixes4];
/// How many numbers next to it were dialed.
const NEIGHBOURS: [Indicator; 3] = [Neighbours1, Neighbours2, Neighbours3];
/// How many numbers of its thousand were dialed.
const OF_RANGE: [Indicator; 5] = [OfRange2, OfRange3, OfRange4, OfRange5, OfRange6];
/// How many other accounts have turned to the range.
const NEWCOMERS: [Indicator; 4] = [Newcomers1, Newcomers2, Newcomers3, Newcomers4];
/// How many other accounts call it again and again.
const REGULARS: [Indicator; 2] = [Regulars1, Regulars2];
/// That the range was called for moments, hours ago.
const TESTED: [Indicator; 2] = [TestedItself, TestedByAnother];

/// What a call is part of.
pub(super) fn indicate(call: &Circumstances, all: &mut Indicators) {
    let (dialing, range) = (&call.past.dialing, &call.past.range);
    let part = acquaintance(call);
    all.climb(&PREFIXES, 2, dialing.prefixes, 1.0);
    all.climb(&NEIGHBOURS, 1, dialing.neighbours, 1.0);
    all.climb(&OF_RANGE, 2, dialing.of_range, 1.0);
    all.climb(&NEWCOMERS, 1, range.all_newcomers(), part);
    all.climb(&REGULARS, 1, range.all_regulars(), 1.0);
    let tested = range.tested_by();
    all.set_if(TestedItself, tested == Some(Tested::Itself), part);
    all.set_if(TestedByAnother, tested == Some(Tested::Another), part);
}

/// In words; `tells` says whether any of some indicators is there, and is worth something.
pub(super) fn evidence(call: &Circumstances, tells: impl Fn(&[Indicator]) -> bool) -> String {
    let past = &call.past;
    let words: [(&[Indicator], String); 6] = [
        (
            &PREFIXES,
            format!(
                "the same digits were dialed with {} prefixes",
                past.dialing.prefixes
            ),
        ),
        (
            &NEIGHBOURS,
            format!(
                "{} right beside it dialed within the hour",
                numbers(past.dialing.neighbours)
            ),
        ),
        (
            &OF_RANGE,
            format!(
                "{} of its thousand dialed within the hour",
                numbers(past.dialing.of_range)
            ),
        ),
        (
            &NEWCOMERS,
            format!(
                "{} turned to its range within hours",
                callers(
                    past.range.newcomers,
                    past.range.elsewhere.newcomers,
                    ["has", "have"],
                )
            ),
        ),
        (
            &REGULARS,
            format!(
                "{} its range again and again",
                callers(
                    past.range.regulars,
                    past.range.elsewhere.regulars,
                    ["calls", "call"],
                )
            ),
        ),
        (
            &TESTED,
            match (past.range.tested, past.range.elsewhere.tested) {
                (Some(Tested::Itself), _) => "it has called the range for moments within a day",
                (Some(Tested::Another), _) | (None, false) => {
                    "another account has called the range for moments within a day"
                }
                (None, true) => {
                    "an account of another domain has called the range for moments within a day"
                }
            }
            .to_owned(),
        ),
    ];
    let told: Vec<String> = words
        .into_iter()
        .filter(|(indicators, _)| tells(indicators))
        .map(|(_, words)| words)
        .collect();
    told.join(", ")
}

fn numbers(count: u8) -> String {
    match count {
        1 => "a number".to_owned(),
        count => format!("{count} numbers"),
    }
}

/// Accounts of the domain, and other domains, with the verb for one and for several.
fn callers(accounts: u8, domains: u8, [one, several]: [&str; 2]) -> String {
    let accounts = match accounts {
        0 => None,
        1 => Some("another account".to_owned()),
        count => Some(format!("{count} other accounts")),
    };
    let domains = match domains {
        0 => None,
        1 => Some("another domain".to_owned()),
        count => Some(format!("{count} other domains")),
    };
    let verb = if [&accounts, &domains].into_iter().flatten().count() == 2 {
        several
    } else {
        let single = accounts.as_ref().or(domains.as_ref());
        match single.is_some_and(|who| who.starts_with("another")) {
            true => one,
            false => several,
        }
    };
    let who: Vec<String> = [accounts, domains].into_iter().flatten().collect();
    format!("{} {verb}", who.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        risk::Worth,
        usage::{DialingPattern, Past, RangeCallers},
    };

    fn log_odds(call: &Circumstances) -> f32 {
        call.log_odds(&Worth::default())
    }

    fn evidence(call: &Circumstances) -> String {
        let signal = call.signals(&Worth::default(), |_| 1).next();
        signal.unwrap().evidence
    }

    fn of(dialing: DialingPattern, range: RangeCallers) -> Circumstances {
        Circumstances {
            past: Past {
                dialing,
                range,
                watched_days: 30,
                ..Past::default()
            },
            ..Circumstances::default()
        }
    }

    #[test]
    fn the_first_call_and_a_second_way_of_dialing_it_are_hardly_anything() {
        let mut dialing = DialingPattern {
            prefixes: 1,
            neighbours: 0,
            of_range: 1,
        };
        assert_eq!(log_odds(&of(dialing, RangeCallers::default())), 0.0);
        dialing.prefixes = 2;
        assert_eq!(log_odds(&of(dialing, RangeCallers::default())), 0.5);
        dialing.prefixes = 9;
        let machine = of(dialing, RangeCallers::default());
        assert_eq!(log_odds(&machine), 3.5);
        assert_eq!(
            evidence(&machine),
            "the same digits were dialed with 9 prefixes"
        );
    }

    #[test]
    fn a_test_of_hours_ago_speaks_against_who_calls_now() {
        let by = |tested| RangeCallers {
            tested: Some(tested),
            ..RangeCallers::default()
        };
        let own = of(DialingPattern::default(), by(Tested::Itself));
        assert_eq!(log_odds(&own), 0.5);
        let another = of(DialingPattern::default(), by(Tested::Another));
        assert_eq!(log_odds(&another), 1.5);
        assert_eq!(
            evidence(&another),
            "another account has called the range for moments within a day"
        );
    }

    #[test]
    fn what_one_account_or_many_can_add_is_bounded() {
        let dialing = DialingPattern {
            prefixes: u8::MAX,
            neighbours: u8::MAX,
            of_range: u8::MAX,
        };
        let range = RangeCallers {
            newcomers: u8::MAX,
            tested: Some(Tested::Another),
            ..RangeCallers::default()
        };
        assert_eq!(log_odds(&of(dialing, range)), 12.5);
        assert_eq!(log_odds(&of(DialingPattern::default(), range)), 4.5);
    }
}
