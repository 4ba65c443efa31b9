//! What a model was trained with, and what came out.

use serde::{Deserialize, Serialize};

use crate::risk::evaluation::Recall;

/// What a model was trained with, and what came out, judged by numbers that were kept back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// How many numbers were fraud.
    pub fraud: usize,
    /// The ordinary ones, by their files.
    pub ordinary: Vec<OrdinaryFigures>,
    /// The log-odds of an ordinary number's being fraud where nothing is known, in the mean.
    pub ordinary_log_odds: f32,
    /// What chance started from.
    pub seed: u64,
}

/// A file of ordinary numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrdinaryFigures {
    /// Its name.
    pub name: String,
    /// How many numbers it has.
    pub numbers: usize,
    /// The part of fraud that is told from these.
    pub recall_at_fpr: Recall,
}
