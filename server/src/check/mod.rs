//! A call is decided: facts, engine, reservation, journal.

mod deciding;
mod emergency;
mod id;
mod record;
mod repeat;
mod source;

pub use emergency::{EmergencyAlarm, EmergencyAlarms};
pub use id::{DecisionId, NoDecisionId, first_id_of, random_id};
pub use record::{purpose, purpose_number, verdict_number};
pub use repeat::restore;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tfps_engine::{
    account::Account,
    call::{CallAttempt, FieldError, RawAttempt, domain_name},
    explain::{Explanation, explain},
    facts::{Counting, Facts, Standing},
    judge::judge_injection,
    policy::Policy,
    usage::{EmergencyThreshold, SlotTimes},
};
use tokio::sync::broadcast;

use crate::{
    auth::{Principal, Refusal},
    clock::Clock,
    config::Config,
    geo::Geography,
    journal::{DecisionRecord, Journal},
    reputation::Reputations,
    state::{Snapshot, State},
    telemetry::Metrics,
};

use deciding::Step;
use id::DecisionIds;
use record::{of_facts, of_injection, predicted, rule, used, with_call};

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
    emergency_alarms: EmergencyAlarms,
}

/// What a new configuration changes while calls are decided.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    repeat_seconds: u32,
    slots: SlotTimes,
    look_up: Duration,
    emergency: EmergencyThreshold,
}

impl Settings {
    /// From the configuration.
    pub fn of(config: &Config) -> Self {
        Self {
            repeat_seconds: config.calls.repeat_seconds,
            slots: SlotTimes {
                reserved: config.calls.reserved_seconds,
                started: config.calls.started_seconds,
            },
            look_up: Duration::from_millis(config.requests.look_up_ms),
            emergency: EmergencyThreshold {
                calls: config.emergency.alarm_calls,
                seconds: config.emergency.alarm_seconds,
            },
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
    /// How the dialed number was read, a line for each step.
    pub reading: Vec<String>,
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
            emergency_alarms: EmergencyAlarms::default(),
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

    /// Who has made too many emergency calls of late.
    pub fn emergency_alarms(&self) -> Vec<EmergencyAlarm> {
        self.emergency_alarms.of_late(self.clock.now())
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
        let mut step = self.begin(caller, raw)?;
        loop {
            step = match step {
                Step::Decided(decided) => return Ok(decided),
                Step::LooksUp(open) => Box::pin(self.look_up(*open)).await,
                Step::Waits(waiting) => Box::pin(self.wait(*waiting)).await,
            };
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
                let judgement = judge_injection(&injection, &raw.dialed, policy);
                let reading = policy.dial_plan.told(&raw.dialed);
                let mut record = of_injection(raw, policy, at);
                rule(&mut record, judgement, policy);
                return Ok(Explained {
                    record,
                    findings: Vec::new(),
                    account_known: false,
                    reading,
                });
            }
        };
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
        facts.asked_by_domain = caller.domain.is_some();
        self.place(&mut facts);
        facts.remember(Some(&ledger));
        let source = match self.recall(&facts) {
            Ok(source) => source,
            Err(unknown) => self.locate(unknown, at).await,
        };
        facts.locate(source);
        let (judgement, findings) = explain(&facts, &ledger);
        let occupancy = ledger.occupancy(facts.day, at);
        let mut record = of_facts(&facts);
        predicted(&mut record, &facts, 0);
        used(&mut record, &facts, &occupancy);
        rule(&mut record, judgement, standing.policy);
        let reading = standing.policy.dial_plan.told(&call.dialed);
        with_call(&mut record, call, String::new());
        record.latency_us = microseconds(started.elapsed());
        Ok(Explained {
            record,
            findings,
            account_known: resident.is_some(),
            reading,
        })
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
            predictor: &snapshot.predictor,
            rates: &snapshot.rates,
        }
    }
}

fn policy_of_domain<'a>(snapshot: &'a Snapshot, domain: &str) -> &'a Policy {
    let domain = domain_name(domain).unwrap_or_default();
    snapshot.policies.of_account(&domain, None)
}

fn microseconds(took: Duration) -> u32 {
    u32::try_from(took.as_micros()).unwrap_or(u32::MAX)
}
