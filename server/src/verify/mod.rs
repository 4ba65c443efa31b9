//! The caller proves to be the account's human, and what the challenge was about is applied.

mod change;
mod error;
mod locks;
mod offer;
mod question;
mod secret;
mod turns;
mod wanted;

pub use change::grant_of;
pub use error::VerifyError;
pub use question::Question;
pub use secret::{check_pin, hash_pin};
pub use wanted::Wanted;

use std::sync::Arc;

use self::{
    secret::{Pin, Pins, captcha_fits, digits_hash},
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
    telemetry::Metrics,
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
    metrics: Metrics,
    turns: Turns,
    network_turns: Turns,
    pin_turns: Turns,
    pins: Pins,
}

/// An opened verification.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its id.
    pub id: String,
    /// How the caller proves himself.
    pub method: VerificationMethod,
    /// What a captcha asks; none for a PIN.
    pub question: Option<Question>,
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
    /// With a quota: how many calls the account may make today.
    pub daily_quota: Option<u32>,
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
    pub fn new(
        state: Arc<State>,
        store: Arc<dyn Store>,
        book: Arc<Book>,
        clock: Clock,
        metrics: Metrics,
    ) -> Self {
        Self {
            state,
            store,
            book,
            clock,
            metrics,
            turns: Turns::default(),
            network_turns: Turns::default(),
            pin_turns: Turns::default(),
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
        let failures = self.require_unlocked(account, &policy, &pending.origin, at)?;
        self.require_room(&pending, &policy, at)?;
        self.require_offered(account, pending.about.as_str(), &policy, at)?;
        let method = self.method(&pending, &policy);
        let question = match method {
            VerificationMethod::None => {
                return Err(VerifyError::NoVerification(policy.document.name.clone()));
            }
            VerificationMethod::Captcha => Some(Question::new(limits)),
            VerificationMethod::Pin => {
                let pin = self.pin(account, &policy).await?;
                self.require_unlocked_pin(account, &policy, &pin, &pending.origin, at)?;
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
            digits_hash: question
                .as_ref()
                .map(|question| digits_hash(&id, &question.answer())),
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
        self.state.challenges.opened(&pending.id, at);
        Ok(Opened {
            id,
            method,
            question,
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
        // Of a challenge that waits no longer nothing is told, right digits or not.
        let pending = self.waiting(&record, at)?;
        // Always in this order, so that nobody waits for one who waits for them: account, network, PIN.
        let _network = match &pending.origin.network {
            Some(network) => Some(self.network_turns.of(network).await),
            None => None,
        };
        self.require_unlocked(&account, &policy, &pending.origin, at)?;
        self.require_room(&pending, &policy, at)?;
        self.require_offered(&account, &record.purpose, &policy, at)?;
        let _pin;
        let (right, pin) = match &record.digits_hash {
            Some(hash) => (captcha_fits(id, digits, hash), None),
            None => {
                let pin = self.pin(&account, &policy).await?;
                if matches!(pin, Pin::Policy(_)) {
                    let whose = (account.domain(), &policy.document.name);
                    _pin = self.pin_turns.of(&whose).await;
                }
                self.require_unlocked_pin(&account, &policy, &pin, &pending.origin, at)?;
                let fits = self.pins.fits(pin.hash().to_owned(), digits).await;
                (fits.map_err(VerifyError::Hash)?, Some(pin))
            }
        };
        if !right {
            return self
                .fail(&record, &pending, &policy, pin.as_ref(), at)
                .await;
        }
        let passed = self.pass(&record, &policy, at).await?;
        if matches!(pin, Some(Pin::Policy(_))) {
            self.pin_fits(&pending, &policy, at);
        }
        Ok(passed)
    }

    /// The challenge of a verification, which waits.
    fn waiting(&self, record: &VerificationRecord, at: Timestamp) -> Result<Pending, VerifyError> {
        let challenges = &self.state.challenges;
        challenges
            .get(&record.challenge_id, at)
            .ok_or_else(|| VerifyError::Over(record.id.clone()))
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
        let pending = self.waiting(record, at)?;
        self.require_room(&pending, policy, at)?;
        let verified = self.verified_with(&pending, policy, at);
        let (change, words) = self.change(&pending, policy, verified.as_ref(), at).await?;
        let counted = verified.as_ref().map(|verified| (account, verified));
        let change = self
            .store
            .pass_verification(&record.id, change, counted, at)
            .await
            .map_err(|error| match error {
                StoreError::Conflict => VerifyError::Over(record.id.clone()),
                error => VerifyError::Store(error),
            })?;
        match &change {
            Passed::Created(made) => {
                self.state.enter(made.account.clone());
                self.onboarded(&pending, policy, at);
            }
            Passed::Updated(made) => drop(self.state.accounts.put(made.account.clone())),
            Passed::Granted(made) => self.grant(made, at),
            Passed::Nothing => self.let_through(&pending, policy, at),
        }
        if let Some(verified) = verified
            && let Some(ledger) = self.state.ledger(account)
        {
            ledger.lock().set_verified(verified);
        }
        self.state.challenges.remove(&pending.id);
        tracing::info!(%account, purpose = record.purpose, change = words, "a caller passed a verification");
        let limits = &policy.document.verification;
        let changed = self.store.account(account).await.ok();
        let own = changed.as_ref().map(|record| &record.account.limits);
        let limits_asked = own.and_then(|own| limits_asked(&pending, policy, own));
        Ok(Completed {
            passed: true,
            change: words,
            daily_quota: self.quota_of(&pending, policy, at),
            attempts_left: attempts_left(
                limits.max_failures,
                self.lock(account, policy, at).failures,
            ),
            locked_until: None,
            account: changed,
            limits_asked,
        })
    }

    async fn fail(
        &self,
        record: &VerificationRecord,
        pending: &Pending,
        policy: &Policy,
        pin: Option<&Pin>,
        at: Timestamp,
    ) -> Result<Completed, VerifyError> {
        self.store
            .fail_verification(&record.id, at)
            .await
            .map_err(|error| match error {
                StoreError::Conflict => VerifyError::Over(record.id.clone()),
                error => VerifyError::Store(error),
            })?;
        let lock = self.failed(pending, policy, pin, at);
        Ok(Completed {
            passed: false,
            change: String::new(),
            daily_quota: None,
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

    fn lock(&self, account: &AccountId, policy: &Policy, at: Timestamp) -> Lock {
        let limits = policy.failure_limits();
        let failures = &self.state.watch.failures;
        failures.lock(account, &limits.account, at)
    }

    /// The PIN that an account is asked for. The policy's opens no account that is not known.
    async fn pin(&self, account: &AccountId, policy: &Policy) -> Result<Pin, VerifyError> {
        let own = match self.store.account(account).await {
            Ok(record) => record.pin_hash,
            Err(StoreError::NotFound) => {
                return Err(VerifyError::NoPinOfUnknown(account.clone()));
            }
            Err(error) => return Err(VerifyError::Store(error)),
        };
        let of_policy = || policy.document.verification.pin_hash.clone();
        own.map(Pin::Own)
            .or_else(|| of_policy().map(Pin::Policy))
            .ok_or_else(|| VerifyError::NoPin(policy.document.name.clone()))
    }
}

/// What the caller of a passed challenge can ask for. Where the policy leaves him nothing, he is not asked.
fn limits_asked(passed: &Pending, policy: &Policy, own: &Limits) -> Option<Limits> {
    let most = policy.limits_on_request(own);
    let (concurrent_calls, daily_quota) = most.in_hours(false);
    let asks = match passed.about {
        About::Call(purpose) => purpose == Purpose::Onboarding,
        About::Limits => true,
    };
    let gives = concurrent_calls > 0 && daily_quota > 0;
    (policy.document.verification.ask_limits && asks && gives).then_some(most)
}

fn attempts_left(max_failures: u32, failures: u32) -> u32 {
    (max_failures + 1).saturating_sub(failures)
}
