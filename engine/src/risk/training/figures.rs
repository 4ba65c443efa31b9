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
    /// The calls that taught what circumstances are worth; nothing: it is by judgement.
    pub calls: Option<CallFigures>,
}

/// Calls that taught what circumstances are worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallFigures {
    /// How many predicted calls were fraud.
    pub fraud: usize,
    /// On how many days of accounts: an attack is many calls.
    pub fraud_days: usize,
    /// How many were ordinary.
    pub ordinary: usize,
    /// On how many days of accounts.
    pub ordinary_days: usize,
    /// The part of the fraud that is told by the first call of its day, by what circumstances are worth by judgement.
    pub by_judgement: Recall,
    /// The part that is told so by what the calls of other accounts have taught.
    pub as_learned: Recall,
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
