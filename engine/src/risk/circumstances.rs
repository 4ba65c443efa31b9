//! What speaks for fraud beside the number: how the call came about.

use super::assessment::Signal;

/// How a call came about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// Whether the call was forwarded (Diversion, RFC 5806): a hacked account forwards its calls abroad, and others ring it.
    pub forwarded: bool,
    /// AbuseIPDB's confidence that the source is abusive, 0 to 100.
    pub abuse_confidence: u8,
    /// Whether it falls off hours.
    pub off_hours: bool,
}

/// By how much a call that was forwarded abroad is likelier fraud, in log-odds. These three are judgement: no calls to learn them
/// from are published.
const FORWARDED: f32 = 1.0;
/// The same for a source of which AbuseIPDB is sure.
const ABUSIVE: f32 = 2.0;
/// The same for a call off hours.
const OFF_HOURS: f32 = 0.25;

impl Circumstances {
    /// By how much the call is likelier fraud, in log-odds.
    pub(super) fn log_odds(self) -> f32 {
        self.each()
            .into_iter()
            .map(|(_, log_odds, _)| log_odds)
            .sum()
    }

    /// The circumstances as signals; `weight` says what log-odds come to in points.
    pub(super) fn signals(self, weight: impl Fn(f32) -> i32) -> impl Iterator<Item = Signal> {
        self.each()
            .into_iter()
            .filter(|(_, log_odds, _)| *log_odds != 0.0)
            .map(move |(name, log_odds, evidence)| Signal {
                name,
                weight: weight(log_odds),
                evidence: match name {
                    "reputation" => format!("{evidence} {} %", self.abuse_confidence),
                    _ => evidence.to_owned(),
                },
            })
    }

    fn each(self) -> [(&'static str, f32, &'static str); 3] {
        let when = |is: bool, log_odds: f32| if is { log_odds } else { 0.0 };
        [
            (
                "forwarding",
                when(self.forwarded, FORWARDED),
                "the call was forwarded",
            ),
            (
                "reputation",
                ABUSIVE * f32::from(self.abuse_confidence.min(100)) / 100.0,
                "AbuseIPDB takes its source to be abusive with a confidence of",
            ),
            (
                "off-hours",
                when(self.off_hours, OFF_HOURS),
                "it falls off hours",
            ),
        ]
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
