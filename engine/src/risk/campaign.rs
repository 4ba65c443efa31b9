//! What the call is part of: an exchange that is tried with many prefixes, a range that is dialed number by number, several accounts
//! that turn to one range.

use super::{
    circumstances::{Circumstance, Circumstances},
    novelty::acquaintance,
};
use crate::usage::Tested;

pub(super) const CAMPAIGN: Circumstance = Circumstance {
    name: "campaign",
    log_odds,
    evidence,
};

/// What so many of a thing are worth; the last stands for all that are more.
fn worth(steps: &[f32], count: u8) -> f32 {
    let last = steps.len().saturating_sub(1);
    steps
        .get(usize::from(count).min(last))
        .copied()
        .unwrap_or_default()
}

/// With how many prefixes a number was tried. Two are a caller who has forgotten his; more are a machine.
const PREFIXES: [f32; 5] = [0.0, 0.0, 0.5, 2.0, 3.5];
/// How many numbers next to it were dialed.
const NEIGHBOURS: [f32; 4] = [0.0, 0.25, 1.0, 2.0];
/// How many numbers of its thousand were dialed.
const OF_RANGE: [f32; 7] = [0.0, 0.0, 0.25, 0.5, 1.0, 1.5, 2.5];
/// How many other accounts have turned to the range.
const NEWCOMERS: [f32; 5] = [0.0, 0.5, 1.25, 2.25, 3.0];
/// How many other accounts call it again and again.
const REGULARS: [f32; 3] = [0.0, -0.5, -1.0];

/// That the range was called for moments, hours ago: who meant to talk calls back at once.
fn tested(by: Option<Tested>) -> f32 {
    match by {
        None => 0.0,
        Some(Tested::Itself) => 0.5,
        Some(Tested::Another) => 1.5,
    }
}

fn parts(call: &Circumstances) -> [f32; 6] {
    let past = &call.past;
    [
        worth(&PREFIXES, past.dialing.prefixes),
        worth(&NEIGHBOURS, past.dialing.neighbours),
        worth(&OF_RANGE, past.dialing.of_range),
        worth(&NEWCOMERS, past.range.newcomers) * acquaintance(call),
        worth(&REGULARS, past.range.regulars),
        tested(past.range.tested) * acquaintance(call),
    ]
}

fn log_odds(call: &Circumstances) -> f32 {
    parts(call).iter().sum()
}

fn evidence(call: &Circumstances) -> String {
    let past = &call.past;
    let words = [
        format!(
            "the same digits were dialed with {} prefixes",
            past.dialing.prefixes
        ),
        format!(
            "{} right beside it dialed within the hour",
            numbers(past.dialing.neighbours)
        ),
        format!(
            "{} of its thousand dialed within the hour",
            numbers(past.dialing.of_range)
        ),
        format!(
            "{} turned to its range within hours",
            accounts(past.range.newcomers)
        ),
        format!(
            "{} its range again and again",
            match past.range.regulars {
                1 => "another account calls".to_owned(),
                count => format!("{count} other accounts call"),
            }
        ),
        match past.range.tested {
            Some(Tested::Itself) => "it has called the range for moments within a day",
            _ => "another account has called the range for moments within a day",
        }
        .to_owned(),
    ];
    let told: Vec<String> = parts(call)
        .into_iter()
        .zip(words)
        .filter(|(log_odds, _)| *log_odds != 0.0)
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

fn accounts(count: u8) -> String {
    match count {
        1 => "another account has".to_owned(),
        count => format!("{count} other accounts have"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::{DialingPattern, Past, RangeCallers};

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
