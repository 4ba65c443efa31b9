//! Learns from calls what their circumstances are worth.

use std::collections::{HashMap, HashSet};

use super::{CallFigures, TooFew};
use crate::risk::{
    circumstances::{Circumstances, INDICATORS, Indicator, Indicators, Worth},
    evaluation::{Curve, Recall},
};

/// A call of before, and what it turned out to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JudgedCall {
    /// Whose it was: an account's number, of any numbering.
    pub account: usize,
    /// On which day, of any calendar.
    pub day: i32,
    /// What its number alone says, in log-odds.
    pub by_number: f32,
    /// How it came about.
    pub circumstances: Circumstances,
    /// Whether it was fraud.
    pub fraud: bool,
}

/// So many days of accounts are needed that saw fraud, and so many that saw none.
const NEEDED: [usize; 2] = [10, 100];
/// How far what is learned is taken to be from judgement, in log-odds: a standard deviation.
const DOUBT: f64 = 0.7;
/// In how many parts accounts are divided for the figures.
const FOLDS: usize = 5;
/// How often each indicator is looked at; what is left to gain after so many is nothing.
const SWEEPS: usize = 60;

/// Learns what circumstances are worth: it is the likeliest one for the calls, of those that are near to judgement. Where few calls
/// tell of an indicator it stays what it was judged to be, and none can come to speak the other way ([`Worth`]).
///
/// The calls come in the order of their times. A day of an account counts as one, however many calls it has: an attack is one attack. Days with fraud count as much as
/// those without together, as scores are calibrated for such a world.
///
/// # Errors
/// When there are too few calls.
pub fn learn_circumstances(calls: &[JudgedCall]) -> Result<(Worth, CallFigures), TooFew> {
    let days = Days::of(calls.iter());
    for (fraud, what) in [
        (true, "days of accounts with fraud abroad"),
        (false, "days of accounts with ordinary calls abroad"),
    ] {
        let (found, needed) = (days.count(fraud), NEEDED[usize::from(!fraud)]);
        if found < needed {
            return Err(TooFew {
                what,
                found,
                needed,
            });
        }
    }
    let learned = fit(&weighed(calls.iter()));
    let of_folds: Vec<Worth> = (0..FOLDS)
        .map(|fold| {
            let others = calls.iter().filter(|call| call.account % FOLDS != fold);
            fit(&weighed(others))
        })
        .collect();
    let judged = Worth::default();
    let figures = CallFigures {
        fraud: calls.iter().filter(|call| call.fraud).count(),
        fraud_days: days.count(true),
        ordinary: calls.iter().filter(|call| !call.fraud).count(),
        ordinary_days: days.count(false),
        by_judgement: recall(calls, |_| &judged),
        as_learned: recall(calls, |call| &of_folds[call.account % FOLDS]),
    };
    Ok((learned, figures))
}

/// A day of an account: whose, which, and whether these calls of it were fraud.
type AccountDay = (usize, i32, bool);

fn day(call: &JudgedCall) -> AccountDay {
    (call.account, call.day, call.fraud)
}

/// How many calls each day of an account has.
struct Days(HashMap<AccountDay, usize>);

impl Days {
    fn of<'a>(calls: impl Iterator<Item = &'a JudgedCall>) -> Self {
        let mut days = HashMap::new();
        for call in calls {
            *days.entry(day(call)).or_default() += 1;
        }
        Self(days)
    }

    /// How many days there are with fraud, or with ordinary calls.
    fn count(&self, fraud: bool) -> usize {
        self.0.keys().filter(|(.., of)| *of == fraud).count()
    }
}

/// Calls, with what each counts.
fn weighed<'a>(calls: impl Iterator<Item = &'a JudgedCall> + Clone) -> Vec<Weighed> {
    let days = Days::of(calls.clone());
    // Ordinary days are many; that there are more of them makes nothing surer than the fraud is.
    let scale = days.count(true) as f64 / days.count(false).max(1) as f64;
    calls
        .map(|call| {
            let of_day = days.0.get(&day(call)).copied().unwrap_or(1) as f64;
            Weighed {
                weight: if call.fraud { 1.0 } else { scale } / of_day,
                fraud: call.fraud,
                by_number: call.by_number.into(),
                indicators: call.circumstances.indicators(),
            }
        })
        .collect()
}

struct Weighed {
    weight: f64,
    fraud: bool,
    by_number: f64,
    indicators: Indicators,
}

/// The worth that is likeliest, by Newton's method for one indicator after the other.
fn fit(calls: &[Weighed]) -> Worth {
    let mut worth = Worth::default();
    // Most calls have few indicators: those that have one are gone through alone.
    let columns: [Vec<(usize, f64)>; INDICATORS] = std::array::from_fn(|place| {
        let parts = calls.iter().map(|call| f64::from(call.indicators.0[place]));
        parts.enumerate().filter(|(_, part)| *part != 0.0).collect()
    });
    let mut sums: Vec<f64> = calls
        .iter()
        .map(|call| call.by_number + f64::from(worth.of(&call.indicators)))
        .collect();
    let judged = Worth::default();
    let prior = 1.0 / (DOUBT * DOUBT);
    for _ in 0..SWEEPS {
        let mut moved = 0.0_f64;
        for (indicator, column) in Indicator::ALL.iter().zip(&columns) {
            let before = f64::from(worth.get(*indicator));
            let mut slope = -(before - f64::from(judged.get(*indicator))) * prior;
            let mut curvature = prior;
            for (row, part) in column {
                let call = &calls[*row];
                let likely = 1.0 / (1.0 + (-sums[*row]).exp());
                slope += call.weight * part * (f64::from(u8::from(call.fraud)) - likely);
                curvature += call.weight * part * part * likely * (1.0 - likely);
            }
            // A step of one at the most: far away the curve is flat, and Newton's step would pass the top.
            let step = (slope / curvature).clamp(-1.0, 1.0);
            worth.set(*indicator, (before + step) as f32);
            let change = f64::from(worth.get(*indicator)) - before;
            for (row, part) in column {
                sums[*row] += change * part;
            }
            moved = moved.max(change.abs());
        }
        if moved < 1e-4 {
            break;
        }
    }
    worth
}

/// How much of fraud is told by the first call of a day, among all ordinary calls.
fn recall<'a>(calls: &[JudgedCall], worth: impl Fn(&JudgedCall) -> &'a Worth) -> Recall {
    let mut seen = HashSet::new();
    let (mut fraud, mut ordinary) = (Vec::new(), Vec::new());
    for call in calls {
        let log_odds = call.by_number + call.circumstances.log_odds(worth(call));
        if !call.fraud {
            ordinary.push(log_odds);
        } else if seen.insert(day(call)) {
            fraud.push(log_odds);
        }
    }
    Recall::of(&Curve::of(&fraud, &ordinary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        risk::training::chance::Chance,
        usage::{Novelty, Past},
    };

    /// Calls of a world in which a new agent tells fraud for sure, forwarding nothing, and nobody ever dials in sequence.
    fn calls(fraud_days: usize) -> Vec<JudgedCall> {
        let mut chance = Chance::new(1);
        let mut call = |account, fraud: bool| JudgedCall {
            account,
            day: 1,
            by_number: chance.normal() as f32,
            circumstances: Circumstances {
                forwarded: chance.below_one() < 0.3,
                past: Past {
                    novelty: Novelty {
                        agent: fraud || chance.below_one() < 0.02,
                        usual_range: !fraud && chance.below_one() < 0.5,
                        ..Novelty::default()
                    },
                    watched_days: 30,
                    ..Past::default()
                },
                ..Circumstances::default()
            },
            fraud,
        };
        let fraud: Vec<JudgedCall> = (0..fraud_days).map(|account| call(account, true)).collect();
        let ordinary = (0..2_000).map(|account| call(account, false)).collect();
        [fraud, ordinary].concat()
    }

    #[test]
    fn what_calls_tell_is_learned_and_what_they_do_not_tell_is_left() {
        let (worth, figures) = learn_circumstances(&calls(200)).unwrap();
        let judged = Worth::default();
        assert!(worth.get(Indicator::NewAgent) > 2.0, "{worth:?}");
        assert!(worth.get(Indicator::Forwarded) < 0.5, "{worth:?}");
        assert!(worth.get(Indicator::UsualRange) < -1.5, "{worth:?}");
        for untold in [Indicator::Neighbours2, Indicator::TestedByAnother] {
            assert_eq!(worth.get(untold), judged.get(untold));
        }
        assert_eq!((figures.fraud_days, figures.ordinary_days), (200, 2_000));
        let (learned, judged) = (figures.as_learned, figures.by_judgement);
        assert!(
            learned.at_1_percent > judged.at_1_percent + 0.05,
            "{figures:?}"
        );
    }

    #[test]
    fn few_calls_move_little_and_one_attack_is_one_however_many_calls_it_has() {
        let few = calls(10);
        let (worth, _) = learn_circumstances(&few).unwrap();
        let moved = worth.get(Indicator::NewAgent) - Worth::default().get(Indicator::NewAgent);
        assert!((0.1..1.5).contains(&moved), "{moved}");
        let pumped = few
            .iter()
            .flat_map(|call| std::iter::repeat_n(*call, if call.fraud { 100 } else { 1 }))
            .collect::<Vec<_>>();
        let (same, figures) = learn_circumstances(&pumped).unwrap();
        assert_eq!((figures.fraud, figures.fraud_days), (1_000, 10));
        for ((name, worth), (_, same)) in worth.by_name().zip(same.by_name()) {
            assert!((worth - same).abs() < 0.01, "{name}: {worth} {same}");
        }
    }

    #[test]
    fn too_few_attacks_teach_nothing() {
        let error = learn_circumstances(&calls(9)).unwrap_err();
        assert_eq!(error.found, 9);
    }
}
