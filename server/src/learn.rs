//! What happened is learned: a caller's limits, a call's progress, an outcome.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tfps_engine::{
    account::Limits,
    call::{AccountId, FieldError, MAX_HEADER, Problem},
    facts::traits_of,
    lists::{Action, Change, EntryKey, EntryValue, ListEntry},
    number::E164,
    usage::{Day, Ledger},
};

use crate::{
    accounts::Book,
    admin::ListKeeper,
    auth::{Permission, Principal, Refusal},
    calls::{CallWatch, begin_day},
    check::Checker,
    clock::Clock,
    journal::{CallRecord, Entry, Journal, JournalError, Progress, Record, ShipperHandle},
    state::State,
    store::{DecisionFilter, OutcomeRecord, Store, StoreError, VerificationStatus},
};

/// The source of entries that outcomes make.
pub const LEARNED: &str = "learned";
/// How long a passed verification can be used for learning limits.
const LIMITS_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// How long an outcome waits for the decision to reach the database.
const CATCH_UP: Duration = Duration::from_secs(2);
/// The longest note, in bytes.
pub const MAX_NOTE: usize = 256;

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
    /// The time.
    pub clock: Clock,
}

/// The limits that a caller gave, for business hours. Nobody locks himself out with a 0.
#[derive(Clone, Copy, Debug)]
pub struct GivenLimits {
    /// How many calls at once he needs.
    pub concurrent_calls: NonZeroU32,
    /// How many calls a day he needs.
    pub daily_quota: NonZeroU32,
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
    /// The database fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A call's progress as a switch tells it.
#[derive(Clone, Debug)]
pub struct CallProgress {
    /// The account.
    pub account: AccountId,
    /// The Call-ID.
    pub call_id: String,
    /// Where it has got to.
    pub progress: Progress,
    /// When; now, where it is not told.
    pub at: Option<Timestamp>,
    /// With the end: how long it was answered; where it is not told, as long as since it was.
    pub duration: Option<Duration>,
    /// With the end: the Q.850 cause.
    pub cause: u32,
}

/// What an outcome is about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A decision.
    Decision(String),
    /// A number.
    Number(E164),
}

impl Learner {
    /// Learns the limits that a caller gave, bounded by the policy's maxima. Those of off hours stay as they are.
    ///
    /// # Errors
    /// When the verification was not passed, is too old, was used, or is another account's; or the policy's maximum
    /// leaves no call.
    pub async fn limits(
        &self,
        caller: &Principal,
        account: &AccountId,
        verification_id: &str,
        given: GivenLimits,
    ) -> Result<Vec<String>, LearnError> {
        caller.require_account(account)?;
        let at = self.clock.now();
        let verification = self
            .store
            .verification(verification_id)
            .await
            .map_err(|error| match error {
                StoreError::NotFound => {
                    LearnError::NotFound(format!("verification {verification_id}"))
                }
                error => LearnError::Store(error),
            })?;
        let passed = verification.account == *account
            && verification.status == VerificationStatus::Passed
            && verification
                .completed_at
                .is_some_and(|when| at.duration_since(when) <= LIMITS_WITHIN);
        if !passed {
            return Err(LearnError::Precondition(format!(
                "the verification {verification_id} was not passed by {account} within the last ten minutes, or was used"
            )));
        }
        let _turn = self.book.turn().await;
        let mut record = self
            .store
            .account(account)
            .await
            .map_err(|error| match error {
                StoreError::NotFound => LearnError::NotFound(format!("account {account}")),
                error => LearnError::Store(error),
            })?;
        let snapshot = self.state.snapshot.load_full();
        let policy = snapshot
            .policies
            .of_account(account.domain(), record.account.policy.as_deref());
        let before = record.account.limits;
        let maximum = policy.maximum_limits();
        let bounded = |field, asked: NonZeroU32, maximum: u32| match asked.get().min(maximum) {
            0 => Err(LearnError::NoneLeft {
                field,
                policy: policy.document.name.clone(),
            }),
            limit => Ok(limit),
        };
        let limits = Limits {
            concurrent_calls: bounded(
                "limits.concurrent_calls",
                given.concurrent_calls,
                maximum.concurrent_calls,
            )?,
            daily_quota: bounded("limits.daily_quota", given.daily_quota, maximum.daily_quota)?,
            ..before
        };
        record.account.limits = limits;
        record.version += 1;
        record.updated_at = at;
        self.store
            .use_verification(verification_id, &record)
            .await
            .map_err(|error| match error {
                StoreError::Conflict => {
                    LearnError::Precondition(format!("the verification {verification_id} was used"))
                }
                error => LearnError::Store(error),
            })?;
        self.state.accounts.put(record.account);
        let learned = [
            (
                "concurrent calls",
                before.concurrent_calls,
                limits.concurrent_calls,
                given.concurrent_calls,
            ),
            (
                "daily quota",
                before.daily_quota,
                limits.daily_quota,
                given.daily_quota,
            ),
        ];
        Ok(learned
            .into_iter()
            .filter_map(|(what, before, after, asked)| {
                let words = match (before == after, after < asked.get()) {
                    (true, false) => return None,
                    (true, true) => format!("still {after}; {asked} is over the policy's maximum"),
                    (false, false) => format!("{before} to {after}"),
                    (false, true) => {
                        format!("{before} to {after}; {asked} is over the policy's maximum")
                    }
                };
                Some(format!("{what} of {account}: {words}"))
            })
            .collect())
    }

    /// Learns a call's progress. It goes to the journal, as decisions do, so that a switch never waits for the
    /// database.
    ///
    /// # Errors
    /// When a field is wrong or the journal fails.
    pub fn call(&self, caller: &Principal, call: &CallProgress) -> Result<Vec<String>, LearnError> {
        caller.require_account(&call.account)?;
        if call.call_id.is_empty() {
            return Err(FieldError::new("call.call_id", Problem::Missing).into());
        }
        if call.call_id.len() > MAX_HEADER {
            let problem = Problem::TooLong {
                length: call.call_id.len(),
                limit: MAX_HEADER,
            };
            return Err(FieldError::new("call.call_id", problem).into());
        }
        let now = self.clock.now();
        let slots = self.checker.settings().slots();
        let holds = call.progress != Progress::Ended;
        let slot_until = if holds {
            now.as_second() + i64::from(slots.started)
        } else {
            0
        };
        let at = call.at.unwrap_or(now);
        let mut record = CallRecord {
            username: call.account.username().to_owned(),
            domain: call.account.domain().to_owned(),
            call_id: tfps_engine::call::printable(&call.call_id).into_owned(),
            progress: call.progress as i32,
            at: at.as_millisecond(),
            duration_ms: milliseconds(call.duration.unwrap_or_default()),
            cause: call.cause,
            slot_until,
            ..CallRecord::default()
        };
        let key = self
            .state
            .recent
            .key((&call.account, call.call_id.as_str()));
        let ledger = self.state.ledger(&call.account);
        let mut ledger = ledger.as_deref().map(parking_lot::Mutex::lock);
        let day = ledger
            .as_deref_mut()
            .and_then(|ledger| self.known(key, call, ledger, &mut record, now));
        let call_id = record.call_id.clone();
        let exposure = record.exposure();
        self.journal.append(&Record {
            entry: Some(Entry::Call(record)),
        })?;
        let Some(ledger) = &mut ledger else {
            return Ok(Vec::new());
        };
        if holds {
            let open = ledger.calls.start(key, &call_id, slot_until, now);
            if call.progress == Progress::Answered {
                open.answered_at.get_or_insert(at.min(now).as_second());
            }
            self.state.in_progress.add(&call.account);
        } else {
            self.test_call(key, call, ledger, now);
            ledger.calls.end(key);
            if let Some(day) = day {
                ledger.charge(day, exposure);
            }
            self.state.hang_ups.done(&call.account, key);
        }
        Ok(Vec::new())
    }

    /// A call that was over in moments may have been a test.
    fn test_call(&self, key: u64, call: &CallProgress, ledger: &Ledger, now: Timestamp) {
        let seconds = call.duration.unwrap_or_default().as_secs();
        let number = ledger.calls.get(key).and_then(|open| open.number);
        let Some(number) = number.filter(|_| seconds > 0) else {
            return;
        };
        let snapshot = self.state.snapshot.load();
        let home = self
            .state
            .policy(&snapshot, &call.account)
            .dial_plan
            .home_country();
        let traits = traits_of(Some(&number), home, None, "");
        let watch = &self.state.watch;
        watch.ended(&call.account, &traits, ledger.habits(), seconds, now);
    }

    /// Adds what is known of a call to its record; the day, where it is charged for.
    fn known(
        &self,
        key: u64,
        call: &CallProgress,
        ledger: &mut Ledger,
        record: &mut CallRecord,
        now: Timestamp,
    ) -> Option<Day> {
        let open = ledger.calls.get(key)?;
        record.emergency = open.emergency;
        record.e164 = open
            .number
            .map(|number| number.as_str().to_owned())
            .unwrap_or_default();
        let answered_at = open.answered_at;
        let is_charged = open.tariff.is_some();
        let told = call.duration.map(|duration| duration.as_secs());
        if call.progress == Progress::Ended
            && told.is_none()
            && let Some(answered_at) = answered_at
        {
            let seconds = now.as_second().saturating_sub(answered_at).max(0);
            record.duration_ms = seconds.saturating_mul(1_000);
        }
        if !is_charged {
            return None;
        }
        let snapshot = self.state.snapshot.load();
        let day = begin_day(self.state.policy(&snapshot, &call.account), ledger, now);
        if call.progress == Progress::Ended {
            let exposure = ledger.calls.exposure_of(key, told, now);
            record.day = day.digits();
            record.cost = exposure.cost.millionths();
            record.seconds_abroad = exposure.seconds_abroad;
        }
        Some(day)
    }

    /// Learns an outcome: a number that was confirmed as fraud is listed; a false positive takes it off the list
    /// again.
    ///
    /// # Errors
    /// When the role or the domain does not allow it, or there is no such decision.
    pub async fn outcome(
        &self,
        caller: &Principal,
        subject: Subject,
        fraud: bool,
        note: &str,
    ) -> Result<Vec<String>, LearnError> {
        caller.require(Permission::Change)?;
        if note.len() > MAX_NOTE {
            let problem = Problem::TooLong {
                length: note.len(),
                limit: MAX_NOTE,
            };
            return Err(FieldError::new("outcome.note", problem).into());
        }
        let at = self.clock.now();
        let (decision_id, number) = match subject {
            Subject::Number(number) => (None, number),
            Subject::Decision(id) => {
                self.shipper.catch_up(CATCH_UP).await;
                let filter = DecisionFilter {
                    id: Some(id.clone()),
                    domain: caller.domain.as_deref().map(str::to_owned),
                    ..DecisionFilter::default()
                };
                let decision = self.store.decisions(&filter, None, 1).await?.pop();
                let decision =
                    decision.ok_or_else(|| LearnError::NotFound(format!("decision {id}")))?;
                let number = E164::from_digits(&decision.e164).map_err(|_| {
                    LearnError::Precondition(format!(
                        "the decision {id} is about no number that could be listed"
                    ))
                })?;
                (Some(id), number)
            }
        };
        let domain = caller.domain.as_deref().unwrap_or_default();
        let key = EntryKey {
            domain: domain.into(),
            value: EntryValue::Number(number),
            source: LEARNED.into(),
        };
        let note = tfps_engine::call::printable(note).into_owned();
        let change = if fraud {
            let reason = if note.is_empty() {
                "confirmed fraud".to_owned()
            } else {
                format!("confirmed fraud: {note}")
            };
            Change::Put(ListEntry {
                key,
                action: Action::Block,
                reason: reason.into(),
                listed_at: at.as_second(),
                expires_at: None,
            })
        } else {
            Change::Remove(key)
        };
        let record = OutcomeRecord {
            learned_at: at,
            decision_id,
            number: number.as_str().to_owned(),
            domain: domain.to_owned(),
            kind: if fraud {
                "confirmed-fraud"
            } else {
                "false-positive"
            },
            note,
            taught_by: caller.name.clone(),
        };
        let listed_before = self.listed(domain, &number, at);
        self.lists
            .change_with(vec![change], |changes| async move {
                self.store
                    .learn_outcome(&record, &changes)
                    .await
                    .map(|()| changes)
            })
            .await?;
        // What a domain says of its own calls teaches nobody else.
        if domain.is_empty() {
            self.lists.clear(number, !fraud).await;
        }
        let listed = self.listed(domain, &number, at);
        let ending = if fraud {
            self.calls.end_fraud(number, caller.domain.as_deref())
        } else {
            0
        };
        let mut changes = match (fraud, listed_before, listed) {
            (true, _, _) => vec![format!("{number} is on the block list from now on (R03)")],
            (false, true, false) => vec![format!("{number} is off the block list from now on")],
            (false, true, true) => vec![format!(
                "{number} stays on the block list by another entry: `tfpsctl entries list --kind number --matching {}`",
                number.as_str()
            )],
            (false, false, _) if domain.is_empty() => vec![format!(
                "{number} and its range are taken for less likely fraud from now on"
            )],
            (false, false, _) => Vec::new(),
        };
        if ending > 0 {
            changes.push(format!("calls in progress to it that are to end: {ending}"));
        }
        Ok(changes)
    }

    fn listed(&self, domain: &str, number: &E164, at: Timestamp) -> bool {
        let snapshot = self.state.snapshot.load();
        snapshot
            .lists
            .number(domain, number, at.as_second())
            .is_some_and(|hit| !hit.allows())
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
