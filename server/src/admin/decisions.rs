//! Decisions, statistics and status.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Admin, AdminError, cursor, page_size};
use crate::{
    auth::{Permission, Principal},
    journal::DecisionRecord,
    store::{AccountFilter, DecisionFilter, Statistics},
};

/// How long a list waits for the newest decisions to reach the database.
const CATCH_UP: Duration = Duration::from_secs(2);

/// Patterns that match nothing which are warned of one by one.
const MOST_WARNED: usize = 20;

/// A page of decisions.
#[derive(Clone, Debug)]
pub struct DecisionPage {
    /// Newest first.
    pub records: Vec<DecisionRecord>,
    /// The token of the next page.
    pub next: String,
    /// Decisions that are not yet in the database.
    pub not_yet_listed: u64,
}

/// How the server is, as far as the caller may see it.
#[derive(Clone, Debug)]
pub struct Overview {
    /// Whether the database answers, or why not.
    pub database: Result<(), String>,
    /// Accounts.
    pub accounts: u64,
    /// Policies.
    pub policies: u64,
    /// Entries.
    pub entries: u64,
    /// Challenges that wait.
    pub pending_challenges: u64,
    /// Calls that hold a slot.
    pub calls_in_progress: u64,
    /// How the journal is; `None` where what concerns all domains may not be shown.
    pub journal: Option<JournalOverview>,
    /// What an operator should know.
    pub warnings: Vec<String>,
    /// Whether what concerns all domains may be shown.
    pub whole: bool,
}

/// How the journal is: read once, so that what is said of it and what is warned of agree.
#[derive(Clone, Debug)]
pub struct JournalOverview {
    /// Its size.
    pub bytes: u64,
    /// Records that are not yet in the database.
    pub not_yet_shipped: u64,
    /// When the oldest of these was decided.
    pub oldest: Option<Timestamp>,
    /// Decisions that were answered and could not be recorded.
    pub lost: u64,
    /// Why records can't be written.
    pub not_written: Option<String>,
    /// Why records can't be shipped.
    pub not_shipped: Option<String>,
}

impl JournalOverview {
    fn warnings(&self) -> impl Iterator<Item = String> {
        let lost = (self.lost > 0).then(|| {
            format!(
                "{} decisions were answered but could not be recorded",
                self.lost
            )
        });
        let waits = self
            .not_shipped
            .as_ref()
            .map(|error| format!("decisions wait in the journal: {error}"));
        self.not_written
            .clone()
            .into_iter()
            .chain(lost)
            .chain(waits)
    }
}

impl Admin {
    /// A page of decisions, newest first.
    ///
    /// # Errors
    /// When a field is wrong, the role or domain does not allow it, or the database fails.
    pub async fn list_decisions(
        &self,
        caller: &Principal,
        mut filter: DecisionFilter,
        (size, token): (u32, &str),
    ) -> Result<DecisionPage, AdminError> {
        caller.require(Permission::See)?;
        filter.domain = caller.narrow(filter.domain.as_deref().unwrap_or_default())?;
        let before = cursor::read::<1>(token)?.map(|[id]| id);
        let _place = self.queries.place(caller).await;
        let not_yet_listed = match before {
            None => self.shipper.catch_up(CATCH_UP).await,
            Some(_) => 0,
        };
        let size = page_size(size);
        let mut records = self
            .store
            .decisions(&filter, before.as_deref(), size + 1)
            .await?;
        let more = records.len() > size;
        records.truncate(size);
        let next = records
            .last()
            .filter(|_| more)
            .map(|record| cursor::write(&[&record.id]))
            .unwrap_or_default();
        Ok(DecisionPage {
            records,
            next,
            not_yet_listed,
        })
    }

    /// What was decided in a span of time; the last 24 hours where none is told.
    ///
    /// # Errors
    /// When the span is none, the role or domain does not allow it, or the database fails.
    pub async fn statistics(
        &self,
        caller: &Principal,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        domain: &str,
    ) -> Result<(Timestamp, Timestamp, Statistics), AdminError> {
        caller.require(Permission::See)?;
        let domain = caller.narrow(domain)?;
        // Ids tell milliseconds: what is decided in this very one counts too.
        let until = until.unwrap_or_else(|| self.clock.now() + SignedDuration::from_millis(1));
        let since = since.unwrap_or_else(|| {
            until
                .saturating_sub(SignedDuration::from_hours(24))
                .unwrap_or(until)
        });
        if since > until {
            return Err(AdminError::field("since", "is after until"));
        }
        let _place = self.queries.place(caller).await;
        self.shipper.catch_up(CATCH_UP).await;
        let statistics = self
            .store
            .statistics(since, until, domain.as_deref())
            .await?;
        Ok((since, until, statistics))
    }

    /// How the server is.
    ///
    /// # Errors
    /// When the role does not allow it.
    pub async fn overview(&self, caller: &Principal) -> Result<Overview, AdminError> {
        caller.require(Permission::See)?;
        let at = self.clock.now();
        let database = self.store.ping().await.map_err(|error| error.to_string());
        let snapshot = self.state.snapshot.load_full();
        let visible = |domain: &str| domain.is_empty() || caller.require_domain(domain).is_ok();
        let policies: Vec<_> = snapshot
            .policies
            .iter()
            .filter(|policy| visible(&policy.document.domain))
            .collect();
        let mut warnings: Vec<String> = policies
            .iter()
            .flat_map(|policy| {
                policy
                    .notices()
                    .into_iter()
                    .map(move |notice| format!("policy {}: {notice}", policy.document.name))
            })
            .collect();
        for policy in &policies {
            if policy.document.monitor {
                warnings.push(format!(
                    "policy {} only monitors: it lets every call pass",
                    policy.document.name
                ));
            }
        }
        warnings.extend(self.lock_warnings(caller.domain.as_deref()));
        let disabled = snapshot
            .lists
            .disabled()
            .filter(|(domain, ..)| visible(domain));
        warnings.extend(disabled.take(MOST_WARNED).map(|(domain, pattern, why)| {
            let of = if domain.is_empty() {
                "the general lists"
            } else {
                domain
            };
            format!("the user-agent pattern {pattern:?} of {of} matches nothing: {why}")
        }));
        let whole = caller.domain.is_none();
        if whole {
            warnings.extend(self.bounding_warning(&snapshot.policies));
        }
        let (accounts, entries, calls) = match &caller.domain {
            None => {
                let mut calls = 0;
                self.state.accounts.for_each(|resident| {
                    calls += u64::from(
                        resident
                            .ledger
                            .lock()
                            .occupancy(Default::default(), at)
                            .concurrent,
                    );
                });
                (
                    self.state.accounts.len() as u64,
                    snapshot.lists.len() as u64,
                    calls,
                )
            }
            Some(domain) => {
                let _place = self.queries.place(caller).await;
                let filter = AccountFilter {
                    domain: Some(domain.to_string()),
                    ..AccountFilter::default()
                };
                let (_, accounts) = self
                    .store
                    .accounts(&filter, None, 1)
                    .await
                    .unwrap_or_default();
                let (entries, _) = snapshot.lists.len_of(domain);
                (accounts, entries as u64, 0)
            }
        };
        let journal = whole.then(|| self.journal_overview());
        warnings.extend(journal.iter().flat_map(JournalOverview::warnings));
        Ok(Overview {
            database,
            accounts,
            policies: policies.len() as u64,
            entries,
            pending_challenges: if whole {
                self.state.challenges.len(at) as u64
            } else {
                0
            },
            calls_in_progress: calls,
            journal,
            warnings,
            whole,
        })
    }

    fn journal_overview(&self) -> JournalOverview {
        let not_yet_shipped = self.journal.pending();
        JournalOverview {
            bytes: self.journal.bytes(),
            not_yet_shipped,
            oldest: self.shipper.oldest().filter(|_| not_yet_shipped > 0),
            lost: self.journal.lost(),
            not_written: self.journal.error(),
            not_shipped: self.shipper.error(),
        }
    }
}
