//! The caller proves to be the account's human, and what the challenge was about is applied.

mod turns;

use std::sync::Arc;

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tfps_engine::{
    call::AccountId,
    decision::Purpose,
    policy::{Policy, VerificationMethod},
    usage::{Grant, GrantKind, Lock},
};
use tokio::sync::Semaphore;

use self::turns::Turns;
use crate::{
    accounts::Book,
    auth::{Principal, Refusal},
    check::random_id,
    clock::Clock,
    state::{Pending, State},
    store::{
        AccountRecord, GrantRecord, Passed, Store, StoreError, VerificationRecord,
        VerificationStatus,
    },
};

/// Hashes of PINs that are computed at once: each takes 19 MiB and some 20 ms.
const HASHES_AT_ONCE: usize = 2;
/// The longest and the shortest PIN.
pub const PIN_DIGITS: std::ops::RangeInclusive<usize> = 4..=16;

/// Verifies callers.
pub struct Verifier {
    state: Arc<State>,
    store: Arc<dyn Store>,
    book: Arc<Book>,
    clock: Clock,
    turns: Turns,
    hashing: Semaphore,
}

/// Why a verification can't go on.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// No challenge of the purpose waits.
    #[error(
        "no challenge about {purpose} waits for {account}: Check issues one, and it waits only for a while"
    )]
    NoChallenge {
        /// The account.
        account: AccountId,
        /// What was asked for.
        purpose: String,
    },
    /// The challenge waits no longer.
    #[error(
        "the challenge {0} was passed or has expired: the next call that Check challenges has another"
    )]
    ChallengeOver(String),
    /// Check issued no such challenge.
    #[error(
        "there is no challenge {id} of {account}: send the id of the challenge that Check answered with, or none and \
         the purpose"
    )]
    UnknownChallenge {
        /// The account.
        account: AccountId,
        /// The id that was sent.
        id: String,
    },
    /// The challenge is for something else.
    #[error("the challenge was issued for {issued}, not for {asked}")]
    OtherChallenge {
        /// What it was issued for.
        issued: &'static str,
        /// What was asked.
        asked: String,
    },
    /// The account is locked.
    #[error("{account} is locked by {failures} failed verifications until {until}")]
    Locked {
        /// The account.
        account: AccountId,
        /// How many failed.
        failures: u32,
        /// Until when.
        until: Timestamp,
    },
    /// It was opened too often.
    #[error("the challenge was passed, or opened as often as it may be ({0} times)")]
    UsedUp(u32),
    /// The policy verifies by PIN, and there is none.
    #[error(
        "the policy `{0}` verifies by PIN, and neither the account nor the policy has one: set it with `tfpsctl set … --pin-file` or in the policy"
    )]
    NoPin(String),
    /// The policy has no verification.
    #[error("the policy `{0}` has no verification")]
    NoVerification(String),
    /// The verification was completed or has expired.
    #[error("the verification {0} is over; start another")]
    Over(String),
    /// No such verification.
    #[error("there is no verification {0}")]
    Unknown(String),
    /// The token is for something else.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database fails.
    #[error(transparent)]
    Store(StoreError),
    /// The machine fails.
    #[error("a PIN could not be hashed: {0}")]
    Hash(String),
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
            hashing: Semaphore::new(HASHES_AT_ONCE),
        }
    }

    /// Opens a verification for a challenge that waits.
    ///
    /// # Errors
    /// When none waits, it is for something else, or the account is locked.
    pub async fn start(
        &self,
        caller: &Principal,
        account: &AccountId,
        challenge_id: &str,
        purpose: Option<&str>,
    ) -> Result<Opened, VerifyError> {
        caller.require_account(account)?;
        let at = self.clock.now();
        let pending = self.pending(account, challenge_id, purpose, at).await?;
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
            purpose: pending.purpose.as_str().to_owned(),
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
            Some(hash) => bool::from(digits_hash(id, digits).ct_eq(hash)),
            None => {
                let hash = self.pin_hash(&account, &policy).await?;
                self.pin_fits(hash, digits).await?
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
            Passed::Nothing => {}
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
        })
    }

    /// What passing a challenge changes: the one thing that it was about.
    async fn change(
        &self,
        pending: &Pending,
        policy: &Policy,
        at: Timestamp,
    ) -> Result<(Passed, String), VerifyError> {
        let id = &pending.account;
        if pending.purpose == Purpose::Onboarding {
            if self.state.accounts.get(id).is_some() {
                return Ok((Passed::Nothing, String::new()));
            }
            let account = crate::accounts::new_account(id.clone(), policy);
            let words = format!("the account {id} is known from now on");
            return Ok((
                Passed::Created(crate::accounts::first_version(account, at)),
                words,
            ));
        }
        let mut record = match self.store.account(id).await {
            Ok(record) => record,
            Err(StoreError::NotFound) => return Ok((Passed::Nothing, String::new())),
            Err(error) => return Err(VerifyError::Store(error)),
        };
        let grace = policy.document.verification.grace_minutes;
        let granted = |kind, country| {
            let calls = policy.document.verification.grace_calls;
            Passed::Granted(GrantRecord {
                id: 0,
                account: id.clone(),
                kind,
                country,
                expires_at: at + SignedDuration::from_mins(i64::from(grace)),
                calls: (calls > 0).then_some(calls),
                used: 0,
            })
        };
        let step = policy.document.verification.quota_step;
        let maximum = policy.maximum_limits();
        let limits = &mut record.account.limits;
        let words = match pending.purpose {
            Purpose::SourceCountry(country) if grace > 0 => {
                let words = format!(
                    "calls of {id} may come from {} for {grace} minutes",
                    country.name()
                );
                return Ok((granted(GrantKind::Source, country), words));
            }
            Purpose::DestinationCountry(country) if grace > 0 => {
                let words = format!(
                    "calls of {id} may go to {} for {grace} minutes",
                    country.name()
                );
                return Ok((granted(GrantKind::Destination, country), words));
            }
            Purpose::SourceCountry(country) => {
                record.account.source_countries.insert(country);
                format!("calls of {id} may come from {} from now on", country.name())
            }
            Purpose::DestinationCountry(country) => {
                record.account.destination_countries.insert(country);
                format!("calls of {id} may go to {} from now on", country.name())
            }
            Purpose::Quota => {
                let quota = raised(limits.daily_quota, step, maximum.daily_quota);
                limits.daily_quota = quota;
                format!("the daily quota of {id} is {quota} in business hours from now on")
            }
            Purpose::QuotaOffHours => {
                let quota = raised(
                    limits.daily_quota_off_hours,
                    step,
                    maximum.daily_quota_off_hours,
                );
                limits.daily_quota_off_hours = quota;
                format!("the daily quota of {id} is {quota} off hours from now on")
            }
            Purpose::Risk | Purpose::Onboarding => return Ok((Passed::Nothing, String::new())),
        };
        record.version += 1;
        record.updated_at = at;
        Ok((Passed::Updated(record), words))
    }

    fn grant(&self, record: &GrantRecord, at: Timestamp) {
        if let Some(ledger) = self.state.ledger(&record.account) {
            ledger.lock().grant(grant_of(record), at);
        }
    }

    /// The challenge that is asked for, which waits.
    async fn pending(
        &self,
        account: &AccountId,
        id: &str,
        purpose: Option<&str>,
        at: Timestamp,
    ) -> Result<Pending, VerifyError> {
        let challenges = &self.state.challenges;
        let pending = if id.is_empty() {
            let purpose = purpose.unwrap_or_default();
            challenges
                .newest(account, purpose, at)
                .ok_or_else(|| VerifyError::NoChallenge {
                    account: account.clone(),
                    purpose: purpose.to_owned(),
                })?
        } else {
            match challenges.get(id, at) {
                Some(pending) if pending.account == *account => pending,
                _ => return Err(self.not_pending(account, id).await),
            }
        };
        match purpose {
            Some(asked) if asked != pending.purpose.as_str() => Err(VerifyError::OtherChallenge {
                issued: pending.purpose.as_str(),
                asked: asked.to_owned(),
            }),
            _ => Ok(pending),
        }
    }

    /// Why a challenge does not wait. Of another account's it is not told that there is one.
    async fn not_pending(&self, account: &AccountId, id: &str) -> VerifyError {
        match self.store.challenge_was_issued(account, id).await {
            Ok(true) => VerifyError::ChallengeOver(id.to_owned()),
            Ok(false) => VerifyError::UnknownChallenge {
                account: account.clone(),
                id: id.to_owned(),
            },
            Err(error) => VerifyError::Store(error),
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

    async fn pin_fits(&self, hash: String, digits: &str) -> Result<bool, VerifyError> {
        let _turn = self
            .hashing
            .acquire()
            .await
            .map_err(|error| VerifyError::Hash(error.to_string()))?;
        let digits = digits.to_owned();
        tokio::task::spawn_blocking(move || {
            let hash =
                PasswordHash::new(&hash).map_err(|error| VerifyError::Hash(error.to_string()))?;
            Ok(Argon2::default()
                .verify_password(digits.as_bytes(), &hash)
                .is_ok())
        })
        .await
        .map_err(|error| VerifyError::Hash(error.to_string()))?
    }
}

/// Hashes a PIN, off the threads that answer calls.
///
/// # Errors
/// When the machine fails.
pub async fn hash_pin(pin: String) -> Result<String, String> {
    tokio::task::spawn_blocking(move || {
        Argon2::default()
            .hash_password(pin.as_bytes())
            .map(|hash| hash.to_string())
            .map_err(|error| error.to_string())
    })
    .await
    .map_err(|error| error.to_string())?
}

/// A grant as the ledger has it.
pub fn grant_of(record: &GrantRecord) -> Grant {
    Grant {
        id: record.id,
        kind: record.kind,
        country: record.country,
        until: record.expires_at.as_second(),
        calls_left: record.calls.map(|calls| calls.saturating_sub(record.used)),
    }
}

fn raised(quota: u32, step: u32, maximum: u32) -> u32 {
    quota.saturating_add(step).min(maximum.max(quota))
}

fn attempts_left(max_failures: u32, failures: u32) -> u32 {
    (max_failures + 1).saturating_sub(failures)
}

/// Zero-padded random digits, each as likely as the others.
fn captcha(digits: u32) -> String {
    let mut text = String::with_capacity(digits as usize);
    while text.len() < digits as usize {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)
            .expect("the machine has randomness, or the server would not have started");
        // 250 is the largest multiple of ten in a byte: above, the low digits would be likelier.
        text.extend(
            bytes
                .iter()
                .filter(|byte| **byte < 250)
                .map(|byte| char::from(b'0' + byte % 10)),
        );
        text.truncate(digits as usize);
    }
    text
}

/// The digits are few, so the hash keeps them from a glance at the database, not from whoever has it.
fn digits_hash(verification_id: &str, digits: &str) -> Vec<u8> {
    let mut hasher = Sha256::new();
    hasher.update(verification_id.as_bytes());
    hasher.update(b":");
    hasher.update(digits.as_bytes());
    hasher.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_captcha_is_zero_padded_and_every_digit_as_likely_as_the_others() {
        let mut counts = [0_u32; 10];
        for _ in 0..5_000 {
            let digits = captcha(4);
            assert_eq!(digits.len(), 4);
            for digit in digits.bytes() {
                counts[usize::from(digit - b'0')] += 1;
            }
        }
        assert!(
            counts.iter().all(|count| (1_700..2_300).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn a_quota_is_raised_by_the_step_and_never_over_the_maximum() {
        assert_eq!(raised(10, 1, 99), 11);
        assert_eq!(raised(98, 5, 99), 99);
        assert_eq!(raised(120, 5, 99), 120);
    }

    #[tokio::test]
    async fn a_pin_is_kept_as_a_hash() {
        let hash = hash_pin("4711".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$") && !hash.contains("4711"));
        let parsed = PasswordHash::new(&hash).unwrap();
        assert!(Argon2::default().verify_password(b"4711", &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"4712", &parsed).is_err());
    }
}
