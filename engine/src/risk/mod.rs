//! The prediction: how likely a call is fraud, to a number that nobody has reported yet.
//!
//! Fraudsters rent ranges, and dial numbers that no plan has; so a number is scored by what is known around it
//! ([`KnownNumbers`]) and by what the numbering plan says of it. What that means was learned from numbers that were fraud and
//! numbers that were not ([`training`]); it is in a file ([`RiskModel`]), and [`evaluation`] tells how good it is.

mod assessment;
mod background;
mod calibration;
mod circumstances;
mod cleared;
pub mod evaluation;
mod evidence;
mod hearsay;
mod known_numbers;
mod model;
mod number_features;
mod predictor;
pub mod training;
mod trees;

pub use self::{
    assessment::{Assessment, Signal},
    calibration::score_of,
    circumstances::{Circumstances, Worth},
    cleared::{Cleared, MAX_CLEARED},
    hearsay::Thresholds,
    known_numbers::{FULL_WEIGHT, KnownNumbers, MAX_KNOWN, Surroundings, faded},
    model::{ModelError, ModelFile, RiskModel, VERSION},
    predictor::Predictor,
};

use crate::number::{Country, NumberFacts, NumberKind};

/// Whether calls to a number are such as fraudsters are paid for: abroad, or to a number of the home country that costs more. No other
/// is predicted.
pub fn pays(plan: &NumberFacts, home: Country) -> bool {
    plan.country != Some(home)
        || matches!(
            plan.kind,
            NumberKind::PremiumRate
                | NumberKind::SharedCost
                | NumberKind::PersonalNumber
                | NumberKind::Satellite
        )
}
