//! What the past says of a call.

use super::{DialingPattern, Novelty, RangeCallers};

/// What the past says of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// What of it is new for its account.
    pub novelty: Novelty,
    /// For how many days it has been watched what accounts do.
    pub watched_days: u32,
    /// How its account has dialed within the last hour.
    pub dialing: DialingPattern,
    /// Who else calls the range.
    pub range: RangeCallers,
}
