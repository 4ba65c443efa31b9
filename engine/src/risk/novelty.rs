//! What is new for the account: a thief calls elsewhere, from elsewhere, with something else.

use super::circumstances::{Circumstance, Circumstances};

pub(super) const NOVELTY: Circumstance = Circumstance {
    name: "novelty",
    log_odds,
    evidence,
};

/// After so many days of watching, what is new is taken in full. To who has just come everything is new.
const ACQUAINTED_DAYS: u32 = 14;

/// How far what is new can be trusted to be so, 0 to 1.
pub(super) fn acquaintance(call: &Circumstances) -> f32 {
    call.past.watched_days.min(ACQUAINTED_DAYS) as f32 / ACQUAINTED_DAYS as f32
}

fn parts(call: &Circumstances) -> [(bool, f32, &'static str); 6] {
    let novelty = &call.past.novelty;
    [
        (
            novelty.first_abroad,
            0.75,
            "the account has not called abroad before",
        ),
        (
            novelty.country,
            0.75,
            "the account has not called this country before",
        ),
        (
            novelty.range,
            0.25,
            "the account has not called this range before",
        ),
        (
            novelty.usual_range,
            -1.5,
            "the account calls this range again and again",
        ),
        (
            novelty.network,
            0.75,
            "it comes from a network that is new for the account",
        ),
        (
            novelty.agent,
            0.75,
            "it comes from a user agent that is new for the account",
        ),
    ]
}

fn log_odds(call: &Circumstances) -> f32 {
    let sum: f32 = parts(call)
        .iter()
        .filter(|(is, ..)| *is)
        .map(|(_, log_odds, _)| log_odds)
        .sum();
    sum * acquaintance(call)
}

fn evidence(call: &Circumstances) -> String {
    let told: Vec<&str> = parts(call)
        .iter()
        .filter(|(is, ..)| *is)
        .map(|(.., words)| *words)
        .collect();
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::{Novelty, Past};

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
        assert!(evidence(&theft(7)).contains("network that is new"));
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
