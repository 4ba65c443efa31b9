//! Accounts.

use jiff::Timestamp;
use tfps_engine::{
    account::Limits,
    call::{AccountId, printable},
    number::CountrySet,
    policy::Policy,
    usage::{Grant, Occupancy},
};

use super::{Admin, AdminError, cursor, page_size};
use crate::{
    accounts::{first_version, new_account},
    auth::{Permission, Principal},
    journal::{Entry, Record, ResetRecord},
    store::{AccountFilter, AccountRecord},
    verify::{PIN_DIGITS, hash_pin},
};

/// The longest e-mail address (RFC 5321), in bytes.
const MAX_EMAIL: usize = 254;
/// The longest reason, in bytes.
const MAX_REASON: usize = 256;
/// The highest limit that an account can have.
const MAX_LIMIT: u32 = 1_000_000_000;

/// What is to be changed of an account; `None` stays.
#[derive(Clone, Debug, Default)]
pub struct AccountChange {
    /// Calls at once in business hours.
    pub concurrent_calls: Option<u32>,
    /// Calls at once off hours.
    pub concurrent_calls_off_hours: Option<u32>,
    /// Calls a day in business hours.
    pub daily_quota: Option<u32>,
    /// Calls a day off hours.
    pub daily_quota_off_hours: Option<u32>,
    /// Where its calls may come from.
    pub source_countries: Option<CountrySet>,
    /// Where its calls may go.
    pub destination_countries: Option<CountrySet>,
    /// The policy it names; empty: none.
    pub policy: Option<String>,
    /// Where its notices go.
    pub email_address: Option<String>,
    /// The PIN; empty: none.
    pub pin: Option<String>,
}

/// An account, and what it has used.
#[derive(Clone, Debug)]
pub struct AccountView {
    /// The account.
    pub record: AccountRecord,
    /// What it has used.
    pub occupancy: Occupancy,
    /// Verifications that failed within the lock time.
    pub failures: u32,
    /// Set while it is locked.
    pub locked_until: Option<Timestamp>,
    /// The countries that are open for a while.
    pub grants: Vec<Grant>,
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
        let record = self
            .store
            .account(id)
            .await
            .map_err(|error| about(error.into(), id))?;
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
        caller.require(Permission::Change)?;
        caller.require_account(id)?;
        let pin_hash = self.check_change(id, &change).await?;
        let at = self.clock.now();
        let account = new_account(id.clone(), &self.policy_of(id, change.policy.as_deref()));
        let mut record = first_version(account, at);
        apply(&mut record, change, pin_hash);
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
        caller.require(Permission::Change)?;
        caller.require_account(id)?;
        let version = version_of(etag)?;
        let pin_hash = self.check_change(id, &change).await?;
        self.change(caller, id, version, "an account was changed", |record| {
            apply(record, change, pin_hash);
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
        caller.require(Permission::Change)?;
        caller.require_account(id)?;
        self.book
            .delete(id, version_of(etag)?)
            .await
            .map_err(|error| about(error.into(), id))?;
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
        caller.require(Permission::Change)?;
        caller.require_account(id)?;
        if reason.is_some_and(|reason| reason.len() > MAX_REASON) {
            return Err(AdminError::field(
                "reason",
                format!("is over {MAX_REASON} bytes long"),
            ));
        }
        let reason = reason.map(printable);
        let said = if reason.is_some() {
            "an account was blocked"
        } else {
            "an account was unblocked"
        };
        self.change(caller, id, None, said, |record| {
            record.account.blocked = reason.as_deref().into();
        })
        .await
    }

    /// Sets an account's counters to zero, forgets its failures and so ends a lock.
    ///
    /// # Errors
    /// When there is none, the role or domain does not allow it, or the database or the journal fails.
    pub async fn reset_usage(
        &self,
        caller: &Principal,
        id: &AccountId,
    ) -> Result<AccountView, AdminError> {
        caller.require(Permission::Change)?;
        caller.require_account(id)?;
        let record = self
            .store
            .account(id)
            .await
            .map_err(|error| about(error.into(), id))?;
        self.store.forget_failures(id).await?;
        self.state.watch.failures.forget(id);
        if let Some(resident) = self.state.accounts.get(id) {
            let mut ledger = resident.ledger.lock();
            let reset = ResetRecord {
                username: id.username().to_owned(),
                domain: id.domain().to_owned(),
            };
            self.journal
                .append(&Record {
                    entry: Some(Entry::Reset(reset)),
                })
                .map_err(|error| {
                    AdminError::Store(crate::store::StoreError::Unavailable(error.to_string()))
                })?;
            ledger.reset();
        }
        tracing::info!(account = %id, by = caller.name, "an account's usage was reset");
        Ok(self.view(record))
    }

    /// An account as it is shown.
    pub fn view(&self, record: AccountRecord) -> AccountView {
        let id = &record.account.id;
        let at = self.clock.now();
        let policy = self.policy_of(id, record.account.policy.as_deref());
        let day = tfps_engine::usage::Day::of(policy.local(at).date());
        let limits = &policy.document.verification;
        let lock = self
            .state
            .watch
            .failures
            .lock(id, limits.max_failures, limits.lock_seconds, at);
        let (occupancy, grants) = match self.state.accounts.get(id) {
            Some(resident) => {
                let ledger = resident.ledger.lock();
                (
                    ledger.occupancy(day, at),
                    ledger.grants(at).copied().collect(),
                )
            }
            None => (Occupancy::default(), Vec::new()),
        };
        AccountView {
            record,
            occupancy,
            failures: lock.failures,
            locked_until: lock
                .until
                .and_then(|until| Timestamp::from_second(until).ok()),
            grants,
        }
    }

    async fn change(
        &self,
        caller: &Principal,
        id: &AccountId,
        version: Option<i64>,
        said: &str,
        change: impl FnOnce(&mut AccountRecord),
    ) -> Result<AccountView, AdminError> {
        let record = self
            .book
            .change(id, version, self.clock.now(), |record| {
                change(record);
                Ok::<(), AdminError>(())
            })
            .await
            .map_err(|error| about(error, id))?;
        tracing::info!(account = %id, by = caller.name, "{said}");
        Ok(self.view(record))
    }

    /// Checks what is to be changed; the hash of the PIN, where there is one.
    async fn check_change(
        &self,
        id: &AccountId,
        change: &AccountChange,
    ) -> Result<Option<String>, AdminError> {
        for (field, limit) in [
            ("account.limits.concurrent_calls", change.concurrent_calls),
            (
                "account.limits.concurrent_calls_off_hours",
                change.concurrent_calls_off_hours,
            ),
            ("account.limits.daily_quota", change.daily_quota),
            (
                "account.limits.daily_quota_off_hours",
                change.daily_quota_off_hours,
            ),
        ] {
            if limit.is_some_and(|limit| limit > MAX_LIMIT) {
                return Err(AdminError::field(
                    field,
                    format!("at most {MAX_LIMIT} is possible"),
                ));
            }
        }
        if let Some(email) = change
            .email_address
            .as_deref()
            .filter(|email| !email.is_empty())
            && !looks_like_email(email)
        {
            return Err(AdminError::field(
                "account.email_address",
                "must be an address such as noc@example.com",
            ));
        }
        if let Some(policy) = change.policy.as_deref().filter(|policy| !policy.is_empty()) {
            let snapshot = self.state.snapshot.load();
            let known = snapshot
                .policies
                .get(id.domain(), policy)
                .or_else(|| snapshot.policies.get("", policy));
            if known.is_none() {
                return Err(AdminError::field(
                    "account.policy",
                    format!(
                        "there is no policy {policy:?} of {} and no general one",
                        id.domain()
                    ),
                ));
            }
        }
        match change.pin.as_deref() {
            None | Some("") => Ok(None),
            Some(pin) => check_pin(pin, "account.pin").await.map(Some),
        }
    }

    fn policy_of(&self, id: &AccountId, named: Option<&str>) -> std::sync::Arc<Policy> {
        let named = named.filter(|name| !name.is_empty());
        std::sync::Arc::clone(
            self.state
                .snapshot
                .load()
                .policies
                .of_account(id.domain(), named),
        )
    }
}

/// Checks a PIN and hashes it.
pub(super) async fn check_pin(pin: &str, field: &str) -> Result<String, AdminError> {
    if !PIN_DIGITS.contains(&pin.len()) || !pin.bytes().all(|byte| byte.is_ascii_digit()) {
        let (low, high) = (PIN_DIGITS.start(), PIN_DIGITS.end());
        return Err(AdminError::field(
            field,
            format!("must be {low} to {high} digits"),
        ));
    }
    hash_pin(pin.to_owned())
        .await
        .map_err(|error| AdminError::Precondition(format!("the PIN could not be hashed: {error}")))
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

fn apply(record: &mut AccountRecord, change: AccountChange, pin_hash: Option<String>) {
    let limits: &mut Limits = &mut record.account.limits;
    for (limit, change) in [
        (&mut limits.concurrent_calls, change.concurrent_calls),
        (
            &mut limits.concurrent_calls_off_hours,
            change.concurrent_calls_off_hours,
        ),
        (&mut limits.daily_quota, change.daily_quota),
        (
            &mut limits.daily_quota_off_hours,
            change.daily_quota_off_hours,
        ),
    ] {
        *limit = change.unwrap_or(*limit);
    }
    if let Some(countries) = change.source_countries {
        record.account.source_countries = countries;
    }
    if let Some(countries) = change.destination_countries {
        record.account.destination_countries = countries;
    }
    if let Some(policy) = change.policy {
        record.account.policy = Some(policy.as_str())
            .filter(|policy| !policy.is_empty())
            .into();
    }
    if let Some(email) = change.email_address {
        record.email_address = email;
    }
    if change.pin.is_some() {
        record.pin_hash = pin_hash;
    }
}

fn looks_like_email(text: &str) -> bool {
    let printable =
        text.len() <= MAX_EMAIL && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    printable
        && text
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'))
}

fn about(error: AdminError, id: &AccountId) -> AdminError {
    AdminError::about(error, || {
        format!("account {} {}", id.username(), id.domain())
    })
}
