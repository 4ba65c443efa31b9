//! Limits that learn: what an account may do follows what it does.
//!
//! From the calls of some months comes a [`History`], from it and the account a [`Proposal`].

mod history;
mod proposal;

pub use history::{DayUsed, History, PastCall, Reported};
pub use proposal::{
    Lowering, NothingLearned, Openable, Proposal, SHORTEST_HISTORY, propose, still_opened,
};
