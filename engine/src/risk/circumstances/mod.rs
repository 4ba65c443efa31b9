//! What speaks for fraud beside the number: how the call came about.

mod campaign;
mod indicator;
mod novelty;
mod worth;

pub(super) use self::indicator::{INDICATORS, Indicator, Indicators};
pub use self::worth::Worth;

use self::indicator::Circumstance;
use super::assessment::Signal;
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

/// The signals that they are told by.
const SIGNALS: [(Circumstance, &str); 5] = [
    (Circumstance::Novelty, "novelty"),
    (Circumstance::Campaign, "campaign"),
    (Circumstance::Forwarding, "forwarding"),
    (Circumstance::Reputation, "reputation"),
    (Circumstance::OffHours, "off-hours"),
];

impl Circumstances {
    /// By how much the call is likelier fraud, in log-odds.
    pub(super) fn log_odds(&self, worth: &Worth) -> f32 {
        worth.of(&self.indicators())
    }

    /// Without what other domains say.
    pub(super) fn within_domain(&self) -> Self {
        let range = self.past.range.within_domain();
        Self {
            past: Past { range, ..self.past },
            ..*self
        }
    }

    /// What there is that speaks for or against it.
    pub(super) fn indicators(&self) -> Indicators {
        let mut all = Indicators::default();
        all.set(Indicator::Watched, novelty::acquaintance(self));
        novelty::indicate(self, &mut all);
        campaign::indicate(self, &mut all);
        all.set_if(Indicator::Forwarded, self.forwarded, 1.0);
        all.set(
            Indicator::AbuseConfidence,
            f32::from(self.abuse_confidence.min(100)) / 100.0,
        );
        all.set_if(Indicator::OffHours, self.off_hours, 1.0);
        all
    }

    /// The circumstances as signals; `weight` says what log-odds come to in points.
    pub(super) fn signals(
        &self,
        worth: &Worth,
        weight: impl Fn(f32) -> i32,
    ) -> impl Iterator<Item = Signal> {
        let indicators = self.indicators();
        SIGNALS.into_iter().filter_map(move |(signal, name)| {
            let log_odds = worth.of_signal(&indicators, signal);
            let tells =
                |one: &[Indicator]| one.iter().any(|one| worth.of_one(&indicators, *one) != 0.0);
            let evidence = self.evidence(signal, tells);
            (!evidence.is_empty()).then(|| Signal {
                name,
                weight: weight(log_odds),
                evidence,
            })
        })
    }

    /// The evidence of a signal in words; `tells` says whether any of some indicators is there, and is worth something.
    fn evidence(&self, signal: Circumstance, tells: impl Fn(&[Indicator]) -> bool) -> String {
        let one = |indicator, words: String| Some(words).filter(|_| tells(&[indicator]));
        match signal {
            Circumstance::Novelty => novelty::evidence(tells),
            Circumstance::Campaign => campaign::evidence(self, tells),
            Circumstance::Forwarding => {
                one(Indicator::Forwarded, "the call was forwarded".to_owned()).unwrap_or_default()
            }
            Circumstance::Reputation => one(
                Indicator::AbuseConfidence,
                format!(
                    "AbuseIPDB takes its source to be abusive with a confidence of {} %",
                    self.abuse_confidence
                ),
            )
            .unwrap_or_default(),
            Circumstance::OffHours => {
                one(Indicator::OffHours, "it falls off hours".to_owned()).unwrap_or_default()
            }
            Circumstance::Watched => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_so_is_no_signal() {
        let none = Circumstances::default();
        assert_eq!(none.log_odds(&Worth::default()), 0.0);
        assert_eq!(none.signals(&Worth::default(), |_| 1).count(), 0);
    }

    fn all() -> Circumstances {
        Circumstances {
            forwarded: true,
            abuse_confidence: 50,
            off_hours: true,
            ..Circumstances::default()
        }
    }

    fn told(worth: &Worth) -> Vec<(&'static str, i32)> {
        all()
            .signals(worth, |log_odds| (100.0 * log_odds) as i32)
            .map(|signal| (signal.name, signal.weight))
            .collect()
    }

    #[test]
    fn each_circumstance_is_told_with_its_weight() {
        assert_eq!(all().log_odds(&Worth::default()), 2.25);
        assert_eq!(
            told(&Worth::default()),
            [("forwarding", 100), ("reputation", 100), ("off-hours", 25)]
        );
    }

    #[test]
    fn what_calls_have_taught_to_be_worth_nothing_is_no_signal() {
        let mut taught = Worth::default();
        taught.set(Indicator::Forwarded, 3.0);
        taught.set(Indicator::OffHours, 0.0);
        assert_eq!(told(&taught), [("forwarding", 300), ("reputation", 100)]);
        assert_eq!(all().log_odds(&taught), 4.0);
    }
}
