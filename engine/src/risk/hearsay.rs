//! What other domains may do to the score of a call.
//!
//! A tenant can make its own accounts call whatever it likes. So evidence from other domains has a bounded weight, denies nothing by itself, and
//! needs two independent witnesses ([`Elsewhere`]) before a human is asked for.

use super::calibration::score_of;
use crate::usage::Elsewhere;

/// The most that one witness adds or takes, in log-odds, and the most that all of them do.
const OF_ONE: f32 = 1.5;
const OF_ALL: f32 = 3.0;
/// How many witnesses can have a human asked for.
const ENOUGH: u8 = 2;

/// From which scores on a policy objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// A human is asked for.
    pub challenge: u32,
    /// The call is denied.
    pub deny: u32,
    /// Whether a human is asked for at all; otherwise the call is denied from the lower of the two on.
    pub challenges: bool,
}

impl Thresholds {
    /// The score of log-odds `alone`, to which other domains add what makes them `with`.
    pub(super) fn score(&self, alone: f32, with: f32, elsewhere: &Elsewhere) -> u8 {
        let witnesses = if with > alone {
            elsewhere.newcomers
        } else {
            elsewhere.regulars
        };
        let most = if witnesses < ENOUGH { OF_ONE } else { OF_ALL };
        let with = alone + (with - alone).clamp(-most, most);
        let (alone, with) = (score_of(alone), score_of(with));
        // The thresholds that what others say does not cross.
        let held = [
            Some(self.deny),
            Some(self.challenge).filter(|_| !self.challenges || witnesses < ENOUGH),
        ];
        let held = held
            .into_iter()
            .flatten()
            .filter_map(|threshold| u8::try_from(threshold).ok());
        if with > alone {
            let next = held.filter(|threshold| *threshold > alone).min();
            next.map_or(with, |threshold| with.min(threshold - 1))
        } else {
            let reached = held.filter(|threshold| *threshold <= alone).max();
            reached.map_or(with, |threshold| with.max(threshold))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEFAULT: Thresholds = Thresholds {
        challenge: 90,
        deny: 98,
        challenges: true,
    };

    fn newcomers(newcomers: u8) -> Elsewhere {
        Elsewhere {
            newcomers,
            ..Elsewhere::default()
        }
    }

    #[test]
    fn one_witness_has_no_human_asked_for_and_several_deny_nothing() {
        assert_eq!(DEFAULT.score(0.0, 6.0, &newcomers(1)), score_of(1.5));
        assert_eq!(DEFAULT.score(2.0, 9.0, &newcomers(1)), 89);
        assert_eq!(DEFAULT.score(2.0, 9.0, &newcomers(2)), 97);
        // What is denied without them is denied.
        assert!(DEFAULT.score(4.0, 9.0, &newcomers(1)) >= 98);
        let nobody_is_asked = Thresholds {
            challenges: false,
            ..DEFAULT
        };
        assert_eq!(nobody_is_asked.score(2.0, 9.0, &newcomers(6)), 89);
    }

    #[test]
    fn several_witnesses_do_not_bring_a_call_of_which_a_human_is_asked_to_where_only_a_pin_will_do()
    {
        // Of an account without a PIN of its own.
        let no_pin = Thresholds {
            deny: 95,
            ..DEFAULT
        };
        assert_eq!(score_of(2.5), 92);
        for witnesses in 2..7 {
            assert_eq!(no_pin.score(2.5, 9.0, &newcomers(witnesses)), 94);
        }
        let regulars = Elsewhere {
            regulars: 6,
            ..Elsewhere::default()
        };
        assert_eq!(no_pin.score(3.0, -9.0, &regulars), 95);
    }

    #[test]
    fn one_witness_clears_nothing() {
        let regulars = |regulars| Elsewhere {
            regulars,
            ..Elsewhere::default()
        };
        assert_eq!(DEFAULT.score(5.0, 3.0, &regulars(2)), 98);
        assert_eq!(DEFAULT.score(2.5, 1.0, &regulars(1)), 90);
        assert!(DEFAULT.score(2.5, 1.0, &regulars(2)) < 90);
    }

    proptest! {
        #[test]
        fn what_others_say_never_denies_and_never_clears_a_denial(
            alone in -9.0_f32..9.0, with in -20.0_f32..20.0,
            newcomers in 0_u8..7, regulars in 0_u8..7,
            challenge in 1_u32..102, deny in 1_u32..102, challenges: bool,
        ) {
            let thresholds = Thresholds { challenge, deny, challenges };
            let elsewhere = Elsewhere { newcomers, regulars, tested: true };
            let denied = |score: u8| {
                u32::from(score) >= deny || !challenges && u32::from(score) >= challenge
            };
            let score = thresholds.score(alone, with, &elsewhere);
            prop_assert_eq!(denied(score), denied(score_of(alone)));
        }
    }
}
