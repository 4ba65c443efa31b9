//! What may speak for or against a call beside its number, one thing each.

/// A signal that indicators are told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::risk) enum Circumstance {
    /// What is new for the account.
    Novelty,
    /// What the call is part of.
    Campaign,
    /// That it was forwarded.
    Forwarding,
    /// What is said of its source.
    Reputation,
    /// When it is made.
    OffHours,
    /// That it is the call of an account that is watched: told by no signal.
    Watched,
}

macro_rules! indicators {
    ($($indicator:ident $name:literal $signal:ident $judged:literal,)*) => {
        /// One thing that may speak for or against a call beside its number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(in crate::risk) enum Indicator {
            $(#[doc = $name] $indicator,)*
        }

        impl Indicator {
            /// All of them, in the order of their places.
            pub(in crate::risk) const ALL: &[Self] = &[$(Self::$indicator,)*];

            /// Its name in a model's file.
            pub(in crate::risk) fn name(self) -> &'static str {
                match self { $(Self::$indicator => $name,)* }
            }

            /// The signal that it is told by.
            pub(in crate::risk) fn signal(self) -> Circumstance {
                match self { $(Self::$indicator => Circumstance::$signal,)* }
            }
        }

        /// What each is taken to be worth, in log-odds, where no calls have taught it.
        pub(in crate::risk) const JUDGED: [f32; INDICATORS] = [$($judged,)*];
    };
}

// Where there are several of a thing, the second adds its own to what the first is worth, and so on.
indicators! {
    // The other side of all others: a call of which nothing speaks against is the likelier ordinary the better its account is known.
    Watched "watched" Watched 0.0,
    FirstAbroad "first-call-abroad" Novelty 0.75,
    NewCountry "new-country" Novelty 0.75,
    NewRange "new-range" Novelty 0.25,
    UsualRange "usual-range" Novelty -1.5,
    NewNetwork "new-network" Novelty 0.75,
    NewAgent "new-agent" Novelty 0.75,
    // Two are a caller who has forgotten his prefix; more are a machine.
    Prefixes2 "two-prefixes" Campaign 0.5,
    Prefixes3 "three-prefixes" Campaign 1.5,
    Prefixes4 "four-prefixes" Campaign 1.5,
    Neighbours1 "one-neighbour" Campaign 0.25,
    Neighbours2 "two-neighbours" Campaign 0.75,
    Neighbours3 "three-neighbours" Campaign 1.0,
    OfRange2 "two-of-range" Campaign 0.25,
    OfRange3 "three-of-range" Campaign 0.25,
    OfRange4 "four-of-range" Campaign 0.5,
    OfRange5 "five-of-range" Campaign 0.5,
    OfRange6 "six-of-range" Campaign 1.0,
    Newcomers1 "one-newcomer" Campaign 0.5,
    Newcomers2 "two-newcomers" Campaign 0.75,
    Newcomers3 "three-newcomers" Campaign 1.0,
    Newcomers4 "four-newcomers" Campaign 0.75,
    Regulars1 "one-regular" Campaign -0.5,
    Regulars2 "two-regulars" Campaign -0.5,
    // Who meant to talk calls back at once.
    TestedItself "tested-by-itself" Campaign 0.5,
    TestedByAnother "tested-by-another" Campaign 1.5,
    Forwarded "forwarded" Forwarding 1.0,
    AbuseConfidence "abuse-confidence" Reputation 2.0,
    OffHours "off-hours" OffHours 0.25,
}

/// How many there are.
pub(in crate::risk) const INDICATORS: usize = Indicator::ALL.len();

/// How far each indicator is there, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::risk) struct Indicators(pub(in crate::risk) [f32; INDICATORS]);

impl Default for Indicators {
    fn default() -> Self {
        Self([0.0; INDICATORS])
    }
}

impl Indicators {
    /// Sets how far one is there.
    pub(in crate::risk) fn set(&mut self, indicator: Indicator, part: f32) {
        self.0[indicator as usize] = part;
    }

    /// Sets one that is there by that part, or not at all.
    pub(in crate::risk) fn set_if(&mut self, indicator: Indicator, is: bool, part: f32) {
        self.set(indicator, if is { part } else { 0.0 });
    }

    /// Sets as many steps as there are things, the first at so many.
    pub(in crate::risk) fn climb(&mut self, steps: &[Indicator], first: u8, count: u8, part: f32) {
        for (step, at) in steps.iter().zip(first..) {
            self.set_if(*step, count >= at, part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_each_indicator_s_own() {
        let names: std::collections::BTreeSet<_> =
            Indicator::ALL.iter().map(|one| one.name()).collect();
        assert_eq!(names.len(), INDICATORS);
    }

    #[test]
    fn so_many_steps_are_climbed_as_there_are_things() {
        use Indicator::{Prefixes2, Prefixes3, Prefixes4};
        for (count, climbed) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3), (u8::MAX, 3)] {
            let mut all = Indicators::default();
            all.climb(&[Prefixes2, Prefixes3, Prefixes4], 2, count, 1.0);
            let sum: f32 = all.0.iter().sum();
            assert_eq!(sum, climbed as f32, "{count}");
        }
    }
}
