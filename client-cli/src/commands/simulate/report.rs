//! What came of the calls under each policy.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, ToSpan, civil::DateTime};
use serde::Serialize;
use tfps_engine::{
    decision::Code,
    simulation::{ByKind, Counts, SimulatedCall, Tally},
};

use crate::output::count;

/// What came of the calls under a policy.
#[derive(Debug)]
pub(super) struct Run {
    /// The policy, as the command line names it.
    pub(super) name: String,
    /// Its time zone.
    pub(super) zone: String,
    /// What came of them.
    pub(super) tally: Tally,
}

/// What the calls are.
#[derive(Debug, Serialize)]
pub(super) struct Made {
    pub(super) calls: usize,
    pub(super) accounts: usize,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) fraud: usize,
    pub(super) ordinary: usize,
    pub(super) unmarked: usize,
}

/// The whole.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) made: Made,
    pub(super) runs: Vec<Run>,
    /// Whether it is known what calls cost.
    pub(super) has_rates: bool,
}

/// Some of the calls: what they have in common, and what came of them under each policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    /// What the name means, where it does not say so itself.
    pub(super) meaning: &'static str,
    /// The name under the axis of a plot, where it is a time.
    pub(super) tick: String,
    pub(super) by_policy: Vec<ByKind>,
}

impl Part {
    fn new(name: String, by_policy: Vec<ByKind>) -> Self {
        Self {
            name,
            meaning: "",
            tick: String::new(),
            by_policy,
        }
    }

    /// Whether anything is to be said: somebody was hindered, or tried to defraud.
    fn is_remarkable(&self) -> bool {
        let remarkable = |kinds: &ByKind| kinds.fraud.calls + kinds.people().hindered() > 0;
        self.by_policy.iter().any(remarkable)
    }

    /// What is worse comes first: money and minutes that fraud took, then people who were hindered.
    fn badness(&self) -> (u64, u64, u64) {
        let worst = |of: fn(&ByKind) -> u64| self.by_policy.iter().map(of).max().unwrap_or(0);
        (
            worst(|kinds| kinds.fraud.seconds),
            worst(|kinds| kinds.people().hindered()),
            worst(|kinds| kinds.fraud.calls),
        )
    }
}

/// Hours are shown one by one up to so many; days where there are more.
const HOURS: usize = 49;

impl Report {
    /// Of calls in their order.
    pub(super) fn new(calls: &[SimulatedCall], runs: Vec<Run>, has_rates: bool) -> Self {
        let marked = |fraud| calls.iter().filter(|call| call.fraud == fraud).count();
        let accounts: BTreeSet<_> = calls.iter().map(|call| &call.attempt.account).collect();
        let at = |call: Option<&SimulatedCall>| call.map_or(Timestamp::UNIX_EPOCH, |call| call.at);
        Self {
            made: Made {
                calls: calls.len(),
                accounts: accounts.len(),
                first: at(calls.first()),
                last: at(calls.last()),
                fraud: marked(Some(true)),
                ordinary: marked(Some(false)),
                unmarked: marked(None),
            },
            runs,
            has_rates,
        }
    }

    /// All calls.
    pub(super) fn all(&self) -> Vec<ByKind> {
        self.runs.iter().map(|run| run.tally.all).collect()
    }

    /// By the code of the first decision.
    pub(super) fn by_code(&self) -> Vec<Part> {
        let parts = self.joined(|tally| &tally.by_code);
        parts.into_iter().map(of_code).collect()
    }

    /// By what a rule that only reports would have done.
    pub(super) fn by_monitored_code(&self) -> Vec<Part> {
        let parts = self.joined(|tally| &tally.by_monitored_code);
        parts.into_iter().map(of_code).collect()
    }

    /// By account, of those of whom there is something to say: the worst first.
    pub(super) fn by_account(&self) -> Vec<Part> {
        let mut parts: Vec<Part> = self
            .joined(|tally| &tally.by_account)
            .into_iter()
            .map(|(account, by_policy)| Part::new(account.to_string(), by_policy))
            .filter(Part::is_remarkable)
            .collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.badness()));
        parts
    }

    /// By the hour, without gaps, or by the day where hours are too many.
    pub(super) fn by_time(&self) -> Vec<Part> {
        let parts: BTreeMap<DateTime, Vec<ByKind>> =
            self.joined(|tally| &tally.by_hour).into_iter().collect();
        let ends = parts.keys().next().zip(parts.keys().next_back());
        let Some((first, last)) = ends.map(|(first, last)| (*first, *last)) else {
            return Vec::new();
        };
        let nothing = || vec![ByKind::default(); self.runs.len()];
        let hours: Vec<DateTime> = first
            .series(1.hour())
            .take_while(|hour| *hour <= last)
            .take(HOURS)
            .collect();
        if hours.len() < HOURS {
            return hours
                .into_iter()
                .map(|hour| {
                    let by_policy = parts.get(&hour).cloned().unwrap_or_else(nothing);
                    Part {
                        tick: hour.strftime("%H:00").to_string(),
                        ..Part::new(hour.strftime("%a %d %b %H:00").to_string(), by_policy)
                    }
                })
                .collect();
        }
        first
            .date()
            .series(1.day())
            .take_while(|day| *day <= last.date())
            .map(|day| {
                let mut by_policy = nothing();
                let midnight = day.at(0, 0, 0, 0);
                for (_, kinds) in parts.range(midnight..midnight.saturating_add(1.day())) {
                    for (sum, more) in by_policy.iter_mut().zip(kinds) {
                        *sum = sum.plus(*more);
                    }
                }
                Part {
                    tick: day.strftime("%d %b").to_string(),
                    ..Part::new(day.strftime("%a %d %b %Y").to_string(), by_policy)
                }
            })
            .collect()
    }

    fn joined<K: Ord + Clone>(
        &self,
        of: impl Fn(&Tally) -> &BTreeMap<K, ByKind>,
    ) -> Vec<(K, Vec<ByKind>)> {
        let keys: BTreeSet<&K> = self
            .runs
            .iter()
            .flat_map(|run| of(&run.tally).keys())
            .collect();
        keys.into_iter()
            .map(|key| {
                let of_run = |run: &Run| of(&run.tally).get(key).copied().unwrap_or_default();
                (key.clone(), self.runs.iter().map(of_run).collect())
            })
            .collect()
    }
}

fn of_code((code, by_policy): (Code, Vec<ByKind>)) -> Part {
    Part {
        meaning: code.meaning(),
        ..Part::new(code.to_string(), by_policy)
    }
}

/// The letter that a policy has where two are compared.
pub(super) fn letter(place: usize) -> &'static str {
    ["A", "B"].get(place).copied().unwrap_or("?")
}

/// `12 (0.1 %)`: a part of all, and nothing where there is none.
pub(super) fn part_of(part: u64, all: u64) -> String {
    let number = count(part);
    if part == 0 || all == 0 {
        return number;
    }
    let percent = 100.0 * part as f64 / all as f64;
    format!("{number} ({percent:.2} %)")
}

/// Minutes, of seconds.
pub(super) fn minutes(seconds: u64) -> String {
    count(seconds.div_ceil(60))
}

/// What is told of all calls of a kind, a line each: what, and how much of it.
pub(super) fn lines(kind: &str, counts: &[Counts], has_rates: bool) -> Vec<(String, Vec<String>)> {
    if counts.iter().all(|counts| counts.calls == 0) {
        return Vec::new();
    }
    let each = |value: &dyn Fn(&Counts) -> String| counts.iter().map(value).collect::<Vec<_>>();
    let mut lines = vec![
        (format!("{kind} calls"), each(&|of| count(of.calls))),
        (
            "  challenged".to_owned(),
            each(&|of| part_of(of.challenged, of.calls)),
        ),
        (
            "  denied".to_owned(),
            each(&|of| part_of(of.denied, of.calls)),
        ),
        (
            "  went through".to_owned(),
            each(&|of| part_of(of.passed, of.calls)),
        ),
        (
            "  minutes let through".to_owned(),
            each(&|of| minutes(of.seconds)),
        ),
        (
            "  minutes stopped".to_owned(),
            each(&|of| minutes(of.seconds_stopped)),
        ),
    ];
    if has_rates {
        lines.push((
            "  money let through".to_owned(),
            each(&|of| format!("{:.2}", of.cost)),
        ));
        lines.push((
            "  money stopped".to_owned(),
            each(&|of| format!("{:.2}", of.cost_stopped)),
        ));
    }
    lines
}
