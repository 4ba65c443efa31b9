//! What speaks for fraud beside the number: how the call came about.
//!
//! What each is worth is judgement, in log-odds: no calls to learn it from are published.

use super::{assessment::Signal, campaign, novelty};
use crate::usage::Past;

/// How a call came about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// Whether the call was forwarded (Diversion, RFC 5806): a hacked account forwards its calls abroad, and others ring it.
    pub forwarded: bool,
    /// AbuseIPDB's confidence that the source is abusive, 0 to 100.
    pub abuse_confidence: u8,
    /// Whether it falls off hours.
    pub off_hours: bool,
    /// What the past says of it.
    pub past: Past,
}

/// One of them.
pub(super) struct Circumstance {
    pub(super) name: &'static str,
    /// By how much the call is likelier fraud, in log-odds.
    pub(super) log_odds: fn(&Circumstances) -> f32,
    /// The evidence, in words.
    pub(super) evidence: fn(&Circumstances) -> String,
}

const ALL: [Circumstance; 5] = [
    novelty::NOVELTY,
    campaign::CAMPAIGN,
    Circumstance {
        name: "forwarding",
        log_odds: |call| if call.forwarded { 1.0 } else { 0.0 },
        evidence: |_| "the call was forwarded".to_owned(),
    },
    Circumstance {
        name: "reputation",
        log_odds: |call| 2.0 * f32::from(call.abuse_confidence.min(100)) / 100.0,
        evidence: |call| {
            format!(
                "AbuseIPDB takes its source to be abusive with a confidence of {} %",
                call.abuse_confidence
            )
        },
    },
    Circumstance {
        name: "off-hours",
        log_odds: |call| if call.off_hours { 0.25 } else { 0.0 },
        evidence: |_| "it falls off hours".to_owned(),
    },
];

impl Circumstances {
    /// By how much the call is likelier fraud, in log-odds.
    pub(super) fn log_odds(&self) -> f32 {
        ALL.iter().map(|one| (one.log_odds)(self)).sum()
    }

    /// The circumstances as signals; `weight` says what log-odds come to in points.
    pub(super) fn signals(&self, weight: impl Fn(f32) -> i32) -> impl Iterator<Item = Signal> {
        ALL.iter()
            .map(|one| (one, (one.log_odds)(self)))
            .filter(|(_, log_odds)| *log_odds != 0.0)
            .map(move |(one, log_odds)| Signal {
                name: one.name,
                weight: weight(log_odds),
                evidence: (one.evidence)(self),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_so_is_no_signal() {
        let none = Circumstances::default();
        assert_eq!(none.log_odds(), 0.0);
        assert_eq!(none.signals(|_| 1).count(), 0);
    }

    #[test]
    fn each_circumstance_is_told_with_its_weight() {
        let all = Circumstances {
            forwarded: true,
            abuse_confidence: 50,
            off_hours: true,
            ..Circumstances::default()
        };
        assert_eq!(all.log_odds(), 2.25);
        let told: Vec<_> = all
            .signals(|log_odds| (100.0 * log_odds) as i32)
            .map(|signal| (signal.name, signal.weight))
            .collect();
        assert_eq!(
            told,
            [("forwarding", 100), ("reputation", 100), ("off-hours", 25)]
        );
    }
}
