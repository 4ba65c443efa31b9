//! Administration: accounts, policies, lists, decisions, tokens. It enforces roles and domains; what changes goes to
//! the database first, then to memory.

mod accounts;
mod bounds;
mod decisions;
mod entries;
mod locks;
mod places;
mod policies;
mod tokens;

pub use accounts::{AccountChange, AccountView, LimitsChange};
pub use decisions::{DecisionPage, JournalOverview, Overview};
pub use entries::{EntryLine, Import, Imported, ListError, ListKeeper, RejectedLine, line_field};
pub use locks::{LockView, LockedThing, Unlocking};
pub use places::Places;
pub use policies::{PolicyView, read as read_policy, write as write_policy};
pub use tokens::NewToken;

use std::sync::Arc;

use tfps_engine::call::FieldError;

use crate::{
    accounts::Book,
    auth::{Principal, Refusal, Tokens},
    clock::Clock,
    config::Domains,
    journal::{Journal, ShipperHandle},
    state::State,
    store::{Store, StoreError},
};

/// The largest page.
pub const MAX_PAGE: usize = 1_000;
/// The page where none is asked for.
const DEFAULT_PAGE: usize = 100;

/// Administers.
pub struct Admin {
    /// What is in memory.
    pub state: Arc<State>,
    /// The database.
    pub store: Arc<dyn Store>,
    /// The accounts.
    pub book: Arc<Book>,
    /// The lists.
    pub lists: Arc<ListKeeper>,
    /// The tokens.
    pub tokens: Arc<Tokens>,
    /// The journal.
    pub journal: Arc<Journal>,
    /// Brings the journal to the database.
    pub shipper: ShipperHandle,
    /// The time.
    pub clock: Clock,
    /// What those who are bound to a domain may put into it.
    pub domains: Domains,
    /// The general policy that they must not protect less than; empty: they may set anything.
    pub bounding_policy: String,
    /// Who asks the database.
    pub queries: Places,
    /// Who changes accounts and policies.
    pub changes: Places,
    /// Who imports lists, which are in memory until they are whole.
    pub imports: Places,
    /// One change of the policies or tokens at a time.
    pub turns: tokio::sync::Mutex<()>,
}

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// A field is wrong.
    #[error("{field}: {problem}")]
    Field {
        /// The field, as a path.
        field: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// Lines of an import are wrong, and nothing was imported.
    #[error("{count} of the lines are wrong, and nothing was imported: {}", told(first, *count))]
    Lines {
        /// How many.
        count: u64,
        /// The first of them.
        first: Vec<RejectedLine>,
    },
    /// No such thing.
    #[error("there is no {0}")]
    NotFound(String),
    /// There is one already.
    #[error("there is already {0}")]
    AlreadyExists(String),
    /// Somebody else was quicker.
    #[error("{0} was changed meanwhile; read it again and repeat the change")]
    Changed(String),
    /// Not as things are.
    #[error("{0}")]
    Precondition(String),
    /// The token is for something else.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The domain has as much as it may.
    #[error("{0}")]
    Full(String),
    /// The operator lets no domain-admin set it.
    #[error("{field}: {problem}")]
    Bounded {
        /// The field, as a path.
        field: String,
        /// What may be set.
        problem: String,
    },
    /// The database fails.
    #[error("{0}")]
    Store(StoreError),
}

impl From<ListError> for AdminError {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Store(error) => error.into(),
            ListError::Entry(error) => Self::field("entries", error),
            ListError::Full { .. } => Self::Full(error.to_string()),
        }
    }
}

impl Admin {
    /// What a caller's domain may have; `None` where he is bound to none.
    fn bounds(&self, caller: &Principal) -> Option<&Domains> {
        caller.domain.as_ref().map(|_| &self.domains)
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<FieldError> for AdminError {
    fn from(error: FieldError) -> Self {
        Self::field(error.field, error.problem)
    }
}

impl AdminError {
    /// Names a field and what is wrong with it.
    pub fn field(field: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        Self::Field {
            field: field.into(),
            problem: problem.to_string(),
        }
    }

    /// Names what the database did not find, found already or found changed.
    fn about(error: Self, what: impl Fn() -> String) -> Self {
        match error {
            Self::Store(StoreError::NotFound) => Self::NotFound(what()),
            Self::Store(StoreError::AlreadyExists) => Self::AlreadyExists(what()),
            Self::Store(StoreError::Conflict) => Self::Changed(what()),
            error => error,
        }
    }
}

fn told(first: &[RejectedLine], count: u64) -> String {
    let mut lines: Vec<String> = first
        .iter()
        .map(|line| format!("{}: {}", line_field(line.line), line.why))
        .collect();
    if count > lines.len() as u64 {
        lines.push("…".to_owned());
    }
    lines.join("; ")
}

/// The page that is asked for.
pub(crate) fn page_size(asked: u32) -> usize {
    match asked as usize {
        0 => DEFAULT_PAGE,
        size => size.min(MAX_PAGE),
    }
}

/// A cursor as text that names nothing and grants nothing: what it leads to is filtered anew.
pub(crate) mod cursor {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::AdminError;

    pub(crate) fn write(parts: &[&str]) -> String {
        URL_SAFE_NO_PAD.encode(parts.join("\n"))
    }

    pub(crate) fn read<const N: usize>(token: &str) -> Result<Option<[String; N]>, AdminError> {
        if token.is_empty() {
            return Ok(None);
        }
        let wrong = || AdminError::field("page_token", "is not one that was given out");
        if token.len() > 4_096 {
            return Err(wrong());
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| wrong())?;
        let text = String::from_utf8(bytes).map_err(|_| wrong())?;
        let parts: Vec<String> = text.split('\n').map(str::to_owned).collect();
        parts.try_into().map(Some).map_err(|_| wrong())
    }
}
