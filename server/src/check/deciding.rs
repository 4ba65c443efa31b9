//! The way of a call, from the request to the journal.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use parking_lot::{ArcMutexGuard, Mutex, RawMutex};
use tfps_engine::{
    call::{CallAttempt, MAX_DIALED, RawAttempt, printable},
    decision::{Judgement, Purpose, Verdict},
    facts::{Counting, Facts, Standing, Standpoint, is_public},
    judge::{Paused, Stage, Trial, judge_injection},
    policy::Policy,
    usage::{Ledger, Origin},
};
use tokio::sync::Notify;

use super::{
    CheckError, Checker, Decided,
    emergency::EmergencyCall,
    id::random_id,
    microseconds, policy_of_domain,
    record::{
        ended, located, of_injection, of_judged, purpose, reserved, rule, used, verdict_number,
        with_call,
    },
    repeat::{Question, RETRIES, until},
    source::Unknown,
};
use crate::{
    auth::Principal,
    journal::{DecisionRecord, Entry, Position},
    state::{About, Claim, Claimed, Pending, Resident, Snapshot},
};

impl Checker {
    /// Decides at once, as nearly always, or tells what it waits for.
    pub(super) fn begin(
        &self,
        caller: &Principal,
        mut raw: RawAttempt,
    ) -> Result<Step<'_>, CheckError> {
        let started = Instant::now();
        let source_ip = match taken(caller, &raw) {
            Ok(source_ip) => source_ip,
            Err(error) => return self.help_despite(error, caller, raw, started),
        };
        let by_domain = caller.domain.is_some();
        let at = self.clock.now();
        let source_text = match source_ip {
            // Of an IPv4 address there is one spelling.
            Some(IpAddr::V4(_)) if !raw.source_ip.contains(':') => {
                std::mem::take(&mut raw.source_ip)
            }
            _ => String::new(),
        };
        let asked = match raw.into_attempt(source_ip) {
            Ok(call) => Asked {
                call,
                source_text,
                at,
                started,
                by_domain,
                claimed: None,
                counting: Counting::Counts,
            },
            Err(mut tampered) => {
                if !source_text.is_empty() {
                    tampered.1.source_ip = source_text;
                }
                let (injection, raw) = *tampered;
                let mut record = self.decide_unread(raw, at, |dialed, policy| {
                    judge_injection(&injection, dialed, policy)
                });
                self.write(&mut record, started, None, by_domain);
                return Ok(Step::Decided(self.watched(record)));
            }
        };
        let question = Question::of(&asked.call);
        if question.is_nameless() {
            return Ok(self.screen(asked));
        }
        let key = question.key(&self.state.recent);
        Ok(self.claim(asked, key))
    }

    /// Decides an attempt that has a name, once.
    fn claim<'a>(&'a self, mut asked: Asked<'a>, key: u64) -> Step<'a> {
        loop {
            match self.state.recent.claim(key, asked.at) {
                Claim::New(claimed) => {
                    asked.claimed = Some(claimed);
                    return self.screen(asked);
                }
                Claim::Answered(position) => {
                    let entry = self.journal.read_one(position);
                    let Some(Entry::Decision(record)) = entry.and_then(|record| record.entry)
                    else {
                        self.state.recent.forget(key, position);
                        continue;
                    };
                    match self.asked_again(&asked, key, position, &record) {
                        Repeat::Retry => {
                            self.metrics.repeated.inc();
                            return Step::Decided(Decided {
                                record,
                                repeated: true,
                            });
                        }
                        Repeat::Goes(counting) => {
                            asked.counting = counting;
                            self.state.recent.forget(key, position);
                        }
                        Repeat::Other => return self.screen(asked),
                    }
                }
                Claim::Wait(decided) => {
                    return Step::Waits(Box::new(Waiting {
                        asked,
                        key,
                        decided,
                    }));
                }
            }
        }
    }

    /// What asking again comes to, where something of the same key was answered. A challenge that was passed can't be met once
    /// more: after it the switch asks what has become of the call.
    fn asked_again(
        &self,
        asked: &Asked<'_>,
        key: u64,
        position: Position,
        record: &DecisionRecord,
    ) -> Repeat {
        if !Question::of(&asked.call).was_answered_by(record) {
            return Repeat::Other;
        }
        let age = asked.at.as_millisecond().saturating_sub(record.decided_at);
        let is_retry = age < i64::from(self.settings().repeat_seconds) * 1_000;
        if !record.challenge_id.is_empty() {
            let waits = self.state.challenges.waits(&record.challenge_id, asked.at);
            return match (waits, is_retry) {
                (true, true) => Repeat::Retry,
                (true, false) => Repeat::Goes(Counting::Counts),
                (false, _) => Repeat::Goes(Counting::Again),
            };
        }
        if record.verdict != verdict_number(Verdict::Allow) {
            return if is_retry {
                Repeat::Retry
            } else {
                Repeat::Goes(Counting::Counts)
            };
        }
        // A call that has ended is not set up any more, and one INVITE is not answered for ever.
        let recent = &self.state.recent;
        if recent.has_ended(&asked.call.account, record) || !recent.retry(key, position) {
            return Repeat::Other;
        }
        Repeat::Retry
    }

    /// Waits until the same Call-ID, which is being decided, is.
    pub(super) async fn wait<'a>(&'a self, waiting: Waiting<'a>) -> Step<'a> {
        let decided = waiting.decided.notified();
        let _ = tokio::time::timeout(Duration::from_millis(20), decided).await;
        self.claim(waiting.asked, waiting.key)
    }

    /// Goes on once it is known where the call comes from.
    pub(super) async fn look_up<'a>(&'a self, open: Open<'a>) -> Step<'a> {
        let source = self.locate(open.unknown, open.asked.at).await;
        self.judge(open, source)
    }

    /// Asks the rules that need nothing but memory; and all others, where memory tells where the call comes from.
    fn screen<'a>(&'a self, asked: Asked<'a>) -> Step<'a> {
        let resident = self.state.accounts.get(&asked.call.account);
        let snapshot = self.state.snapshot.load();
        let mut trial = Trial::new(self.facts(&asked, resident.as_deref(), &snapshot));
        if trial.facts.emergency && asked.counting == Counting::Counts {
            let call = &asked.call;
            let emergency = EmergencyCall {
                account: call.account.as_str().into(),
                domain: call.account.domain(),
                source_ip: call.source_ip,
            };
            self.count_emergency(&emergency, asked.at);
        }
        let outcome = match trial.screen() {
            Stage::Ends(judgement) => (ended(&trial.facts, judgement, resident.as_deref()), None),
            Stage::Settled => self.settle(trial, resident.as_deref()),
            Stage::GoesOn => match self.recall(&trial.facts) {
                Err(unknown) => {
                    let paused = trial.pause();
                    return Step::LooksUp(Box::new(Open {
                        asked,
                        paused,
                        unknown,
                    }));
                }
                Ok(source) => {
                    trial.facts.locate(source);
                    self.judge_located(trial, resident.as_deref())
                }
            },
        };
        self.conclude(outcome, asked, resident.as_deref(), &snapshot)
    }

    fn judge<'a>(&'a self, Open { asked, paused, .. }: Open<'a>, source: Standpoint) -> Step<'a> {
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
        let account = resident.map(|resident| &resident.account);
        let standing = self.standing(snapshot, &asked.call, account);
        let mut facts = Facts::gather(&asked.call, standing, asked.at, asked.counting);
        facts.asked_by_domain = asked.by_domain;
        self.place(&mut facts);
        facts.remember(resident.map(|resident| resident.ledger.lock()).as_deref());
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
        let facts = trial.facts.clone();
        let id = self.ids.next(facts.at.as_millisecond());
        let (judgement, reservation) = trial.reserve(&mut ledger, id.0, self.settings().slots);
        let occupancy = ledger.occupancy(facts.day, facts.at);
        let mut record = of_judged(&facts, judgement);
        record.id = id.to_string();
        used(&mut record, &facts, &occupancy);
        reserved(&mut record, &reservation);
        (record, Some(ledger))
    }

    /// Completes a decision and writes it to the journal.
    fn conclude<'a>(
        &self,
        (mut record, ledger): Outcome,
        asked: Asked<'a>,
        resident: Option<&Resident>,
        snapshot: &Snapshot,
    ) -> Step<'a> {
        if let Some(purpose) = purpose(&record) {
            let account = resident.map(|resident| &resident.account);
            let standing = self.standing(snapshot, &asked.call, account);
            self.challenge(&mut record, purpose, &asked, standing);
        }
        with_call(&mut record, asked.call, asked.source_text);
        self.write(&mut record, asked.started, asked.claimed, asked.by_domain);
        drop(ledger);
        Step::Decided(self.watched(record))
    }

    fn challenge(
        &self,
        record: &mut DecisionRecord,
        purpose: Purpose,
        asked: &Asked<'_>,
        standing: Standing<'_>,
    ) {
        let lifetime = i64::from(standing.policy.document.verification.challenge_seconds);
        let new = Pending {
            id: String::new(),
            account: asked.call.account.clone(),
            about: About::Call(purpose),
            dialed: asked.call.dialed.clone(),
            origin: Origin::of(&asked.call),
            expires_at: asked.at + jiff::SignedDuration::from_secs(lifetime),
        };
        let known = standing.account.is_some();
        let challenges = &self.state.challenges;
        let pending = challenges.issue(new, known, asked.at, random_id);
        record.challenge_expires_at = pending.expires_at.as_millisecond();
        record.challenge_id = pending.id;
    }

    /// What a switch does wrong stops no call for help: it is recorded with as much as can be.
    fn help_despite(
        &self,
        error: CheckError,
        caller: &Principal,
        mut raw: RawAttempt,
        started: Instant,
    ) -> Result<Step<'_>, CheckError> {
        if let Some(domain) = &caller.domain {
            raw.domain = domain.to_string();
        }
        let snapshot = self.state.snapshot.load();
        let policy = policy_of_domain(&snapshot, &raw.domain);
        if raw.dialed.len() > MAX_DIALED || !policy.dial_plan.is_emergency(&raw.dialed) {
            return Err(error);
        }
        raw.cut();
        let at = self.clock.now();
        let mut record = self.decide_unread(raw, at, |_, _| Judgement::emergency());
        self.write(&mut record, started, None, caller.domain.is_some());
        Ok(Step::Decided(self.watched(record)))
    }

    /// Decides a call whose fields don't make an attempt.
    fn decide_unread(
        &self,
        raw: RawAttempt,
        at: Timestamp,
        judge: impl FnOnce(&str, &Policy) -> Judgement,
    ) -> DecisionRecord {
        let snapshot = self.state.snapshot.load();
        let policy = policy_of_domain(&snapshot, &raw.domain);
        let judgement = judge(&raw.dialed, policy);
        if policy.dial_plan.is_emergency(&raw.dialed) {
            let domain = raw.domain.to_ascii_lowercase();
            let emergency = EmergencyCall {
                account: printable(&format!("{}@{domain}", raw.username))
                    .into_owned()
                    .into(),
                domain: &domain,
                source_ip: raw.source_ip().ok().flatten(),
            };
            self.count_emergency(&emergency, at);
        }
        let mut record = of_injection(raw, policy, at);
        if let Ok(ip) = record.source_ip.parse()
            && is_public(ip)
        {
            located(&mut record, self.geography.place(ip));
        }
        rule(&mut record, judgement, policy);
        record
    }

    fn count_emergency(&self, call: &EmergencyCall<'_>, at: Timestamp) {
        let counted = (&self.state.watch, self.settings().emergency);
        self.emergency_alarms
            .count(counted, call, at, &self.metrics);
    }

    fn write(
        &self,
        record: &mut DecisionRecord,
        started: Instant,
        claimed: Option<Claimed<'_>>,
        by_domain: bool,
    ) {
        if record.id.is_empty() {
            record.id = self.ids.next(record.decided_at).to_string();
        }
        let took = started.elapsed();
        record.latency_us = microseconds(took);
        let at = record.time();
        if let Ok(code) = record.code.parse() {
            self.metrics.decided(code, took);
            // What a tenant's switch says of a source is not told to others.
            if !by_domain {
                self.tell_denied(record, code, at);
            }
        }
        let position = self.journal.append_decision(record);
        match (position, claimed) {
            (Ok(position), Some(claimed)) => {
                let until = until(record, self.settings().repeat_seconds);
                claimed.answer(position, until, RETRIES);
            }
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
}

/// The source of a request that can be decided.
fn taken(caller: &Principal, raw: &RawAttempt) -> Result<Option<IpAddr>, CheckError> {
    raw.check_bounds()?;
    let source_ip = raw.source_ip()?;
    caller.require_domain(&raw.domain)?;
    Ok(source_ip)
}

/// What asking again comes to.
enum Repeat {
    /// A retry: it gets the same decision.
    Retry,
    /// It is decided anew, and that is its decision from now on.
    Goes(Counting),
    /// Another call: it is decided by itself, and what was answered stays what it is.
    Other,
}

/// A call that is being decided.
pub(super) struct Asked<'a> {
    call: CallAttempt,
    /// The address as it is recorded; empty where it was spelled otherwise.
    source_text: String,
    at: Timestamp,
    started: Instant,
    /// Whether who asks is bound to a domain.
    by_domain: bool,
    claimed: Option<Claimed<'a>>,
    counting: Counting,
}

/// How far deciding has got.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly always it is the large one"
)]
pub(super) enum Step<'a> {
    Decided(Decided),
    /// Something has to be looked up first.
    LooksUp(Box<Open<'a>>),
    /// The same call is being decided.
    Waits(Box<Waiting<'a>>),
}

/// A call whose source has to be looked up.
pub(super) struct Open<'a> {
    asked: Asked<'a>,
    paused: Paused,
    unknown: Unknown,
}

/// A call that is being decided for somebody else.
pub(super) struct Waiting<'a> {
    asked: Asked<'a>,
    key: u64,
    decided: Arc<Notify>,
}

/// A decision, and the ledger that it was taken from, still locked.
type Outcome = (DecisionRecord, Option<ArcMutexGuard<RawMutex, Ledger>>);
