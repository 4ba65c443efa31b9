//! Limits that learn: what accounts may do is brought to what they do.

mod nightly;
mod past;

pub use nightly::every_night;

use std::{collections::HashSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use tfps_engine::{
    account::Account,
    call::AccountId,
    number::CountrySet,
    policy::Policy,
    training::{Lowering, NothingLearned, Proposal, propose, still_opened},
};

use crate::{
    accounts::Book,
    admin::{AdminError, cursor, page_size},
    auth::{Permission, Principal},
    check::random_id,
    clock::Clock,
    state::State,
    store::{
        AccountRecord, Store, StoreError, Terms, TrainingFilter, TrainingRecord, TrainingState,
    },
};

/// How far back is looked, unless decisions are kept for a shorter time.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24 * 90);
/// How long what somebody has given an account is not taken away.
const GIVEN: SignedDuration = SignedDuration::from_hours(24 * 14);
/// How long an account whose training was taken back is left alone at night.
const TAKEN_BACK: SignedDuration = SignedDuration::from_hours(24 * 30);

/// Who has accounts trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By<'a> {
    /// The server itself, at night.
    Night,
    /// Somebody, by the name of his token.
    Token(&'a str),
}

impl By<'_> {
    /// As it is recorded.
    fn as_str(&self) -> &str {
        match self {
            Self::Night => "nightly",
            Self::Token(name) => name,
        }
    }
}

/// Brings what accounts may do to what they do.
pub struct Trainer {
    /// What is in memory.
    pub state: Arc<State>,
    /// The database.
    pub store: Arc<dyn Store>,
    /// The accounts.
    pub book: Arc<Book>,
    /// The time.
    pub clock: Clock,
}

/// What becomes of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// It is told and not kept.
    DryRun,
    /// It is kept for somebody to apply.
    Suggest,
    /// It is put in force.
    Apply,
}

/// What training an account came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Trained {
    /// There is something to change.
    Proposed(Box<TrainingRecord>),
    /// There is nothing.
    Nothing(NothingLearned),
    /// The operator has blocked it.
    Blocked,
    /// It is left alone for a while, since its last training was taken back.
    LeftAlone,
    /// It was deleted meanwhile.
    Gone,
}

/// What a run has come to so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// How many accounts there are.
    pub total: u64,
    /// How many were looked at.
    pub done: u64,
    /// Whose calls are known for too few days.
    pub too_young: u64,
    /// Whose limits fit.
    pub fitting: u64,
    /// Blocked by the operator.
    pub blocked: u64,
    /// For how many something was proposed.
    pub proposed: u64,
}

impl Run {
    /// Counts an account.
    pub fn count(&mut self, trained: &Trained) {
        self.done += 1;
        match trained {
            Trained::Proposed(_) => self.proposed += 1,
            Trained::Nothing(NothingLearned::TooYoung { .. }) => self.too_young += 1,
            Trained::Nothing(NothingLearned::Fits { .. }) => self.fitting += 1,
            Trained::Blocked => self.blocked += 1,
            Trained::LeftAlone | Trained::Gone => {}
        }
    }
}

/// The numbers that were confirmed as fraud, with the domains that it was said for.
pub type Fraud = HashSet<(String, tfps_engine::number::E164)>;

impl Trainer {
    /// The accounts that a caller may train, of those that he names.
    ///
    /// # Errors
    /// When there is none of the name, or the role or domain does not allow it.
    pub fn accounts(
        &self,
        caller: &Principal,
        domain: &str,
        username: &str,
        course: Course,
    ) -> Result<Vec<AccountId>, AdminError> {
        caller.require(match course {
            Course::DryRun => Permission::See,
            Course::Suggest | Course::Apply => Permission::Change,
        })?;
        let domain = caller.narrow(domain)?;
        if !username.is_empty() {
            let Some(domain) = &domain else {
                return Err(AdminError::field("domain", "must be given with a username"));
            };
            let id = AccountId::new(username, domain)?;
            return match self.state.accounts.get(&id) {
                Some(_) => Ok(vec![id]),
                None => Err(AdminError::NotFound(format!("account {id}"))),
            };
        }
        let is_meant = |account: &Account| {
            let of = domain.as_deref();
            of.is_none_or(|domain| account.id.domain().eq_ignore_ascii_case(domain))
        };
        Ok(self.accounts_where(is_meant))
    }

    fn accounts_where(&self, is_meant: impl Fn(&Account) -> bool) -> Vec<AccountId> {
        let mut accounts = Vec::new();
        self.state.accounts.for_each(|resident| {
            if is_meant(&resident.account) {
                accounts.push(resident.account.id.clone());
            }
        });
        accounts.sort();
        accounts
    }

    /// The numbers that nothing is learned from.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fraud(&self) -> Result<Fraud, StoreError> {
        Ok(self.store.confirmed_fraud().await?.into_iter().collect())
    }

    /// Trains one account.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn train(
        &self,
        id: &AccountId,
        course: Course,
        fraud: &Fraud,
        by: By<'_>,
    ) -> Result<Trained, StoreError> {
        let at = self.clock.now();
        let record = match self.store.account(id).await {
            Ok(record) => record,
            Err(StoreError::NotFound) => return Ok(Trained::Gone),
            Err(error) => return Err(error),
        };
        if record.account.blocked.is_some() {
            return Ok(Trained::Blocked);
        }
        let (pending, last) = self.last(id).await?;
        let taken_back = last.as_ref().is_some_and(|last| {
            last.state == TrainingState::Reverted
                && last
                    .changed_at
                    .is_some_and(|when| at.duration_since(when) < TAKEN_BACK)
        });
        if by == By::Night && taken_back {
            return Ok(Trained::LeftAlone);
        }
        let policy = self.policy_of(&record.account);
        let since = at.checked_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
        let history = self.history(id, &policy, since, fraud).await?;
        let lowering = lowering(&record, last.as_ref(), at);
        let proposal = match propose(&history, &record.account, &policy, lowering) {
            Ok(proposal) => proposal,
            Err(nothing) => {
                if let NothingLearned::Fits { left_out } = &nothing
                    && !left_out.is_empty()
                    && course != Course::DryRun
                {
                    tracing::info!(account = %id, why = left_out.join("; "), "countries were not opened");
                }
                if pending.is_some() && course != Course::DryRun {
                    self.store.withdraw_suggestion(id).await?;
                }
                return Ok(Trained::Nothing(nothing));
            }
        };
        let training = suggestion(&record.account, proposal, at);
        match course {
            Course::DryRun => {}
            Course::Suggest => {
                let same = |pending: &TrainingRecord| {
                    (&pending.before, &pending.after, &pending.left_out)
                        == (&training.before, &training.after, &training.left_out)
                };
                if let Some(pending) = pending.filter(same) {
                    return Ok(Trained::Proposed(Box::new(pending)));
                }
                self.store.put_training(&training, None).await?;
            }
            Course::Apply => {
                return match self.put_in_force(training, at, by.as_str()).await {
                    Ok(applied) => Ok(Trained::Proposed(Box::new(applied))),
                    // Somebody changed it in this moment: it is trained again the next night.
                    Err(StoreError::Conflict) => Ok(Trained::LeftAlone),
                    Err(StoreError::NotFound) => Ok(Trained::Gone),
                    Err(error) => Err(error),
                };
            }
        }
        Ok(Trained::Proposed(Box::new(training)))
    }

    /// A page of trainings, newest first, and the token of the next.
    ///
    /// # Errors
    /// When the role or domain does not allow it, or the database fails.
    pub async fn list(
        &self,
        caller: &Principal,
        mut filter: TrainingFilter,
        (size, token): (u32, &str),
    ) -> Result<(Vec<TrainingRecord>, String), AdminError> {
        caller.require(Permission::See)?;
        filter.domain = caller.narrow(filter.domain.as_deref().unwrap_or_default())?;
        let before = cursor::read::<1>(token)?;
        let before = before.as_ref().map(|[id]| id.as_str());
        let size = page_size(size);
        let mut trainings = self.store.trainings(&filter, before, size + 1).await?;
        let more = trainings.len() > size;
        trainings.truncate(size);
        let next = trainings.last().filter(|_| more);
        let next = next.map(|training| cursor::write(&[&training.id]));
        Ok((trainings, next.unwrap_or_default()))
    }

    /// Puts a suggestion in force, without the countries that would not be opened any more.
    ///
    /// # Errors
    /// When there is none, the account was changed since, nothing is left of it, the role or domain does not allow it, or the database fails.
    pub async fn apply(&self, caller: &Principal, id: &str) -> Result<TrainingRecord, AdminError> {
        let mut training = self.one(caller, id).await?;
        if training.state != TrainingState::Suggested {
            return Err(AdminError::Precondition(format!(
                "the training {id} is {}, not suggested",
                training.state.as_str()
            )));
        }
        self.reconsider(&mut training).await?;
        if training.after == training.before {
            return Err(AdminError::Precondition(format!(
                "nothing is left of the training {id}: {}",
                training.left_out.join("; ")
            )));
        }
        let account = training.account.clone();
        self.put_in_force(training, self.clock.now(), &caller.name)
            .await
            .map_err(|error| match error {
                StoreError::NotFound => AdminError::NotFound(format!("account {account}")),
                StoreError::Conflict => AdminError::Precondition(format!(
                    "the account {account} was changed since the training {id} was suggested; train it anew"
                )),
                error => error.into(),
            })
    }

    /// Takes back what a training changed; what others have changed since stays.
    ///
    /// # Errors
    /// When there is none, it is not in force, the role or domain does not allow it, or the database fails.
    pub async fn revert(&self, caller: &Principal, id: &str) -> Result<TrainingRecord, AdminError> {
        let mut training = self.one(caller, id).await?;
        if training.state != TrainingState::Applied {
            return Err(AdminError::Precondition(format!(
                "the training {id} is {}, not applied",
                training.state.as_str()
            )));
        }
        let at = self.clock.now();
        let _turn = self.book.turn().await;
        let mut record = self.store.account(&training.account).await?;
        let (from, to) = (&training.after, &training.before);
        let mut terms = Terms::of(&record.account);
        let limits = &mut terms.limits;
        for (now, from, to) in [
            (
                &mut limits.concurrent_calls,
                from.limits.concurrent_calls,
                to.limits.concurrent_calls,
            ),
            (
                &mut limits.concurrent_calls_off_hours,
                from.limits.concurrent_calls_off_hours,
                to.limits.concurrent_calls_off_hours,
            ),
            (
                &mut limits.daily_quota,
                from.limits.daily_quota,
                to.limits.daily_quota,
            ),
            (
                &mut limits.daily_quota_off_hours,
                from.limits.daily_quota_off_hours,
                to.limits.daily_quota_off_hours,
            ),
        ] {
            if *now == from {
                *now = to;
            }
        }
        for (now, from, to) in [
            (
                &mut terms.source_countries,
                from.source_countries,
                to.source_countries,
            ),
            (
                &mut terms.destination_countries,
                from.destination_countries,
                to.destination_countries,
            ),
        ] {
            for country in from.iter().filter(|country| !to.contains(*country)) {
                now.remove(country);
            }
            for country in to.iter().filter(|country| !from.contains(*country)) {
                now.insert(country);
            }
        }
        give(&mut record, &terms, at);
        training.state = TrainingState::Reverted;
        training.changed_at = Some(at);
        training.changed_by.clone_from(&caller.name);
        training.account_version = Some(record.version);
        self.store.put_training(&training, Some(&record)).await?;
        self.state.accounts.put(record.account);
        tracing::info!(account = %training.account, by = caller.name, "a training was taken back");
        Ok(training)
    }

    async fn one(&self, caller: &Principal, id: &str) -> Result<TrainingRecord, AdminError> {
        caller.require(Permission::Change)?;
        let filter = TrainingFilter {
            domain: caller.narrow("")?,
            id: Some(id.to_owned()),
            ..TrainingFilter::default()
        };
        let training = self.store.trainings(&filter, None, 1).await?.pop();
        training.ok_or_else(|| AdminError::NotFound(format!("training {id}")))
    }

    /// What is suggested for an account, and the last training that was put in force.
    async fn last(
        &self,
        id: &AccountId,
    ) -> Result<(Option<TrainingRecord>, Option<TrainingRecord>), StoreError> {
        let filter = TrainingFilter {
            domain: Some(id.domain().to_owned()),
            username: Some(id.username().to_owned()),
            ..TrainingFilter::default()
        };
        let trainings = self.store.trainings(&filter, None, 2).await?;
        let (mut suggested, done): (Vec<_>, Vec<_>) = trainings
            .into_iter()
            .partition(|training| training.state == TrainingState::Suggested);
        Ok((suggested.pop(), done.into_iter().next()))
    }

    /// Takes from a suggestion the countries that it would not open if it were made now.
    async fn reconsider(&self, training: &mut TrainingRecord) -> Result<(), StoreError> {
        let account = self.store.account(&training.account).await?.account;
        let policy = self.policy_of(&account);
        let since = self.clock.now().checked_sub(REMEMBERED);
        let since = since.unwrap_or(Timestamp::MIN);
        let fraud = self.fraud().await?;
        let history = self
            .history(&training.account, &policy, since, &fraud)
            .await?;
        let (before, after) = (&training.before, &mut training.after);
        let opened = |before: CountrySet, after: CountrySet| -> CountrySet {
            after
                .iter()
                .filter(|country| !before.contains(*country))
                .collect()
        };
        let sources = opened(before.source_countries, after.source_countries);
        let destinations = opened(before.destination_countries, after.destination_countries);
        let still = still_opened(&history, &policy, sources, destinations);
        for (after, opened, still, what) in [
            (
                &mut after.source_countries,
                sources,
                still.sources,
                "source",
            ),
            (
                &mut after.destination_countries,
                destinations,
                still.destinations,
                "destination",
            ),
        ] {
            for country in opened.iter().filter(|country| !still.contains(*country)) {
                after.remove(country);
                let reason = format!("{what} country {} is opened", country.code());
                training.reasons.retain(|other| !other.starts_with(&reason));
            }
        }
        training.left_out.extend(still.left_out);
        Ok(())
    }

    /// Changes the account as a training says, unless it may something else by now than when the training was made
    /// ([`StoreError::Conflict`]).
    async fn put_in_force(
        &self,
        mut training: TrainingRecord,
        at: Timestamp,
        by: &str,
    ) -> Result<TrainingRecord, StoreError> {
        let _turn = self.book.turn().await;
        let mut record = self.store.account(&training.account).await?;
        if Terms::of(&record.account) != training.before {
            return Err(StoreError::Conflict);
        }
        give(&mut record, &training.after, at);
        training.state = TrainingState::Applied;
        training.changed_at = Some(at);
        by.clone_into(&mut training.changed_by);
        training.account_version = Some(record.version);
        self.store.put_training(&training, Some(&record)).await?;
        self.state.accounts.put(record.account);
        tracing::info!(account = %training.account, by, why = training.reasons.join("; "), left_out = training.left_out.join("; "),
            "an account was trained");
        Ok(training)
    }

    fn policy_of(&self, account: &Account) -> Arc<Policy> {
        let snapshot = self.state.snapshot.load();
        let policies = &snapshot.policies;
        Arc::clone(policies.of_account(account.id.domain(), account.policy.as_deref()))
    }
}

fn give(record: &mut AccountRecord, terms: &Terms, at: Timestamp) {
    let account = &mut record.account;
    account.limits = terms.limits;
    account.source_countries = terms.source_countries;
    account.destination_countries = terms.destination_countries;
    record.version += 1;
    record.updated_at = at;
}

/// What somebody gave an account, or a caller opened, is not taken away before its calls can show what it is for.
fn lowering(record: &AccountRecord, last: Option<&TrainingRecord>, at: Timestamp) -> Lowering {
    let by_training = last.is_some_and(|last| {
        last.state == TrainingState::Applied && last.account_version == Some(record.version)
    });
    if by_training || at.duration_since(record.updated_at) >= GIVEN {
        Lowering::Allowed
    } else {
        Lowering::NotYet
    }
}

fn suggestion(account: &Account, proposal: Proposal, at: Timestamp) -> TrainingRecord {
    let Proposal {
        limits,
        source_countries,
        destination_countries,
        reasons,
        left_out,
    } = proposal;
    let millisecond = u64::try_from(at.as_millisecond()).unwrap_or_default();
    TrainingRecord {
        id: format!("{millisecond:011x}{}", &random_id()[..13]),
        account: account.id.clone(),
        state: TrainingState::Suggested,
        before: Terms::of(account),
        after: Terms {
            limits,
            source_countries,
            destination_countries,
        },
        reasons,
        left_out,
        trained_at: at,
        changed_at: None,
        changed_by: String::new(),
        account_version: None,
    }
}
