//! The start: what the database and the journal hold comes to memory.

mod calls;

use std::{collections::HashSet, net::IpAddr, path::Path, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use tfps_engine::{
    call::AccountId,
    exposure::{self, Rates},
    lists::{Action, Change, EntryKey, EntryKind, EntryValue, ListEntry, Lists},
    network::SourceNetwork,
    policy::{DEFAULT, Policy, PolicyDocument},
    risk::{Cleared, RiskModel},
    usage::{Day, Origin},
};

use crate::{
    admin::AdminError,
    check::{self, Settings, purpose},
    config::Config,
    habits,
    journal::{DecisionRecord, Entry, Journal, JournalError, Position},
    regular_file,
    state::{About, Accounts, Pending, Policies, Snapshot, State},
    store::{OpenedChallenge, PolicyRecord, Store, StoreError},
    verify::grant_of,
};

/// How long a challenge may wait at the most, by the bounds of a policy.
const LONGEST_CHALLENGE: SignedDuration = SignedDuration::from_hours(24);
/// No day is longer, in hours, and no policy's day is further from another's.
const LONGEST_DAY: SignedDuration = SignedDuration::from_hours(48);
/// How long failures may count at the most, by the bounds of a policy.
const LONGEST_LOCK: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long a false positive speaks for its number and range.
const CLEARED_FOR: SignedDuration = SignedDuration::from_hours(24 * 365);
/// The largest rate sheet or risk model that is read, in bytes.
const LARGEST_FILE: usize = 256 << 20;
/// Records read at once.
const BATCH: usize = 10_000;

/// The user agents of scanners that a fresh install blocks, as the original did.
pub const SCANNERS: [&str; 17] = [
    "^sipcli",
    "^friendly",
    "^VaxUserAgent",
    "^sivus",
    "^Nsauditor",
    "^VaxSIPUserAgent",
    "^SipReg",
    "^Custom SIP",
    "^Asterisk PBX 11\\.11\\.11",
    "^Nmap NSE",
    "^PBX$",
    "^Trixbox$",
    "^SipClient",
    "^opensip$",
    "^sipscan",
    "^sipsorcery",
    "^pplsip",
];

/// Why the start fails.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The database fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal fails.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A policy in the database is wrong.
    #[error("the policy {name} in the database does not compile: {problem}")]
    Policy {
        /// Which.
        name: String,
        /// Why.
        problem: String,
    },
    /// A list in the database is wrong.
    #[error("the lists in the database do not compile: {0}")]
    Lists(String),
    /// The rates can't be used.
    #[error("exposure.rates_file: {file} {problem}")]
    Rates {
        /// Which file.
        file: String,
        /// Why.
        problem: String,
    },
    /// The risk model can't be used.
    #[error("risk.model_file: {file} {problem}")]
    RiskModel {
        /// Which file.
        file: String,
        /// Why.
        problem: String,
    },
}

/// Fills a new database: the general policy `default` and the list of scanners.
///
/// # Errors
/// When the database fails.
pub async fn seed(store: &dyn Store, config: &Config, at: Timestamp) -> Result<(), RestoreError> {
    if !store.policies().await?.is_empty() {
        return Ok(());
    }
    let changes: Vec<Change> = SCANNERS
        .iter()
        .filter_map(|pattern| {
            let value = EntryValue::parse(EntryKind::UserAgent, pattern).ok()?;
            Some(Change::Put(ListEntry {
                key: EntryKey {
                    domain: "".into(),
                    value,
                    source: Arc::from("scanners"),
                },
                action: Action::Block,
                reason: Arc::from("a known scanner"),
                listed_at: at.as_second(),
                expires_at: None,
            }))
        })
        .collect();
    store.change_entries(&changes, at).await?;
    let document =
        crate::admin::write_policy(&config.policy).map_err(|error| RestoreError::Policy {
            name: DEFAULT.to_owned(),
            problem: error.to_string(),
        })?;
    let record = PolicyRecord {
        domain: String::new(),
        name: DEFAULT.to_owned(),
        document,
        version: 1,
        created_at: at,
        updated_at: at,
    };
    store.put_policy(&record).await?;
    Ok(())
}

/// Brings to memory what the database and the journal hold; the place up to where the journal has been shipped.
///
/// # Errors
/// When the database or the journal fails, or a policy in it does not compile.
pub async fn restore(
    store: &dyn Store,
    journal: &Journal,
    config: &Config,
    at: Timestamp,
) -> Result<(State, Position), RestoreError> {
    let accounts = Accounts::default();
    let mut put = |account| drop(accounts.put(account));
    let model = risk_model(config)?;
    let rates = rates(&config.exposure.rates_file)?;
    let (snapshot, ()) = tokio::try_join!(snapshot(store, model, at), async {
        Ok(store.load_accounts(&mut put).await?)
    })?;
    accounts.shrink();
    let snapshot = snapshot.with_rates(Arc::new(rates));
    let (capacity, attempts) = (config.watch.capacity, config.calls.call_ids);
    let state = State::new(accounts, snapshot, capacity, attempts);
    usage(store, &state, at).await?;
    let passed: HashSet<String> = store
        .passed_challenges(at - LONGEST_CHALLENGE)
        .await?
        .into_iter()
        .collect();
    for decision in store.challenges(at - LONGEST_CHALLENGE).await? {
        challenge(&state, &passed, &decision, at);
    }
    for opened in store
        .challenges_opened(About::LIMITS, at - LONGEST_CHALLENGE)
        .await?
    {
        limits_challenge(&state, &passed, opened, at);
    }
    let position = store.position().await?;
    replay(journal, &state, &passed, position, config, at)?;
    Ok((state, position))
}

/// The model that the configuration names, or the built-in one.
fn risk_model(config: &Config) -> Result<Arc<RiskModel>, RestoreError> {
    let file = &config.risk.model_file;
    if file.as_os_str().is_empty() {
        return Ok(Arc::new(RiskModel::built_in()));
    }
    let wrong = |problem: String| RestoreError::RiskModel {
        file: file.display().to_string(),
        problem,
    };
    let text = regular_file::read_to_string(file, LARGEST_FILE)
        .map_err(|error| wrong(format!("can't be read: {error}")))?;
    RiskModel::read(&text)
        .map(Arc::new)
        .map_err(|error| wrong(error.to_string()))
}

/// The rates of a file; none where none is named.
///
/// # Errors
/// When it can't be read, with every line that is wrong.
pub fn rates(file: &Path) -> Result<Rates, RestoreError> {
    if file.as_os_str().is_empty() {
        return Ok(Rates::default());
    }
    let wrong = |problem: String| RestoreError::Rates {
        file: file.display().to_string(),
        problem,
    };
    let sheet = regular_file::read_to_string(file, LARGEST_FILE)
        .map_err(|error| wrong(format!("can't be read: {error}")))?;
    exposure::read(&sheet).map_err(|error| wrong(format!("is no rate sheet: {error}")))
}

async fn snapshot(
    store: &dyn Store,
    model: Arc<RiskModel>,
    at: Timestamp,
) -> Result<Snapshot, RestoreError> {
    let mut policies = Policies::new(compile(PolicyDocument::default())?);
    for record in store.policies().await? {
        let document = crate::admin::read_policy(&record).map_err(|error: AdminError| {
            RestoreError::Policy {
                name: record.name.clone(),
                problem: error.to_string(),
            }
        })?;
        let policy = compile(document)?;
        for notice in policy.notices() {
            tracing::warn!(policy = record.name, domain = record.domain, "{notice}");
        }
        policies.put(policy);
    }
    let mut entries = Vec::new();
    store
        .load_entries(at, &mut |entry| entries.push(entry))
        .await?;
    let lists = Lists::kept(entries).map_err(|error| RestoreError::Lists(error.to_string()))?;
    for (domain, pattern, why) in lists.disabled() {
        tracing::error!(
            domain,
            pattern,
            why,
            "a user-agent pattern on the lists matches nothing: delete it, or put a simpler one in its place"
        );
    }
    let since = at.checked_sub(CLEARED_FOR).unwrap_or(Timestamp::MIN);
    let cleared = store.false_positives(since).await?;
    Ok(Snapshot::new(policies, lists, model, at).with_cleared(Cleared::new(cleared)))
}

fn compile(document: PolicyDocument) -> Result<Policy, RestoreError> {
    let name = document.name.clone();
    Policy::compile(document).map_err(|error| RestoreError::Policy {
        name,
        problem: error.to_string(),
    })
}

async fn usage(store: &dyn Store, state: &State, at: Timestamp) -> Result<(), RestoreError> {
    // The day of a policy's time zone is at most one off from UTC's.
    let since = Day::in_utc(at - SignedDuration::from_hours(48)).digits();
    for usage in store.usage_since(since).await? {
        let day = Day::from_digits(usage.day);
        let ledger = state.ledger_or_stranger(&usage.account);
        let mut ledger = ledger.lock();
        ledger.count_many(day, usage.business, usage.off_hours);
        ledger.charge(day, usage.exposure);
    }
    for grant in store.grants(at).await? {
        if let Some(ledger) = state.ledger(&grant.account) {
            ledger.lock().grant(grant_of(&grant), at);
        }
    }
    for (account, verified) in store.verified_since(at - LONGEST_DAY).await? {
        if let Some(ledger) = state.ledger(&account) {
            ledger.lock().set_verified(verified);
        }
    }
    for (account, when) in store.onboarded_since(at - LONGEST_DAY).await? {
        if let Some(ledger) = state.ledger(&account) {
            ledger.lock().onboarded(when);
        }
    }
    for call in store.open_calls(at - LONGEST_DAY).await? {
        calls::open_call(state, &call, at);
    }
    for (account, when) in store.failures(at - LONGEST_LOCK).await? {
        let snapshot = state.snapshot.load();
        let limits = state.policy(&snapshot, &account).failure_limits();
        let failures = &state.watch.failures;
        failures.record(&account, &limits.account, when);
    }
    Ok(())
}

/// Replays what the journal holds: of what has been shipped the attempts, of the rest everything.
fn replay(
    journal: &Journal,
    state: &State,
    passed: &HashSet<String>,
    shipped: Position,
    config: &Config,
    at: Timestamp,
) -> Result<(), RestoreError> {
    let mut position = Position::default();
    let mut pending = 0;
    loop {
        let (records, next) = journal.read(position, BATCH)?;
        if records.is_empty() {
            break;
        }
        for (place, record) in records {
            let fresh = place >= shipped;
            pending += u64::from(fresh);
            match record.entry {
                Some(Entry::Decision(decision)) => {
                    check::restore(state, &decision, place, Settings::of(config), at);
                    calls::reserve(state, &decision, at);
                    if fresh {
                        habits::learn_one(state, &decision);
                        count(state, &decision);
                        challenge(state, passed, &decision, at);
                    }
                }
                Some(Entry::Call(call)) => calls::progress(state, &call, fresh, at),
                Some(Entry::Reset(reset)) => {
                    let ledger = AccountId::new(&reset.username, &reset.domain)
                        .ok()
                        .and_then(|id| state.ledger(&id));
                    if let Some(ledger) = ledger {
                        let mut ledger = ledger.lock();
                        if reset.keeps_spent {
                            if fresh {
                                ledger.reset_calls();
                            }
                            continue;
                        }
                        ledger.calls.assume_nothing();
                        if fresh {
                            let when = Timestamp::from_millisecond(reset.at).unwrap_or(at);
                            // What was passed since is in the database, which the reset cleared before.
                            let verified = ledger.verified(Day::default());
                            ledger.reset(when);
                            ledger.set_verified(verified);
                        }
                    }
                }
                _ => {}
            }
        }
        position = next;
    }
    journal.found_pending(pending);
    if pending > 0 {
        tracing::info!(
            pending,
            "decisions of before the start are still to be shipped to the database"
        );
    }
    Ok(())
}

fn count(state: &State, decision: &DecisionRecord) {
    let Some(account) = decision.account().filter(|_| decision.counted) else {
        return;
    };
    let ledger = state.ledger_or_stranger(&account);
    let mut ledger = ledger.lock();
    ledger.count(decision.day(), decision.off_hours);
    ledger.charge(decision.day(), decision.assumed());
    for grant in &decision.grants {
        ledger.adjust_grant(*grant, -1);
    }
}

/// A challenge that no call brought is known by its first opening, which it was issued with.
fn limits_challenge(
    state: &State,
    passed: &HashSet<String>,
    opened: OpenedChallenge,
    at: Timestamp,
) {
    let Some(resident) = state.accounts.get(&opened.account) else {
        return;
    };
    if passed.contains(&opened.id) {
        return;
    }
    let snapshot = state.snapshot.load();
    let policy = snapshot
        .policies
        .of_account(opened.account.domain(), resident.account.policy.as_deref());
    let lifetime = i64::from(policy.document.verification.challenge_seconds);
    let pending = Pending {
        id: opened.id,
        account: opened.account,
        about: About::Limits,
        dialed: String::new(),
        origin: Origin::default(),
        expires_at: opened.first_opened_at + SignedDuration::from_secs(lifetime),
    };
    state.challenges.restore(pending, true, at);
}

fn challenge(state: &State, passed: &HashSet<String>, decision: &DecisionRecord, at: Timestamp) {
    if decision.challenge_id.is_empty() || passed.contains(&decision.challenge_id) {
        return;
    }
    let (Some(account), Some(purpose)) = (decision.account(), purpose(decision)) else {
        return;
    };
    let Ok(expires_at) = Timestamp::from_millisecond(decision.challenge_expires_at) else {
        return;
    };
    let pending = Pending {
        id: decision.challenge_id.clone(),
        account,
        about: About::Call(purpose),
        dialed: decision.dialed_number.clone(),
        origin: Origin {
            network: decision
                .source_ip
                .parse::<IpAddr>()
                .ok()
                .map(SourceNetwork::from),
            trunk: decision.trunk.as_str().into(),
        },
        expires_at,
    };
    let known = state.accounts.get(&pending.account).is_some();
    state.challenges.restore(pending, known, at);
}
