//! Scores calls.

use std::sync::Arc;

use super::{
    assessment::Assessment, calibration::score_of, circumstances::Circumstances, cleared::Cleared,
    known_numbers::KnownNumbers, model::RiskModel,
};
use crate::number::{E164, NumberFacts};

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

    /// The score of a call, 0 to 100.
    pub fn score(&self, number: &E164, plan: &NumberFacts, circumstances: Circumstances) -> u8 {
        let by_number = self.by_number(number, plan);
        let by_circumstances = circumstances.log_odds(self.model.worth());
        score_of(by_number + by_circumstances + self.cleared.log_odds(number))
    }

    /// The score of a call, and what it is made of.
    pub fn assess(
        &self,
        number: &E164,
        plan: &NumberFacts,
        circumstances: Circumstances,
    ) -> Assessment {
        let around = self.known.around(number);
        let log_odds = self.model.log_odds(number, plan, &around)
            + circumstances.log_odds(self.model.worth())
            + self.cleared.log_odds(number);
        let score = score_of(log_odds);
        let without = |part: f32| i32::from(score) - i32::from(score_of(log_odds - part));
        let mut signals = self.model.signals(number, plan, &around, without);
        signals.extend(circumstances.signals(self.model.worth(), without));
        signals.extend(self.cleared.signal(number, without));
        signals.sort_by_key(|signal| std::cmp::Reverse(signal.weight));
        Assessment { score, signals }
    }
}
