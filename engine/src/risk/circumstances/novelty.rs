//! What is new for the account: a thief calls elsewhere, from elsewhere, with something else.

use super::{
    Circumstances,
    indicator::{Indicator, Indicators},
};

/// After so many days of watching, what is new is taken in full. To who has just come everything is new.
const ACQUAINTED_DAYS: u32 = 14;

/// How far what is new can be trusted to be so, 0 to 1.
pub(super) fn acquaintance(call: &Circumstances) -> f32 {
    call.past.watched_days.min(ACQUAINTED_DAYS) as f32 / ACQUAINTED_DAYS as f32
}

/// What is new of a call.
pub(super) fn indicate(call: &Circumstances, all: &mut Indicators) {
    let novelty = &call.past.novelty;
    let part = acquaintance(call);
    for (indicator, is) in [
        (Indicator::FirstAbroad, novelty.first_abroad),
        (Indicator::NewCountry, novelty.country),
        (Indicator::NewRange, novelty.range),
        (Indicator::UsualRange, novelty.usual_range),
        (Indicator::NewNetwork, novelty.network),
        (Indicator::NewAgent, novelty.agent),
    ] {
        all.set_if(indicator, is, part);
    }
}

/// In words; `tells` says whether an indicator is there, and is worth something.
pub(super) fn evidence(tells: impl Fn(&[Indicator]) -> bool) -> String {
    let told: Vec<&str> = [
        (
            Indicator::FirstAbroad,
            "the account has not called abroad before",
        ),
        (
            Indicator::NewCountry,
            "the account has not called this country before",
        ),
        (
            Indicator::NewRange,
            "the account has not called this range before",
        ),
        (
            Indicator::UsualRange,
            "the account calls this range again and again",
        ),
        (
            Indicator::NewNetwork,
            "it comes from a network that is new for the account",
        ),
        (
            Indicator::NewAgent,
            "it comes from a user agent that is new for the account",
        ),
    ]
    .into_iter()
    .filter(|(indicator, _)| tells(&[*indicator]))
    .map(|(_, words)| words)
    .collect();
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        risk::Worth,
        usage::{Novelty, Past},
    };

    fn log_odds(call: &Circumstances) -> f32 {
        call.log_odds(&Worth::default())
    }

    fn theft(watched_days: u32) -> Circumstances {
        Circumstances {
            past: Past {
                novelty: Novelty {
                    country: true,
                    network: true,
                    agent: true,
                    ..Novelty::default()
                },
                watched_days,
                ..Past::default()
            },
            ..Circumstances::default()
        }
    }

    #[test]
    fn what_is_new_counts_as_much_as_the_old_is_known() {
        assert_eq!(log_odds(&theft(0)), 0.0);
        assert_eq!(log_odds(&theft(7)), 1.125);
        assert_eq!(log_odds(&theft(300)), 2.25);
        let signals: Vec<_> = theft(7).signals(&Worth::default(), |_| 1).collect();
        assert_eq!(signals.len(), 1);
        assert!(signals[0].evidence.contains("network that is new"));
    }

    #[test]
    fn what_is_usual_speaks_for_a_call() {
        let mut usual = theft(30);
        usual.past.novelty = Novelty {
            usual_range: true,
            ..Novelty::default()
        };
        assert_eq!(log_odds(&usual), -1.5);
    }
}
