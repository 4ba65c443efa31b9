//! Accounts.

mod change;

pub(super) use change::hash_new_pin;
pub use change::{AccountChange, LimitsChange};

use std::sync::Arc;

use jiff::Timestamp;
use tfps_engine::{
    account::Account,
    call::{AccountId, printable},
    exposure::Exposure,
    policy::Policy,
    usage::{Grant, Occupancy, Verified},
};

use super::{Admin, AdminError, cursor, page_size};
use crate::{
    accounts::first_version,
    auth::{Permission, Principal},
    journal::{Entry, JournalError, Record, ResetRecord},
    store::{AccountFilter, AccountRecord, StoreError},
};

/// The longest reason, in bytes.
const MAX_REASON: usize = 256;

/// An account, and what it has used.
#[derive(Clone, Debug)]
pub struct AccountView {
    /// The account.
    pub record: AccountRecord,
    /// What it has used.
    pub occupancy: Occupancy,
    /// What its calls of the day came to, where the policy caps that.
    pub exposure: Option<Exposure>,
    /// Verifications that failed within the lock time.
    pub failures: u32,
    /// Set while it is locked.
    pub locked_until: Option<Timestamp>,
    /// The countries that are open for a while.
    pub grants: Vec<Grant>,
    /// The verifications that were passed today, and what they raised for the day.
    pub verified: Verified,
}

impl Admin {
    /// A page of accounts, the token of the next and how many match in all.
    ///
    /// # Errors
    /// When the role or domain does not allow it, or the database fails.
    pub async fn list_accounts(
        &self,
        caller: &Principal,
        domain: &str,
        username_prefix: &str,
        blocked: Option<bool>,
        (size, token): (u32, &str),
    ) -> Result<(Vec<AccountView>, String, u64), AdminError> {
        caller.require(Permission::See)?;
        let filter = AccountFilter {
            domain: caller.narrow(domain)?,
            username_prefix: username_prefix.to_owned(),
            blocked,
        };
        let after = cursor::read::<2>(token)?;
        let after = after
            .as_ref()
            .map(|[domain, username]| (domain.as_str(), username.as_str()));
        let size = page_size(size);
        let _place = self.queries.place(caller).await;
        let (mut records, total) = self.store.accounts(&filter, after, size + 1).await?;
        let more = records.len() > size;
        records.truncate(size);
        let next = records.last().filter(|_| more).map(|record| {
            cursor::write(&[record.account.id.domain(), record.account.id.username()])
        });
        Ok((
            records
                .into_iter()
                .map(|record| self.view(record))
                .collect(),
            next.unwrap_or_default(),
            total,
        ))
    }

    /// One account.
    ///
    /// # Errors
    /// When there is none, the role or domain does not allow it, or the database fails.
    pub async fn account(
        &self,
        caller: &Principal,
        id: &AccountId,
    ) -> Result<AccountView, AdminError> {
        caller.require(Permission::See)?;
        caller.require_account(id)?;
        let record = self.record(id).await?;
        Ok(self.view(record))
    }

    /// Makes an account; what is not told is what the policy says for new ones.
    ///
    /// # Errors
    /// When there is one of the name, a field is wrong, the role or domain does not allow it, or the database fails.
    pub async fn create_account(
        &self,
        caller: &Principal,
        id: &AccountId,
        change: AccountChange,
    ) -> Result<AccountView, AdminError> {
        may_change(caller, id)?;
        let _place = self.changes.place(caller).await;
        let pin_hash = self.check_change(caller, id, &change).await?;
        let at = self.clock.now();
        let account = Account::new(id.clone(), &self.policy_of(id, change.policy.as_deref()));
        let mut record = first_version(account, at);
        let given = record.account.limits;
        change.apply(&mut record, pin_hash);
        self.may_give(caller, &record.account.limits, Some(&given))?;
        self.has_room_for_account(caller).await?;
        let record = self
            .book
            .create(record)
            .await
            .map_err(|error| about(error.into(), id))?;
        tracing::info!(account = %id, by = caller.name, "an account was created");
        Ok(self.view(record))
    }

    /// Changes an account; with an etag, only that version.
    ///
    /// # Errors
    /// When there is none, it was changed meanwhile, a field is wrong, the role or domain does not allow it, or the
    /// database fails.
    pub async fn update_account(
        &self,
        caller: &Principal,
        id: &AccountId,
        etag: &str,
        change: AccountChange,
    ) -> Result<AccountView, AdminError> {
        may_change(caller, id)?;
        let version = version_of(etag)?;
        let _place = self.changes.place(caller).await;
        let pin_hash = self.check_change(caller, id, &change).await?;
        self.change(caller, id, version, "an account was changed", |record| {
            let before = record.account.limits;
            change.apply(record, pin_hash);
            self.may_give(caller, &record.account.limits, Some(&before))
        })
        .await
    }

    /// Deletes an account; with an etag, only that version.
    ///
    /// # Errors
    /// When there is none, it was changed meanwhile, the role or domain does not allow it, or the database fails.
    pub async fn delete_account(
        &self,
        caller: &Principal,
        id: &AccountId,
        etag: &str,
    ) -> Result<(), AdminError> {
        may_change(caller, id)?;
        let _place = self.changes.place(caller).await;
        self.book
            .delete(id, version_of(etag)?)
            .await
            .map_err(|error| about(error.into(), id))?;
        // What its decisions that wait in the journal have counted is not the next one's of that name.
        if let Err(error) = self.journal_reset(id, false) {
            tracing::warn!(account = %id, %error, "what a deleted account has used could not be forgotten");
        }
        tracing::info!(account = %id, by = caller.name, "an account was deleted");
        Ok(())
    }

    /// Denies an account's calls, or no longer.
    ///
    /// # Errors
    /// When there is none, the reason is too long, the role or domain does not allow it, or the database fails.
    pub async fn block_account(
        &self,
        caller: &Principal,
        id: &AccountId,
        reason: Option<&str>,
    ) -> Result<AccountView, AdminError> {
        may_change(caller, id)?;
        if reason.is_some_and(|reason| reason.len() > MAX_REASON) {
            return Err(AdminError::field(
                "reason",
                format!("is over {MAX_REASON} bytes long"),
            ));
        }
        let _place = self.changes.place(caller).await;
        let reason = reason.map(printable);
        let said = if reason.is_some() {
            "an account was blocked"
        } else {
            "an account was unblocked"
        };
        self.change(caller, id, None, said, |record| {
            record.account.blocked = reason.as_deref().into();
            Ok(())
        })
        .await
    }

    /// Sets an account's counters to zero, forgets its verifications: the failed ones, which ends a lock, and those that were passed
    /// today, with what they raised for the day. Where the caller is bounded, these and what the day's calls cost still count.
    ///
    /// # Errors
    /// When there is none, the role or domain does not allow it, or the database or the journal fails.
    pub async fn reset_usage(
        &self,
        caller: &Principal,
        id: &AccountId,
    ) -> Result<AccountView, AdminError> {
        may_change(caller, id)?;
        let _place = self.changes.place(caller).await;
        let record = self.record(id).await?;
        self.store.forget_failures(id).await?;
        let keeps_spent = self.is_bounded(caller);
        if !keeps_spent {
            self.store.forget_verified(id).await?;
        }
        self.state.watch.failures.forget(id);
        if let Some(resident) = self.state.accounts.get(id) {
            let mut ledger = resident.ledger.lock();
            self.journal_reset(id, keeps_spent)
                .map_err(|error| AdminError::Store(StoreError::Unavailable(error.to_string())))?;
            if keeps_spent {
                ledger.reset_calls();
            } else {
                ledger.reset(self.clock.now());
            }
        }
        tracing::info!(account = %id, by = caller.name, "an account's usage was reset");
        Ok(self.view(record))
    }

    /// Says in the journal that what an account has counted so far no longer counts.
    fn journal_reset(&self, id: &AccountId, keeps_spent: bool) -> Result<(), JournalError> {
        let reset = ResetRecord {
            username: id.username().to_owned(),
            domain: id.domain().to_owned(),
            at: self.clock.now().as_millisecond(),
            keeps_spent,
        };
        self.journal
            .append(&Record {
                entry: Some(Entry::Reset(reset)),
            })
            .map(drop)
    }

    /// An account as it is shown.
    pub fn view(&self, record: AccountRecord) -> AccountView {
        let id = &record.account.id;
        let at = self.clock.now();
        let policy = self.policy_of(id, record.account.policy.as_deref());
        let day = tfps_engine::usage::Day::of(policy.local(at).date());
        let limits = policy.failure_limits();
        let lock = self.state.watch.failures.lock(id, &limits.account, at);
        let (occupancy, exposure, grants, verified) = match self.state.accounts.get(id) {
            Some(resident) => {
                let ledger = resident.ledger.lock();
                (
                    ledger.occupancy(day, at),
                    policy
                        .document
                        .exposure
                        .any()
                        .then(|| ledger.exposure(day, at)),
                    ledger.grants(at).copied().collect(),
                    ledger.verified(day),
                )
            }
            None => Default::default(),
        };
        AccountView {
            record,
            occupancy,
            exposure,
            failures: lock.failures,
            locked_until: lock
                .until
                .and_then(|until| Timestamp::from_second(until).ok()),
            grants,
            verified,
        }
    }

    async fn record(&self, id: &AccountId) -> Result<AccountRecord, AdminError> {
        self.store
            .account(id)
            .await
            .map_err(|error| about(error.into(), id))
    }

    async fn change(
        &self,
        caller: &Principal,
        id: &AccountId,
        version: Option<i64>,
        said: &str,
        change: impl FnOnce(&mut AccountRecord) -> Result<(), AdminError>,
    ) -> Result<AccountView, AdminError> {
        let record = self
            .book
            .change(id, version, self.clock.now(), change)
            .await
            .map_err(|error| about(error, id))?;
        tracing::info!(account = %id, by = caller.name, "{said}");
        Ok(self.view(record))
    }

    /// Whether the domain that a caller is bound to may have one account more.
    async fn has_room_for_account(&self, caller: &Principal) -> Result<(), AdminError> {
        let Some(domain) = &caller.domain else {
            return Ok(());
        };
        let filter = AccountFilter {
            domain: Some(domain.to_string()),
            ..AccountFilter::default()
        };
        let most = self.domains.max_accounts;
        let (_, count) = self.store.accounts(&filter, None, 1).await?;
        if usize::try_from(count).is_ok_and(|count| count < most) {
            return Ok(());
        }
        Err(AdminError::Full(format!(
            "the domain {domain} has {count} accounts, and may have {most} (domains.max_accounts): delete some, or ask the operator"
        )))
    }

    fn policy_of(&self, id: &AccountId, named: Option<&str>) -> Arc<Policy> {
        let named = named.filter(|name| !name.is_empty());
        Arc::clone(
            self.state
                .snapshot
                .load()
                .policies
                .of_account(id.domain(), named),
        )
    }
}

/// The version that an etag names.
pub(super) fn version_of(etag: &str) -> Result<Option<i64>, AdminError> {
    if etag.is_empty() {
        return Ok(None);
    }
    etag.parse()
        .map(Some)
        .map_err(|_| AdminError::field("etag", "is not one that was given out"))
}

/// Whether the caller may change an account.
fn may_change(caller: &Principal, id: &AccountId) -> Result<(), AdminError> {
    caller.require(Permission::Change)?;
    Ok(caller.require_account(id)?)
}

fn about(error: AdminError, id: &AccountId) -> AdminError {
    AdminError::about(error, || {
        format!("account {} {}", id.username(), id.domain())
    })
}
