//! A call is decided: facts, engine, reservation, journal.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::{Timestamp, tz::TimeZone};
use parking_lot::{ArcMutexGuard, Mutex, RawMutex};
use tfps_engine::{
    account::Account,
    call::{CallAttempt, FieldError, Injection, RawAttempt, domain_name, printable},
    decision::{Judgement, Purpose, Verdict},
    explain::{Explanation, explain},
    facts::{Counting, Facts, Standing, Standpoint},
    judge::{Paused, Reservation, Stage, Trial, judge_injection},
    number::{NumberKind, Validity},
    policy::{Policy, ResponseMode},
    usage::{Day, Ledger, Occupancy, SlotTimes},
};
use tokio::sync::broadcast;

use crate::{
    auth::{Principal, Refusal},
    clock::Clock,
    config::Config,
    geo::Geography,
    journal::{DecisionRecord, Entry, Journal, Record},
    reputation::Reputations,
    state::{Claim, Claimed, Resident, Snapshot, State},
    telemetry::Metrics,
};

/// Decides calls.
pub struct Checker {
    state: Arc<State>,
    journal: Arc<Journal>,
    reputations: Arc<dyn Reputations>,
    geography: Arc<dyn Geography>,
    clock: Clock,
    metrics: Metrics,
    settings: arc_swap::ArcSwap<Settings>,
    watchers: broadcast::Sender<Arc<DecisionRecord>>,
    ids: DecisionIds,
}

/// What a new configuration changes while calls are decided.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    call_id_seconds: u32,
    slots: SlotTimes,
    look_up: Duration,
}

impl Settings {
    /// From the configuration.
    pub fn of(config: &Config) -> Self {
        Self {
            call_id_seconds: config.calls.call_id_seconds,
            slots: SlotTimes {
                reserved: config.calls.reserved_seconds,
                started: config.calls.started_seconds,
            },
            look_up: Duration::from_millis(config.requests.look_up_ms),
        }
    }

    /// How long calls hold their slots.
    pub fn slots(&self) -> SlotTimes {
        self.slots
    }
}

/// Why a request was not decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// A field is missing, too long or of the wrong form.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The token is for something else.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A decision, and whether it is an old one told again.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The decision.
    pub record: DecisionRecord,
    /// Whether the same call was asked for before.
    pub repeated: bool,
}

/// A dry run with every rule's finding.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What would be decided.
    pub record: DecisionRecord,
    /// What each rule found.
    pub findings: Vec<Explanation>,
    /// Whether the account is known.
    pub account_known: bool,
}

/// What a checker works with.
pub struct Parts {
    /// What is in memory.
    pub state: Arc<State>,
    /// Where decisions are written.
    pub journal: Arc<Journal>,
    /// Who knows the reputation of addresses.
    pub reputations: Arc<dyn Reputations>,
    /// Who knows their country.
    pub geography: Arc<dyn Geography>,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// What a new configuration changes.
    pub settings: Settings,
    /// Tells this process from others in decision ids.
    pub instance: u32,
}

impl Checker {
    /// Puts a checker together.
    pub fn new(parts: Parts) -> Self {
        Self {
            state: parts.state,
            journal: parts.journal,
            reputations: parts.reputations,
            geography: parts.geography,
            clock: parts.clock,
            metrics: parts.metrics,
            settings: arc_swap::ArcSwap::from_pointee(parts.settings),
            watchers: broadcast::channel(4_096).0,
            ids: DecisionIds::new(parts.instance),
        }
    }

    /// Takes new settings.
    pub fn set(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// The settings in force.
    pub fn settings(&self) -> Settings {
        **self.settings.load()
    }

    /// The decisions as they are made.
    pub fn watch(&self) -> broadcast::Receiver<Arc<DecisionRecord>> {
        self.watchers.subscribe()
    }

    /// Decides a call.
    ///
    /// # Errors
    /// When the request is wrong or the token is for something else.
    pub async fn check(&self, caller: &Principal, raw: RawAttempt) -> Result<Decided, CheckError> {
        let started = Instant::now();
        raw.check_bounds()?;
        let source_ip = raw.source_ip()?;
        caller.require_domain(&raw.domain)?;
        let at = self.clock.now();
        let call = match raw.into_attempt(source_ip) {
            Ok(call) => call,
            Err(tampered) => {
                let record = self.decide_injection(*tampered, at);
                return Ok(self.answered(record, started));
            }
        };
        if call.call_id.is_empty() {
            let record = self
                .decide(Asked {
                    call,
                    at,
                    started,
                    claimed: None,
                })
                .await;
            return Ok(self.watched(record));
        }
        let key =
            self.state
                .recent
                .key((&call.account, call.call_id.as_str(), call.dialed.as_str()));
        let lifetime = self.settings().call_id_seconds;
        loop {
            match self.state.recent.claim(key, lifetime, at) {
                Claim::New(claimed) => {
                    let record = self
                        .decide(Asked {
                            call,
                            at,
                            started,
                            claimed: Some(claimed),
                        })
                        .await;
                    return Ok(self.watched(record));
                }
                Claim::Answered(position) => match self
                    .journal
                    .read_one(position)
                    .and_then(|record| record.entry)
                {
                    Some(Entry::Decision(record)) => {
                        self.metrics.repeated.inc();
                        return Ok(Decided {
                            record,
                            repeated: true,
                        });
                    }
                    _ => self.state.recent.forget(key),
                },
                Claim::Wait(decided) => {
                    let _ =
                        tokio::time::timeout(Duration::from_millis(20), decided.notified()).await;
                }
            }
        }
    }

    /// Decides a call as if it were made at a time, and changes nothing.
    ///
    /// # Errors
    /// When the request is wrong or the token is for something else.
    pub async fn explain(
        &self,
        caller: &Principal,
        raw: RawAttempt,
        at: Option<Timestamp>,
    ) -> Result<Explained, CheckError> {
        let started = Instant::now();
        raw.check_bounds()?;
        let source_ip = raw.source_ip()?;
        caller.require_domain(&raw.domain)?;
        let at = at.unwrap_or_else(|| self.clock.now());
        let call = match raw.into_attempt(source_ip) {
            Ok(call) => call,
            Err(tampered) => {
                let (injection, raw) = *tampered;
                let snapshot = self.state.snapshot.load_full();
                let policy = policy_of_domain(&snapshot, &raw.domain);
                let judgement = judge_injection(&injection, policy);
                let mut record = of_injection(raw, policy, at);
                rule(&mut record, judgement, policy);
                return Ok(Explained {
                    record,
                    findings: Vec::new(),
                    account_known: false,
                });
            }
        };
        let source = self.locate(call.source_ip).await;
        let resident = self.state.accounts.get(&call.account);
        let snapshot = self.state.snapshot.load_full();
        let ledger = self
            .state
            .ledger(&call.account)
            .map(|ledger| ledger.lock().clone())
            .unwrap_or_default();
        let account = resident.as_deref().map(|resident| &resident.account);
        let standing = self.standing(&snapshot, &call, account);
        let mut facts = Facts::gather(&call, standing, at, Counting::Peeks);
        facts.granted = ledger.granted(at);
        facts.locate(source);
        let (judgement, findings) = explain(&facts, &ledger);
        let occupancy = ledger.occupancy(facts.day, at);
        let mut record = of_facts(&facts);
        used(&mut record, &facts, &occupancy);
        rule(&mut record, judgement, standing.policy);
        with_call(&mut record, call);
        record.latency_us = microseconds(started.elapsed());
        Ok(Explained {
            record,
            findings,
            account_known: resident.is_some(),
        })
    }

    async fn decide(&self, asked: Asked<'_>) -> DecisionRecord {
        match self.screen(asked) {
            Screened::Decided(record) => record,
            Screened::NeedsLookUp(asked, paused) => {
                let source = self.locate(asked.call.source_ip).await;
                self.judge(asked, paused, source)
            }
        }
    }

    /// Asks the rules that need nothing but memory; and all others, where memory tells where the call comes from.
    fn screen<'a>(&self, asked: Asked<'a>) -> Screened<'a> {
        let resident = self.state.accounts.get(&asked.call.account);
        let snapshot = self.state.snapshot.load();
        let mut trial = Trial::new(self.facts(&asked, resident.as_deref(), &snapshot));
        let outcome = match trial.screen() {
            Stage::Ends(judgement) => (ended(&trial.facts, judgement, resident.as_deref()), None),
            Stage::Settled => self.settle(trial, resident.as_deref()),
            Stage::GoesOn => match self.recall(trial.facts.source_to_look_up()) {
                None => {
                    let paused = trial.pause();
                    return Screened::NeedsLookUp(asked, paused);
                }
                Some(source) => {
                    trial.facts.locate(source);
                    self.judge_located(trial, resident.as_deref())
                }
            },
        };
        Screened::Decided(self.conclude(outcome, asked, resident.as_deref(), &snapshot))
    }

    /// Goes on once it is known where the call comes from.
    fn judge(&self, asked: Asked<'_>, paused: Paused, source: Standpoint) -> DecisionRecord {
        let resident = self.state.accounts.get(&asked.call.account);
        let snapshot = self.state.snapshot.load();
        let mut facts = self.facts(&asked, resident.as_deref(), &snapshot);
        facts.locate(source);
        let outcome = self.judge_located(Trial::resume(facts, paused), resident.as_deref());
        self.conclude(outcome, asked, resident.as_deref(), &snapshot)
    }

    fn facts<'a>(
        &'a self,
        asked: &'a Asked<'_>,
        resident: Option<&'a Resident>,
        snapshot: &'a Snapshot,
    ) -> Facts<'a> {
        let standing = self.standing(
            snapshot,
            &asked.call,
            resident.map(|resident| &resident.account),
        );
        let mut facts = Facts::gather(&asked.call, standing, asked.at, Counting::Counts);
        facts.granted = resident
            .map(|resident| resident.ledger.lock().granted(asked.at))
            .unwrap_or_default();
        facts
    }

    fn judge_located(&self, mut trial: Trial<'_>, resident: Option<&Resident>) -> Outcome {
        match trial.judge() {
            Stage::Ends(judgement) => (ended(&trial.facts, judgement, resident), None),
            Stage::GoesOn | Stage::Settled => self.settle(trial, resident),
        }
    }

    /// Takes a slot and a place in the quota. The ledger stays locked until the decision stands in the journal, so
    /// that the two agree whatever happens between them.
    fn settle(&self, trial: Trial<'_>, resident: Option<&Resident>) -> Outcome {
        let ledger = match resident {
            Some(resident) => Arc::clone(&resident.ledger),
            None => self.state.ledger_or_stranger(&trial.facts.call.account),
        };
        let mut ledger = Mutex::lock_arc(&ledger);
        let key = self.slot_key(trial.facts.call);
        let facts = trial.facts.clone();
        let (judgement, reservation) = trial.reserve(&mut ledger, key, self.settings().slots);
        let occupancy = ledger.occupancy(facts.day, facts.at);
        let mut record = of_judged(&facts, judgement);
        used(&mut record, &facts, &occupancy);
        reserved(&mut record, &reservation);
        (record, Some(ledger))
    }

    /// Completes a decision and writes it to the journal.
    fn conclude(
        &self,
        (mut record, ledger): Outcome,
        asked: Asked<'_>,
        resident: Option<&Resident>,
        snapshot: &Snapshot,
    ) -> DecisionRecord {
        if let Some(purpose) = purpose(&record) {
            let policy = self
                .standing(
                    snapshot,
                    &asked.call,
                    resident.map(|resident| &resident.account),
                )
                .policy;
            self.challenge(&mut record, purpose, &asked, policy);
        }
        with_call(&mut record, asked.call);
        self.write(&mut record, asked.started, asked.claimed);
        drop(ledger);
        record
    }

    fn challenge(
        &self,
        record: &mut DecisionRecord,
        purpose: Purpose,
        asked: &Asked<'_>,
        policy: &Policy,
    ) {
        let lifetime = i64::from(policy.document.verification.challenge_seconds);
        let expires_at = asked.at + jiff::SignedDuration::from_secs(lifetime);
        let pending = self.state.challenges.issue(
            &asked.call.account,
            purpose,
            &asked.call.dialed,
            asked.at,
            expires_at,
            random_id,
        );
        record.challenge_expires_at = pending.expires_at.as_millisecond();
        record.challenge_id = pending.id;
    }

    fn decide_injection(
        &self,
        (injection, raw): (Injection, RawAttempt),
        at: Timestamp,
    ) -> DecisionRecord {
        let snapshot = self.state.snapshot.load();
        let policy = policy_of_domain(&snapshot, &raw.domain);
        let judgement = judge_injection(&injection, policy);
        let mut record = of_injection(raw, policy, at);
        rule(&mut record, judgement, policy);
        record
    }

    fn answered(&self, mut record: DecisionRecord, started: Instant) -> Decided {
        self.write(&mut record, started, None);
        self.watched(record)
    }

    fn write(&self, record: &mut DecisionRecord, started: Instant, claimed: Option<Claimed<'_>>) {
        record.id = self.ids.next(record.decided_at);
        let took = started.elapsed();
        record.latency_us = microseconds(took);
        if let Ok(code) = record.code.parse() {
            self.metrics.decided(code, took);
        }
        let at = record.time();
        let entry = Record {
            entry: Some(Entry::Decision(std::mem::take(record))),
        };
        let position = self.journal.append(&entry);
        if let Some(Entry::Decision(decision)) = entry.entry {
            *record = decision;
        }
        match (position, claimed) {
            (Ok(position), Some(claimed)) => claimed.answer(position, at),
            (Ok(_), None) => {}
            (Err(error), _) => tracing::debug!(%error, "a decision could not be recorded"),
        }
    }

    fn watched(&self, record: DecisionRecord) -> Decided {
        if self.watchers.receiver_count() > 0 {
            let _ = self.watchers.send(Arc::new(record.clone()));
        }
        Decided {
            record,
            repeated: false,
        }
    }

    fn standing<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        call: &CallAttempt,
        account: Option<&'a Account>,
    ) -> Standing<'a> {
        let named = account.and_then(|account| account.policy.as_deref());
        Standing {
            policy: snapshot.policies.of_account(call.account.domain(), named),
            account,
            lists: &snapshot.lists,
            watch: &self.state.watch,
        }
    }

    /// The key of a call's slot: its Call-ID, or a key of its own.
    fn slot_key(&self, call: &CallAttempt) -> u64 {
        if call.call_id.is_empty() {
            return u64::from(self.ids.sequence.load(Ordering::Relaxed)) << 32
                | u64::from(self.ids.instance);
        }
        self.state
            .recent
            .key((&call.account, call.call_id.as_str()))
    }

    /// Where an address is, from memory; `None`: a look-up may tell more.
    fn recall(&self, ip: Option<std::net::IpAddr>) -> Option<Standpoint> {
        let Some(ip) = ip else {
            return Some(Standpoint::default());
        };
        let reputation = self.reputations.recall(ip)?;
        Some(Standpoint {
            country: self.geography.country(ip),
            abuse_confidence: reputation.abuse_confidence,
            apiban: reputation.apiban,
        })
    }

    async fn locate(&self, ip: Option<std::net::IpAddr>) -> Standpoint {
        let public = ip.filter(|ip| tfps_engine::facts::is_public(*ip));
        if let Some(source) = self.recall(public) {
            return source;
        }
        let Some(ip) = public else {
            return Standpoint::default();
        };
        let budget = self.settings().look_up;
        let reputation = match tokio::time::timeout(budget, self.reputations.look_up(ip)).await {
            Ok(reputation) => reputation,
            Err(_) => {
                self.metrics.look_ups_late.inc();
                crate::reputation::Reputation::default()
            }
        };
        Standpoint {
            country: self.geography.country(ip),
            abuse_confidence: reputation.abuse_confidence,
            apiban: reputation.apiban,
        }
    }
}

/// A call that is being decided.
struct Asked<'a> {
    call: CallAttempt,
    at: Timestamp,
    started: Instant,
    claimed: Option<Claimed<'a>>,
}

/// What the first stage came to.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly always it is the large one"
)]
enum Screened<'a> {
    Decided(DecisionRecord),
    NeedsLookUp(Asked<'a>, Paused),
}

/// A decision, and the ledger that it was taken from, still locked.
type Outcome = (DecisionRecord, Option<ArcMutexGuard<RawMutex, Ledger>>);

fn policy_of_domain<'a>(snapshot: &'a Snapshot, domain: &str) -> &'a Policy {
    let domain = domain_name(domain).unwrap_or_default();
    snapshot.policies.of_account(&domain, None)
}

fn of_facts(facts: &Facts<'_>) -> DecisionRecord {
    let destination = facts.destination.as_ref().ok();
    DecisionRecord {
        decided_at: facts.at.as_millisecond(),
        e164: destination
            .map(|to| to.number.as_str().to_owned())
            .unwrap_or_default(),
        destination_country: facts
            .destination_country()
            .map(|country| country.code().to_owned())
            .unwrap_or_default(),
        source_country: facts
            .source
            .country
            .map(|country| country.code().to_owned())
            .unwrap_or_default(),
        number_kind: destination
            .map(|to| kind_number(to.plan.kind, to.plan.validity))
            .unwrap_or_default(),
        off_hours: facts.off_hours,
        day: facts.day.digits(),
        ..DecisionRecord::default()
    }
}

fn of_judged(facts: &Facts<'_>, judgement: Judgement) -> DecisionRecord {
    let mut record = of_facts(facts);
    rule(&mut record, judgement, facts.policy());
    record
}

/// A decision that takes nothing from its account.
fn ended(facts: &Facts<'_>, judgement: Judgement, resident: Option<&Resident>) -> DecisionRecord {
    let mut record = of_judged(facts, judgement);
    if let Some(resident) = resident {
        let occupancy = resident.ledger.lock().occupancy(facts.day, facts.at);
        used(&mut record, facts, &occupancy);
    }
    record
}

fn of_injection(raw: RawAttempt, policy: &Policy, at: Timestamp) -> DecisionRecord {
    DecisionRecord {
        decided_at: at.as_millisecond(),
        username: owned(raw.username),
        domain: owned(raw.domain).to_lowercase(),
        dialed_number: owned(raw.dialed),
        caller_number: owned(raw.caller),
        source_ip: raw.source_ip,
        user_agent: owned(raw.user_agent),
        concurrent_calls: raw.concurrent_calls,
        call_id: owned(raw.call_id),
        forwarded_from: owned(raw.forwarded_from),
        trunk: owned(raw.trunk),
        off_hours: !policy.hours.is_open(at),
        day: Day::of(policy.local(at).date()).digits(),
        ..DecisionRecord::default()
    }
}

fn with_call(record: &mut DecisionRecord, call: CallAttempt) {
    record.username = call.account.username().to_owned();
    record.domain = call.account.domain().to_owned();
    record.dialed_number = call.dialed;
    record.caller_number = call.caller;
    record.source_ip = call.source_ip.map(|ip| ip.to_string()).unwrap_or_default();
    record.user_agent = call.user_agent;
    record.concurrent_calls = call.concurrent_calls;
    record.call_id = call.call_id;
    record.forwarded_from = call.forwarded_from;
    record.trunk = call.trunk;
}

fn rule(record: &mut DecisionRecord, judgement: Judgement, policy: &Policy) {
    let ruling = judgement.ruling;
    record.verdict = verdict_number(ruling.verdict);
    record.code = ruling.code.as_str().to_owned();
    record.reason = ruling.reason.into_owned();
    if let Some(purpose) = ruling.purpose {
        record.purpose = purpose_number(purpose);
        record.purpose_country = purpose
            .country()
            .map(|country| country.code().to_owned())
            .unwrap_or_default();
    }
    if let Some(monitored) = judgement.monitored {
        record.monitored_verdict = verdict_number(monitored.verdict);
        record.monitored_code = monitored.code.as_str().to_owned();
        record.monitored_reason = monitored.reason.into_owned();
    }
    record.policy.clone_from(&policy.document.name);
    record.redirects = policy.document.response_mode == ResponseMode::Redirect302;
}

fn used(record: &mut DecisionRecord, facts: &Facts<'_>, occupancy: &Occupancy) {
    let (concurrent_limit, daily_quota) = facts.limits().in_hours(facts.off_hours);
    record.concurrent = facts.call.concurrent_calls.unwrap_or(occupancy.concurrent);
    record.concurrent_limit = concurrent_limit;
    record.calls_today = occupancy.today_in(facts.off_hours);
    record.daily_quota = daily_quota;
}

fn reserved(record: &mut DecisionRecord, reservation: &Reservation) {
    record.counted = reservation.counted;
    record.slot_until = reservation.slot_until.unwrap_or_default();
    record.grants = reservation.grants.into_iter().flatten().collect();
}

/// The verdict as the API numbers it.
pub fn verdict_number(verdict: Verdict) -> i32 {
    match verdict {
        Verdict::Allow => 1,
        Verdict::Deny => 2,
        Verdict::Challenge => 3,
    }
}

/// The purpose as the API numbers it.
pub fn purpose_number(purpose: Purpose) -> i32 {
    match purpose {
        Purpose::Onboarding => 1,
        Purpose::SourceCountry(_) => 2,
        Purpose::DestinationCountry(_) => 3,
        Purpose::Quota => 4,
        Purpose::QuotaOffHours => 5,
        Purpose::Risk => 6,
    }
}

/// The purpose of a recorded challenge.
pub fn purpose(record: &DecisionRecord) -> Option<Purpose> {
    let country = |code: &str| tfps_engine::number::Country::from_code(code).ok();
    match record.purpose {
        1 => Some(Purpose::Onboarding),
        2 => country(&record.source_country).map(Purpose::SourceCountry),
        3 => country(&record.destination_country).map(Purpose::DestinationCountry),
        4 => Some(Purpose::Quota),
        5 => Some(Purpose::QuotaOffHours),
        6 => Some(Purpose::Risk),
        _ => None,
    }
}

/// The sort of number as the API numbers it.
fn kind_number(kind: NumberKind, validity: Validity) -> i32 {
    if validity != Validity::Valid {
        return 13;
    }
    match kind {
        NumberKind::FixedLine => 1,
        NumberKind::Mobile => 2,
        NumberKind::FixedLineOrMobile => 3,
        NumberKind::TollFree => 4,
        NumberKind::PremiumRate => 5,
        NumberKind::SharedCost => 6,
        NumberKind::Voip => 7,
        NumberKind::PersonalNumber => 8,
        NumberKind::Pager => 9,
        NumberKind::Uan => 10,
        NumberKind::Voicemail => 11,
        NumberKind::Satellite => 12,
        NumberKind::Unknown => 13,
    }
}

/// What can be stored and shown, without copying what already can.
fn owned(text: String) -> String {
    match printable(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(spelled) => spelled,
    }
}

fn microseconds(took: Duration) -> u32 {
    u32::try_from(took.as_micros()).unwrap_or(u32::MAX)
}

/// 128 random bits, as 32 hexadecimal digits.
pub fn random_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .expect("the machine has randomness, or the server would not have started");
    hex(u128::from_be_bytes(bytes), 32)
}

/// Makes ids of decisions: 24 hexadecimal digits that sort by time.
#[derive(Debug)]
struct DecisionIds {
    sequence: AtomicU32,
    instance: u32,
}

impl DecisionIds {
    fn new(instance: u32) -> Self {
        Self {
            sequence: AtomicU32::new(0),
            instance: instance & 0xf_ffff,
        }
    }

    /// 44 bits of milliseconds, 32 bits of sequence, 20 bits that tell this process.
    fn next(&self, millisecond: i64) -> String {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let time = u128::from(millisecond.unsigned_abs()) & ((1 << 44) - 1);
        hex(
            time << 52 | u128::from(sequence) << 20 | u128::from(self.instance),
            24,
        )
    }
}

fn hex(number: u128, digits: usize) -> String {
    let mut text = String::with_capacity(digits);
    for place in (0..digits).rev() {
        let nibble = (number >> (4 * place)) & 15;
        text.push(char::from(b"0123456789abcdef"[nibble as usize]));
    }
    text
}

/// What the ids of decisions from a moment on sort after.
pub fn first_id_of(at: Timestamp) -> String {
    hex(
        u128::from(at.as_millisecond().max(0).unsigned_abs()) & ((1 << 44) - 1),
        11,
    )
}

/// The day of a moment in UTC, as YYYYMMDD.
pub fn day_digits(at: Timestamp) -> i32 {
    Day::of(TimeZone::UTC.to_datetime(at).date()).digits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_decisions_sort_by_time() {
        let ids = DecisionIds::new(7);
        let at: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        let (first, second) = (ids.next(at.as_millisecond()), ids.next(at.as_millisecond()));
        let later = ids.next(at.as_millisecond() + 1);
        assert!(first < second && second < later, "{first} {second} {later}");
        assert!(
            first_id_of(at) < first
                && second < first_id_of(at + jiff::SignedDuration::from_millis(1))
        );
        assert_eq!(first.len(), 24);
    }
}
