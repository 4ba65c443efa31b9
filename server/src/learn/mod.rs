//! What happened is learned: a caller's limits, a call's progress, an outcome.

mod call;
mod limits;
mod outcome;

pub use call::CallProgress;
pub use limits::GivenLimits;
pub use outcome::{LEARNED, MAX_NOTE, Subject};

use std::sync::Arc;

use tfps_engine::call::FieldError;

use crate::{
    accounts::Book,
    admin::{ListError, ListKeeper},
    auth::Refusal,
    calls::CallWatch,
    check::Checker,
    clock::Clock,
    config::Domains,
    journal::{Journal, JournalError, ShipperHandle},
    state::State,
    store::{Store, StoreError},
};

/// Learns.
pub struct Learner {
    /// What is in memory.
    pub state: Arc<State>,
    /// The database.
    pub store: Arc<dyn Store>,
    /// The accounts.
    pub book: Arc<Book>,
    /// The lists.
    pub lists: Arc<ListKeeper>,
    /// Who decides: how long slots are held is its setting.
    pub checker: Arc<Checker>,
    /// Where calls' progress is written.
    pub journal: Arc<Journal>,
    /// Brings the journal to the database.
    pub shipper: ShipperHandle,
    /// Who orders calls to end.
    pub calls: Arc<CallWatch>,
    /// What those who are bound to a domain may put into it.
    pub domains: Domains,
    /// The time.
    pub clock: Clock,
}

/// Why something is not learned.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// A field is wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The policy's maximum is 0: what is learned would lock the caller out.
    #[error(
        "can't be learned: the policy `{policy}` has 0 in new_accounts.maximum, which would let no call pass"
    )]
    NoneLeft {
        /// The limit's field.
        field: &'static str,
        /// The policy.
        policy: String,
    },
    /// No such thing.
    #[error("there is no {0}")]
    NotFound(String),
    /// Not now.
    #[error("{0}")]
    Precondition(String),
    /// The token is for something else.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The journal fails.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There is no room: the domain, or the account, has as much as it may.
    #[error("{0}")]
    Full(String),
    /// The database fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ListError> for LearnError {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Store(error) => error.into(),
            ListError::Entry(_) => Self::Precondition(error.to_string()),
            ListError::Full { .. } => Self::Full(error.to_string()),
        }
    }
}
