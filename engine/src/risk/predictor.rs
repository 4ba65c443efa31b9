//! Scores calls.

use std::sync::Arc;

use super::{
    assessment::Assessment, calibration::score_of, circumstances::Circumstances, cleared::Cleared,
    hearsay::Thresholds, known_numbers::KnownNumbers, model::RiskModel,
};
use crate::{
    number::{E164, NumberFacts},
    usage::Elsewhere,
};

/// What was learned of fraud, and the numbers that are known as such.
#[derive(Clone, Debug)]
pub struct Predictor {
    /// What was learned.
    pub model: Arc<RiskModel>,
    /// The known numbers.
    pub known: Arc<KnownNumbers>,
    /// What was taken for fraud and was not.
    pub cleared: Arc<Cleared>,
}

impl Predictor {
    /// What the number alone says, in log-odds.
    pub fn by_number(&self, number: &E164, plan: &NumberFacts) -> f32 {
        let around = self.known.around(number);
        self.model.log_odds(number, plan, &around)
    }

    /// The score of a call, 0 to 100, under a policy with such thresholds: what other domains say is bounded by them.
    pub fn score(
        &self,
        number: &E164,
        plan: &NumberFacts,
        circumstances: Circumstances,
        thresholds: &Thresholds,
    ) -> u8 {
        let by_number = self.by_number(number, plan) + self.cleared.log_odds(number);
        self.bounded(by_number, &circumstances, thresholds)
    }

    /// The score of a call, and what it is made of.
    pub fn assess(
        &self,
        number: &E164,
        plan: &NumberFacts,
        circumstances: Circumstances,
        thresholds: &Thresholds,
    ) -> Assessment {
        let around = self.known.around(number);
        let by_number = self.model.log_odds(number, plan, &around) + self.cleared.log_odds(number);
        let log_odds = by_number + circumstances.log_odds(self.model.worth());
        let of_all = i32::from(score_of(log_odds));
        let without = |part: f32| of_all - i32::from(score_of(log_odds - part));
        let mut signals = self.model.signals(number, plan, &around, without);
        signals.extend(circumstances.signals(self.model.worth(), without));
        signals.extend(self.cleared.signal(number, without));
        signals.sort_by_key(|signal| std::cmp::Reverse(signal.weight));
        Assessment {
            score: self.bounded(by_number, &circumstances, thresholds),
            signals,
        }
    }

    fn bounded(
        &self,
        by_number: f32,
        circumstances: &Circumstances,
        thresholds: &Thresholds,
    ) -> u8 {
        let worth = self.model.worth();
        let with = by_number + circumstances.log_odds(worth);
        let elsewhere = &circumstances.past.range.elsewhere;
        // Nearly always nobody elsewhere has called the range.
        if *elsewhere == Elsewhere::default() {
            return score_of(with);
        }
        let alone = by_number + circumstances.within_domain().log_odds(worth);
        thresholds.score(alone, with, elsewhere)
    }
}
