//! The caller proves to be the account's human, and what the challenge was about is applied.

mod change;
mod error;
mod secret;
mod turns;
mod wanted;

pub use change::grant_of;
pub use error::VerifyError;
pub use secret::{PIN_DIGITS, hash_pin};
pub use wanted::Wanted;

use std::sync::Arc;

use self::{
    secret::{Pins, captcha, captcha_fits, digits_hash},
    turns::Turns,
};
use crate::{
    accounts::Book,
    auth::Principal,
    check::random_id,
    clock::Clock,
    state::{About, Pending, State},
    store::{
        AccountRecord, GrantRecord, Passed, Store, StoreError, VerificationRecord,
        VerificationStatus,
    },
};
use jiff::{SignedDuration, Timestamp};
use tfps_engine::{
    account::Limits,
    call::AccountId,
    decision::Purpose,
    policy::{Policy, VerificationMethod},
    usage::Lock,
};

/// Verifies callers.
pub struct Verifier {
    state: Arc<State>,
    store: Arc<dyn Store>,
    book: Arc<Book>,
    clock: Clock,
    turns: Turns,
    pins: Pins,
}

/// An opened verification.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its id.
    pub id: String,
    /// How the caller proves himself.
    pub method: VerificationMethod,
    /// The captcha's digits; empty for a PIN.
    pub digits: String,
    /// Until when digits are taken.
    pub expires_at: Timestamp,
    /// Failures left before the lock, this attempt included.
    pub attempts_left: u32,
    /// The challenge.
    pub pending: Pending,
}

/// What completing a verification came to.
#[derive(Clone, Debug)]
pub struct Completed {
    /// Whether the digits were right.
    pub passed: bool,
    /// What changed, in words.
    pub change: String,
    /// Failures left before the lock.
    pub attempts_left: u32,
    /// Set while locked.
    pub locked_until: Option<Timestamp>,
    /// The account after the change.
    pub account: Option<AccountRecord>,
    /// Set where the caller is to be asked for his limits: the most that he can get.
    pub limits_asked: Option<Limits>,
}

impl Verifier {
    /// A verifier.
    pub fn new(state: Arc<State>, store: Arc<dyn Store>, book: Arc<Book>, clock: Clock) -> Self {
        Self {
            state,
            store,
            book,
            clock,
            turns: Turns::default(),
            pins: Pins::default(),
        }
    }

    /// Opens a verification for a challenge that waits.
    ///
    /// # Errors
    /// When none waits, it is for something else, or the account is locked.
    pub async fn start(&self, caller: &Principal, wanted: Wanted) -> Result<Opened, VerifyError> {
        let at = self.clock.now();
        let pending = self.pending(caller, wanted, at).await?;
        let account = &pending.account;
        let policy = self.policy(account);
        let limits = &policy.document.verification;
        let failures = self.require_unlocked(account, &policy, at)?;
        let digits = match limits.method {
            VerificationMethod::None => {
                return Err(VerifyError::NoVerification(policy.document.name.clone()));
            }
            VerificationMethod::Captcha => Some(captcha(limits.captcha_digits)),
            VerificationMethod::Pin => {
                self.pin_hash(account, &policy).await?;
                None
            }
        };
        let id = random_id();
        let lifetime = SignedDuration::from_secs(i64::from(limits.captcha_seconds));
        let record = VerificationRecord {
            id: id.clone(),
            challenge_id: pending.id.clone(),
            account: account.clone(),
            purpose: pending.about.as_str().to_owned(),
            opened_at: at,
            expires_at: at + lifetime,
            digits_hash: digits.as_deref().map(|digits| digits_hash(&id, digits)),
            status: VerificationStatus::Opened,
            completed_at: None,
        };
        self.store
            .open_verification(&record, limits.max_opens)
            .await
            .map_err(|error| match error {
                StoreError::Conflict => VerifyError::UsedUp(limits.max_opens),
                error => VerifyError::Store(error),
            })?;
        Ok(Opened {
            id,
            method: limits.method,
            digits: digits.unwrap_or_default(),
            expires_at: record.expires_at,
            attempts_left: attempts_left(limits.max_failures, failures),
            pending,
        })
    }

    /// Takes the digits that were typed.
    ///
    /// # Errors
    /// When there is no such verification, or it is over. Wrong digits are no error.
    pub async fn complete(
        &self,
        caller: &Principal,
        id: &str,
        digits: &str,
    ) -> Result<Completed, VerifyError> {
        let account = self.record(id).await?.account;
        caller.require_account(&account)?;
        let _turn = self.turns.of(&account).await;
        let at = self.clock.now();
        let record = self.record(id).await?;
        if record.status != VerificationStatus::Opened || record.expires_at <= at {
            return Err(VerifyError::Over(id.to_owned()));
        }
        let policy = self.policy(&account);
        self.require_unlocked(&account, &policy, at)?;
        let right = match &record.digits_hash {
            Some(hash) => captcha_fits(id, digits, hash),
            None => {
                let hash = self.pin_hash(&account, &policy).await?;
                self.pins
                    .fits(hash, digits)
                    .await
                    .map_err(VerifyError::Hash)?
            }
        };
        if right {
            self.pass(&record, &policy, at).await
        } else {
            self.fail(&record, &policy, at).await
        }
    }

    async fn pass(
        &self,
        record: &VerificationRecord,
        policy: &Policy,
        at: Timestamp,
    ) -> Result<Completed, VerifyError> {
        let account = &record.account;
        // One change of an account at a time, so that what is read is still so when it is written, and a challenge is
        // passed once however many of its captchas are typed.
        let _turn = self.book.turn().await;
        let pending = self
            .state
            .challenges
            .get(&record.challenge_id, at)
            .ok_or_else(|| VerifyError::Over(record.id.clone()))?;
        let (change, words) = self.change(&pending, policy, at).await?;
        let change = self
            .store
            .pass_verification(&record.id, change, at)
            .await
            .map_err(|error| match error {
                StoreError::Conflict => VerifyError::Over(record.id.clone()),
                error => VerifyError::Store(error),
            })?;
        match &change {
            Passed::Created(made) => self.state.enter(made.account.clone()),
            Passed::Updated(made) => drop(self.state.accounts.put(made.account.clone())),
            Passed::Granted(made) => self.grant(made, at),
            Passed::Nothing => self.let_through(&pending, policy, at),
        }
        self.state.challenges.remove(&pending.id);
        tracing::info!(%account, purpose = record.purpose, change = words, "a caller passed a verification");
        let limits = &policy.document.verification;
        Ok(Completed {
            passed: true,
            change: words,
            attempts_left: attempts_left(
                limits.max_failures,
                self.lock(account, policy, at).failures,
            ),
            locked_until: None,
            account: self.store.account(account).await.ok(),
            limits_asked: limits_asked(&pending, policy),
        })
    }

    async fn fail(
        &self,
        record: &VerificationRecord,
        policy: &Policy,
        at: Timestamp,
    ) -> Result<Completed, VerifyError> {
        self.store
            .fail_verification(&record.id, at)
            .await
            .map_err(|error| match error {
                StoreError::Conflict => VerifyError::Over(record.id.clone()),
                error => VerifyError::Store(error),
            })?;
        let account = &record.account;
        self.state.watch.failures.record(account, at);
        let lock = self.lock(account, policy, at);
        tracing::info!(%account, failures = lock.failures, locked = lock.until.is_some(), "a caller failed a verification");
        Ok(Completed {
            passed: false,
            change: String::new(),
            attempts_left: attempts_left(policy.document.verification.max_failures, lock.failures),
            locked_until: lock
                .until
                .and_then(|until| Timestamp::from_second(until).ok()),
            account: None,
            limits_asked: None,
        })
    }

    fn grant(&self, record: &GrantRecord, at: Timestamp) {
        if let Some(ledger) = self.state.ledger(&record.account) {
            ledger.lock().grant(grant_of(record), at);
        }
    }

    fn policy(&self, account: &AccountId) -> Arc<Policy> {
        let resident = self.state.accounts.get(account);
        let named = resident
            .as_deref()
            .and_then(|resident| resident.account.policy.as_deref());
        Arc::clone(
            self.state
                .snapshot
                .load()
                .policies
                .of_account(account.domain(), named),
        )
    }

    async fn record(&self, id: &str) -> Result<VerificationRecord, VerifyError> {
        self.store
            .verification(id)
            .await
            .map_err(|error| match error {
                StoreError::NotFound => VerifyError::Unknown(id.to_owned()),
                error => VerifyError::Store(error),
            })
    }

    /// The failures of an account that is not locked.
    fn require_unlocked(
        &self,
        account: &AccountId,
        policy: &Policy,
        at: Timestamp,
    ) -> Result<u32, VerifyError> {
        let lock = self.lock(account, policy, at);
        match lock.until {
            None => Ok(lock.failures),
            Some(until) => Err(VerifyError::Locked {
                account: account.clone(),
                failures: lock.failures,
                until: Timestamp::from_second(until).unwrap_or(at),
            }),
        }
    }

    fn lock(&self, account: &AccountId, policy: &Policy, at: Timestamp) -> Lock {
        let limits = &policy.document.verification;
        self.state
            .watch
            .failures
            .lock(account, limits.max_failures, limits.lock_seconds, at)
    }

    async fn pin_hash(&self, account: &AccountId, policy: &Policy) -> Result<String, VerifyError> {
        let own = match self.store.account(account).await {
            Ok(record) => record.pin_hash,
            Err(StoreError::NotFound) => None,
            Err(error) => return Err(VerifyError::Store(error)),
        };
        own.or_else(|| policy.document.verification.pin_hash.clone())
            .ok_or_else(|| VerifyError::NoPin(policy.document.name.clone()))
    }
}

/// What the caller of a passed challenge can ask for. Where the policy leaves him nothing, he is not asked.
fn limits_asked(passed: &Pending, policy: &Policy) -> Option<Limits> {
    let maximum = policy.maximum_limits();
    let (concurrent_calls, daily_quota) = maximum.in_hours(false);
    let asks = match passed.about {
        About::Call(purpose) => purpose == Purpose::Onboarding,
        About::Limits => true,
    };
    let gives = concurrent_calls > 0 && daily_quota > 0;
    (policy.document.verification.ask_limits && asks && gives).then_some(maximum)
}

fn attempts_left(max_failures: u32, failures: u32) -> u32 {
    (max_failures + 1).saturating_sub(failures)
}
